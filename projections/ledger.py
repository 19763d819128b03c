"""The running bill: what each ledger says after its last posting, and what each day added to it.

Postings themselves are not copied: they are paged from the ledger's own stream.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, get_args
from uuid import UUID

from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    AtPrice,
    Closed,
    Debited,
    LedgerEvent,
    Opened,
    Refunded,
)
from domain.recorded import Recorded
from domain.values import stream_id
from projections.days import day_of
from projections.projection import Projection, ReadCursor, Table

_FIRST_YEAR = 2000
_COUNTS = (
    "debits",
    "debited",
    "debited_overage",
    "refunds",
    "refunded",
    "refunded_overage",
    "amount_micros",
    "adjusted",
    "adjusted_overage",
    "adjusted_micros",
)
"""Columns of a day. Adjusted are corrections, and what a changed allowance moves beyond it or back."""

YEARS = Table(
    name="ledger_years_v2",
    key=("account", "year"),
    ddl="""
    CREATE TABLE ledger_years_v2 (
        account text NOT NULL,
        year int4 NOT NULL,
        version int8 NOT NULL,
        allowance int8 NOT NULL,
        net int8 NOT NULL,
        overage int8 NOT NULL,
        amount_micros int8 NOT NULL,
        adjusted_micros int8 NOT NULL,
        closed bool NOT NULL,
        unused int8 NOT NULL,
        chain text NOT NULL,
        opened_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        PRIMARY KEY (account, year)
    ) WITH (fillfactor = 50);
    """,
)
DAYS = Table(
    name="ledger_days_v2",
    key=("account", "year", "day", "price_micros"),
    ddl=f"""
    CREATE TABLE ledger_days_v2 (
        account text NOT NULL,
        year int4 NOT NULL,
        day date NOT NULL,
        price_micros int8 NOT NULL,
        {", ".join(f"{name} int8 NOT NULL" for name in _COUNTS)},
        PRIMARY KEY (account, year, day, price_micros)
    ) WITH (fillfactor = 50);
    """,
)


@dataclass(slots=True)
class PageOfPostings:
    """A page folded: the last posting of each ledger, who opened, what expired, and what days added."""

    last: dict[tuple[str, int], Recorded] = field(default_factory=dict)
    opened: dict[tuple[str, int], datetime] = field(default_factory=dict)
    unused: dict[tuple[str, int], int] = field(default_factory=dict)
    days: dict[tuple[str, int, date, int], list[int]] = field(default_factory=dict)


def fold(events: Iterable[Recorded]) -> PageOfPostings:
    """Postings of a page by ledger and by day; counts in the order of the columns."""
    page = PageOfPostings()
    for recorded in events:
        event = recorded.event
        assert isinstance(event, LedgerEvent)
        key = (event.account, _year(recorded.stream, event.account, day_of(recorded.at).year))
        page.last[key] = recorded
        _count(page, key, recorded)
    return page


def _count(page: PageOfPostings, key: tuple[str, int], recorded: Recorded) -> None:
    match recorded.event:
        case Debited() as event:
            counts = _counts(page, key, recorded.at, event.price_micros)
            counts[0] += 1
            counts[1] += event.segments
            _charge(page, key, recorded.at, event.charges, overage=2)
        case Refunded() as event:
            counts = _counts(page, key, recorded.at, event.price_micros)
            counts[3] += 1
            counts[4] += event.segments
            _charge(page, key, recorded.at, event.charges, overage=5, sign=-1)
        case Adjusted() as event:
            counts = _counts(page, key, recorded.at, event.price_micros)
            counts[7] += event.segments
            counts[9] += event.amount_micros
            _charge(page, key, recorded.at, event.charges, overage=8)
        case AllowanceChanged() as event:
            _charge(page, key, recorded.at, event.charges, overage=8)
        case Opened():
            page.opened[key] = recorded.at
        case Closed() as event:
            page.unused[key] = event.unused


def _charge(
    page: PageOfPostings,
    key: tuple[str, int],
    at: datetime,
    charges: Iterable[AtPrice],
    *,
    overage: int,
    sign: int = 1,
) -> None:
    """Add overage to its column of each price, and its money to the amount."""
    for part in charges:
        counts = _counts(page, key, at, part.price_micros)
        counts[overage] += sign * part.segments
        counts[6] += part.segments * part.price_micros


def _counts(page: PageOfPostings, key: tuple[str, int], at: datetime, price_micros: int) -> list[int]:
    day = (*key, day_of(at), price_micros)
    counts = page.days.get(day)
    if counts is None:
        counts = page.days[day] = [0] * len(_COUNTS)
    return counts


@lru_cache(maxsize=10_000)
def _year(stream: UUID, account: str, recorded_in: int) -> int:
    """The year whose ledger a stream is: a late refund is recorded in a later year than its ledger's."""
    for year in range(recorded_in + 1, _FIRST_YEAR, -1):
        if stream_id("ledger", account, year) == stream:
            return year
    raise ValueError("this stream is the ledger of no year")


