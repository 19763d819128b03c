"""What time brings: keys and partitions ahead, the turn of the year, and sweeps for what got stuck.

One scheduler works at a time. Its candidates come from the message history; each is decided on its own facts.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import psycopg
from dramatiq.brokers.redis import RedisBroker
from psycopg.sql import SQL, Identifier

from application import settle_messages
from application.apply_amendments import Known, apply_amendments
from application.issue_statements import issue_due
from application.ports import Entry
from application.raise_alarms import raise_alarms
from application.reactions import SubmitJob
from application.reset_quota import reset_quota
from application.seal_ledgers import SETTLED_AFTER
from domain.aggregates import fold, message
from domain.aggregates.message import Status
from domain.events.vault import DayKeyCreated
from domain.periods import Period, month_of
from domain.recorded import Context, Recorded
from domain.values import Carrier, ChargeOn, Lane, UnknownPolicy, local_day, local_year, stream_id
from infrastructure import jobs
from infrastructure.bootstrap import Platform
from infrastructure.dispatcher import Dispatcher
from infrastructure.log_reader import LogReader
from infrastructure.number_learner import LearningFollower
from infrastructure.posting_rows import reader
from infrastructure.rerouting import Rerouting
from infrastructure.sealing import seal_days
from infrastructure.worker import pause
from projections import messages
from projections.messages import Overdue
from projections.projection import ReadCursor

_CONTEXT = Context(actor="scheduler")
_PAGE = 1_000
_LOST_PAGE = 10_000
_DAYS_AHEAD = 3
_STUCK_AFTER = timedelta(seconds=5)
_ABANDONED_AFTER = timedelta(seconds=120)
_log = logging.getLogger(__name__)

Task = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Scheduler:
    """Runs every task at its own pace until told to stop; a task that fails is tried again at its next turn."""

    platform: Platform
    broker: RedisBroker
    dispatcher: Dispatcher
    lost_page: int = _LOST_PAGE
    """At how many waiting messages a round looks whether they have a job."""
    looked_at: Overdue | None = None
    """The last of them; the next round goes on after it, or begins anew."""
    year_done: int = 0
    days_done: set[date] = field(default_factory=set)
    rerouting: Rerouting = field(init=False)
    learning: LearningFollower = field(init=False)

    def __post_init__(self) -> None:
        """What remembers since when links are unfit, and how far the log was learned from."""
        self.rerouting = Rerouting(self.broker, self.dispatcher)
        self.learning = LearningFollower(self.platform, LogReader(self.platform.store.recorder))

    repricings: Known = field(default_factory=dict)
    sealed_before: date | None = None
    stated_before: Period | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """All tasks, side by side."""
        tasks: tuple[tuple[Task, float], ...] = (
            (self.prepare_days, 60),
            (self.turn_year, 30),
            (self.amend_allowances, 60),
            (self.raise_alarms, 10),
            (self.seal, 60),
            (self.issue_statements, 60),
            (self.expire, 2),
            (self.dispatch_stuck, 2),
            (self.dispatch_lost, 15),
            (self.reroute, 2),
            (self.learn_numbers, 1),
            (self.doubt_abandoned, 10),
            (self.give_up_unreported, 60),
            (self.drop_held_receipts, 3_600),
        )
        await asyncio.gather(*(_repeat(task, seconds, stop) for task, seconds in tasks))

    async def prepare_days(self) -> None:
        """Keys and partitions of today and the days ahead, before anybody needs them."""
        today = local_day(await self.platform.store.now())
        for ahead in range(_DAYS_AHEAD):
            day = today + timedelta(days=ahead)
            if day not in self.days_done:
                await prepare_day(self.platform, day)
                self.days_done.add(day)

    async def turn_year(self) -> None:
        """Close last year's ledgers and open this year's, once; also when nobody was awake at midnight."""
        year = local_year(await self.platform.store.now())
        if self.year_done != year:
            done = await reset_quota(
                self.platform.store, year=year, account=None, dry_run=False, context=_CONTEXT
            )
            closed = sum(one.closed_year is not None for one in done)
            _log.info(
                "year %d: %d accounts looked at, %d ledgers of the year before closed",
                year,
                len(done),
                closed,
            )
            self.year_done = year

    async def issue_statements(self) -> None:
        """From the day of the settings on, the statements of every month that is over."""
        today = local_day(await self.platform.store.now())
        month, day = month_of(today), self.platform.settings.statement_day
        if not day or today.day < day or self.stated_before == month:
            return
        read = reader(self.platform.store.recorder)
        done = await issue_due(self.platform.store, read, last=month.preceding, context=_CONTEXT)
        for one in done:
            if one.statement is not None:
                _log.info("account %s: statement %s issued", one.account, one.statement.content.number)
            else:
                _log.warning("account %s: no statement was issued: %s", one.account, one.code)
        self.stated_before = month

    async def amend_allowances(self) -> None:
        """Allowances that change as of today where nobody sends, and what retroactive prices change."""
        for account in await apply_amendments(self.platform.store, known=self.repricings, context=_CONTEXT):
            _log.info("account %s: an amendment changed its ledger", account)

    async def raise_alarms(self) -> None:
        """Levels of the allowance that were reached."""
        for alarm in await raise_alarms(self.platform.store, self.platform.directory, context=_CONTEXT):
            _log.warning("account %s has used %d %% of %d", alarm.account, alarm.percent, alarm.year)

    async def learn_numbers(self) -> None:
        """What carriers say about numbers that were ported away from them."""
        learned = await self.learning.step()
        if learned:
            _log.info("learned %d times whose a number is not", learned)

    async def seal(self) -> None:
        """Seal the days that are over, once a day; also those on which nobody was awake."""
        over = local_day(await self.platform.store.now() - SETTLED_AFTER)
        if self.sealed_before != over:
            made = await seal_days(self.platform, context=_CONTEXT)
            _log.info("sealed %d days before %s", len(made), over)
            self.sealed_before = over

    async def expire(self) -> None:
        """Expire and refund what no carrier took in time."""
        now = self.platform.now()
        found = await self._hints(lambda cursor: messages.past_validity(cursor, now=now, limit=_PAGE))
        await settle_messages.expire(self.platform.store, _ids(found), now=now, context=_CONTEXT)

    async def dispatch_stuck(self) -> None:
        """Messages that wait though their queue is empty have lost their job: give them another."""
        before = self.platform.now() - _STUCK_AFTER
        found = await self._hints(
            lambda cursor: messages.waiting(cursor, Status.ACCEPTED, before=before, limit=_PAGE)
        )
        await self._dispatch_again(found, self._if_queues_are_empty)

    async def dispatch_lost(self) -> None:
        """Messages that wait and are in no job, whatever else is in the queues: give them another.

        On a busy link the queue is never empty, so `dispatch_stuck` alone would let them wait for a quiet
        moment. This looks into every job and is therefore done seldom; and at some messages a round, so that those
        of a link that is down for long keep nobody from the others.
        """
        before, after = self.platform.now() - _STUCK_AFTER, self.looked_at
        found = await self._hints(
            lambda cursor: messages.waiting(
                cursor, Status.ACCEPTED, before=before, after=after, limit=self.lost_page
            )
        )
        self.looked_at = found[-1] if len(found) == self.lost_page else None
        await self._dispatch_again(found, self._not_in_jobs)

    async def reroute(self) -> None:
        """Messages that wait for a link that is down, off or draining go over another where there is one."""
        moved = await asyncio.to_thread(self.rerouting.step)
        if moved:
            _log.info("%d messages go over another link", moved)

    async def _dispatch_again(
        self,
        found: Sequence[Overdue],
        lost_of: Callable[[Carrier, Lane, Sequence[SubmitJob]], Sequence[SubmitJob]],
    ) -> None:
        by_route: dict[tuple[Carrier, Lane], list[SubmitJob]] = defaultdict(list)
        for one in found:
            route = Carrier(one.carrier), Lane(one.lane)
            by_route[route].append(SubmitJob(one.id, *route))

        def without_jobs() -> list[SubmitJob]:
            return [job for route, waiting in by_route.items() for job in lost_of(*route, waiting)]

        lost, again = await asyncio.to_thread(without_jobs), 0
        for begin in range(0, len(lost), _PAGE):
            if waiting := await self._waiting(lost[begin : begin + _PAGE]):
                again += await asyncio.to_thread(self.dispatcher.dispatch, waiting)
        if again:
            _log.info("dispatched %d messages again whose jobs were gone", again)

    async def _waiting(self, found: Sequence[SubmitJob]) -> list[SubmitJob]:
        """Those that wait by their own facts: under load the history lags, and most of its hints have moved on."""
        histories = await self.platform.store.load([job.message for job in found])
        states = {id_: fold(message.evolve, history) for id_, history in histories.items()}
        waiting = {id_ for id_, state in states.items() if state and state.status is Status.ACCEPTED}
        return [job for job in found if job.message in waiting]

    def _if_queues_are_empty(
        self, carrier: Carrier, lane: Lane, waiting: Sequence[SubmitJob]
    ) -> Sequence[SubmitJob]:
        links = self.dispatcher.links_of(carrier)
        return () if any(jobs.waiting(self.broker, link=link, lane=lane) for link in links) else waiting

    def _not_in_jobs(self, carrier: Carrier, lane: Lane, waiting: Sequence[SubmitJob]) -> Sequence[SubmitJob]:
        links, ids = self.dispatcher.links_of(carrier), [job.message for job in waiting]
        lost = jobs.without_job(self.broker, links=links, lane=lane, messages=ids)
        return [job for job in waiting if job.message in lost]

    async def doubt_abandoned(self) -> None:
        """Submissions that nobody has answered for by now are in doubt."""
        before = self.platform.now() - await asyncio.to_thread(self._longest_answer)
        found = await self._hints(
            lambda cursor: messages.waiting(cursor, Status.SUBMITTING, before=before, limit=_PAGE)
        )
        await settle_messages.doubt_abandoned(
            self.platform.store, _ids(found), before=before, context=_CONTEXT
        )

    def _longest_answer(self) -> timedelta:
        timeouts = [link.configured.response_timeout_seconds for link in self.dispatcher.network().links]
        return _ABANDONED_AFTER + timedelta(seconds=max(timeouts, default=60))

    async def give_up_unreported(self) -> None:
        """No receipt in time: refunded where the contract charges on delivery and says so."""
        before = self.platform.now() - timedelta(hours=self.platform.settings.report_after_hours)
        found = await self._hints(
            lambda cursor: messages.unreported(
                cursor, before=before, charge_on=ChargeOn.DELIVERED, limit=_PAGE
            )
        )
        histories = await self.platform.store.load(_ids(found))
        refunded = [id_ for id_, history in histories.items() if await self._refunds(history[0])]
        await settle_messages.give_up_unreported(self.platform.store, refunded, context=_CONTEXT)

    async def drop_held_receipts(self) -> None:
        """Receipts that found no message for so long belong to none of ours."""
        days = self.platform.settings.held_receipt_days
        before = await self.platform.store.now() - timedelta(days=days)
        dropped = await self.platform.store.drop_held(before=before)
        if dropped:
            _log.warning("%d receipts found no message within %d days and were dropped", dropped, days)

    async def _refunds(self, accepted: Recorded) -> bool:
        """What the terms say under which the message was accepted."""
        contract = await self.platform.directory.contract(getattr(accepted.event, "account", ""))
        if contract is None:
            return False
        terms = contract.state.terms_on(local_day(accepted.at))
        return terms.unknown_policy is UnknownPolicy.REFUNDED

    async def _hints(self, read: Callable[[ReadCursor], list[Overdue]]) -> list[Overdue]:
        return await asyncio.to_thread(read_model, self.platform, read)


def read_model(platform: Platform, read: Callable[[ReadCursor], list[Overdue]]) -> list[Overdue]:
    """Candidates from the message history; none where it is not built yet."""
    schema = SQL("SET search_path TO {}").format(Identifier(f"{platform.settings.db_schema}_read"))
    with psycopg.connect(platform.settings.database_url, autocommit=True) as connection:
        connection.execute(schema)
        try:
            return read(connection.cursor())
        except psycopg.errors.UndefinedTable:
            return []


async def prepare_day(platform: Platform, day: date) -> None:
    """Keys, partition and the fact that they exist; nothing to do where they do."""
    fingerprint = await asyncio.to_thread(platform.vault.ensure, day)
    await platform.store.in_thread(lambda: platform.store.recorder.ensure_day(day))
    stream = stream_id("day-key", day.isoformat())
    made = DayKeyCreated(day=day, fingerprint=fingerprint)
    await platform.store.commit([Entry(stream=stream, version=0, context=_CONTEXT, events=(made,))])


async def _repeat(task: Task, seconds: float, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await task()
        except Exception as error:  # noqa: BLE001  (the next turn tries again; the line says which task)
            _log.warning("%s failed: %s", getattr(task, "__name__", "task"), type(error).__name__)
        await pause(stop, seconds)


def _ids(found: Sequence[Overdue]) -> list[UUID]:
    return [one.id for one in found]
