"""An account's ledgers made by hand, posting by posting at any time one likes, and its statements over them."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from application import issue_statements
from application.fold_statement import Months, Part, parts
from application.issue_statements import issue
from application.postings import PostingRow
from domain.aggregates.ledger import Ledger
from domain.aggregates.statement import Statement
from domain.events.contract import Signed, Terms, WentLive
from domain.events.ledger import DebitReason, LedgerEvent, RefundReason
from domain.events.statement import Content, Line
from domain.periods import Period
from domain.recorded import Context, Recorded
from domain.values import local_year, stream_id
from infrastructure.mapper import encode
from infrastructure.posting_rows import posting_row
from tests.simulation.store import MemoryStore

Answer = TypeVar("Answer")
ACCOUNT = "acme"
BY = Context(actor="test")
BEGIN = datetime(2026, 1, 1, 4, tzinfo=UTC)
PRICE = 38_000


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Await a use case."""
    return asyncio.run(work)


@dataclass(slots=True)
class Billed:
    """A contract and its ledgers in memory. `at` is the clock; every posting moves it on by a second."""

    terms: Terms = field(default_factory=lambda: Terms(allowance_segments=10))
    at: datetime = BEGIN
    account: str = ACCOUNT
    store: MemoryStore = field(init=False)
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        """Sign, and go live on the day of the clock."""
        self.store = MemoryStore(now=lambda: self.at)
        stream = stream_id("contract", self.account)
        for version, event in enumerate(
            (
                Signed(account=self.account, name="示例科技有限公司", terms=self.terms),
                WentLive(on=self.at.date()),
            ),
            1,
        ):
            self._append(stream, version, event)

    def _append(self, stream: UUID, version: int, event: Any) -> None:  # noqa: ANN401
        self.store.disk.append(Recorded(stream=stream, version=version, at=self.at, context=BY, event=event))

    def post(self, year: int, *events: LedgerEvent) -> int:
        """Append postings; the version of the last."""
        for event in events:
            ledger = self.ledgers[year] = self.ledgers[year].after_posting(event)
            self._append(ledger.stream, ledger.version, event)
        self.at += timedelta(seconds=1)
        return self.ledgers[year].version

    def ledger(self, year: int) -> Ledger:
        """The ledger of a year, opened."""
        if year not in self.ledgers:
            self.ledgers[year] = Ledger(account=self.account, year=year)
            self.post(year, *self.ledgers[year].open(allowance=self.terms.allowance_segments, at=self.at))
        return self.ledgers[year]

    def debit(self, segments: int = 1, *, price_micros: int = PRICE, year: int | None = None) -> int:
        """Debit a new message; the version of its posting."""
        year = local_year(self.at) if year is None else year
        self.count += 1
        made = self.ledger(year).debit(
            message=stream_id("message", self.count),
            reason=DebitReason.ACCEPTED,
            segments=segments,
            price_micros=price_micros,
            at=self.at,
        )
        return self.post(year, *made)

    def refund(self, debit: int, segments: int = 1, *, price_micros: int = PRICE, year: int = 2026) -> int:
        """Refund a debit."""
        made = self.ledger(year).refund(
            message=stream_id("message", debit),
            debit=debit,
            reason=RefundReason.FAILED,
            segments=segments,
            price_micros=price_micros,
            at=self.at,
        )
        return self.post(year, *made)

    def adjust(
        self,
        segments: int = 0,
        *,
        amount_micros: int = 0,
        period: str = "2026-01",
        year: int = 2026,
        price_micros: int = PRICE,
    ) -> int:
        """Post a correction."""
        self.count += 1
        made = self.ledger(year).adjust(
            adjustment=stream_id("adjustment", self.count),
            segments=segments,
            amount_micros=amount_micros,
            price_micros=price_micros,
            period=period,
            reason="a test",
            reference="",
            requested_by="one",
            approved_by=("two",),
            at=self.at,
        )
        return self.post(year, *made)

    def change_allowance(self, allowance: int, *, year: int = 2026, price_micros: int = PRICE) -> int:
        """Amend the package of a year."""
        made = self.ledger(year).change_allowance(
            allowance=allowance, amendment=1, price_micros=price_micros, at=self.at
        )
        return self.post(year, *made)

    def close(self, year: int = 2026) -> int:
        """Close a year."""
        return self.post(year, *self.ledger(year).close(at=self.at))

    def go_to(self, day: date) -> None:
        """Set the clock to the noon of a day in Shanghai."""
        self.at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)

    # Reading, as the use cases do.

    def rows(self, year: int) -> list[PostingRow]:
        """All postings of a ledger as they are read in bulk."""
        history = self.store.disk.history(stream_id("ledger", self.account, year))
        return [posting_row(r.version, r.event.TOPIC, encode(r)) for r in history]

    def read(
        self, account: str, year: int, *, after: int = 0, upto: int | None = None, page: int = 3
    ) -> Iterator[Sequence[PostingRow]]:
        """The port `application.postings.ReadPostings`."""
        assert account == self.account
        rows = self.rows(year)[after:upto]
        yield from (rows[at : at + page] for at in range(0, len(rows), page))

    def read_kind(
        self, account: str, year: int, topic: str, *, after: int, upto: int, limit: int
    ) -> Sequence[PostingRow]:
        """The port `application.postings.ReadKind`."""
        assert account == self.account
        return [row for row in self.rows(year)[after:upto] if row.topic == topic][:limit]

    # Statements.

    def issue(self, period: str) -> Statement:
        """Issue, or get the one there is."""
        return self.try_issue(period)[0]

    def try_issue(self, period: str) -> tuple[Statement, bool]:
        """Issue, and whether it was."""
        return run(issue(self.store, self.read, account=self.account, period=period_of(period), context=BY))

    def preview(self, period: str) -> Content:
        """What it would say."""
        return run(
            issue_statements.preview(self.store, self.read, account=self.account, period=period_of(period))
        )

    def parts_of(self, line: Line, months: Months) -> list[Part]:
        """What each posting adds to a line, found by looking at all of them."""
        rows = self.rows(line.year)[line.first - 1 : line.last]
        found = [part for row in rows for part in parts(row, year=line.year, months=months)]
        key = (line.kind, line.period, line.price_micros)
        return [part for part in found if part.key == key]


def period_of(text: str) -> Period:
    """A period that is well written."""
    year, _, month = text.partition("-")
    return Period(int(year), int(month or 0))