_SET_YEAR = """
INSERT INTO ledger_years_v2 AS t
    (account, year, version, allowance, net, overage, amount_micros, adjusted_micros, closed, unused, chain,
     opened_at, last_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account, year) DO UPDATE SET
    version = excluded.version, allowance = excluded.allowance, net = excluded.net,
    overage = excluded.overage, amount_micros = excluded.amount_micros,
    adjusted_micros = excluded.adjusted_micros, closed = excluded.closed,
    unused = greatest(t.unused, excluded.unused), chain = excluded.chain, last_at = excluded.last_at
"""
_ADD_DAY = f"""
INSERT INTO ledger_days_v2 AS t (account, year, day, price_micros, {", ".join(_COUNTS)})
VALUES (%s, %s, %s, %s, {", ".join("%s" for _ in _COUNTS)})
ON CONFLICT (account, year, day, price_micros) DO UPDATE SET
    {", ".join(f"{name} = t.{name} + excluded.{name}" for name in _COUNTS)}
"""


def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
    """Write a page of postings: one row a ledger, one a day and price."""
    page = fold(events)
    cursor.executemany(_SET_YEAR, [_year_row(page, key, last) for key, last in page.last.items()])
    if page.days:
        cursor.executemany(_ADD_DAY, [(*day, *counts) for day, counts in page.days.items()])


def _year_row(page: PageOfPostings, key: tuple[str, int], last: Recorded) -> tuple[Any, ...]:
    event = last.event
    assert isinstance(event, LedgerEvent)
    after = event.after
    return (
        *key,
        last.version,
        after.allowance,
        after.net,
        after.overage,
        after.amount_micros,
        after.adjusted_micros,
        after.closed,
        page.unused.get(key, 0),
        event.chain,
        page.opened.get(key, last.at),
        last.at,
    )


PROJECTION = Projection(
    name="ledger_v2",
    topics=tuple(kind.TOPIC for kind in get_args(LedgerEvent)),
    tables=(YEARS, DAYS),
    apply=apply,
)


class YearTotals(NamedTuple):
    """A ledger after its last posting. Segments and micro-yuan; `unused` is what expired when it was closed."""

    account: str
    year: int
    version: int
    allowance: int
    net: int
    overage: int
    amount_micros: int
    adjusted_micros: int
    closed: bool
    unused: int
    chain: str
    opened_at: datetime
    last_at: datetime

    @property
    def included(self) -> int:
        """Segments within the allowance."""
        return self.net - self.overage

    @property
    def remaining(self) -> int:
        """Segments of the allowance that are not used."""
        return max(0, self.allowance - self.net)


class BillLine(NamedTuple):
    """What one day or month added at one price: a day in Shanghai, or the first of a month.

    `amount_micros` is (debited_overage - refunded_overage + adjusted_overage) times the price; money beside
    the segments is `adjusted_micros`.
    """

    day: date
    price_micros: int
    debits: int
    debited: int
    debited_overage: int
    refunds: int
    refunded: int
    refunded_overage: int
    amount_micros: int
    adjusted: int
    adjusted_overage: int
    adjusted_micros: int


_YEAR = f"SELECT {', '.join(YearTotals._fields)} FROM ledger_years_v2 WHERE account = %s"
_SUMS = ", ".join(f"sum({name})::int8" for name in _COUNTS)


def year(cursor: ReadCursor, account: str, year: int) -> YearTotals | None:
    """The totals of a ledger, None where the year is not opened."""
    row = cursor.execute(_YEAR + " AND year = %s", (account, year)).fetchone()
    return None if row is None else YearTotals(*row)


def years(cursor: ReadCursor, account: str) -> list[YearTotals]:
    """All ledgers of an account, newest first."""
    return [YearTotals(*row) for row in cursor.execute(_YEAR + " ORDER BY year DESC", (account,))]


def days(cursor: ReadCursor, account: str, year: int) -> list[BillLine]:
    """The bill of a year by day and price; its sums are the ledger's totals."""
    return _bill(cursor, "day", account, year)


def months(cursor: ReadCursor, account: str, year: int) -> list[BillLine]:
    """The bill of a year by month and price; late refunds stand in the month they were posted in."""
    return _bill(cursor, "date_trunc('month', day)::date", account, year)


def _bill(cursor: ReadCursor, period: str, account: str, year: int) -> list[BillLine]:
    rows = cursor.execute(
        f"SELECT {period}, price_micros, {_SUMS} FROM ledger_days_v2 WHERE account = %s AND year = %s"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        (account, year),
    )
    return [BillLine(*row) for row in rows]
