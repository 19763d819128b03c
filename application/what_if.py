"""What if: the recorded traffic of a period under other terms, beside what was billed for it.

The replay is pure: it folds the facts of one account in the order of the log. Whatever the other terms leave
open stays as it was, so with nothing said the result is the bill, to the micro-yuan. What can be counted anew
when the texts are destroyed, and what cannot, is in docs/what-if.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from typing import get_args
from uuid import UUID

from domain.aggregates.contract import Contract
from domain.aggregates.overage import moved
from domain.errors import BadInput
from domain.events.ledger import Adjusted, AllowanceChanged, LedgerEvent, Opened, Totals
from domain.events.message import (
    Accepted,
    Cancelled,
    Cause,
    Delivered,
    DoubtResolved,
    Expired,
    Failed,
    ReceiptRecorded,
    SubmissionRefused,
    Submitted,
)
from domain.periods import Period, month_at
from domain.receipts import Verdict, verdict
from domain.recorded import Recorded
from domain.text import GSM7_PART, GSM7_SINGLE, UCS2_PART, UCS2_SINGLE
from domain.values import ChargeOn, Counting, PartialYears, UnknownPolicy, local_day, stream_id

TOPICS = (
    *(kind.TOPIC for kind in get_args(LedgerEvent)),
    *(kind.TOPIC for kind in (Accepted, Expired, Failed, Cancelled, Delivered)),
)
Outcome = Expired | Failed | Cancelled | Delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTerms:
    """Terms to try. None leaves a term as it was: for each message, and each day, what was agreed then."""

    allowance_segments: int | None = None
    overage_price_micros: int | None = None
    counting: Counting | None = None
    charge_on: ChargeOn | None = None
    unknown_policy: UnknownPolicy | None = None
    partial_years: PartialYears | None = None
    spending_cap_micros: int | None = None

    def require_possible(self) -> None:
        """Refuse terms_invalid."""
        for name in ("allowance_segments", "overage_price_micros", "spending_cap_micros"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 10**12:
                raise BadInput("terms_invalid", f"{name} is 0 to 10^12.", field=name)

    def allowance_of(self, contract: Contract, year: int) -> int | None:
        """What a year would include; None where the terms leave it as it was."""
        if self.allowance_segments is None and self.partial_years is None:
            return None
        agreed = contract.terms_on(date(year, 12, 31))
        terms = replace(
            agreed,
            allowance_segments=agreed.allowance_segments
            if self.allowance_segments is None
            else self.allowance_segments,
            partial_years=self.partial_years or agreed.partial_years,
        )
        return replace(contract, terms=terms, amendments=()).allowance_for(year, on=date(year, 12, 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days whose postings are shown, and the ledgers they are taken from."""

    years: tuple[int, ...]
    first: date = date.min
    last: date = date.max

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(slots=True)
class Figures:
    """What was posted: segments net of refunds, those beyond the allowance, and what they cost."""

    segments: int = 0
    overage: int = 0
    amount_micros: int = 0
    adjusted_micros: int = 0

    @property
    def included(self) -> int:
        """Segments within the allowance."""
        return self.segments - self.overage

    @property
    def payable_micros(self) -> int:
        """All that is owed beyond the fixed fee."""
        return self.amount_micros + self.adjusted_micros

    def add(self, before: Totals, after: Totals) -> None:
        """What one posting changed."""
        self.segments += after.net - before.net
        self.overage += after.overage - before.overage
        self.amount_micros += after.amount_micros - before.amount_micros
        self.adjusted_micros += after.adjusted_micros - before.adjusted_micros

    def plus(self, other: "Figures", *, times: int = 1) -> "Figures":
        """Both together."""
        return Figures(
            self.segments + times * other.segments,
            self.overage + times * other.overage,
            self.amount_micros + times * other.amount_micros,
            self.adjusted_micros + times * other.adjusted_micros,
        )

    def less(self, other: "Figures") -> "Figures":
        """What this is more than another one."""
        return self.plus(other, times=-1)


@dataclass(slots=True)
class Month:
    """What was billed, and what it would have been."""

    billed: Figures = field(default_factory=Figures)
    other: Figures = field(default_factory=Figures)


@dataclass(slots=True)
class _Book:
    """A ledger, beside what it would be."""

    billed: Totals = field(default_factory=lambda: Totals(allowance=0))
    other: Totals = field(default_factory=lambda: Totals(allowance=0))


@dataclass(slots=True)
class _Message:
    """A message as it would be owed."""

    year: int
    segments: int
    price_micros: int
    charged_on: ChargeOn
    charge_on: ChargeOn
    owed: bool = True
    decided: bool = False
    """It has an outcome."""


History = Callable[[UUID], Sequence[Recorded]]
"""All facts of one message, oldest first: asked for the few whose outcome does not tell everything."""


