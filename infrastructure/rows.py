"""The tables that a commit writes, and the two ways into them: COPY for many rows, one INSERT for few.

COPY is three to four times as fast for a thousand rows; an INSERT fits into a pipeline, so that a small
group costs two round trips altogether.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from application.ports import (
    Committed,
    Entry,
    HeldReceipt,
    HeldReleased,
    NumberRow,
    Outcome,
    PartRow,
    SealedReply,
    SealedRow,
)
from domain.recorded import Recorded
from infrastructure.mapper import encode
from infrastructure.number_rows import NumberWriter

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and its columns that are written with their types."""

    name: str
    columns: tuple[tuple[str, str], ...]


EVENTS = Table(
    "stored_events",
    (("originator_id", "uuid"), ("originator_version", "int8"), ("topic", "text"), ("state", "bytea")),
)
SEALED = Table(
    "sealed_messages",
    (
        ("day", "date"),
        ("message_id", "uuid"),
        ("account", "text"),
        ("phone_index", "bytea"),
        ("ciphertext", "bytea"),
    ),
)
SEALED_REPLIES = Table(
    "sealed_replies",
    (
        ("day", "date"),
        ("reply_id", "uuid"),
        ("account", "text"),
        ("phone_index", "bytea"),
        ("ciphertext", "bytea"),
    ),
)
PARTS = Table(
    "carrier_parts",
    (("link", "text"), ("carrier_id", "text"), ("message_id", "uuid"), ("part", "int2"), ("phone", "bytea")),
)
HELD = Table(
    "held_receipts",
    (
        ("link", "text"),
        ("carrier_id", "text"),
        ("status", "text"),
        ("error", "text"),
        ("carrier_time", "text"),
        ("phone_index", "bytea"),
    ),
)
TABLES = (EVENTS, SEALED, SEALED_REPLIES, PARTS, HELD)


@dataclass(slots=True)
class Changes:
    """The rows of a group by table, and the held receipts that are held no longer."""

    rows: dict[Table, list[Values]]
    released: list[int]
    numbers: list[NumberRow] = field(default_factory=list)


def sealed_rows(entries: Sequence[Entry]) -> Changes:
    """The sealed rows of a group alone: nothing about them waits for the stamp."""
    rows = [_sealed(row) for entry in entries for row in entry.rows if isinstance(row, SealedRow)]
    return Changes(rows={SEALED: rows}, released=[])


def changes(
    appended: Sequence[Recorded],
    entries: Sequence[Entry],
    outcomes: Sequence[Outcome],
    *,
    sealed: bool = True,
) -> Changes:
    """What a stamped group writes: all events, and the side rows of what is committed (`sealed` ones, too)."""
    found = Changes(rows={table: [] for table in TABLES}, released=[])
    found.rows[EVENTS] = [(r.stream, r.version, r.event.TOPIC, encode(r)) for r in appended]
    for entry, outcome in zip(entries, outcomes, strict=True):
        if entry.rows and isinstance(outcome, Committed):
            for row in entry.rows:
                match row:
                    case SealedRow():
                        if sealed:
                            found.rows[SEALED].append(_sealed(row))
                    case PartRow():
                        found.rows[PARTS].append(_part(row))
                    case SealedReply():
                        found.rows[SEALED_REPLIES].append(_sealed(row.sealed))
                    case HeldReceipt():
                        found.rows[HELD].append(_held(row))
                    case HeldReleased():
                        found.released.append(row.id)
                    case NumberRow():
                        found.numbers.append(row)
    return found


def _sealed(row: SealedRow) -> Values:
    return (row.day, row.message, row.account, row.phone_index, row.ciphertext)


def _part(row: PartRow) -> Values:
    return (row.link, row.carrier_id, row.message, row.part, row.phone)


def _held(row: HeldReceipt) -> Values:
    return (row.link, row.carrier_id, row.status, row.error, row.carrier_time, row.phone_index)


class Writer:
    """Statements for the tables of a schema."""

    def __init__(self, schema: str) -> None:
        self._copies = {table: _copy_statement(schema, table) for table in TABLES}
        self._inserts = {table: _insert_statement(schema, table) for table in TABLES}
        release = SQL("DELETE FROM {}.held_receipts WHERE id = ANY(%s)")
        self._release = release.format(Identifier(schema)).as_bytes()
        self._numbers = NumberWriter(schema)

    def copy(self, conn: Connection[Any], made: Changes) -> None:
        """Write by COPY; not in a pipeline."""
        for table, rows in made.rows.items():
            if rows:
                with conn.cursor().copy(self._copies[table]) as copy:
                    copy.set_types([kind for _, kind in table.columns])
                    for row in rows:
                        copy.write_row(row)
        self._let_go(conn, made)

    def insert(self, conn: Connection[Any], made: Changes) -> None:
        """Write by one INSERT a table; errors may come with the next synchronisation only."""
        for table, rows in made.rows.items():
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                conn.execute(self._inserts[table], columns, prepare=True)
        self._let_go(conn, made)

    def _let_go(self, conn: Connection[Any], made: Changes) -> None:
        if made.released:
            conn.execute(self._release, (made.released,))
        if made.numbers:
            self._numbers.write(conn, made.numbers)


def _names(table: Table) -> Composed:
    return SQL(", ").join(Identifier(name) for name, _ in table.columns)


def _copy_statement(schema: str, table: Table) -> bytes:
    target = Identifier(schema, table.name)
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
    return statement.format(target, _names(table)).as_bytes()


def _insert_statement(schema: str, table: Table) -> bytes:
    lists: Iterable[SQL] = (SQL(f"%b::{kind}[]") for _, kind in table.columns)
    statement = SQL("INSERT INTO {} ({}) SELECT * FROM unnest({})")
    target = Identifier(schema, table.name)
    return statement.format(target, _names(table), SQL(", ").join(lists)).as_bytes()
