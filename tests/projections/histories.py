"""Writes true histories: every event here was decided by its aggregate and stamped by the real store."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from psycopg.sql import SQL

from application.ports import Acceptance, CloseYear, Committed, Entry
from domain.aggregates import contract as contracts
from domain.aggregates import fold
from domain.aggregates import message as messages
from domain.aggregates.contract import Contract
from domain.aggregates.message import Message
from domain.events import Event
from domain.events.batch import ChunkAccepted
from domain.events.contract import Terms
from domain.events.link import Broken, Configured, Connected, Disabled, Draining, Enabled, Lost, Mended
from domain.events.message import Accepted, Charged, MessageEvent, SubmittedPart
from domain.recorded import Context, Recorded
from domain.values import Carrier, Category, Lane, Sealed, local_year, message_id, stream_id
from infrastructure.recorder import LedgerRecorder
from tests.domain import facts

CONTEXT = Context(actor="key:test", correlation="request-1")
GO_LIVE = date(2020, 1, 1)
GROUP = 500


@dataclass(slots=True, kw_only=True)
class Sent:
    """A message as its history says, with the version the next decision is taken on."""

    id: UUID
    batch: str
    version: int
    state: Message


@dataclass(slots=True, kw_only=True)
class History:
    """One account and what happens to its messages."""

    recorder: LedgerRecorder
    account: str = "acme"
    terms: Terms = field(default_factory=lambda: Terms(allowance_segments=100, term_years=50))
    contract: Contract = field(init=False)
    keys: "itertools.count[int]" = field(default_factory=itertools.count)
    everything: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The account signs and goes live."""
        (signed,) = contracts.sign(account=self.account, name=self.account, terms=self.terms)
        new = contracts.evolve(None, signed, self.now())
        (live,) = new.go_live(on=GO_LIVE)
        self.contract = contracts.evolve(new, live, self.now())
        self.append(stream_id("contract", self.account), 0, signed, live)

    def accept(
        self,
        count: int = 1,
        *,
        segments: int = 1,
        carrier: Carrier = Carrier.MOBILE,
        template: str = "",
        batch: str = "",
        client_reference: str = "",
        valid_for: timedelta = timedelta(days=1),
    ) -> list[Sent]:
        """Accept messages: debited and recorded in one transaction."""
        now = self.now()

        def entry() -> Entry:
            def accept(charged: Charged) -> Accepted:
                return Accepted(
                    account=self.account,
                    category=Category.NOTICE,
                    lane=Lane.BATCH if batch else Lane.REALTIME,
                    carrier=carrier,
                    signature="测试",
                    template=template,
                    batch=batch,
                    client_reference=client_reference,
                    segments=segments,
                    parts=segments,
                    units=70 * segments,
                    charge_on=self.terms.charge_on,
                    charged=charged,
                    expires_at=now + valid_for,
                    sealed=Sealed(day=now.date(), digest="0" * 64),
                    body_digest="1" * 64,
                )

            return Entry(
                stream=message_id(self.account, str(next(self.keys))),
                version=0,
                context=CONTEXT,
                charge=Acceptance(
                    contract=self.contract,
                    contract_version=2,
                    terms=self.contract.terms,
                    segments=segments,
                    accept=accept,
                ),
            )

        sent: list[Sent] = []
        for recorded in self.commit([entry() for _ in range(count)]):
            mine = [r for r in recorded if isinstance(r.event, Accepted)]
            state = fold(messages.evolve, mine)
            assert state is not None
            sent.append(Sent(id=mine[0].stream, batch=batch, version=1, state=state))
        self.everything += sent
        return sent

    def decide(
        self,
        sent: Sequence[Sent],
        command: Callable[[Message], tuple[MessageEvent, ...]],
        *,
        actor: str = "link:mobile",
    ) -> None:
        """Give a command to each message; what it decides is recorded with its posting, if one is due."""
        decided = [(one, command(one.state)) for one in sent]
        entries = [
            Entry(
                stream=one.id,
                version=one.version,
                context=Context(actor=actor),
                events=events,
                charge=one.state.charge_due(events),
            )
            for one, events in decided
        ]
        for one, recorded in zip(sent, self.commit(entries), strict=True):
            for fact in recorded:
                if fact.stream == one.id:
                    one.state = messages.evolve(one.state, fact.event, fact.at)
                    one.version += 1

    def start(self, sent: Sequence[Sent], *, link: str = "mobile") -> None:
        """Hand messages to a link."""
        now = self.now()
        self.decide(sent, lambda m: m.start_submission(link=link, now=now))

    def submit(self, sent: Sequence[Sent], *, link: str = "mobile") -> None:
        """Hand messages to a link and have every part taken."""
        self.start(sent, link=link)
        self.decide(sent, lambda m: m.record_submitted(parts=_parts(m)))

    def refuse(self, sent: Sequence[Sent], *, code: str = "ESME_RINVDSTADR", retryable: bool = False) -> None:
        """The carrier refuses started messages."""
        self.decide(sent, lambda m: m.record_refused(code=code, retryable=retryable))

    def doubt(self, sent: Sequence[Sent]) -> None:
        """No answer came to started messages."""
        self.decide(sent, lambda m: m.record_in_doubt(reason="connection lost"))

    def report(self, sent: Sequence[Sent], status: str = "DELIVRD") -> None:
        """A receipt for every part of each message."""
        for part in range(1, max((one.state.accepted.parts for one in sent), default=0) + 1):
            self.decide(
                sent,
                lambda m, part=part: m.record_receipt(
                    part=part, carrier_id=f"id{part}", status=status, error="000", carrier_time="2607011200"
                ),
            )

    def cancel(self, sent: Sequence[Sent]) -> None:
        """The account takes messages back."""
        self.decide(sent, lambda m: m.cancel(reason="changed my mind"))

    def expire(self, sent: Sequence[Sent]) -> None:
        """The validity of waiting messages ends."""
        self.decide(sent, lambda m: m.expire(now=m.accepted.expires_at))

    def close_year(self) -> None:
        """The ledger of this year is closed."""
        year = local_year(self.now())
        charge = CloseYear(account=self.account, year=year)
        self.commit([Entry(stream=None, version=None, context=CONTEXT, charge=charge)])

    def configure_link(self, name: str = "mobile") -> None:
        """A link is configured and enabled."""
        configured = Configured(
            name=name,
            protocol="smpp34",
            host="127.0.0.1",
            port=2775,
            system_id="system",
            sealed_password="sealed-password",
            source_address="1069",
            carriers=(Carrier.MOBILE, Carrier.UNICOM),
            window=32,
            rate_per_second=0,
            response_timeout_seconds=10,
        )
        self.append(stream_id("link", name), 0, configured, Enabled())

    def trouble_link(self, name: str) -> None:
        """Everything happens to a link that can: it connects and is lost, breaks and mends, drains and is off."""
        link, condition = stream_id("link", name), stream_id("link-condition", name)
        self.append(condition, None, Connected(name=name), Connected(name=name, connection=2))
        for _ in range(2):
            self.append(condition, None, Lost(name=name, reason="cannot connect"))
        self.append(condition, None, Broken(name=name, reason="refused"), Mended(name=name))
        self.append(condition, None, Broken(name=name, reason="not delivered"))
        self.append(link, None, Draining(reason="maintenance"), Disabled(reason="maintenance"), Enabled())
        self.append(link, None, Draining(reason="for good"))

    def answer_chunk(self, batch: str, *, accepted: int, refused: tuple[tuple[str, int], ...] = ()) -> None:
        """A bulk call of a batch is answered."""
        chunk = ChunkAccepted(
            account=self.account, batch=batch, accepted=accepted, segments=accepted, refused=refused
        )
        self.append(stream_id("batch", self.account, batch), None, chunk)

    def answer(self, count: int) -> None:
        """Phones answer: in one piece, in two, and in a part whose other half never comes."""
        for _ in range(count):
            whole, long, half = (stream_id("reply", self.account, next(self.keys)) for _ in range(3))
            self.append(whole, 0, facts.whole_reply(self.account, keyword="TD"))
            self.append(long, 0, facts.part_of_reply(self.account, 2))
            self.append(half, 0, facts.part_of_reply(self.account, 1))
            self.append(
                long, 1, facts.part_of_reply(self.account, 1), facts.whole_reply(self.account, parts=2)
            )

    def append(self, stream: UUID, version: int | None, *events: Event) -> None:
        """Record facts of another noun."""
        self.commit([Entry(stream=stream, version=version, context=CONTEXT, events=events)])

    def commit(self, entries: Sequence[Entry]) -> list[tuple[Recorded, ...]]:
        """Commit in groups; every entry has to be taken."""
        recorded: list[tuple[Recorded, ...]] = []
        for begin in range(0, len(entries), GROUP):
            for outcome in self.recorder.commit(entries[begin : begin + GROUP]):
                assert isinstance(outcome, Committed), outcome
                recorded.append(outcome.recorded)
        return recorded

    def now(self) -> datetime:
        """The store's clock."""
        now: datetime = self.recorder.rows(SQL("SELECT clock_timestamp()"))[0][0]
        return now


