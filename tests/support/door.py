"""A real API on a real port in a thread, for tests that knock at it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import uvicorn

from api.app import create_app
from api.server import Server, listen
from infrastructure.bootstrap import Platform
from tests.support.sample import Sample

Value = TypeVar("Value")
READY_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An API over a platform with the sample account; `client` carries its key."""

    platform: Platform
    sample: Sample
    client: httpx.Client
    port: int

    def events(self) -> int:
        """How many facts there are."""
        rows = self.platform.store.recorder.rows(
            f"SELECT count(*) FROM {self.platform.settings.db_schema}.stored_events"
        )
        return int(rows[0][0])

    def as_key(self, token: str) -> dict[str, str]:
        """The header of another key."""
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def open_door(platform: Platform, sample: Sample) -> Iterator[Door]:
    """Serve until the block ends; the platform stays open."""
    settings = platform.settings.model_copy(update={"http_port": 0})
    ready, ports = threading.Event(), []

    def told(port: int) -> None:
        ports.append(port)
        ready.set()

    server = Server(
        uvicorn.Config(
            create_app(platform),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        ),
        ready=told,
    )
    thread = threading.Thread(target=server.run, args=([listen(settings)],))
    thread.start()
    try:
        assert ready.wait(READY_SECONDS)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{ports[0]}",
            headers={"Authorization": f"Bearer {sample.token}"},
            timeout=30,
            trust_env=False,
        ) as client:
            yield Door(platform=platform, sample=sample, client=client, port=ports[0])
    finally:
        server.should_exit = True
        thread.join()


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """Run a use case from a test."""
    return asyncio.run(work)
