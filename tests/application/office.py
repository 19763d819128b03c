"""The use cases over a store in memory: a sample account, a clock that is set by hand, a carrier that is scripted."""

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from application.carriage import Answer as CarrierAnswer
from application.carriage import Part, PartKey, Receipt, Refused, Taken
from application.directory import Directory
from application.manage_contracts import go_live, sign_contract
from application.manage_links import configure_link
from application.manage_templates import approve_signature, approve_template, draft_signature, draft_template
from application.ports import Entry, Outcome
from application.record_late_answers import LateAnswers
from application.record_receipts import ReceiptRecorder
from application.send_messages import Answer, Draft, MessageSender, SendMessages, Sent
from application.settling import Settling
from application.submit_messages import MessageSubmitter
from domain.aggregates import fold, message
from domain.aggregates.message import Message
from domain.errors import Refusal
from domain.events import Event
from domain.events.contract import Terms
from domain.events.ledger import Totals
from domain.events.link import Configured
from domain.recorded import Context
from domain.values import Carrier, Category, Lane, stream_id
from tests.simulation import virtual_time
from tests.simulation.store import MemoryStore
from tests.simulation.vault import PlainVault

ACCOUNT, SIGNATURE, TEMPLATE, LINK = "acme", "示例科技", "login", "mobile"
PHONE, OTHER_PHONE = "13800138000", "13800138001"
BY = Context(actor="test")
NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


