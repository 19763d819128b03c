"""The broker and its one kind of job. A job carries ids only; doing it twice is harmless."""

from collections.abc import Callable, Sequence
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries, TimeLimit

from application.submit_messages import NOT_ROUTED, Via
from domain.values import Lane

ACTOR = "submit"
_DAY_MS = 86_400_000
_HEARTBEAT_MS = 5_000
_MAINTENANCE_IN_A_MILLION = 100_000
"""With the library's defaults the jobs a killed worker held come back after one to three minutes. A job
that comes back though its worker was only slow is done twice, which is harmless."""

Handle = Callable[[str, Lane, Sequence[UUID], Via], None]


def make_broker(redis_url: str) -> RedisBroker:
    """A broker on Redis or Valkey. Nothing connects before it is used."""
    middleware = [
        Retries(max_retries=5, min_backoff=1_000, max_backoff=30_000),
        TimeLimit(time_limit=_DAY_MS),
    ]
    return RedisBroker(  # type: ignore[no-untyped-call]
        url=redis_url,
        middleware=middleware,
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
            pipe.hlen(f"{broker.namespace}:{queue}.msgs")
        return sum(pipe.execute())


def messages_in_jobs(broker: RedisBroker, *, link: str, lane: Lane) -> set[str]:
    """Ids of all messages that a job of a lane carries, whether it waits, is delayed or is with a worker."""
    name = queue_name(link, lane)
    found: set[str] = set()
    for queue in (name, f"{name}.DQ"):
        data: list[bytes] = broker.client.hvals(f"{broker.namespace}:{queue}.msgs")  # type: ignore[assignment]
        found.update(id_ for each in data for id_ in dramatiq.Message.decode(each).args[2])
    return found


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
