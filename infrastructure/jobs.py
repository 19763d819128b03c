"""The one kind of job and its queues. A job carries ids only; doing it twice is harmless."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, Retries, SkipMessage, TimeLimit
from redis.backoff import NoBackoff
from redis.retry import Retry

from application.submit_messages import NOT_ROUTED, Via
from domain.values import Lane
from infrastructure.broker import LineBroker

ACTOR = "submit"
_DAY_MS = 86_400_000
_HEARTBEAT_MS = 5_000
_MAINTENANCE_IN_A_MILLION = 100_000
"""With the library's defaults the jobs a killed worker held come back after one to three minutes. A job
that comes back though its worker was only slow is done twice, which is harmless."""

_PAGE = 100
_REDIS_ID = "redis_message_id"

Handle = Callable[[str, Lane, Sequence[UUID], Via], None]


class NotWhatWasMoved(Middleware):
    """A worker holds some jobs before it does them; those that `remove` took away meanwhile it does not."""

    def before_process_message(self, broker: RedisBroker, message: "dramatiq.MessageProxy") -> None:  # type: ignore[override]
        """Skip a job that is in its queue no more."""
        if not broker.client.hexists(_data_of(broker, message.queue_name), message.options[_REDIS_ID]):
            raise SkipMessage


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was read; `queue` is the delayed one where it waits for its time."""

    queue: str
    key: str
    content: "dramatiq.Message[None]"

    @property
    def messages(self) -> list[UUID]:
        """Whose ids it carries."""
        return [UUID(id_) for id_ in self.content.args[2]]

    @property
    def delay_seconds(self) -> int:
        """For how long it still has to wait, rounded up."""
        left: float = self.content.options.get("eta", 0) / 1_000 - time.time()
        return max(0, -int(-left // 1))


def make_broker(redis_url: str, *, realm: str = "") -> LineBroker:
    """A broker on Redis or Valkey, whose queues are those of a realm. Nothing connects before it is used.

    A command whose answer is lost is not given again: a fetch would take other jobs, and the first be forgotten.
    """
    middleware = [
        Retries(max_retries=5, min_backoff=1_000, max_backoff=30_000),
        TimeLimit(time_limit=_DAY_MS),
        NotWhatWasMoved(),
    ]
    return LineBroker(  # type: ignore[no-untyped-call]
        client=redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0)),
        middleware=middleware,
        namespace=f"{realm}dramatiq",
        heartbeat_timeout=_HEARTBEAT_MS,
        maintenance_chance=_MAINTENANCE_IN_A_MILLION,
    )


def queue_name(link: str, lane: Lane) -> str:
    """The queue of one lane of one link."""
    return f"{link}.{lane.value}"


def enqueue(
    broker: RedisBroker,
    *,
    link: str,
    lane: Lane,
    messages: Sequence[UUID],
    via: Via = NOT_ROUTED,
    delay_seconds: int = 0,
) -> None:
    """Put a job into the queue of a lane of a link, to be done not before `delay_seconds` from now."""
    queue = queue_name(link, lane)
    broker.declare_queue(queue)
    job: dramatiq.Message[None] = dramatiq.Message(
        queue_name=queue,
        actor_name=ACTOR,
        args=(link, lane.value, [str(message) for message in messages]),
        kwargs={"route": via.route, "passed_over": list(via.passed_over), "extension": via.extension},
        options={},
    )
    broker.enqueue(job, delay=delay_seconds * 1_000 if delay_seconds else None)


def waiting(broker: RedisBroker, *, link: str, lane: Lane) -> int:
    """Jobs in the queue of a lane, those that a worker holds and those that wait for their time included."""
    name = queue_name(link, lane)
    with broker.client.pipeline(transaction=False) as pipe:
        for queue in (name, f"{name}.DQ"):
            pipe.hlen(_data_of(broker, queue))
        return sum(pipe.execute())


def pages(broker: RedisBroker, *, link: str, lane: Lane) -> Iterator[list[Job]]:
    """All jobs of a lane, whether they wait, are delayed or are with a worker; some at a time.

    What is enqueued meanwhile may be among them.
    """
    name = queue_name(link, lane)
    for queue in (name, f"{name}.DQ"):
        entries = broker.client.hscan_iter(_data_of(broker, queue), count=_PAGE)
        found = (Job(queue, key.decode(), dramatiq.Message.decode(data)) for key, data in entries)
        while page := list(islice(found, _PAGE)):
            yield page


def put_back(broker: RedisBroker, job: Job, messages: Sequence[UUID]) -> None:
    """A job like this one with these messages only, beside it."""
    link, lane, _ = job.content.args
    smaller = job.content.copy(
        queue_name=queue_name(link, Lane(lane)), args=(link, lane, list(map(str, messages)))
    )
    smaller.options.pop("eta", None)
    broker.enqueue(smaller, delay=job.delay_seconds * 1_000 or None)


def remove(broker: RedisBroker, jobs: Sequence[Job]) -> None:
    """Take these jobs away, and no others; a worker that holds one and has not begun it will not do it."""
    with broker.client.pipeline(transaction=True) as pipe:
        for job in jobs:
            pipe.lrem(f"{broker.namespace}:{job.queue}", 1, job.key)
            pipe.hdel(_data_of(broker, job.queue), job.key)
        pipe.execute()


def without_job(
    broker: RedisBroker, *, links: Iterable[str], lane: Lane, messages: Iterable[UUID]
) -> set[UUID]:
    """Those messages that no job of a lane of these links carries, whether it waits, is delayed or is with a worker.

    However many jobs there are, only a page of them is in memory.
    """
    left = set(messages)
    for link in links:
        for page in pages(broker, link=link, lane=lane):
            for job in page:
                left.difference_update(job.messages)
    return left


def _data_of(broker: RedisBroker, queue: str) -> str:
    """Where the broker keeps what the jobs of a queue are."""
    return f"{broker.namespace}:{queue}.msgs"


def define_submit(broker: RedisBroker, handle: Handle) -> None:
    """Register the actor in a worker process: parse, call, nothing else."""

    def submit(
        link: str,
        lane: str,
        messages: list[str],
        route: str = "",
        passed_over: Sequence[str] = (),
        extension: str = "",
    ) -> None:
        via = Via(route=route, passed_over=tuple(passed_over), extension=extension)
        handle(link, Lane(lane), [UUID(message) for message in messages], via)

    dramatiq.actor(actor_name=ACTOR, broker=broker, queue_name="unrouted")(submit)
