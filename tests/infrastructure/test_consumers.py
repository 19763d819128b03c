"""The consumers of a connection: one that died comes back, and none keeps its connection from ending."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from application.submit_messages import Via
from domain.values import Lane
from infrastructure import consumers, jobs
from infrastructure.consumers import Consumers
from infrastructure.jobs import Handle, make_broker
from tests.infrastructure.carriers.rig import until

LANE = Lane.BATCH


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    made = make_broker(redis_url)
    yield made
    made.close()


def enqueue(broker: RedisBroker, *, delay: int = 0) -> UUID:
    message = uuid4()
    jobs.enqueue(broker, link="one", lane=LANE, messages=[message], delay_seconds=delay)
    return message


@asynccontextmanager
async def running(redis_url: str, handle: Handle) -> AsyncIterator[Consumers]:
    made = Consumers("one", handle, redis_url=redis_url, realm="", threads=1, poll_ms=lambda _: 20)
    made.start()
    keeping = asyncio.create_task(made.keep())
    try:
        yield made
    finally:
        keeping.cancel()
        await made.stop(10)


@pytest.mark.parametrize("delay", [0, 1])
def test_a_consumer_whose_thread_died_comes_back(
    redis_url: str, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch, delay: int
):
    monkeypatch.setattr(consumers, "_LOOK_SECONDS", 0.1)
    done: list[UUID] = []

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        done.extend(messages)

    async def play() -> None:
        async with running(redis_url, handle) as made:
            thread = made._running[LANE].consumers["one.batch.DQ" if delay else "one.batch"]
            thread.stop()
            await asyncio.to_thread(thread.join)
            message = enqueue(broker, delay=delay)
            await until(lambda: done == [message])

    asyncio.run(play())


def test_the_connection_ends_though_a_job_does_not(redis_url: str, broker: RedisBroker):
    begun, free = threading.Event(), threading.Event()

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        begun.set()
        assert free.wait(30)

    async def play() -> None:
        async with running(redis_url, handle) as made:
            enqueue(broker)
            await until(begun.is_set)
            await made.stop(5)
            assert not free.is_set()
            free.set()

    asyncio.run(play())


def test_the_connection_ends_though_its_consumers_cannot(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    stop = dramatiq.Worker.stop

    def fail(worker: dramatiq.Worker, timeout: int = 0) -> None:
        stop(worker, timeout)
        raise OSError

    monkeypatch.setattr(dramatiq.Worker, "stop", fail)

    async def play() -> None:
        async with running(redis_url, lambda *_: None):
            pass

    asyncio.run(play())
    assert [record.getMessage() for record in caplog.records if record.name == consumers.__name__] == [
        "a consumer did not end as it should: OSError" for _ in Lane
    ]


def test_how_often_an_empty_queue_is_looked_at_may_change(redis_url: str):
    asked, wait = itertools.count(), [10]
    last = 0

    def poll_ms(_: Lane) -> int:
        nonlocal last
        last = next(asked)
        return wait[0]

    async def play() -> None:
        made = Consumers("one", lambda *_: None, redis_url=redis_url, realm="", threads=1, poll_ms=poll_ms)
        made.start()
        await until(lambda: last > 50)
        wait[0] = 2_000
        await asyncio.sleep(1.0)
        since = last
        await asyncio.sleep(1.0)
        assert last - since < 20
        await made.stop(5)

    asyncio.run(play())
