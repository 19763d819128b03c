"""A line to Redis that breaks while jobs wait, are delayed or are being done: all of them are done, nobody is lost."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import dramatiq
import dramatiq.worker
import pytest
import redis
from dramatiq.errors import ConnectionClosed

from application.submit_messages import Via
from domain.values import Lane
from infrastructure import jobs
from infrastructure.jobs import make_broker
from tests.infrastructure.test_dispatcher import eventually
from tests.support.silent_line import SilentLine, silent_redis_line

LANE = Lane.BATCH
QUEUE = "dramatiq:one.batch"
DELAYED = f"{QUEUE}.DQ"
_PAUSE_MS = 100
"""Longer than a consumer here is ever away from Redis."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same times, shorter."""
    monkeypatch.setattr(jobs, "_HEARTBEAT_MS", 500)
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    monkeypatch.setattr(dramatiq.worker, "POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0.1)


class Bench:
    """Redis as it is, over a direct line."""

    def __init__(self, redis_url: str) -> None:
        self.broker = make_broker(redis_url)
        self.redis = redis.Redis.from_url(redis_url)
        self.done: Counter[UUID] = Counter()

    def enqueue(self, *, delay: int = 0) -> UUID:
        message = uuid4()
        jobs.enqueue(self.broker, link="one", lane=LANE, messages=[message], delay_seconds=delay)
        return message

    def note(self, link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:  # noqa: ARG002
        self.done.update(messages)

    def all_held(self, queue: str) -> bool:
        """Whether no job of a queue waits, though there is one."""
        return self.redis.llen(queue) == 0 and self.redis.hlen(f"{queue}.msgs") > 0

    def sign_of_life(self) -> float:
        """When the newest was given, in milliseconds."""
        newest = self.redis.zrange("dramatiq:__heartbeats__", -1, -1, withscores=True)
        return float(newest[0][1]) if newest else 0.0

    def let_everybody_connect(self, worker: dramatiq.Worker) -> None:
        """After this what a thread says next is what it wants of Redis, and not the greeting of a new connection."""
        pool = worker.broker.client.connection_pool
        made = [pool.get_connection() for _ in (*worker.consumers, *worker.workers)]
        for connection in made:
            pool.release(connection)
        # A thread that found the pool empty meanwhile may still be greeting: it has to come back once.
        since = time.time() * 1_000
        eventually(
            lambda: self.redis.zcount("dramatiq:__heartbeats__", since, "+inf") >= len(worker.consumers)
        )

    def nothing_left(self) -> bool:
        return jobs.waiting(self.broker, link="one", lane=LANE) == 0

    def reset_everybody(self) -> None:
        """Every other socket to this database is reset, while those who look at a queue wait for an answer."""
        self.redis.client_pause(_PAUSE_MS, all=False)
        time.sleep(_PAUSE_MS / 2_000)
        own = self.redis.client_id()
        number = self.redis.connection_pool.connection_kwargs.get("db") or 0
        for client in self.redis.client_list():
            if client["db"] == str(number) and client["id"] != str(own):
                self.redis.client_kill_filter(_id=client["id"])

    def close(self) -> None:
        self.broker.close()
        self.redis.close()


@pytest.fixture
def bench(redis_url: str) -> Iterator[Bench]:
    made = Bench(redis_url)
    yield made
    made.close()


@pytest.fixture
def line(redis_url: str) -> Iterator[tuple[SilentLine, str]]:
    with silent_redis_line(redis_url) as laid:
        yield laid


def test_jobs_of_another_realm_are_never_seen(redis_url: str):
    brokers = [make_broker(redis_url, realm=realm) for realm in ("", "other:")]
    for broker, many in zip(brokers, (1, 2), strict=True):
        for _ in range(many):
            jobs.enqueue(broker, link="one", lane=Lane.BATCH, messages=[uuid4()])
    assert [jobs.waiting(broker, link="one", lane=Lane.BATCH) for broker in brokers] == [1, 2]
    (job,) = next(jobs.pages(brokers[0], link="one", lane=Lane.BATCH))
    jobs.remove(brokers[0], [job])
    assert [jobs.waiting(broker, link="one", lane=Lane.BATCH) for broker in brokers] == [0, 2]
    with consuming(redis_url, lambda *_: None):
        time.sleep(0.5)
    assert jobs.waiting(brokers[1], link="one", lane=Lane.BATCH) == 2
    for broker in brokers:
        broker.close()


@contextmanager
def consuming(redis_url: str, handle: jobs.Handle, threads: int = 1) -> Iterator[dramatiq.Worker]:
    broker = make_broker(redis_url)
    jobs.define_submit(broker, handle)
    broker.declare_queue("one.batch")
    worker = dramatiq.Worker(broker, queues={"one.batch"}, worker_timeout=20, worker_threads=threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(5_000)
        broker.close()


def test_a_delayed_job_is_done_though_the_line_of_its_consumer_was_reset(bench: Bench, redis_url: str):
    with consuming(redis_url, bench.note) as worker:
        message = bench.enqueue(delay=3)
        eventually(lambda: bench.all_held(DELAYED))
        first = {thread.consumer for thread in worker.consumers.values()}
        # A socket that is reset while nobody waits for an answer is replaced without a word.
        eventually(lambda: bench.reset_everybody() or lost_by_all(worker, first))
        eventually(lambda: bench.done[message])
        eventually(bench.nothing_left)


def test_a_delayed_job_is_done_though_its_consumer_had_no_answer_for_a_while(
    bench: Bench, line: tuple[SilentLine, str]
):
    cable, url = line
    with consuming(url, bench.note) as worker:
        before = bench.enqueue(delay=3)
        eventually(lambda: bench.all_held(DELAYED))
        cable.fall_silent()
        first = {thread.consumer for thread in worker.consumers.values()}
        eventually(lambda: lost_by_all(worker, first))
        cable.cut()
        after = bench.enqueue(delay=1)
        eventually(lambda: bench.done[before] and bench.done[after])
        eventually(bench.nothing_left)
        assert all(thread.is_alive() for thread in worker.consumers.values())


def lost_by_all(worker: dramatiq.Worker, first: set[object]) -> bool:
    """Whether every thread has given up the consumer it had, or itself."""
    threads = worker.consumers.values()
    return all(not thread.is_alive() or thread.consumer not in first for thread in threads)


@pytest.mark.parametrize(("queue", "delay"), [(QUEUE, 0), (DELAYED, 1)])
def test_a_job_is_done_though_the_answer_to_its_fetch_was_lost(
    bench: Bench, line: tuple[SilentLine, str], queue: str, delay: int
):
    cable, url = line
    with consuming(url, bench.note) as worker:
        known = bench.enqueue()
        eventually(lambda: bench.done[known] and bench.nothing_left())
        bench.let_everybody_connect(worker)
        cable.hold_back()
        first = {thread.consumer for thread in worker.consumers.values()}
        eventually(lambda: lost_by_all(worker, first))
        message = bench.enqueue(delay=delay)
        cable.lose_answers()
        eventually(lambda: bench.all_held(queue))
        cable.cut()
        eventually(lambda: bench.done[message])
        eventually(bench.nothing_left)


def test_a_job_that_was_done_is_taken_away_as_soon_as_redis_can_be_told(
    bench: Bench, line: tuple[SilentLine, str], caplog: pytest.LogCaptureFixture
):
    cable, url = line

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        if not bench.done:
            cable.fall_silent()
        bench.note(link, lane, messages, via)

    with consuming(url, handle):
        bench.enqueue()
        eventually(lambda: "post_process_message" in caplog.text)
        cable.cut()
        eventually(bench.nothing_left)


def test_a_consumer_that_holds_all_it_may_is_not_taken_for_dead(
    bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    # The dead are looked for at every turn; a consumer that gets no time for a moment is none of them.
    monkeypatch.setattr(jobs, "_HEARTBEAT_MS", 1_500)
    monkeypatch.setattr(jobs, "_MAINTENANCE_IN_A_MILLION", 1_000_000)
    free = threading.Event()

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        assert free.wait(30)
        bench.note(link, lane, messages, via)

    with consuming(redis_url, handle):
        held = [bench.enqueue() for _ in range(2)]
        eventually(lambda: bench.all_held(QUEUE))
        with consuming(redis_url, bench.note):
            beginning = bench.sign_of_life()
            eventually(lambda: bench.sign_of_life() > beginning + 2_000)
            assert bench.all_held(QUEUE)
            assert not bench.done
            free.set()
            eventually(lambda: bench.done == Counter(held))


def test_whoever_enqueues_hears_of_a_late_redis_as_of_one_that_is_away(line: tuple[SilentLine, str]):
    cable, url = line
    broker = make_broker(url)
    cable.fall_silent()
    with pytest.raises(ConnectionClosed):
        jobs.enqueue(broker, link="one", lane=LANE, messages=[uuid4()])
    broker.close()
