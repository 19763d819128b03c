"""Builds read models again from the first event: to replace the live ones, or to prove them.

A rebuild writes into a schema of its own and touches the live tables only in the one transaction that swaps
them, so it can be killed at any point; the next one begins by dropping what was left. A proof works in a
third schema and reads the live tables in one snapshot: it holds nobody back.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Composed, Identifier

from projections import tracking
from projections.log import Log
from projections.projection import Connect, Projection, Rows, Table
from projections.runner import apply_window, configure

Progress = Callable[[int, int], None]
"""Called after each page with the position reached and the one aimed at."""

_MOST_KEYS = 5
_LOCK_TIMEOUT = "10s"
"""How long the swap waits for readers of the live tables before it gives up, leaving everything as it was."""


class AlreadyRunning(Exception):  # noqa: N818
    """The same read model is being rebuilt or proved by somebody else now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A table whose rows are not those the log says.

    `missing` rows follow from the log and are not live, `unexpected` ones are live and do not follow; a row
    with a wrong column is both. `keys` are up to five of them, columns joined by "/".
    """

    table: str
    missing: int
    unexpected: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Live tables against the log at one position; no differences is the proof."""

    name: str
    position: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The read model stands on new tables. `differences` are what was wrong with the old ones, None where
    they stood at another position and could not be compared."""

    name: str
    position: int
    differences: tuple[Difference, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The means of a rebuild: the log, connections, and the schema of the log (`smsledger`)."""

    log: Log
    connect: Connect
    db_schema: str
    page_events: int = 5_000

    @property
    def live(self) -> str:
        """Where the read models are read from."""
        return tracking.live_schema(self.db_schema)


def rebuild(projection: Projection, workshop: Workshop, *, progress: Progress = lambda *_: None) -> Rebuilt:
    """Build a read model beside the live one and put it in its place. Raises AlreadyRunning.

    The live one is written and read meanwhile; its writer waits for the last pages and the swap.
    """
    schema = f"{workshop.db_schema}_rebuild"
    with _fresh_schema(projection, workshop, schema) as connection:
        reached = _build(connection, projection, workshop, progress)
        with connection.transaction():
            connection.execute(SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
            live = _live_position(connection, projection, workshop, "FOR UPDATE")
            reached = _catch_up(connection, projection, workshop, after=reached, until=live)
            differences = None
            if live == reached:
                differences = _compare(connection, projection, live=workshop.live, rebuilt=schema)
            connection.execute("SET LOCAL synchronous_commit = on")
            _swap(connection, projection, workshop.live, schema, reached)
    return Rebuilt(name=projection.name, position=reached, differences=differences)


def verify(projection: Projection, workshop: Workshop, *, progress: Progress = lambda *_: None) -> Verified:
    """Build a read model from the log and hold the live one against it, row by row. Raises AlreadyRunning."""
    schema = f"{workshop.db_schema}_verify"
    with _fresh_schema(projection, workshop, schema) as connection:
        reached = _build(connection, projection, workshop, progress, not_beyond_live=True)
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        # One snapshot has the live position and the rows that belong to it; only our own tables change in it.
        with connection.transaction():
            live = _live_position(connection, projection, workshop)
            reached = _catch_up(connection, projection, workshop, after=reached, until=live)
            differences = _compare(connection, projection, live=workshop.live, rebuilt=schema)
    return Verified(name=projection.name, position=reached, differences=differences)


@contextmanager
def _fresh_schema(projection: Projection, workshop: Workshop, schema: str) -> Iterator[Connection[Rows]]:
    """A connection that works on empty tables of a projection in a schema, for nobody else at the same time."""
    with workshop.connect() as connection:
        if not tracking.try_lock(connection, tracking.lock_key(workshop.live, projection.name, "build")):
            raise AlreadyRunning(f"{projection.name} is being rebuilt or proved by somebody else now")
        tracking.prepare(connection, workshop.live, [projection])
        tracking.prepare(connection, schema, [])
        configure(connection)
        _drop(connection, projection, schema)
        tracking.prepare(connection, schema, [projection])
        yield connection
        _drop(connection, projection, schema)


def _drop(connection: Connection[Rows], projection: Projection, schema: str) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        for table in projection.tables:
            connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(schema, table.name)))
        connection.execute(
            SQL("DELETE FROM {} WHERE name = %s").format(Identifier(schema, "projection_tracking")),
            (projection.name,),
        )


