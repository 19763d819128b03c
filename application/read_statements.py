"""The statements an account has: found by their names, since account and period decide the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.books import contract_of
from application.ports import Store
from domain.aggregates import fold, statement
from domain.aggregates.contract import Contract
from domain.aggregates.statement import Statement
from domain.errors import NotFound
from domain.periods import Period, month_at, month_of, months_between
from domain.values import stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An account's contract and all its statements, at a moment of the store's clock."""

    account: str
    contract: Contract
    now: datetime
    statements: Mapping[Period, Statement]
    """In the order of their periods; a year stands before its months."""

    @property
    def begins(self) -> Period:
        """The first month that anything can have been recorded in."""
        return _begins(self.contract, self.now)

    @property
    def months(self) -> Sequence[Statement]:
        """The monthly statements, oldest first."""
        return [one for period, one in self.statements.items() if not period.yearly]

    def one(self, period: Period) -> Statement:
        """The statement of a period. Refuses not_found."""
        found = self.statements.get(period)
        if found is None:
            raise NotFound("not_found", f"There is no statement of {period} yet.", field="period")
        return found

    def covered(self, year: int) -> int:
        """The last version of a ledger that a statement covers."""
        return max((upto for upto, _ in self.bounds(year)), default=0)

    def bounds(self, year: int) -> list[tuple[int, str]]:
        """How far each monthly statement covers a ledger: last version and month, rising."""
        return [
            (section.upto, one.content.period)
            for one in self.months
            for section in one.content.sections
            if section.year == year and section.upto > section.after
        ]


async def open_book(store: Store, account: str) -> Book:
    """What an account was billed so far. Refuses not_found."""
    agreed = await contract_of(store, account)
    now = await store.now()
    months = months_between(_begins(agreed, now), month_at(now))
    years = {month.year for month in months}
    periods = sorted([*months, *(Period(year) for year in years)])
    streams = {period: stream_id("statement", account, str(period)) for period in periods}
    histories = await store.load(list(streams.values()))
    found = {period: fold(statement.evolve, histories.get(stream, ())) for period, stream in streams.items()}
    return Book(
        account=account,
        contract=agreed,
        now=now,
        statements={period: state for period, state in found.items() if state is not None},
    )


def _begins(agreed: Contract, now: datetime) -> Period:
    days = [day for day in (agreed.signed_on, agreed.live_on) if day is not None]
    return min([month_at(now), *map(month_of, days)])