def story(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that awaits, in virtual time: what waits costs nothing, what waits for nothing fails."""

    @functools.wraps(test)
    def told(*arguments: object, **named: object) -> None:
        virtual_time.run(test(*arguments, **named))

    return told


class InterruptedStore(MemoryStore):
    """Lets something happen between a decision and the lock, once: `meanwhile`."""

    meanwhile: Callable[[], Awaitable[object]] | None = None
    commits: int = 0
    answers_once_lost: bool = False
    """The next commit is done, and then tried again as if it were not: it meets its own events."""

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        self.commits += 1
        if self.answers_once_lost:
            self.answers_once_lost = False
            await super().commit(entries)
        work, self.meanwhile = self.meanwhile, None
        if work is not None:
            await work()
        return await super().commit(entries)


Reply = CarrierAnswer | BaseException
Script = Callable[[Part, PartKey], Reply | Awaitable[Reply]]


@dataclass(slots=True)
class ScriptedCarriage:
    """Answers what the test says; without a script it takes everything under the ids C1, C2, …"""

    script: Script | None = None
    window: int = 8
    ends_after: int | None = None
    """Places after which the link takes nothing more."""
    used: int = 0
    sent: list[tuple[PartKey, Part]] = field(default_factory=list)
    given_back: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return LINK

    async def reserve(self, lane: Lane, wanted: int) -> int:  # noqa: ARG002
        while self.used >= self.window:
            self.given_back.clear()
            await self.given_back.wait()
        given = min(wanted, self.window - self.used)
        if self.ends_after is not None:
            given = min(given, self.ends_after)
            self.ends_after -= given
        self.used += given
        return given

    def release(self, places: int) -> None:
        self.used -= places
        self.given_back.set()

    async def submit(self, part: Part, key: PartKey) -> CarrierAnswer:
        self.sent.append((key, part))
        number = len(self.sent)
        reply: Reply | Awaitable[Reply]
        reply = Taken(f"C{number}") if self.script is None else self.script(part, key)
        if isinstance(reply, Awaitable):
            reply = await reply
        if isinstance(reply, BaseException):
            raise reply
        return reply


@dataclass(slots=True)
class Office:
    """Everything wired by hand. `now` is set by the test."""

    now: datetime = NOW
    terms: Terms = field(default_factory=lambda: Terms(allowance_segments=100))
    carriage: ScriptedCarriage = field(default_factory=ScriptedCarriage)
    pauses: list[float] = field(default_factory=list)
    signs: bool = False
    """The carrier writes the signature of the number itself."""
    vault: PlainVault = field(default_factory=PlainVault)
    settling: Settling = field(default_factory=Settling)
    runs: "itertools.count[int]" = field(default_factory=itertools.count)
    store: InterruptedStore = field(init=False)
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        """Wire what knows the clock."""
        self.store = InterruptedStore(now=lambda: self.now)
        self.directory = Directory(self.store, seconds=lambda: asyncio.get_running_loop().time())

    async def open(self, *, live_on: date = date(2026, 1, 1)) -> "Office":
        """Sign the contract of the sample account, with a signature, a template and a link."""
        await sign_contract(self.store, account=ACCOUNT, name="示例", terms=self.terms, context=BY)
        await go_live(self.store, account=ACCOUNT, on=live_on, context=BY)
        await draft_signature(self.store, account=ACCOUNT, name=SIGNATURE, context=BY)
        await approve_signature(self.store, account=ACCOUNT, name=SIGNATURE, context=BY)
        await draft_template(
            self.store,
            account=ACCOUNT,
            code=TEMPLATE,
            category=Category.OTP,
            text="验证码${code}",
            context=BY,
        )
        await approve_template(self.store, account=ACCOUNT, code=TEMPLATE, context=BY)
        await configure_link(self.store, configured=configured(), context=BY)
        return self

    async def send(self, *drafts: tuple[str, Draft], **options: Any) -> list[Answer]:  # noqa: ANN401
        """One call; one answer a draft."""
        sender = MessageSender(
            store=self.store,
            vault=self.vault,
            directory=self.directory,
            now=lambda: self.now,
            validity_seconds={Category.OTP: 300, Category.NOTICE: 86_400, Category.MARKETING: 172_800},
        )
        return await sender(SendMessages(account=ACCOUNT, drafts=drafts, context=BY, **options))

    async def accept(self, key: str = "k1", text: str = "您好", *, phone: str = PHONE) -> UUID:
        """A message that is accepted for sure."""
        (answer,) = await self.send((key, draft(text, phone=phone)))
        assert isinstance(answer, Sent), answer
        return answer.id

    async def submit(self, *ids: UUID, lane: Lane = Lane.REALTIME) -> None:
        """Carry messages over the scripted link."""
        await self.submitter()(ids, lane)

    def submitter(self) -> MessageSubmitter:
        """A submitter over the scripted link."""
        return MessageSubmitter(
            store=self.store,
            vault=self.vault,
            carriage=self.carriage,
            settling=self.settling,
            now=lambda: self.now,
            sleep=self._sleep,
            run=f"run-{next(self.runs)}",
            signs=self.signs,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(seconds)

    @property
    def recorder(self) -> ReceiptRecorder:
        """What records receipts."""
        return ReceiptRecorder(
            store=self.store, vault=self.vault, settling=self.settling, now=lambda: self.now
        )

    async def late(self, key: PartKey, answer: Taken | Refused, *, link: str = LINK) -> None:
        """The carrier's answer to a submit after its time."""
        await LateAnswers(store=self.store, vault=self.vault)(link, key, answer)

    async def report(self, *receipts: tuple[str, str], link: str = LINK, phone: str = PHONE) -> None:
        """The carrier's receipts as (carrier id, status), in one batch."""
        await self.recorder(
            link, [Receipt(carrier_id=id_, status=status, phone=phone) for id_, status in receipts]
        )

    def message(self, id_: UUID) -> Message:
        """A message as it stands."""
        state = fold(message.evolve, self.store.disk.history(id_))
        assert state is not None
        return state

    def topics(self, id_: UUID) -> list[str]:
        """What became of a stream, without the noun."""
        return [recorded.event.TOPIC.partition(".")[2] for recorded in self.store.disk.history(id_)]

    def postings(self, year: int = 2026) -> list[Event]:
        """The ledger of a year."""
        return [r.event for r in self.store.disk.history(stream_id("ledger", ACCOUNT, year))]

    def totals(self, year: int = 2026) -> Totals:
        """What the last posting of a year says."""
        after = getattr(self.postings(year)[-1], "after", None)
        assert isinstance(after, Totals)
        return after

    def pass_time(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


def draft(text: str | None = "您好", *, phone: str = PHONE, **others: Any) -> Draft:  # noqa: ANN401
    """A draft under the sample signature."""
    return Draft(phone=phone, signature=SIGNATURE, text=text, **others)


def codes(answers: Iterable[Answer]) -> list[str]:
    """The refusals' codes, "sent" for what was accepted, "replayed" for what had been before."""
    return [
        answer.code if isinstance(answer, Refusal) else "replayed" if answer.replayed else "sent"
        for answer in answers
    ]


def configured(name: str = LINK, *carriers: Carrier) -> Configured:
    """A link; of all carriers but the broadcasters' where none is named."""
    return Configured(
        name=name,
        protocol="smpp34",
        host="127.0.0.1",
        port=2775,
        system_id="acme",
        sealed_password="",
        source_address="1069",
        carriers=carriers or (Carrier.MOBILE, Carrier.UNICOM, Carrier.TELECOM),
        window=8,
        rate_per_second=0,
        response_timeout_seconds=30,
    )
