"""Where each read model stands: one row beside its tables, written in the same transactions.

The row is our own and not the event store library's, because it has to stand in the same schema as the
tables: a rebuild has its own, and the swap moves both at once.
"""

from collections.abc import Iterable
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from projections.projection import Projection, ReadCursor, Rows

_TRACKING = "projection_tracking"
_DDL = """
CREATE TABLE projection_tracking (
    name text PRIMARY KEY,
    position int8 NOT NULL
) WITH (fillfactor = 50)
"""


class Moved(Exception):  # noqa: N818
    """The position is not where the page begins: somebody applied it already, or swapped the tables."""


def live_schema(db_schema: str) -> str:
    """Where the read models of a log are read from."""
    return f"{db_schema}_read"


def prepare(connection: Connection[Rows], schema: str, projections: Iterable[Projection]) -> None:
    """Set the connection's search path to a schema, and make what is missing in it. Safe from anywhere at
    once: whoever comes second waits and finds it made."""
    path = Identifier(schema)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('smsledger.read_models'))")
        if _missing(connection, "to_regnamespace", schema):
            connection.execute(SQL("CREATE SCHEMA {}").format(path))
        connection.execute(SQL("SET search_path TO {}").format(path))
        _make(connection, schema, _TRACKING, _DDL)
        for projection in projections:
            for table in projection.tables:
                _make(connection, schema, table.name, table.ddl)
            connection.execute(
                "INSERT INTO projection_tracking VALUES (%s, 0) ON CONFLICT DO NOTHING", (projection.name,)
            )


def _make(connection: Connection[Rows], schema: str, table: str, ddl: str) -> None:
    # Asked first, because CREATE INDEX IF NOT EXISTS locks writers out even where the index exists.
    if _missing(connection, "to_regclass", schema, table):
        connection.execute(ddl)


def _missing(connection: Connection[Rows], of_kind: str, *name: str) -> bool:
    row = connection.execute(
        SQL("SELECT {}(%s) IS NULL").format(Identifier(of_kind)), (Identifier(*name).as_string(connection),)
    ).fetchone()
    return bool(row and row[0])


def position(cursor: ReadCursor, name: str) -> int | None:
    """The last position applied, None where the read model was never prepared."""
    row = cursor.execute("SELECT position FROM projection_tracking WHERE name = %s", (name,)).fetchone()
    return None if row is None else row[0]


def advance(cursor: ReadCursor, name: str, *, after: int, end: int) -> None:
    """Move a position; first thing in a page's transaction. Raises Moved where it is not at `after`.

    The row's lock is also what holds the writer back while a rebuild is swapped in.
    """
    cursor.execute(
        "UPDATE projection_tracking SET position = %s WHERE name = %s AND position = %s", (end, name, after)
    )
    if cursor.rowcount != 1:
        raise Moved(f"{name} does not stand at {after}")


def lock_key(schema: str, name: str, purpose: str) -> str:
    """The name of the advisory lock on a projection."""
    return f"{schema}.{name}.{purpose}"


def try_lock(connection: Connection[Any], key: str) -> bool:
    """Take an advisory lock for as long as the connection lives; whether it was free."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    return bool(row and row[0])
