"""From a line of a statement down to its postings, page by page: what a line says is the sum of what is shown."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from application.fold_statement import TOPICS, Key, Months, Part, parts
from application.ports import Store
from application.postings import PostingRow, ReadKind
from application.read_statements import Book, open_book
from domain.errors import NotFound
from domain.events.statement import Line
from domain.periods import Period

_CHUNK = 500
_MOST_LOOKED_AT = 5_000
"""Postings of the kind that one page looks through: among a million at one price, those at another are few, and a
page may then hold fewer than were asked for, even none, before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingPage:
    """Some postings of a line and what each adds to it."""

    line: Line
    postings: Sequence[tuple[PostingRow, Part]]
    next_after: int | None
    """The version to go on after; None at the end."""


async def follow_line(
    store: Store, read: ReadKind, *, account: str, period: Period, line: int, after: int, limit: int
) -> PostingPage:
    """Postings of line number `line` (from 1) of an issued statement, after a version. Refuses not_found."""
    book = await open_book(store, account)
    wanted = _line(book, period, line)
    months = Months(current=wanted.stated_in, bounds=tuple(book.bounds(wanted.year)))
    return await asyncio.to_thread(_page, read, account, wanted, months, max(after, wanted.first - 1), limit)


def _line(book: Book, period: Period, number: int) -> Line:
    lines = book.one(period).content.lines
    if not 1 <= number <= len(lines):
        raise NotFound("not_found", f"The statement of {period} has no line {number}.", field="line")
    return lines[number - 1]


def _page(read: ReadKind, account: str, line: Line, months: Months, after: int, limit: int) -> PostingPage:
    """Looks at postings of the kind until the page is full, the line ends, or enough was looked at."""
    key = Key(line.kind, line.period, line.price_micros)
    found: list[tuple[PostingRow, Part]] = []
    for number, row in enumerate(_rows(read, account, line, after, limit), 1):
        found += [(row, part) for part in parts(row, year=line.year, months=months) if part.key == key]
        if len(found) >= limit or number == _MOST_LOOKED_AT:
            more = row.version if row.version < line.last else None
            return PostingPage(line=line, postings=found, next_after=more)
    return PostingPage(line=line, postings=found, next_after=None)


def _rows(read: ReadKind, account: str, line: Line, after: int, limit: int) -> Iterator[PostingRow]:
    """All postings from there to the line's last of the kinds that it is made of, by version.

    Nearly always the first `limit` of them are the page; where they are not, more are read at a time.
    """
    while rows := _read(read, account, line, after, limit):
        yield from rows
        after, limit = rows[-1].version, _CHUNK


def _read(read: ReadKind, account: str, line: Line, after: int, limit: int) -> list[PostingRow]:
    """The next postings of the kinds that the line is made of, by version."""
    rows = [
        row
        for topic in TOPICS[line.kind]
        for row in read(account, line.year, topic, after=after, upto=line.last, limit=limit)
    ]
    return sorted(rows, key=lambda row: row.version)[:limit]
