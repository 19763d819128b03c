"""The sweeps find what got stuck, in the real read model, and decide each on its own facts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from eventsourcing.postgres import PostgresTrackingRecorder

from application.carriage import InDoubt
from application.manage_links import disable_link
from application.ports import Entry, HeldReceipt
from application.seal_ledgers import SETTLED_AFTER
from application.send_messages import Draft, SendMessages, Sent
from application.settling import Settling
from application.submit_messages import MessageSubmitter
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.events.contract import Terms
from domain.events.ledger import Closed, Opened, Refunded
from domain.recorded import Context
from domain.values import ChargeOn, Lane, UnknownPolicy, local_day, local_year, stream_id
from infrastructure import bootstrap, jobs, scheduler
from infrastructure.bootstrap import Platform, utc_now
from infrastructure.dispatcher import Dispatcher
from infrastructure.jobs import make_broker
from infrastructure.log_reader import LogReader
from infrastructure.network import accepted_of, read_network
from infrastructure.projector import ReadModels, read_models
from infrastructure.scheduler import Scheduler, prepare_day
from infrastructure.sealing import newest_seals
from projections import tracking
from projections.catalogue import PROJECTIONS
from tests.application.office import Script, ScriptedCarriage
from tests.projections.conftest import Bench
from tests.support.past import FIRST_DAY, past, write
from tests.support.sample import ACCOUNT, LINK, SIGNATURE, make_sample, settings_for

BY = Context(actor="test")
REFUNDED = Terms(charge_on=ChargeOn.DELIVERED, unknown_policy=UnknownPolicy.REFUNDED)


class SampleCarriage(ScriptedCarriage):
    """The sample account's link, scripted."""

    @property
    def name(self) -> str:
        return LINK


@dataclass(slots=True)
class Desk:
    """A scheduler over a platform whose clock the test moves; its read models follow when told to."""

    platform: Platform
    scheduler: Scheduler
    broker: RedisBroker
    models: ReadModels
    clock: "Clock"

    async def accept(
        self, count: int = 1, *, terms: Terms | None = None, valid: int | None = None
    ) -> list[UUID]:
        if await self.platform.store.founded("contract.signed") == []:
            await make_sample(self.platform, terms=terms)
        start = len(await self.platform.store.founded("contract.signed")) + self.clock.calls
        self.clock.calls += count
        drafts = [
            (
                f"k{start + number}",
                Draft(phone="13800138000", signature=SIGNATURE, text="您好", validity_seconds=valid),
            )
            for number in range(count)
        ]
        answers = await self.platform.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=BY))
        return [answer.id for answer in answers if isinstance(answer, Sent)]

    async def submit(self, ids: list[UUID], script: Script | None = None) -> None:
        submitter = MessageSubmitter(
            store=self.platform.store,
            vault=self.platform.vault,
            carriage=SampleCarriage(script=script),
            settling=Settling(),
            now=self.platform.now,
            sleep=asyncio.sleep,
        )
        await submitter(ids, Lane.REALTIME)

    async def states(self, ids: list[UUID]) -> list[Message]:
        histories = await self.platform.store.load(ids)
        found = [fold(message.evolve, histories[id_]) for id_ in ids]
        return [state for state in found if state is not None]

    async def statuses(self, ids: list[UUID]) -> list[Status]:
        return [state.status for state in await self.states(ids)]

    async def refunds(self) -> int:
        year = local_year(await self.platform.store.now())
        postings = await self.platform.store.postings(ACCOUNT, year, after=0, limit=1_000)
        return sum(isinstance(posting.event, Refunded) for posting in postings)

    async def later(self, **time: float) -> None:
        """The read models catch up, and the platform's clock goes ahead."""
        await asyncio.to_thread(self.catch_up)
        self.clock.ahead += timedelta(**time)

    def catch_up(self) -> None:
        """Bring the read models to the end of the log."""
        with self.models.connect() as connection:
            tracking.prepare(connection, self.models.schema, PROJECTIONS)
            Bench(models=self.models, connection=connection).catch_up()

    def in_jobs(self) -> set[str]:
        pages = jobs.pages(self.broker, link=LINK, lane=Lane.REALTIME)
        return {str(id_) for page in pages for job in page for id_ in job.messages}