def _build(
    connection: Connection[Rows],
    projection: Projection,
    workshop: Workshop,
    progress: Progress,
    *,
    not_beyond_live: bool = False,
) -> int:
    """Apply the log page by page, each a transaction, to where it ended when this began."""
    target = _live_position(connection, projection, workshop) if not_beyond_live else workshop.log.head()
    reached = 0
    while reached < target:
        reached = _catch_up(
            connection,
            projection,
            workshop,
            after=reached,
            until=min(target, reached + workshop.page_events),
        )
        progress(reached, target)
    return reached


def _catch_up(
    connection: Connection[Rows], projection: Projection, workshop: Workshop, *, after: int, until: int
) -> int:
    """Apply the log up to a position, where that is not reached yet; the position reached."""
    while after < until:
        limit = min(workshop.page_events, until - after)
        window = workshop.log.window(after, limit, projection.topics)
        apply_window(connection, projection, after=after, window=window)
        after = window.end
    return after


def _live_position(
    connection: Connection[Rows], projection: Projection, workshop: Workshop, lock: str = ""
) -> int:
    """Where the live read model stands; with FOR UPDATE its writer waits until this transaction ends."""
    query = SQL("SELECT position FROM {} WHERE name = %s ").format(
        Identifier(workshop.live, "projection_tracking")
    ) + SQL(lock)
    row = connection.execute(query, (projection.name,)).fetchone()
    assert row is not None
    position: int = row[0]
    return position


def _swap(
    connection: Connection[Rows], projection: Projection, live: str, schema: str, position: int
) -> None:
    for table in projection.tables:
        connection.execute(SQL("DROP TABLE {}").format(Identifier(live, table.name)))
        connection.execute(
            SQL("ALTER TABLE {} SET SCHEMA {}").format(Identifier(schema, table.name), Identifier(live))
        )
    connection.execute(
        SQL("UPDATE {} SET position = %s WHERE name = %s").format(Identifier(live, "projection_tracking")),
        (position, projection.name),
    )


def _compare(
    connection: Connection[Rows], projection: Projection, *, live: str, rebuilt: str
) -> tuple[Difference, ...]:
    found = (_difference(connection, table, live=live, rebuilt=rebuilt) for table in projection.tables)
    return tuple(difference for difference in found if difference is not None)


def _difference(connection: Connection[Rows], table: Table, *, live: str, rebuilt: str) -> Difference | None:
    columns = _columns(connection, rebuilt, table.name)
    here, there = Identifier(live, table.name), Identifier(rebuilt, table.name)
    missing, keys = _only_in(connection, table, columns, there, here)
    unexpected, more_keys = _only_in(connection, table, columns, here, there)
    if not missing and not unexpected:
        return None
    keys = tuple(dict.fromkeys((*keys, *more_keys)))[:_MOST_KEYS]
    return Difference(table=table.name, missing=missing, unexpected=unexpected, keys=keys)


def _columns(connection: Connection[Rows], schema: str, table: str) -> Composed:
    """The columns of a table by name, so that their order in the live one does not matter."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " ORDER BY ordinal_position",
        (schema, table),
    )
    return SQL(", ").join(Identifier(name) for (name,) in rows)


def _only_in(
    connection: Connection[Rows], table: Table, columns: Composed, one: Identifier, other: Identifier
) -> tuple[int, tuple[str, ...]]:
    """How many rows of one table are not in the other, and the keys of a few."""
    key = SQL("concat_ws('/', {})").format(SQL(", ").join(map(Identifier, table.key)))
    query = SQL(
        "WITH surplus AS (SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other})"
        " SELECT (SELECT count(*) FROM surplus), ARRAY(SELECT {key} FROM surplus ORDER BY 1 LIMIT {most})"
    ).format(columns=columns, one=one, other=other, key=key, most=_MOST_KEYS)
    row = connection.execute(query).fetchone()
    assert row is not None
    keys: Sequence[str] = row[1]
    return row[0], tuple(keys)
