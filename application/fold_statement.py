"""From the postings of a ledger to the lines of a statement: a million of them in seconds, in constant memory.

Every posting is split into parts, one for each line it belongs to, so that a line can be followed down to
exactly what it is the sum of.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from application.postings import FactOf, PostingRow, TotalsOf
from domain.aggregates.statement import Unbalanced
from domain.events.ledger import Adjusted, AllowanceChanged, AtPrice, Closed, Debited, Opened, Refunded
from domain.events.statement import Balance, Line, LineKind

TOPICS = {
    LineKind.ALLOWANCE: (Opened.TOPIC, AllowanceChanged.TOPIC),
    LineKind.DEBITS: (Debited.TOPIC,),
    LineKind.REFUNDS: (Refunded.TOPIC,),
    LineKind.ADJUSTMENTS: (Adjusted.TOPIC,),
    LineKind.EXPIRED: (Closed.TOPIC,),
}
"""Which postings a kind of line is made of."""
_ORDER = tuple(LineKind)
NOTHING = Balance(
    allowance=0, net=0, overage=0, by_price=(), amount_micros=0, adjusted_micros=0, closed=False
)
"""A ledger before its first posting."""


class Key(NamedTuple):
    """What postings of one line have in common, within a ledger."""

    kind: LineKind
    period: str
    price_micros: int


class Part(NamedTuple):
    """What a posting adds to one line."""

    key: Key
    included: int
    overage: int
    allowance: int
    amount_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """Which month a version of a ledger was recorded in: `bounds` are the last versions of earlier ones, rising."""

    current: str
    bounds: tuple[tuple[int, str], ...] = ()

    def of(self, version: int) -> str:
        """The month of a version; the current one beyond the bounds."""
        at = bisect_left(self.bounds, (version, ""))
        return self.bounds[at][1] if at < len(self.bounds) else self.current


def parts(row: PostingRow, *, year: int, months: Months) -> tuple[Part, ...]:
    """A posting by the lines it belongs to: one, but where overage is given back at several prices."""
    fact = row.fact
    match row.topic:
        case Debited.TOPIC:
            amount = fact.overage * fact.price_micros
            key = Key(LineKind.DEBITS, months.current, fact.price_micros)
            return (Part(key, fact.included, fact.overage, 0, amount),)
        case Refunded.TOPIC:
            charges = _given_back(fact, fact.overage)
            return _split(LineKind.REFUNDS, months.of(fact.debit), fact, charges, included=-fact.included)
        case Adjusted.TOPIC:
            charges = _signed(fact)
            money = fact.amount_micros
            return _split(
                LineKind.ADJUSTMENTS, fact.period, fact, charges, included=fact.included, money=money
            )
        case AllowanceChanged.TOPIC:
            charges = _signed(fact)
            made = _split(LineKind.ALLOWANCE, str(year), fact, charges, allowance=fact.segments)
            # Nothing was sent: what is beyond the package now was within it before, at each price.
            return tuple(part._replace(included=-part.overage) for part in made)
        case Opened.TOPIC:
            return (Part(Key(LineKind.ALLOWANCE, str(year), 0), 0, 0, fact.after.allowance, 0),)
        case Closed.TOPIC:
            return (Part(Key(LineKind.EXPIRED, str(year), 0), 0, 0, -fact.unused, 0),)
        case _:
            raise Unbalanced(f"posting {row.version} is of a kind no line is made of")


def _split(
    kind: LineKind,
    period: str,
    fact: FactOf,
    charges: Sequence[tuple[int, int]],
    *,
    included: int = 0,
    allowance: int = 0,
    money: int = 0,
) -> tuple[Part, ...]:
    """Parts by price; what has no price stands with the first."""
    made: list[Part] = []
    for price, overage in charges or ((fact.price_micros, 0),):
        amount = price * overage + money
        made.append(Part(Key(kind, period, price), included, overage, allowance, amount))
        included = allowance = money = 0
    return tuple(made)


def _signed(fact: FactOf) -> list[tuple[int, int]]:
    if fact.overage > 0:
        return [(fact.price_micros, fact.overage)]
    return _given_back(fact, -fact.overage)


def _given_back(fact: FactOf, overage: int) -> list[tuple[int, int]]:
    if fact.given_back:
        return [(part.price_micros, -part.segments) for part in fact.given_back]
    return [(fact.price_micros, -overage)] if overage else []


@dataclass(slots=True)
class _Sum:
    first: int
    last: int = 0
    postings: int = 0
    included: int = 0
    overage: int = 0
    allowance: int = 0
    amount_micros: int = 0


@dataclass(slots=True)
class LedgerFold:
    """The postings of one ledger after `version`, summed by line. Feed them in order, then ask."""

    year: int
    months: Months
    version: int
    balance: Balance
    chain: str = ""
    _sums: dict[Key, _Sum] = field(default_factory=dict)

    def feed(self, rows: Sequence[PostingRow]) -> None:
        """A page of postings. Raises Unbalanced where one is missing."""
        if not rows:
            return
        if rows[0].version != self.version + 1 or rows[-1].version != self.version + len(rows):
            raise Unbalanced(f"ledger {self.year}: postings after {self.version} are missing")
        debits: dict[int, _Sum] = {}
        for version, topic, _, fact in rows:
            if topic != Debited.TOPIC:
                self._add(PostingRow(version, topic, "", fact))
                continue
            # Nearly all postings are debits: their sums are kept without a part for each.
            total = debits.get(fact.price_micros)
            if total is None:
                key = Key(LineKind.DEBITS, self.months.current, fact.price_micros)
                total = debits[fact.price_micros] = self._sum(key, version)
            total.last = version
            total.postings += 1
            total.included += fact.included
            overage = fact.overage
            if overage:
                total.overage += overage
                total.amount_micros += overage * fact.price_micros
        last = rows[-1]
        self.version, self.chain, self.balance = last.version, last.fact.chain, balance(last.fact.after)

    def _add(self, row: PostingRow) -> None:
        for part in parts(row, year=self.year, months=self.months):
            total = self._sum(part.key, row.version)
            total.last = row.version
            total.postings += 1
            total.included += part.included
            total.overage += part.overage
            total.allowance += part.allowance
            total.amount_micros += part.amount_micros

    def _sum(self, key: Key, version: int) -> _Sum:
        return self._sums.setdefault(key, _Sum(first=version))

    def lines(self) -> Iterator[Line]:
        """The lines in their order, not rounded yet."""
        for key in sorted(self._sums, key=lambda key: (_ORDER.index(key.kind), *key[1:])):
            yield self._line(key, self._sums[key])

    def _line(self, key: Key, total: _Sum) -> Line:
        return Line(
            kind=key.kind,
            year=self.year,
            period=key.period,
            stated_in=self.months.current,
            price_micros=key.price_micros,
            first=total.first,
            last=total.last,
            postings=total.postings,
            segments=total.included + total.overage,
            included=total.included,
            overage=total.overage,
            allowance=total.allowance,
            amount_micros=total.amount_micros,
            amount_fen=0,
            difference_micros=0,
        )


def fold(ledger: LedgerFold, pages: Iterable[Sequence[PostingRow]]) -> LedgerFold:
    """The fold after all pages."""
    for rows in pages:
        ledger.feed(rows)
    return ledger


def balance(after: TotalsOf) -> Balance:
    """The totals after a posting, in the form of a statement."""
    by_price = tuple(AtPrice(part.price_micros, part.segments) for part in after.mixed)
    if not by_price and after.overage:
        by_price = (AtPrice(after.amount_micros // after.overage, after.overage),)
    return Balance(
        allowance=after.allowance,
        net=after.net,
        overage=after.overage,
        by_price=by_price,
        amount_micros=after.amount_micros,
        adjusted_micros=after.adjusted_micros,
        closed=after.closed,
    )
