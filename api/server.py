"""The API process: one event loop on a port that several processes may share, ended without losing a request."""

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import uvicorn

from api.app import create_app
from domain.values import local_day
from infrastructure import log_lines
from infrastructure.bootstrap import Platform, platform
from infrastructure.process_memory import prepare_memory
from infrastructure.scheduler import prepare_day
from infrastructure.settings import Settings

GRACE_SECONDS = 30
BACKLOG = 2_048
SWITCH_SECONDS = 0.001
"""How long the event loop may hold the interpreter while the writing thread wants it: a fifth of the default,
because every commit needs the interpreter back a few times."""

_log = logging.getLogger(__name__)
Ready = Callable[[int], None]
"""Told the port once requests are answered."""


def listen(settings: Settings) -> socket.socket:
    """A socket on the API's address that other processes may bind too; the kernel spreads connections."""
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((settings.http_host, settings.http_port))
    return made


def serve(
    settings: Settings, *, sockets: Sequence[socket.socket] | None = None, ready: Ready | None = None
) -> None:
    """Answer requests until SIGTERM or SIGINT, finish those in flight, write what waits, return."""
    log_lines.configure(settings.log_level)
    with platform(settings) as made:
        asyncio.run(_prepare(made))
        server = Server(_configuration(made), ready=ready)
        _settle_memory()
        _log.info("the API starts", extra={"port": settings.http_port})
        server.run(list(sockets or [listen(settings)]))
    _log.info("the API has ended")


class Server(uvicorn.Server):
    """uvicorn's server that says when it is ready and returns on a signal instead of dying of it."""

    def __init__(self, config: uvicorn.Config, *, ready: Ready | None = None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready(self.servers[0].sockets[0].getsockname()[1])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving. The original raises them again, which would skip the last writes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _configuration(made: Platform) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(made),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


async def _prepare(made: Platform) -> None:
    """Keys and partitions of today and tomorrow, so that the API works before a scheduler ran."""
    today = local_day(await made.store.now())
    for day in (today, today + timedelta(days=1)):
        await prepare_day(made, day)


def _settle_memory() -> None:
    """What lives as long as the process is looked at by no collection any more."""
    sys.setswitchinterval(SWITCH_SECONDS)
    prepare_memory()