@dataclass(slots=True)
class Replay:
    """Feed it the facts of one account in the order of the log, then `finish`, then read `months`."""

    account: str
    span: Span
    terms: OtherTerms
    allowances: Mapping[int, int] = field(default_factory=dict)
    """What years would include; a year that is not here stays as it was."""
    unknown_policy: UnknownPolicy = UnknownPolicy.CHARGED
    """What was agreed for messages without a report."""
    report_after: timedelta = timedelta(hours=72)
    history: History = lambda _: ()
    months: dict[Period, Month] = field(default_factory=dict)
    messages: int = 0
    refused_messages: int = 0
    refused_segments: int = 0
    """What the other terms' spending cap would have refused."""
    uncertain_messages: int = 0
    """Messages that cannot be counted by the other rule; they are counted as they were."""
    _books: dict[int, _Book] = field(default_factory=dict)
    _streams: dict[UUID, int] = field(default_factory=dict)
    _open: dict[UUID, _Message] = field(default_factory=dict)
    _due: list[tuple[datetime, int, UUID, bool]] = field(default_factory=list)
    """Refunds that come at a time of their own, soonest first; some only where there is no outcome by then."""

    def __post_init__(self) -> None:
        """The ledgers that are replayed."""
        self._books = {year: _Book() for year in self.span.years}
        self._streams = {stream_id("ledger", self.account, year): year for year in self.span.years}

    def feed(self, recorded: Recorded) -> None:
        """One more fact; those of other accounts and years are passed over."""
        event = recorded.event
        self._give_up(recorded.at)
        match event:
            case Accepted():
                if event.account == self.account and event.charged.year in self._books:
                    self._accept(recorded, event)
            case Expired() | Cancelled() | Failed() | Delivered():
                message = self._open.get(recorded.stream)
                if message is not None:
                    self._decide(recorded, event, message)
            case _ if isinstance(event, LedgerEvent):
                year = self._streams.get(recorded.stream)
                if year is not None:
                    self._posted(recorded, event, year)

    def finish(self, now: datetime) -> None:
        """Nothing more is recorded: what had no report for so long is given up."""
        self._give_up(now)

    def total(self) -> Month:
        """All months together."""
        whole = Month()
        for month in self.months.values():
            whole.billed = whole.billed.plus(month.billed)
            whole.other = whole.other.plus(month.other)
        return whole

    # What was billed, and postings that are nobody's message.

    def _posted(self, recorded: Recorded, event: LedgerEvent, year: int) -> None:
        book, month = self._books[year], self._month(recorded.at)
        if month is not None:
            month.billed.add(book.billed, event.after)
        book.billed = event.after
        match event:
            case Opened():
                book.other = replace(book.other, allowance=self.allowances.get(year, event.after.allowance))
            case AllowanceChanged() if year not in self.allowances:
                price = self._price(event.price_micros)
                self._move(year, recorded.at, book.other.net, event.after.allowance, price)
            case Adjusted():
                price = self._price(event.price_micros)
                self._move(year, recorded.at, book.other.net + event.segments, book.other.allowance, price)
                before = book.other
                book.other = replace(before, adjusted_micros=before.adjusted_micros + event.amount_micros)
                if month is not None:
                    month.other.add(before, book.other)
            case _:
                pass

    # What would have been.

    def _accept(self, recorded: Recorded, event: Accepted) -> None:
        self.messages += 1
        year, price = event.charged.year, self._price(event.charged.price_micros)
        segments, known = recount(event, self.terms.counting)
        self.uncertain_messages += not known
        book, cap = self._books[year], self.terms.spending_cap_micros
        if cap is not None:
            after, _ = moved(book.other, book.other.net + segments, book.other.allowance, price)
            if after.overage > book.other.overage and after.payable_micros > cap:
                self.refused_messages += 1
                self.refused_segments += segments
                return
        charge_on = self.terms.charge_on or event.charge_on
        self._open[recorded.stream] = _Message(year, segments, price, event.charge_on, charge_on)
        self._move(year, recorded.at, book.other.net + segments, book.other.allowance, price)
        if self._gives_up(event, charge_on):
            self._refund_at(recorded.at + self.report_after, recorded.stream, if_open=True)

    def _gives_up(self, event: Accepted, charge_on: ChargeOn) -> bool:
        """Whether a missing report would be refunded now and was not then; what was refunded is in the log."""
        policy = self.terms.unknown_policy or self.unknown_policy
        was = event.charge_on is ChargeOn.DELIVERED and self.unknown_policy is UnknownPolicy.REFUNDED
        return charge_on is ChargeOn.DELIVERED and policy is UnknownPolicy.REFUNDED and not was

    def _decide(self, recorded: Recorded, event: Outcome, message: _Message) -> None:
        message.decided = True
        match event:
            case Delivered():
                self._owe(message, recorded.at, owed=True)
            case Failed():
                if self._refunds(recorded, event, message):
                    self._owe(message, recorded.at, owed=False)
            case Expired() | Cancelled():
                self._owe(message, recorded.at, owed=False)

    def _refunds(self, recorded: Recorded, event: Failed, message: _Message) -> bool:
        """Whether a failure is refunded under the other terms (docs/architecture.md has the table)."""
        delivered = message.charge_on is ChargeOn.DELIVERED
        if event.cause is Cause.UNKNOWN and event.code == "NO_RECEIPT":
            if delivered and self.terms.unknown_policy is UnknownPolicy.CHARGED:
                self._late_failure(recorded)
                return False
            return delivered
        if message.charge_on is message.charged_on:
            return event.refunded
        if delivered:
            return True
        return event.cause is Cause.REFUSED and not _carrier_had(self.history(recorded.stream))

    def _late_failure(self, given_up: Recorded) -> None:
        """It was given up and would not have been: a report of failure that came later is what refunds it."""
        for recorded in self.history(given_up.stream):
            if recorded.version <= given_up.version:
                continue
            event = recorded.event
            if isinstance(event, Delivered):
                return
            if isinstance(event, ReceiptRecorded) and verdict(event.status) is Verdict.FAILED:
                self._refund_at(recorded.at, recorded.stream, if_open=False)
                return

    def _owe(self, message: _Message, at: datetime, *, owed: bool) -> None:
        if message.owed is owed:
            return
        message.owed = owed
        book = self._books[message.year]
        net = book.other.net + (message.segments if owed else -message.segments)
        self._move(message.year, at, net, book.other.allowance, message.price_micros)

    def _refund_at(self, at: datetime, id_: UUID, *, if_open: bool) -> None:
        heappush(self._due, (at, self.messages, id_, if_open))

    def _give_up(self, now: datetime) -> None:
        while self._due and self._due[0][0] <= now:
            at, _, id_, if_open = heappop(self._due)
            message = self._open[id_]
            due = self._report_due(id_) if if_open and not message.decided else at
            if due is not None and due > at:
                self._refund_at(due, id_, if_open=True)
            elif due is not None and not (if_open and message.decided):
                self._owe(message, at, owed=False)

    def _report_due(self, id_: UUID) -> datetime | None:
        """When a report had to be there, None where no carrier is known to have the message."""
        taken = (one.at for one in self.history(id_) if isinstance(one.event, Submitted))
        first = next(taken, None)
        return None if first is None else first + self.report_after

    def _move(self, year: int, at: datetime, net: int, allowance: int, price_micros: int) -> None:
        book, month = self._books[year], self._month(at)
        after, _ = moved(book.other, net, allowance, price_micros)
        if month is not None:
            month.other.add(book.other, after)
        book.other = after

    def _price(self, then: int) -> int:
        other = self.terms.overage_price_micros
        return then if other is None else other

    def _month(self, at: datetime) -> Month | None:
        """The month of a moment, None where its day is not asked for."""
        if local_day(at) not in self.span:
            return None
        return self.months.setdefault(month_at(at), Month())


