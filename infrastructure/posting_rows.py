"""Postings of a ledger in bulk: pages by version with only the figures decoded, in bounded memory.

A million of them take seconds where the domain's own events take a minute.
"""

from collections.abc import Iterator
from functools import partial

import msgspec
from psycopg.sql import SQL, Identifier

from application.postings import PostingRow, ReadKind, ReadPostings
from domain.events.ledger import Adjusted, AllowanceChanged, Closed, Debited, Opened, Refunded
from domain.values import stream_id
from infrastructure.recorder import LedgerRecorder

PAGE = 20_000
_BETWEEN = (
    "originator_id = %s AND originator_version > %s AND originator_version <= %s"
    " ORDER BY originator_version LIMIT %s"
)
_RARE = ", ".join(f"'{kind.TOPIC}'" for kind in (Opened, Refunded, AllowanceChanged, Adjusted, Closed))
_DEBITS = (
    "originator_id = %s AND topic = %s AND originator_version > %s AND topic = %s"
    " AND originator_version <= %s ORDER BY originator_version LIMIT %s"
)
# Both take the same parameters. The condition of the index stands here word for word, or it is not used; and
# postings are compared and ordered by topic and version as one, or the primary key looks as good to the planner,
# who then reads forty debits for every refund.
_OF_A_RARE_KIND = (
    f"originator_id = %s AND topic IN ({_RARE}) AND (topic, originator_version) > (%s, %s)"
    " AND (topic, originator_version) <= (%s, %s) ORDER BY topic, originator_version LIMIT %s"
)


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
    query = _select(recorder, _BETWEEN)
    stream, last = stream_id("ledger", account, year), 2**62 if upto is None else upto
    while after < last:
        rows = recorder.rows(query, (stream, after, last, page))
        if rows:
            yield [posting_row(version, topic, state) for version, topic, state in rows]
        if len(rows) < page:
            return
        after = rows[-1][0]


def read_kind(
    recorder: LedgerRecorder, account: str, year: int, topic: str, *, after: int, upto: int, limit: int
) -> list[PostingRow]:
    """At most `limit` postings of one topic with `after < version <= upto`, oldest first. Blocking.

    Debits stand close together in the ledger; all other kinds are found by the partial index of migration 0004.
    """
    query = _select(recorder, _DEBITS if topic == Debited.TOPIC else _OF_A_RARE_KIND)
    stream = stream_id("ledger", account, year)
    rows = recorder.rows(query, (stream, topic, after, topic, upto, limit))
    return [posting_row(version, name, state) for version, name, state in rows]


def reader(recorder: LedgerRecorder) -> ReadPostings:
    """The port of the use cases over a recorder."""
    return partial(read_postings, recorder)


def kind_reader(recorder: LedgerRecorder) -> ReadKind:
    """The port of those who follow a line down, over a recorder."""
    return partial(read_kind, recorder)


def posting_row(version: int, topic: str, state: bytes) -> PostingRow:
    """A posting from the columns of its row."""
    envelope = _decode(state)
    return PostingRow(version, topic, envelope.at, envelope.fact)


def _select(recorder: LedgerRecorder, condition: str) -> bytes:
    table = Identifier(recorder.datastore.schema, recorder.events_table_name)
    query = SQL("SELECT originator_version, topic, state FROM {} WHERE " + condition)
    return query.format(table).as_bytes()
