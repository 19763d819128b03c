"""The processes behind the commands: each builds its parts, works until SIGTERM or SIGINT, and lets go."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvloop
from dramatiq.brokers.redis import RedisBroker
from eventsourcing.postgres import PostgresTrackingRecorder

from infrastructure import projector
from infrastructure.bootstrap import NOBODY_WAITS, Platform, platform
from infrastructure.dispatcher import Dispatcher
from infrastructure.frozen_writers import end_frozen_writers
from infrastructure.jobs import make_broker
from infrastructure.lease import Leases, kept
from infrastructure.log_reader import LogReader
from infrastructure.network import accepted_of, network_reader
from infrastructure.process_memory import prepare_memory
from infrastructure.scheduler import Scheduler
from infrastructure.settings import Settings
from infrastructure.worker import Worker, pause

_TURN_SECONDS = 0.5


def run_worker(settings: Settings) -> None:
    """Own the links that nobody else owns, and carry."""

    async def work(made: Platform, stop: asyncio.Event) -> None:
        await Worker(made, redis_url=settings.redis_url).run(stop)

    with platform(settings, patience=NOBODY_WAITS) as made:
        _run(lambda stop: work(made, stop))


def run_scheduler(settings: Settings) -> None:
    """Do what time brings; a second scheduler waits for the first to end."""

    async def work(made: Platform, stop: asyncio.Event) -> None:
        leases, loop = Leases(settings.database_url, realm=settings.realm), asyncio.get_running_loop()
        look_after_writers = partial(end_frozen_writers, leases, settings.db_schema)
        broker = make_broker(settings.redis_url, realm=settings.realm)
        with dispatcher_of(made, broker) as dispatcher:
            scheduler = Scheduler(made, broker, dispatcher)
            while not stop.is_set():
                lost = asyncio.Event()
                if await asyncio.to_thread(leases.acquire, "scheduler"):
                    ending = asyncio.create_task(_pass_on(stop, lost))
                    on_lost = partial(loop.call_soon_threadsafe, lost.set)
                    with kept(leases, "scheduler", on_lost=on_lost, each_time=look_after_writers):
                        await scheduler.run(lost)
                    ending.cancel()
                else:
                    await pause(stop, _TURN_SECONDS)
        leases.close()

    with platform(settings) as made:
        _run(lambda stop: work(made, stop))


def run_dispatcher(settings: Settings) -> None:
    """Turn the log into jobs; a second dispatcher waits for the first to end."""
    stop, lost = threading.Event(), threading.Event()
    _on_signal(stop, lost)
    leases = Leases(settings.database_url, realm=settings.realm)
    look_after_writers = partial(end_frozen_writers, leases, settings.db_schema)
    with (
        platform(settings) as made,
        dispatcher_of(made, make_broker(settings.redis_url, realm=settings.realm)) as dispatcher,
    ):
        prepare_memory()
        while not stop.is_set():
            lost.clear()
            if not stop.is_set() and leases.acquire("dispatcher"):
                with kept(leases, "dispatcher", on_lost=lost.set, each_time=look_after_writers):
                    dispatcher.run(lost)
            else:
                stop.wait(_TURN_SECONDS)
    leases.close()


def run_projector(settings: Settings) -> None:
    """Keep the read models up with the log."""
    stop = threading.Event()
    _on_signal(stop)
    projector.run(settings, stop)


@contextmanager
def dispatcher_of(made: Platform, broker: RedisBroker) -> Iterator[Dispatcher]:
    """A dispatcher that reads the links from their own streams."""
    poll_seconds = made.settings.follow_poll_ms / 1_000
    network = network_reader(made)
    with LogReader(made.store.recorder, poll_seconds=poll_seconds) as log:
        yield Dispatcher(
            log=log,
            tracking=PostgresTrackingRecorder(made.store.datastore),
            broker=broker,
            network=network,
            accepted=lambda ids: accepted_of(made.store, ids),
            job_messages=made.settings.job_messages,
            forget=network.forget,
        )


def _run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run an event loop until the work ends; the first signal asks it to stop."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await work(stop)

    prepare_memory()
    uvloop.run(main())


async def _pass_on(stop: asyncio.Event, lost: asyncio.Event) -> None:
    await stop.wait()
    lost.set()


def _on_signal(*events: threading.Event) -> None:
    def tell(*_: object) -> None:
        for event in events:
            event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
