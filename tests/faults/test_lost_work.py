"""Work that gets lost between two steps: a job without queue, a commit without answer, a worker without successor."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import OperationalError

from application.carriage import Answer, Part, PartKey, Taken
from application.ports import Committed, Entry, Outcome
from application.send_messages import Draft, SendMessages, Sent
from application.settling import Settling
from application.submit_messages import MessageSubmitter
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.recorded import Context
from domain.values import Lane
from infrastructure import abandoned, jobs, projector
from infrastructure.bootstrap import Platform, platform
from infrastructure.processes import dispatcher_of
from infrastructure.recorder import LedgerRecorder
from infrastructure.scheduler import Scheduler
from tests.support.sample import LINK, SIGNATURE, make_sample, settings_for

BY = Context(actor="test")


@pytest.fixture
def ours(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as made:
        asyncio.run(make_sample(made))
        yield made


def accept(ours: Platform, count: int) -> list[UUID]:
    drafts = [
        (f"k{number}", Draft(phone=f"138{number:08d}", signature=SIGNATURE, text=f"第{number}条"))
        for number in range(count)
    ]
    answers = asyncio.run(
        ours.sender(SendMessages(account="demo", drafts=drafts, lane=Lane.BATCH, context=BY))
    )
    return [answer.id for answer in answers if isinstance(answer, Sent)]


def status(ours: Platform, id_: UUID) -> Message:
    state = fold(message.evolve, asyncio.run(ours.store.load([id_]))[id_])
    assert state is not None
    return state


class Carried:
    """A link with room for everything, that takes everything and remembers it."""

    name = LINK

    def __init__(self) -> None:
        self.parts: list[PartKey] = []

    async def reserve(self, lane: Lane, wanted: int) -> int:  # noqa: ARG002
        return wanted

    def release(self, places: int) -> None: ...

    async def submit(self, part: Part, key: PartKey) -> Answer:  # noqa: ARG002
        self.parts.append(key)
        return Taken(f"carrier-{key[0]}")


def submitter(ours: Platform, carried: Carried, run: str) -> MessageSubmitter:
    return MessageSubmitter(
        store=ours.store,
        vault=ours.vault,
        carriage=carried,
        settling=Settling(),
        now=ours.now,
        sleep=asyncio.sleep,
        run=run,
    )


def test_a_message_without_job_gets_one_though_its_queue_is_never_empty(ours: Platform):
    waiting = accept(ours, 20)
    projector.rebuild(ours.settings, "messages", progress=lambda *_: None)
    broker = jobs.make_broker(ours.settings.redis_url)
    jobs.enqueue(broker, link=LINK, lane=Lane.BATCH, messages=waiting[:5])
    jobs.enqueue(broker, link=LINK, lane=Lane.BATCH, messages=waiting[5:10], delay_seconds=60)
    a_minute_later = replace(ours, now=lambda: ours.now() + timedelta(minutes=1))
    with dispatcher_of(ours, broker) as dispatcher:
        scheduler = Scheduler(a_minute_later, broker, dispatcher)
        asyncio.run(scheduler.dispatch_stuck())
        assert jobs.waiting(broker, link=LINK, lane=Lane.BATCH) == 2
        asyncio.run(scheduler.dispatch_lost())
        asyncio.run(scheduler.dispatch_lost())
    assert jobs.waiting(broker, link=LINK, lane=Lane.BATCH) == 3
    assert jobs.without_job(broker, links=[LINK], lane=Lane.BATCH, messages=waiting) == set()
    broker.close()


def test_a_start_whose_answer_was_lost_is_carried_all_the_same_and_once(
    ours: Platform, monkeypatch: pytest.MonkeyPatch
):
    ids = accept(ours, 10)
    lose_the_next_answer(ours.store.recorder, monkeypatch)
    carried = Carried()
    assert asyncio.run(submitter(ours, carried, "run-1")(ids, Lane.BATCH))
    assert {status(ours, id_).status for id_ in ids} == {Status.SUBMITTED}
    assert sorted(carried.parts) == sorted(PartKey(id_, 1, 1) for id_ in ids)


def test_what_another_submitter_started_is_not_taken_for_our_own(
    ours: Platform, monkeypatch: pytest.MonkeyPatch
):
    ids = accept(ours, 10)
    ours_carries, theirs_carries = Carried(), Carried()

    async def both() -> None:
        first, second = submitter(ours, ours_carries, "run-1"), submitter(ours, theirs_carries, "run-2")
        lose_the_next_answer(ours.store.recorder, monkeypatch)
        await asyncio.gather(first(ids, Lane.BATCH), second(ids, Lane.BATCH), first(ids, Lane.BATCH))

    asyncio.run(both())
    assert sorted(ours_carries.parts + theirs_carries.parts) == sorted(PartKey(id_, 1, 1) for id_ in ids)


def test_whoever_takes_a_link_over_puts_older_submissions_into_doubt_and_its_own_not(ours: Platform):
    left, own = accept_two(ours)
    start_only(ours, left)
    takeover = asyncio.run(abandoned.take_over(ours))
    start_only(ours, own)
    projector.rebuild(ours.settings, "messages", progress=lambda *_: None)
    assert asyncio.run(abandoned.doubt_abandoned(ours, LINK, takeover)) == 1
    assert status(ours, left).status is Status.IN_DOUBT
    assert status(ours, own).status is Status.SUBMITTING


def accept_two(ours: Platform) -> tuple[UUID, UUID]:
    first, second = accept(ours, 2)
    return first, second


def start_only(ours: Platform, id_: UUID) -> None:
    """As a worker that is killed between the start and the answer."""
    (outcome,) = asyncio.run(ours.store.commit([started(ours, id_)]))
    assert isinstance(outcome, Committed)


def started(ours: Platform, id_: UUID) -> Entry:
    events = status(ours, id_).start_submission(link=LINK, now=ours.now())
    return Entry(stream=id_, version=1, context=BY, events=events)


def lose_the_next_answer(recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next group is committed, and the connection breaks before we hear of it."""
    commit, lost = recorder._commit_knowing_least, []

    def losing(entries: Sequence[Entry]) -> list[Outcome]:
        outcomes = commit(entries)
        if not lost:
            lost.append(True)
            raise OperationalError("the connection broke")
        return outcomes

    monkeypatch.setattr(recorder, "_commit_knowing_least", losing)
