"""Reading the read models: one short transaction on a thread of the store, and how fresh the answer is."""

from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from api.schemas import ReadModel
from domain.errors import Refusal
from infrastructure.bootstrap import Platform
from projections import tracking
from projections.catalogue import PROJECTIONS
from projections.projection import ReadCursor

Value = TypeVar("Value")


async def read(platform: Platform, work: Callable[[ReadCursor], Value]) -> Value:
    """What `work` reads, with the search path on the read models. Refuses read_model_missing."""
    return await platform.store.in_thread(lambda: _read(platform, work))


async def read_as_of(
    platform: Platform, projection: str, work: Callable[[ReadCursor], Value]
) -> tuple[Value, ReadModel]:
    """The same from one read model, and how far it stood before anything was read."""

    def both(cursor: ReadCursor) -> tuple[Value, ReadModel]:
        position = tracking.position(cursor, projection)
        if position is None:
            raise _missing()
        as_of = ReadModel(position=position, head=head(cursor, platform.settings.db_schema))
        return work(cursor), as_of

    return await read(platform, both)


def positions(cursor: ReadCursor) -> dict[str, int]:
    """How far each read model stands, 0 for one that was never prepared."""
    return {each.name: tracking.position(cursor, each.name) or 0 for each in PROJECTIONS}


def head(cursor: ReadCursor, schema: str) -> int:
    """The last position of the log, 0 for an empty one."""
    query = SQL("SELECT coalesce(max(notification_id), 0) FROM {}").format(
        Identifier(schema, "stored_events")
    )
    row = cursor.execute(query).fetchone()
    return int(row[0]) if row else 0


def _read(platform: Platform, work: Callable[[ReadCursor], Value]) -> Value:
    path = SQL("SET LOCAL search_path TO {}").format(
        Identifier(tracking.live_schema(platform.settings.db_schema))
    )
    with platform.store.datastore.get_connection() as connection:
        try:
            return _in_transaction(connection, path, work)
        except (UndefinedTable, InvalidSchemaName):
            raise _missing() from None


def _in_transaction(connection: Connection[Any], path: Any, work: Callable[[ReadCursor], Value]) -> Value:  # noqa: ANN401
    with connection.transaction():
        connection.execute(path)
        return work(connection.cursor(row_factory=tuple_row))


def _missing() -> Refusal:
    return Refusal("read_model_missing", "The read model is not built yet: start the projector.")