@dataclass(slots=True)
class Clock:
    """The machine's clock, and how far the test went ahead of it."""

    ahead: timedelta = field(default_factory=timedelta)
    calls: int = 0

    def now(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def desk(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    settings = settings_for(database_url, tmp_path, redis_url=redis_url)
    broker = make_broker(redis_url)

    with (
        bootstrap.platform(settings, now=clock.now) as platform,
        read_models(settings) as models,
        LogReader(platform.store.recorder) as log,
    ):
        dispatcher = Dispatcher(
            log=log,
            tracking=PostgresTrackingRecorder(platform.store.datastore),
            broker=broker,
            network=lambda: read_network(platform.store),
            accepted=lambda ids: accepted_of(platform.store, ids),
            job_messages=10,
        )
        yield Desk(platform, Scheduler(platform, broker, dispatcher), broker, models, clock)
    broker.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def test_what_nobody_took_in_time_expires_and_is_refunded_once(desk):
    async def story() -> None:
        short = await desk.accept(3, valid=10)
        long = await desk.accept(1, valid=3_600)
        await desk.later(minutes=1)
        for _ in range(2):
            await desk.scheduler.expire()
        assert await desk.statuses(short + long) == [Status.EXPIRED] * 3 + [Status.ACCEPTED]
        assert await desk.refunds() == 3

    run(story)


def test_a_stale_hint_expires_nothing_that_was_sent_meanwhile(desk):
    async def story() -> None:
        ids = await desk.accept(1, valid=10)
        await asyncio.to_thread(desk.catch_up)
        await desk.submit(ids)
        desk.clock.ahead += timedelta(minutes=1)
        await desk.scheduler.expire()
        assert await desk.statuses(ids) == [Status.SUBMITTED]
        assert await desk.refunds() == 0

    run(story)


def test_messages_whose_jobs_are_gone_get_others(desk):
    async def story() -> None:
        ids = await desk.accept(3)
        assert desk.in_jobs() == set()
        await desk.later(seconds=60)
        await desk.scheduler.dispatch_stuck()
        assert desk.in_jobs() == {str(id_) for id_ in ids}

    run(story)


def test_messages_that_have_a_job_get_no_other_however_long_they_wait(desk):
    async def story() -> None:
        ids = await desk.accept(2)
        await desk.later(hours=1)
        await desk.scheduler.dispatch_stuck()
        before = jobs.waiting(desk.broker, link=LINK, lane=Lane.REALTIME)
        await desk.scheduler.dispatch_stuck()
        await desk.scheduler.dispatch_lost()
        assert jobs.waiting(desk.broker, link=LINK, lane=Lane.REALTIME) == before == 1
        assert desk.in_jobs() == {str(id_) for id_ in ids}

    run(story)


def test_a_lost_job_is_found_though_the_queue_is_never_empty(desk):
    async def story() -> None:
        lost, known = await desk.accept(1), await desk.accept(1)
        jobs.enqueue(desk.broker, link=LINK, lane=Lane.REALTIME, messages=known)
        await desk.later(seconds=60)
        await desk.scheduler.dispatch_stuck()
        assert desk.in_jobs() == {str(known[0])}
        await desk.scheduler.dispatch_lost()
        assert desk.in_jobs() == {str(known[0]), str(lost[0])}

    run(story)


def test_those_that_wait_for_long_keep_nobody_from_another_job(desk):
    """Some are looked at in each round, and in the next round others."""

    async def story() -> None:
        known, lost = await desk.accept(5), await desk.accept(2)
        jobs.enqueue(desk.broker, link=LINK, lane=Lane.REALTIME, messages=known)
        await desk.later(seconds=60)
        desk.scheduler.lost_page = 3
        found = []
        for _ in range(4):
            await desk.scheduler.dispatch_lost()
            found.append(len(desk.in_jobs()))
        assert found == [5, 6, 7, 7]
        assert desk.in_jobs() == {str(id_) for id_ in known + lost}

    run(story)


@pytest.mark.parametrize("sweep", ["dispatch_stuck", "dispatch_lost"])
def test_a_stale_hint_gives_no_job_to_what_was_sent_meanwhile(desk, sweep):
    async def story() -> None:
        sent, lost = await desk.accept(1), await desk.accept(1)
        await asyncio.to_thread(desk.catch_up)
        await desk.submit(sent)
        desk.clock.ahead += timedelta(minutes=1)
        await getattr(desk.scheduler, sweep)()
        assert desk.in_jobs() == {str(lost[0])}

    run(story)


def test_a_message_accepted_a_moment_ago_is_not_stuck(desk):
    async def story() -> None:
        await desk.accept(1)
        await asyncio.to_thread(desk.catch_up)
        await desk.scheduler.dispatch_stuck()
        assert desk.in_jobs() == set()

    run(story)


def test_messages_without_a_link_wait_and_disturb_nobody(desk):
    async def story() -> None:
        ids = await desk.accept(1)
        await disable_link(desk.platform.store, name=LINK, reason="repair", context=BY)
        await desk.later(seconds=60)
        await desk.scheduler.dispatch_stuck()
        await desk.scheduler.dispatch_lost()
        assert desk.in_jobs() == set()
        assert await desk.statuses(ids) == [Status.ACCEPTED]

    run(story)


def test_a_submission_nobody_answered_for_is_in_doubt_in_the_end(desk):
    async def story() -> None:
        ids = await desk.accept(1)

        def die(_part: object, _key: object) -> RuntimeError:
            return RuntimeError("the worker died")

        with pytest.raises(RuntimeError):
            await desk.submit(ids, die)
        await desk.later(seconds=60)
        await desk.scheduler.doubt_abandoned()
        assert await desk.statuses(ids) == [Status.SUBMITTING]
        await desk.later(seconds=120)
        await desk.scheduler.doubt_abandoned()
        assert await desk.statuses(ids) == [Status.IN_DOUBT]
        assert await desk.refunds() == 0

    run(story)


def test_what_nobody_reported_on_is_refunded_where_the_contract_says_so(desk):
    async def story() -> None:
        ids = await desk.accept(2, terms=REFUNDED)
        await desk.submit(ids)
        await desk.later(hours=71)
        await desk.scheduler.give_up_unreported()
        assert await desk.statuses(ids) == [Status.SUBMITTED] * 2
        await desk.later(hours=2)
        for _ in range(2):
            await desk.scheduler.give_up_unreported()
        assert await desk.statuses(ids) == [Status.FAILED] * 2
        assert await desk.refunds() == 2

    run(story)


@pytest.mark.parametrize("terms", [Terms(), Terms(charge_on=ChargeOn.DELIVERED)])
def test_what_nobody_reported_on_stays_charged_by_default(desk, terms):
    async def story() -> None:
        ids = await desk.accept(1, terms=terms)
        await desk.submit(ids)
        await desk.later(hours=100)
        await desk.scheduler.give_up_unreported()
        assert await desk.statuses(ids) == [Status.SUBMITTED]

    run(story)


def test_a_doubt_is_nobody_s_to_give_up_but_a_person_s(desk):
    async def story() -> None:
        ids = await desk.accept(1)
        await desk.submit(ids, lambda _part, _key: InDoubt("no answer"))
        await desk.later(days=10)
        await desk.scheduler.expire()
        await desk.scheduler.dispatch_stuck()
        assert await desk.statuses(ids) == [Status.IN_DOUBT]
        assert desk.in_jobs() == set()

    run(story)


def test_receipts_that_belong_to_nobody_are_dropped_in_the_end_and_counted(desk, caplog):
    held = HeldReceipt(link=LINK, carrier_id="x", status="", error="", carrier_time="", phone_index=b"")
    rows = Entry(stream=None, version=None, context=BY, rows=(held, held))
    store = desk.platform.store
    aged = b"UPDATE smsledger.held_receipts SET at = at - interval '7 days 1 hour' RETURNING id"

    async def story() -> None:
        await store.commit([rows])
        assert len(await store.in_thread(lambda: store.recorder.rows(aged))) == 2
        await store.commit([rows])
        for _ in range(2):
            await desk.scheduler.drop_held_receipts()
        assert len(await store.held_unmatched(limit=9)) == 2

    asyncio.run(story())
    assert [line for line in caplog.messages if "dropped" in line] == [
        "2 receipts found no message within 7 days and were dropped"
    ]


def test_without_read_models_there_are_no_hints_and_no_error(desk):
    async def story() -> None:
        for task in (desk.scheduler.expire, desk.scheduler.dispatch_stuck, desk.scheduler.dispatch_lost):
            await task()

    run(story)


def test_keys_and_partitions_of_today_and_the_days_ahead_are_made_once(desk):
    async def story() -> None:
        store = desk.platform.store
        for _ in range(2):
            await desk.scheduler.prepare_days()
        today = local_day(await store.now())
        assert desk.platform.vault.days() == [today + timedelta(days=ahead) for ahead in (2, 1, 0)]
        made = await store.founded("vault.day_key_created")
        assert [recorded.event.day for recorded in made] == sorted(desk.platform.vault.days())
        fingerprints = {recorded.event.fingerprint for recorded in made}
        assert fingerprints == {desk.platform.vault.ensure(day) for day in desk.platform.vault.days()}

    run(story)


def test_two_that_prepare_a_day_at_once_agree(desk):
    async def story() -> None:
        today = local_day(await desk.platform.store.now())
        await asyncio.gather(*(prepare_day(desk.platform, today) for _ in range(4)))
        assert len(await desk.platform.store.founded("vault.day_key_created")) == 1

    run(story)


def test_the_turn_of_the_year_is_done_once_and_opens_every_account(desk):
    async def story() -> None:
        await desk.accept(0)
        year = local_year(await desk.platform.store.now())
        for _ in range(2):
            await desk.scheduler.turn_year()
        history = await desk.platform.store.load([stream_id("ledger", ACCOUNT, year)])
        (events,) = history.values()
        assert [type(recorded.event) for recorded in events] == [Opened]
        assert not any(isinstance(recorded.event, Closed) for recorded in events)

    run(story)


def test_days_that_are_over_are_sealed_once_a_day_and_those_that_were_missed(desk):
    write(desk.platform.settings.database_url, past().log())

    async def story() -> None:
        for _ in range(2):
            await desk.scheduler.seal()
        over = local_day(await desk.platform.store.now() - SETTLED_AFTER) - timedelta(days=1)
        days = [sealed.day for sealed in await newest_seals(desk.platform, limit=10_000)]
        assert days == [FIRST_DAY + timedelta(days=n) for n in range((over - FIRST_DAY).days + 1)]

    run(story)


def test_a_task_that_fails_is_tried_again_and_the_others_go_on(desk, monkeypatch):
    async def story() -> None:
        stop = asyncio.Event()
        calls = {"bad": 0, "good": 0}

        async def bad() -> None:
            calls["bad"] += 1
            raise psycopg.OperationalError("away")

        async def good() -> None:
            calls["good"] += 1
            if min(calls.values()) >= 3:
                stop.set()

        repeat = scheduler._repeat
        async with asyncio.timeout(30):
            await asyncio.gather(repeat(bad, 0.01, stop), repeat(good, 0.01, stop))

    run(story)
