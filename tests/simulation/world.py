"""The simulated world: clients, one platform that crashes, carriers, sweeps, a person, and time that jumps."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from application import settle_messages
from application.carriage import Answer as CarrierAnswer
from application.carriage import PartKey, Receipt, Refused, Taken
from application.directory import Directory
from application.manage_contracts import go_live, resume, sign_contract, suspend
from application.manage_links import configure_link
from application.manage_templates import approve_signature, draft_signature
from application.reactions import jobs
from application.record_late_answers import LateAnswers
from application.record_receipts import ReceiptRecorder
from application.reset_quota import reset_quota
from application.send_messages import Answer, Draft, MessageSender, SendMessages
from application.settling import Settling
from application.submit_messages import MessageSubmitter
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.events.contract import Terms
from domain.events.link import Configured
from domain.events.message import Accepted
from domain.recorded import Context
from domain.values import Carrier as Operator
from domain.values import Category, ChargeOn, Lane, UnknownPolicy, local_year
from tests.simulation.carriage import SimulatedCarriage
from tests.simulation.carrier import Carrier, NotAcknowledged, Script
from tests.simulation.process import LostAnswer, Process, adopting_task_factory, start_outside
from tests.simulation.store import Disk, ForgetfulStore, MemoryStore
from tests.simulation.vault import PlainVault

ACCOUNT, SIGNATURE = "acme", "示例科技"
BEGIN = datetime(2026, 12, 31, 15, 57, tzinfo=UTC)
"""Three minutes before the year ends in Shanghai."""
BY = Context(actor="test")
ROUTES = {Operator.MOBILE: "one", Operator.UNICOM: "two", Operator.TELECOM: "two"}
PHONES = tuple(f"{prefix}{number:04d}" for prefix in ("1380013", "1300013", "1890018") for number in range(4))
TEXTS = ("您的验证码是1234", "字" * 60, "字" * 80, "长" * 150, "😀" * 40)
DOUBT_AFTER = timedelta(seconds=180)
REPORT_AFTER = timedelta(minutes=30)
JOB = tuple[str, Lane, tuple[UUID, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of world a seed makes."""

    seed: int
    terms: Terms
    scripts: dict[str, Script]
    calls: int
    crash_every: int
    """Steps a process lives on average, 0 for ever."""
    losses: float
    freezes: int
    """So many of the first workers only freeze, on their way to a carrier, and wake when another has taken over."""
    resends: float = 0.4
    """Of the doubts that the person resolves: those of which the message is sent again."""
    worker_ends_at: int | None = None
    """The step at which the first worker ends, whatever `crash_every` says."""


def plan(seed: int) -> Plan:
    """The world of a seed."""
    random = Random(seed)
    scale = random.choice((0.0, 0.05, 0.2))

    def script() -> Script:
        rates = {name: random.random() * scale for name in Script.__dataclass_fields__ if name != "late"}
        return Script(**rates, late=random.random())

    return Plan(
        seed=seed,
        terms=Terms(
            allowance_segments=random.choice((0, 20, 60, 1_000)),
            charge_on=random.choice(list(ChargeOn)),
            unknown_policy=random.choice(list(UnknownPolicy)),
        ),
        scripts={"one": script(), "two": script()},
        calls=random.randint(3, 12),
        crash_every=random.choice((0, 60, 250)),
        losses=random.choice((0.0, 0.0, 0.01)),
        freezes=random.choice((0, 1, 4)),
    )


@dataclass(slots=True, kw_only=True)
class Call:
    """What a client asked for, and the answer it got in the end, by key."""

    drafts: dict[str, Draft]
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Worker:
    """A worker process: links, submitters, receipts."""

    process: Process
    recorder: ReceiptRecorder
    carriages: dict[str, SimulatedCarriage]
    submitters: dict[str, MessageSubmitter]