def _carrier_had(history: Sequence[Recorded]) -> bool:
    """Whether a refused message may have reached a carrier all the same: parts were taken, or it was in doubt."""
    return any(
        isinstance(recorded.event, DoubtResolved)
        or (isinstance(recorded.event, SubmissionRefused) and bool(recorded.event.taken))
        for recorded in history
    )


def recount(event: Accepted, counting: Counting | None) -> tuple[int, bool]:
    """Segments of a message by a rule, and whether they are known for sure. None: as they were counted.

    By 70/67 the recorded length decides. By 160/153 a text counts so unless a character is outside GSM-7; the
    signature's brackets are, so whatever was sent with a signature counts by 70/67 there too.
    """
    if counting is None:
        return event.segments, True
    ucs2 = 1 if event.units <= UCS2_SINGLE else -(-event.units // UCS2_PART)
    if counting is Counting.UCS2_FOR_ALL or event.signature:
        return ucs2, True
    least = 1 if event.units <= GSM7_SINGLE else -(-event.units // GSM7_PART)
    return (ucs2, True) if least == ucs2 else (event.segments, False)


def replay(made: Replay, facts: Iterable[Recorded], *, now: datetime) -> Replay:
    """Feed all facts and finish."""
    for recorded in facts:
        made.feed(recorded)
    made.finish(now)
    return made


def span_of(year: int | None, first: date | None, last: date | None) -> Span:
    """The ledger of a year with all its postings, or the days of a period. Refuses period_missing, span_invalid."""
    if year is not None:
        if first is not None or last is not None:
            raise BadInput("span_invalid", "Give a year, or the first and last day.", field="year")
        return Span(years=(year,))
    if first is None or last is None:
        raise BadInput("period_missing", "Give a year, or the first and last day.", field="from")
    if not first <= last <= first + timedelta(days=3 * 366):
        raise BadInput("span_invalid", "The period ends before it begins, or after 3 years.", field="to")
    return Span(years=tuple(range(first.year, last.year + 1)), first=first, last=last)
