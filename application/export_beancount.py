"""A ledger as plain-text double entry (Beancount 3): segments and yuan both balance, month by month.

Segments are the commodity SEG: the allowance is a prepaid asset that use draws down; what is beyond it is sold at
its price and stands as a receivable in CNY. Balances at the ends of months come from the ledger's own totals, so
that an error in these entries does not pass `bean-check`. docs/ledger-chain.md shows the accounts.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from application.export_ledger import postings
from application.ports import Store
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    AtPrice,
    Closed,
    Debited,
    LedgerEvent,
    Opened,
    Refunded,
    Totals,
)
from domain.periods import month_of
from domain.recorded import Recorded
from domain.values import local_day, yuan

Text = Iterator[str]


@dataclass(frozen=True, slots=True)
class _Names:
    """The accounts of a ledger: `acme` in 2026 is `Assets:Prepaid:Acme:2026`."""

    account: str
    year: int

    def of(self, kind: str) -> str:
        return f"{kind}:{self.account[:1].upper()}{self.account[1:]}:{self.year}"

    @property
    def prepaid(self) -> str:
        return self.of("Assets:Prepaid")

    @property
    def receivable(self) -> str:
        return self.of("Assets:Receivable")

    @property
    def overage(self) -> str:
        return self.of("Income:Overage")


_KINDS = {
    "Assets:Prepaid": "SEG",
    "Assets:Receivable": "CNY",
    "Income:Allowance": "SEG",
    "Income:Overage": "SEG",
    "Income:Adjustments": "CNY",
    "Expenses:Included": "SEG",
    "Expenses:Expired": "SEG",
}


@dataclass(slots=True)
class _Entry:
    """What postings of one kind and day come to; of a single one what it is."""

    day: date
    words: str
    first: int
    last: int
    count: int = 0
    package: int = 0
    """Segments by which the package grows."""
    included: int = 0
    overage: dict[int, int] = field(default_factory=dict)
    """Segments beyond the package, by price."""
    expired: int = 0
    amount_micros: int = 0
    """Money beside the segments."""

    def add(self, recorded: Recorded, event: LedgerEvent) -> None:
        """One more posting."""
        self.last, self.count = recorded.version, self.count + 1
        charges: Sequence[AtPrice] = getattr(event, "charges", ())
        for part in charges:
            self.overage[part.price_micros] = self.overage.get(part.price_micros, 0) + part.segments
        match event:
            case Opened():
                self.package += event.after.allowance
            case Debited() | Adjusted():
                self.included += event.included
            case Refunded():
                self.included -= event.included
            case AllowanceChanged():
                self.package += event.segments
                self.included -= event.overage
            case Closed():
                self.expired += event.unused
        if isinstance(event, Adjusted):
            self.amount_micros += event.amount_micros

    def lines(self, names: _Names) -> Text:
        """The transaction; none where nothing moves."""
        legs = list(self._legs(names))
        if not legs:
            return
        yield f'{self.day} * "{names.account}" "{self.words}"'
        yield f"  postings: {self.count}"
        yield f"  first: {self.first}"
        yield f"  last: {self.last}"
        yield from legs
        yield ""

    def _legs(self, names: _Names) -> Text:
        if self.package:
            yield f"  {names.prepaid}  {self.package} SEG"
            yield f"  {names.of('Income:Allowance')}  {-self.package} SEG"
        if self.included:
            yield f"  {names.of('Expenses:Included')}  {self.included} SEG"
            yield f"  {names.prepaid}  {-self.included} SEG"
        for price, segments in self.overage.items():
            if segments:
                yield f"  {names.receivable}  {yuan(price * segments)} CNY"
                yield f"  {names.overage}  {-segments} SEG @ {yuan(price)} CNY"
        if self.expired:
            yield f"  {names.of('Expenses:Expired')}  {self.expired} SEG"
            yield f"  {names.prepaid}  {-self.expired} SEG"
        if self.amount_micros:
            yield f"  {names.receivable}  {yuan(self.amount_micros)} CNY"
            yield f"  {names.of('Income:Adjustments')}  {yuan(-self.amount_micros)} CNY"


async def export_beancount(
    store: Store, *, account: str, year: int, each: bool = False
) -> AsyncIterator[str]:
    """The lines of the file. `each` makes a transaction of every posting instead of one a day and kind.

    Refuses not_found.
    """
    book = _Book(names=_Names(account, year), each=each)
    async for recorded in postings(store, account=account, year=year):
        for line in book.post(recorded):
            yield line
    for line in book.end():
        yield line


@dataclass(slots=True)
class _Book:
    """The ledger as far as it is written; entries of a day wait until the day is over."""

    names: _Names
    each: bool
    day: date | None = None
    waiting: dict[str, _Entry] = field(default_factory=dict)
    after: Totals = field(default_factory=lambda: Totals(allowance=0))
    expired: int = 0

    def post(self, recorded: Recorded) -> Text:
        """One more posting; what is complete by it is written."""
        event = recorded.event
        assert isinstance(event, LedgerEvent)
        day = local_day(recorded.at)
        if self.day is None:
            yield from self._begin(day)
        elif day != self.day:
            yield from self._flush()
            if month_of(day) != month_of(self.day):
                yield from self._balance(month_of(self.day).next_day)
        self.day = day
        words, group = _words(event)
        if self.each or group not in self.waiting:
            if self.each:
                yield from self._flush()
            self.waiting[group] = _Entry(day=day, words=words, first=recorded.version, last=recorded.version)
        self.waiting[group].add(recorded, event)
        self.after = event.after
        self.expired += event.unused if isinstance(event, Closed) else 0

    def end(self) -> Text:
        """What waits, and the last balance."""
        yield from self._flush()
        if self.day is not None:
            yield from self._balance(self.day + timedelta(days=1))

    def _begin(self, day: date) -> Text:
        yield f'option "title" "{self.names.account} {self.names.year}"'
        yield 'option "operating_currency" "CNY"'
        yield ""
        yield f"{day} commodity SEG"
        yield '  name: "segment of a text message"'
        yield f"{day} commodity CNY"
        yield ""
        for kind, currency in _KINDS.items():
            yield f"{day} open {self.names.of(kind)}  {currency}"
        yield ""

    def _flush(self) -> Text:
        waiting, self.waiting = self.waiting, {}
        for entry in waiting.values():
            yield from entry.lines(self.names)

    def _balance(self, day: date) -> Text:
        """What the ledger itself says, at the beginning of a day."""
        after = self.after
        included = after.net - after.overage
        yield f"{day} balance {self.names.prepaid}  {after.allowance - included - self.expired} SEG"
        yield f"{day} balance {self.names.of('Expenses:Included')}  {included} SEG"
        yield f"{day} balance {self.names.overage}  {-after.overage} SEG"
        yield f"{day} balance {self.names.receivable}  {yuan(after.payable_micros)} CNY"
        yield f"{day} balance {self.names.of('Income:Adjustments')}  {yuan(-after.adjusted_micros)} CNY"
        yield ""


def _words(event: LedgerEvent) -> tuple[str, str]:
    """What a posting is, and what it is put together with: adjustments and the rare ones stand alone."""
    match event:
        case Opened():
            return "the year opens", "opened"
        case Debited():
            return f"debits, {event.reason.value}", f"debited {event.reason.value}"
        case Refunded():
            return f"refunds, {event.reason.value}", f"refunded {event.reason.value}"
        case AllowanceChanged():
            return f"allowance changed by amendment {event.amendment}", f"changed {event.chain}"
        case Adjusted():
            return f"adjustment {event.adjustment}", f"adjusted {event.adjustment}"
        case Closed():
            return "the year is closed, what is left expires", "closed"