class World:
    """Everything there is; `live` runs it until nothing more happens."""

    live_on = date(2026, 1, 1)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed + 1)
        self.disk = Disk()
        self.vault = PlainVault()
        self.calls: list[Call] = []
        self.queue: list[JOB] = []
        self.dispatched = 0
        self.jumped = timedelta()
        self.crashes = 0
        self.surprises: list[BaseException] = []
        self.closing = False
        self.worker: Worker | None = None
        self.frozen = 0
        self.woken_during_resend = 0
        self.reset_years: set[int] = set()
        self._folded: dict[UUID, tuple[int, Message]] = {}
        self.carriers = {
            name: Carrier(name, Random(f"{plan.seed}{name}"), script, self._receive(name))
            for name, script in plan.scripts.items()
        }

    def now(self) -> datetime:
        """The world's clock."""
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time()) + self.jumped

    # Processes.

    def process(self, *, ends_at: int | None = None, freezes: bool = False) -> Process:
        every = self.plan.crash_every
        if ends_at is None and every:
            ends_at = 1 + int(self.random.expovariate(1 / every))
        return Process(self.random, ends_at=ends_at, freezes=freezes, losses=self.plan.losses)

    def store(self, process: Process) -> MemoryStore:
        return ForgetfulStore(now=self.now, disk=self.disk, pause=process.store_step, forgets=self._forgets)

    def _forgets(self) -> bool:
        return self.random.random() < self.plan.losses

    async def attempt(self, work: Callable[[MemoryStore], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """Do something in a process of its own, again and again until it lives to tell."""
        while True:
            process = self.process()
            task = process.start(self._survive(work(self.store(process))))
            await asyncio.wait([task])
            if not task.cancelled():
                result, lost = task.result()
                if not lost:
                    return result
            self.crashes += 1

    @staticmethod
    async def _survive(work: Awaitable[Any]) -> tuple[Any, bool]:
        try:
            return await work, False
        except LostAnswer:
            return None, True

    # Clients.

    async def set_up(self) -> None:
        quiet = MemoryStore(now=self.now, disk=self.disk)
        await sign_contract(quiet, account=ACCOUNT, name="示例", terms=self.plan.terms, context=BY)
        await go_live(quiet, account=ACCOUNT, on=self.live_on, context=BY)
        await draft_signature(quiet, account=ACCOUNT, name=SIGNATURE, context=BY)
        await approve_signature(quiet, account=ACCOUNT, name=SIGNATURE, context=BY)
        for name in self.carriers:
            serves = tuple(operator for operator, link in ROUTES.items() if link == name)
            await configure_link(quiet, configured=_configured(name, serves), context=BY)

    async def client(self, number: int) -> None:
        """Sends some messages, asks again until every one is answered, and sometimes once more."""
        await asyncio.sleep(self.random.uniform(0, 360))
        count = self.random.choice((1, 1, 2, 8))
        call = Call(drafts={f"{number}-{place}": self._draft() for place in range(count)})
        self.calls.append(call)
        for _ in range(self.random.choice((1, 1, 2))):
            answers = await self.attempt(lambda store: self._send(store, call))
            call.answers.update(zip(call.drafts, answers, strict=True))
            await asyncio.sleep(self.random.uniform(0, 5))

    def _draft(self) -> Draft:
        return Draft(
            phone=self.random.choice(PHONES),
            signature=SIGNATURE,
            text=self.random.choice(TEXTS),
            validity_seconds=self.random.choice((None, 10, 60, 600)),
        )

    async def _send(self, store: MemoryStore, call: Call) -> list[Answer]:
        sender = MessageSender(
            store=store,
            vault=self.vault,
            directory=Directory(store, seconds=asyncio.get_running_loop().time),
            now=self.now,
            validity_seconds=dict.fromkeys(Category, 900),
        )
        return await sender(
            SendMessages(account=ACCOUNT, drafts=list(call.drafts.items()), context=Context(actor="key:test"))
        )

    async def administrator(self) -> None:
        """Suspends and resumes the contract, and tries to reset the year again and again."""
        for _ in range(self.random.choice((0, 1, 2))):
            await asyncio.sleep(self.random.uniform(0, 200))
            await self.attempt(lambda store: suspend(store, account=ACCOUNT, reason="unpaid", context=BY))
            await asyncio.sleep(self.random.uniform(0, 20))
            await self.attempt(lambda store: resume(store, account=ACCOUNT, reason="paid", context=BY))
        await self.attempt(self._reset)

    async def _reset(self, store: MemoryStore) -> None:
        year = local_year(self.now())
        await reset_quota(store, year=year, account=None, dry_run=False, context=BY)
        self.reset_years.add(year)

    # From the log to the queue.

    async def dispatcher(self) -> None:
        """Follows the log; its position is recorded after the jobs, and sometimes lost before."""
        while True:
            await asyncio.sleep(self.random.uniform(0.1, 1.0))
            head = len(self.disk.log)
            if head > self.dispatched:
                events = (self.disk.recorded(place) for place in range(self.dispatched, head))
                self._enqueue([job for recorded in events for job in jobs(recorded)])
                if self.random.random() > 0.05:
                    self.dispatched = head

    def _enqueue(self, found: list[Any]) -> None:
        for start in range(0, len(found), 5):
            by_route: dict[tuple[str, Lane, int], list[UUID]] = {}
            for job in found[start : start + 5]:
                by_route.setdefault((ROUTES[job.carrier], job.lane, job.delay_seconds), []).append(
                    job.message
                )
            for (link, lane, delay), ids in by_route.items():
                asyncio.get_running_loop().call_later(delay, self.queue.append, (link, lane, tuple(ids)))

    # The worker.

    async def workers(self) -> None:
        """One worker after another: the next begins when the one before is dead, or cut off since it is frozen."""
        for number in itertools.count():
            ends_at = None if number else self.plan.worker_ends_at
            process = self.process(ends_at=ends_at, freezes=number < self.plan.freezes)
            worker = self.worker = self._make_worker(process)
            for _ in range(3):
                process.start(self._consume(worker))
            process.start(self._match(worker))
            await process.gone.wait()
            self.worker = None
            self.crashes += 1
            await asyncio.sleep(self.random.uniform(0.0, 5.0))
            if not process.dead.is_set():
                await self._cut_off(worker)

    async def _cut_off(self, worker: Worker) -> None:
        """A frozen worker's connections are another's: what it left unanswered is in doubt. Once it wakes."""
        for carriage in worker.carriages.values():
            carriage.owned = False
        self.frozen += 1
        abandoned = self._where(Status.SUBMITTING)
        start_outside(self._wake(worker, abandoned))
        await self._sweep(settle_messages.doubt_abandoned, abandoned)

    async def _wake(self, worker: Worker, abandoned: list[UUID]) -> None:
        """It goes on where it was, at whatever moment, notices that it owns nothing any more, and ends."""
        if self.random.random() < 0.3:
            await asyncio.sleep(self.random.choice((0.1, 10.0, 400.0)))
        else:
            self.woken_during_resend += await self._sent_again(abandoned)
        worker.process.thaw()
        await asyncio.sleep(60)
        worker.process.kill()
        self.frozen -= 1

    async def _sent_again(self, ids: list[UUID]) -> bool:
        """Whether one of these messages, which were on the wire, is there again before long."""
        again = asyncio.Event()
        for carrier in self.carriers.values():
            carrier.awaited |= dict.fromkeys(ids, again)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(900):
                await again.wait()
        return again.is_set()

    def _make_worker(self, process: Process) -> Worker:
        store, settling = self.store(process), Settling()
        recorder = ReceiptRecorder(store=store, vault=self.vault, settling=settling, now=self.now)
        late_answers = LateAnswers(store=store, vault=self.vault)
        carriages = {
            name: SimulatedCarriage(carrier, process, window=4, late=self._late(process, late_answers, name))
            for name, carrier in self.carriers.items()
        }
        submitters = {
            name: MessageSubmitter(
                store=store,
                vault=self.vault,
                carriage=carriage,
                settling=settling,
                now=self.now,
                sleep=asyncio.sleep,
                run=f"{name}-{self.crashes}",
            )
            for name, carriage in carriages.items()
        }
        return Worker(process, recorder, carriages, submitters)

    async def _consume(self, worker: Worker) -> None:
        """Takes jobs; one that fails or whose process dies goes back to the queue, or is lost with it."""
        while True:
            await worker.process.awake()
            if not self.queue:
                await asyncio.sleep(self.random.uniform(0.1, 2.0))
                continue
            job = self.queue.pop(0)
            link, lane, ids = job
            try:
                if not await worker.submitters[link](ids, lane):
                    self.queue.append(job)
                    return
            except asyncio.CancelledError:
                if self.random.random() < 0.5:
                    self.queue.append(job)
                raise
            except Exception as error:  # noqa: BLE001  (what may happen is told apart from what may not)
                self._note(error)
                asyncio.get_running_loop().call_later(2.0, self.queue.append, job)

    async def _match(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(self.random.uniform(1.0, 10.0))
            try:
                await worker.recorder.match_held()
                await worker.recorder.match_doubtful()
            except Exception as error:  # noqa: BLE001
                self._note(error)

    def _receive(self, link: str) -> Callable[[Receipt], Awaitable[None]]:
        async def deliver(receipt: Receipt) -> None:
            worker = self.worker
            if worker is None or worker.process.dead.is_set():
                raise NotAcknowledged
            task = worker.process.start(worker.recorder(link, [receipt]))
            await asyncio.wait([task])
            if task.cancelled():
                raise NotAcknowledged
            error = task.exception()
            if error is not None:
                self._note(error)
                raise NotAcknowledged from error

        return deliver

    def _late(
        self, process: Process, late_answers: LateAnswers, link: str
    ) -> Callable[[PartKey, CarrierAnswer], None]:
        async def record(key: PartKey, answer: Taken | Refused) -> None:
            try:
                await late_answers(link, key, answer)
            except Exception as error:  # noqa: BLE001
                self._note(error)

        def late(key: PartKey, answer: CarrierAnswer) -> None:
            if isinstance(answer, Taken | Refused) and not process.dead.is_set():
                process.start(record(key, answer))

        return late

    def _note(self, error: BaseException | None) -> None:
        """A lost answer may happen; whatever else is raised is a surprise that the auditor reports."""
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                self._note(one)
        elif error is not None and not isinstance(error, LostAnswer | asyncio.CancelledError):
            self.surprises.append(error)

    # Time and people.

    def messages(self) -> dict[UUID, Message]:
        """Every message as it stands."""
        found: dict[UUID, Message] = {}
        for stream, places in self.disk.streams.items():
            if self.disk.log[places[0]].topic == Accepted.TOPIC:
                known = self._folded.get(stream)
                if known is None or known[0] != len(places):
                    state = fold(message.evolve, self.disk.history(stream))
                    assert state is not None
                    known = self._folded[stream] = (len(places), state)
                found[stream] = known[1]
        return found

    def _where(self, status: Status, *, before: datetime | None = None) -> list[UUID]:
        return [
            id_
            for id_, state in self.messages().items()
            if state.status is status and (before is None or self.disk.history(id_)[-1].at < before)
        ]

    async def sweeps(self) -> None:
        """What the scheduler does, from what a read model would tell it."""
        while True:
            await asyncio.sleep(20)
            now, policy = self.now(), self.plan.terms.unknown_policy
            await self._sweep(partial(settle_messages.expire, now=now), self._where(Status.ACCEPTED))
            abandoned = self._where(Status.SUBMITTING, before=now - DOUBT_AFTER)
            await self._sweep(settle_messages.doubt_abandoned, abandoned)
            if policy is UnknownPolicy.REFUNDED:
                unreported = self._where(Status.SUBMITTED, before=now - REPORT_AFTER)
                await self._sweep(settle_messages.give_up_unreported, unreported)
            if not self.queue:
                self._dispatch_stuck(now)

    async def _sweep(self, sweep: Callable[..., Awaitable[int]], ids: list[UUID]) -> None:
        await self.attempt(lambda store: sweep(store, ids, context=BY))

    def _dispatch_stuck(self, now: datetime) -> None:
        """Messages that wait though the queue is empty have lost their job."""
        for id_ in self._where(Status.ACCEPTED, before=now - timedelta(seconds=5)):
            accepted = self.disk.history(id_)[0].event
            assert isinstance(accepted, Accepted)
            self.queue.append((ROUTES[accepted.carrier], accepted.lane, (id_,)))

    async def person(self) -> None:
        """Looks at what is in doubt now and then, decides about some, and lets the rest wait."""
        while not self.closing:
            await asyncio.sleep(self.random.uniform(100, 400))
            for id_ in self._where(Status.IN_DOUBT):
                if self.random.random() < 0.5 and not self.closing:
                    await self._decide(id_, resend=self.random.random() < self.plan.resends)

    async def _decide(self, id_: UUID, *, resend: bool) -> None:
        await self.attempt(
            lambda store: settle_messages.resolve_doubt(
                store, id_, resend=resend, reason="asked the carrier", context=BY
            )
        )

    async def fate(self) -> None:
        """Empties the queue now and then, and lets time jump over hours once."""
        await asyncio.sleep(self.random.uniform(60, 600))
        if self.random.random() < 0.5:
            self.queue.clear()
        await asyncio.sleep(self.random.uniform(60, 600))
        if self.random.random() < 0.3:
            self.jumped += timedelta(hours=9)

    # A whole life.

    async def live(self) -> None:
        """From the first call until nothing more happens, two simulated hours later at the latest.

        For the last of it the person decides no more, so that what is left in doubt is left.
        """
        loop = asyncio.get_running_loop()
        loop.set_task_factory(adopting_task_factory)  # type: ignore[arg-type]
        loop.set_exception_handler(lambda _, context: self._note(context.get("exception")))
        await self.set_up()
        forever: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.dispatcher,
            self.workers,
            self.sweeps,
            self.person,
        ]
        background = [start_outside(work()) for work in forever]
        await self.story()
        try:
            async with asyncio.timeout(7_200):
                await self._rest(background, decide_until=3_600)
                await asyncio.sleep(30)
                await self._rest(background, decide_until=0)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    async def story(self) -> None:
        """What clients, people and fate do."""
        clients = [start_outside(self.client(number)) for number in range(self.plan.calls)]
        others = [start_outside(self.administrator()), start_outside(self.fate())]
        await asyncio.gather(*clients, *others)

    async def _rest(self, background: list[asyncio.Task[None]], *, decide_until: float) -> None:
        """Wait until nothing is open; the person decides no more after that many seconds."""
        while not self._finished():
            for task in background:
                if task.done():
                    task.result()
            await asyncio.sleep(60)
            self.closing = self.closing or asyncio.get_running_loop().time() > decide_until
        self.closing = True

    def _finished(self) -> bool:
        open_ones = self._where(Status.ACCEPTED) + self._where(Status.SUBMITTING)
        reports_due = self.plan.terms.unknown_policy is UnknownPolicy.REFUNDED and any(
            self._where(Status.SUBMITTED)
        )
        quiet = all(carrier.quiet for carrier in self.carriers.values())
        known = {(row.link, row.carrier_id) for row in self.disk.parts}
        unmatched = any((held.link, held.carrier_id) in known for held in self.disk.held.values())
        quiet = quiet and not self.frozen
        return quiet and not open_ones and not unmatched and not (reports_due and self._gives_up())

    def _gives_up(self) -> bool:
        return self.plan.terms.charge_on is ChargeOn.DELIVERED


def _configured(name: str, carriers: tuple[Operator, ...]) -> Configured:
    return Configured(
        name=name,
        protocol="smpp34",
        host="127.0.0.1",
        port=2775,
        system_id="acme",
        sealed_password="",
        source_address="1069",
        carriers=carriers,
        window=4,
        rate_per_second=0,
        response_timeout_seconds=30,
    )
