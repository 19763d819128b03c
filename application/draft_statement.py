"""What a statement of a period says: made from the postings that no earlier statement covers.

A month takes in whatever was recorded before its end, in the ledger of its year and in those of earlier years,
so a late refund or adjustment is a line of the statement of the month it was recorded in.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from application.fold_statement import NOTHING, LedgerFold, Months, balance, fold
from application.forecast import forecast_at
from application.ports import Store
from application.postings import ReadPostings
from application.read_statements import Book
from application.search_postings import last_before, posting
from domain.aggregates.statement import FORM, Statement, Unbalanced, rounded
from domain.errors import Conflicting
from domain.events.ledger import Closed, LedgerEvent
from domain.events.statement import Balance, Content, Forecast, Line, Rest, Section
from domain.periods import Period, month_at, months_between
from domain.values import local_day, year_start


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """A ledger within a month."""

    section: Section
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Makes contents for one account, upon what its book says is issued."""

    store: Store
    read: ReadPostings
    book: Book

    async def require_next(self, period: Period) -> None:
        """Refuse period_before_contract, statement_out_of_order and year_not_closed: periods are issued in order.

        A month without postings may be left out, as long as no later one is issued.
        """
        if period.next_day <= self.book.begins.first_day:
            raise Conflicting(
                "period_before_contract", f"The contract begins after {period}.", field="period"
            )
        later = [one.content.period for one in self.book.months if one.period > period and not period.yearly]
        if later:
            raise _out_of_order(f"{later[0]} is issued already, and what {period} would say is in it.")
        for year in range(self.book.begins.year, period.year + 1):
            open_since = await self._open_since(year)
            if open_since is not None and open_since < (
                period.following.months[0] if period.yearly else period
            ):
                raise _out_of_order(f"{open_since} has postings and is not issued yet.")
        if period.yearly:
            last = await self.store.last_posting(self.book.account, period.year)
            if last is not None and not _posted(last.event).after.closed:
                raise Conflicting(
                    "year_not_closed", f"The ledger of {period} is not closed: reset the quota first."
                )

    async def _open_since(self, year: int) -> Period | None:
        """The month of the first posting of a ledger that no statement covers; a year that was opened ahead
        begins with its January."""
        page = await self.store.postings(self.book.account, year, after=self.book.covered(year), limit=1)
        return max(month_at(page[0].at), Period(year, 1)) if page else None

    async def draft(self, period: Period) -> Content:
        """The content for a period; of one that is not over, as it is now. Refuses period_not_begun."""
        if self.book.now < period.begins:
            raise Conflicting("period_not_begun", f"{period} has not begun.", field="period")
        return await (self._year(period) if period.yearly else self._month(period))

    # A month.

    async def _month(self, period: Period) -> Content:
        ledgers = [
            await self._ledger(year, period) for year in range(period.year, self.book.begins.year - 1, -1)
        ]
        moved = [
            one for one in ledgers if one.section.year == period.year or one.section.upto > one.section.after
        ]
        own = ledgers[0].section.closing
        lines = [line for one in moved for line in one.lines]
        forecast = await forecast_at(
            self.store,
            self.book.account,
            self.book.contract,
            cut=min(period.ends, self.book.now + timedelta.resolution),
        )
        return self._content(
            period, [one.section for one in moved], lines, remaining=own.remaining, forecast=forecast
        )

    async def _ledger(self, year: int, period: Period) -> _Ledger:
        """A ledger from where the statement before ended to the end of the month."""
        account = self.book.account
        bounds = await self._bounds(year, period)
        after = bounds[-1][0] if bounds else 0
        upto = await last_before(self.store, account, year, period.ends, least=after)
        if not upto:
            unopened = replace(NOTHING, allowance=self._allowance(year, period))
            section = Section(year=year, after=0, upto=0, chain="", opening=unopened, closing=unopened)
            return _Ledger(section=section, lines=())
        opening, chain = await self._standing(year, after)
        months = Months(current=str(period), bounds=tuple(bounds))
        folding = LedgerFold(year=year, months=months, version=after, balance=opening, chain=chain)
        if upto > after:
            pages = self.read(account, year, after=after, upto=upto)
            folding = await asyncio.to_thread(fold, folding, pages)
        if folding.version != upto:
            raise Unbalanced(f"ledger {year}: postings after {folding.version} are missing")
        section = Section(
            year=year, after=after, upto=upto, chain=folding.chain, opening=opening, closing=folding.balance
        )
        return _Ledger(
            section=section, lines=rounded(list(folding.lines()), opening_micros=opening.payable_micros)
        )

    async def _bounds(self, year: int, period: Period) -> list[tuple[int, str]]:
        """How far each month before this one reaches in a ledger: those that are issued, and for a preview those
        that will have to be."""
        bounds = self.book.bounds(year)
        first = max([self.book.begins, Period(year, 1), *(one.period.following for one in self.book.months)])
        for month in months_between(first, period)[:-1]:
            covered = bounds[-1][0] if bounds else 0
            upto = await last_before(self.store, self.book.account, year, month.ends, least=covered)
            if upto > covered:
                bounds.append((upto, str(month)))
        return bounds

    async def _standing(self, year: int, version: int) -> tuple[Balance, str]:
        """A ledger after a posting, and its chain."""
        if not version:
            return NOTHING, ""
        event = _posted((await posting(self.store, self.book.account, year, version)).event)
        return balance(event.after), event.chain

    def _allowance(self, year: int, period: Period) -> int:
        """The package a year would begin with."""
        return self.book.contract.allowance_for(year, on=period.last_day)

    # A year.

    async def _year(self, period: Period) -> Content:
        """The sum of the year's monthly statements; of months that are not issued, what they would say now."""
        contents: list[Content] = []
        rests: list[Rest] = []
        for month in period.months:
            known = self.book.statements.get(month)
            if known is not None:
                rests.append(_rest(known))
                contents.append(known.content)
            elif self.book.begins <= month and month.begins <= self.book.now:
                contents.append(await self._month(month))
        sections = _joined([section for one in contents for section in one.sections])
        own = next((section.closing for section in sections if section.year == period.year), NOTHING)
        return self._content(
            period,
            sections,
            [line for one in contents for line in one.lines],
            remaining=own.remaining,
            expired=await self._expired(period.year),
            rests_on=tuple(rests),
        )

    async def _expired(self, year: int) -> int:
        """Segments that expired when the ledger was closed, 0 where it is not."""
        account = self.book.account
        upto = await last_before(self.store, account, year, year_start(year + 1))
        while page := await self.store.postings(account, year, after=upto, limit=200):
            for recorded in page:
                if isinstance(recorded.event, Closed):
                    return recorded.event.unused
            upto = page[-1].version
        return 0

    # Both.

    def _content(
        self,
        period: Period,
        sections: Sequence[Section],
        lines: Sequence[Line],
        *,
        remaining: int,
        expired: int = 0,
        forecast: Forecast | None = None,
        rests_on: tuple[Rest, ...] = (),
    ) -> Content:
        book = self.book
        return Content(
            form=FORM,
            account=book.account,
            customer=book.contract.name,
            period=str(period),
            number=f"{book.account}-{period}",
            dispute_days=book.contract.terms_on(local_day(book.now)).dispute_days,
            sections=tuple(sections),
            lines=tuple(lines),
            amount_micros=sum(line.amount_micros for line in lines),
            amount_fen=sum(line.amount_fen for line in lines),
            difference_micros=sum(line.difference_micros for line in lines),
            remaining=remaining,
            expired=expired,
            forecast=forecast,
            rests_on=rests_on,
        )


def _rest(issued: Statement) -> Rest:
    content = issued.content
    return Rest(period=content.period, number=content.number, hash=issued.hash, amount_fen=content.amount_fen)


def _joined(sections: Sequence[Section]) -> list[Section]:
    """Sections of months that follow each other, as one for each ledger, the newest first."""
    joined: dict[int, Section] = {}
    for section in sections:
        first = joined.get(section.year, section)
        joined[section.year] = replace(section, after=first.after, opening=first.opening)
    return [joined[year] for year in sorted(joined, reverse=True)]


def _out_of_order(why: str) -> Conflicting:
    return Conflicting("statement_out_of_order", why, field="period")


def _posted(event: object) -> LedgerEvent:
    assert isinstance(event, LedgerEvent)
    return event