def _parts(message: Message) -> tuple[SubmittedPart, ...]:
    return tuple(SubmittedPart(number=n, carrier_id=f"id{n}") for n in range(1, message.accepted.parts + 1))


def colourful(recorder: LedgerRecorder, *, account: str = "acme", count: int = 20) -> History:
    """A history in which everything happens that can happen to a message, `count` of each."""
    story = History(recorder=recorder, account=account)
    story.configure_link(f"mobile-{account}")
    waiting = story.accept(count, template="greeting")
    delivered = story.accept(count, batch="spring", segments=2, carrier=Carrier.UNICOM)
    failed = story.accept(count, batch="spring", carrier=Carrier.TELECOM, client_reference='a\tb\\c\nd,{"e"}')
    story.answer_chunk("spring", accepted=2 * count, refused=(("invalid_phone", 3), ("text_empty", 1)))
    revised = story.accept(count)
    refused = story.accept(count, template="greeting")
    doubtful = story.accept(count)
    story.submit(delivered)
    story.submit(failed)
    story.submit(revised)
    story.start(refused)
    story.start(doubtful)
    story.report(delivered)
    story.report(failed, "UNDELIV")
    story.report(revised, "UNDELIV")
    story.refuse(refused)
    story.doubt(doubtful)
    story.report(revised)
    story.expire(waiting[: count // 2])
    story.cancel(waiting[count // 2 : count // 2 + 1])
    story.answer(count)
    story.trouble_link(f"mobile-{account}")
    return story
