"""Postings of a ledger in bulk: pages by version with only the figures decoded, in bounded memory.

A million of them take seconds where the domain's own events take a minute.
"""

from collections.abc import Iterator
from functools import partial

import msgspec
from psycopg.sql import SQL, Identifier

from application.postings import PostingRow, ReadPostings
from domain.values import stream_id
from infrastructure.recorder import LedgerRecorder

PAGE = 20_000


class Price(msgspec.Struct, gc=False):
    """Segments at a price."""

    price_micros: int
    segments: int


class After(msgspec.Struct, gc=False):
    """The totals after a posting."""

    allowance: int
    net: int
    overage: int
    amount_micros: int
    closed: bool = False
    adjusted_micros: int = 0
    mixed: tuple[Price, ...] = ()


class Figures(msgspec.Struct, gc=False):
    """The fields of all kinds of postings together; ids are text. See domain/events/ledger.py for their meaning."""

    after: After
    chain: str
    message: str = ""
    reason: str = ""
    debit: int = 0
    segments: int = 0
    included: int = 0
    overage: int = 0
    price_micros: int = 0
    given_back: tuple[Price, ...] = ()
    adjustment: str = ""
    amendment: int = 0
    amount_micros: int = 0
    period: str = ""
    unused: int = 0


class _Envelope(msgspec.Struct, gc=False):
    at: str
    fact: Figures


_decode = msgspec.json.Decoder(_Envelope).decode


def read_postings(
    recorder: LedgerRecorder,
    account: str,
    year: int,
    *,
    after: int = 0,
    upto: int | None = None,
    page: int = PAGE,
) -> Iterator[list[PostingRow]]:
    """Postings with `after < version <= upto` (None: to the last), oldest first. Blocking; a read a page.

    No transaction stays open between pages: a ledger only grows, so what is read is what was there.
    """
    query = _page(recorder)
    stream, last = stream_id("ledger", account, year), 2**62 if upto is None else upto
    while after < last:
        rows = recorder.rows(query, (stream, after, last, page))
        if rows:
            yield [_row(version, topic, state) for version, topic, state in rows]
        if len(rows) < page:
            return
        after = rows[-1][0]


def reader(recorder: LedgerRecorder) -> ReadPostings:
    """The port of the use cases over a recorder."""
    return partial(read_postings, recorder)


def _row(version: int, topic: str, state: bytes) -> PostingRow:
    envelope = _decode(state)
    return PostingRow(version, topic, envelope.at, envelope.fact)


def _page(recorder: LedgerRecorder) -> bytes:
    table = SQL("{}.{}").format(Identifier(recorder.datastore.schema), Identifier(recorder.events_table_name))
    query = SQL(
        "SELECT originator_version, topic, state FROM {} WHERE originator_id = %s"
        " AND originator_version > %s AND originator_version <= %s ORDER BY originator_version LIMIT %s"
    )
    return query.format(table).as_bytes()
