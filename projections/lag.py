"""How far the read models are behind the log, in positions and in seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from projections.log import Log
from projections.projection import Projection, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Where a read model stands. `seconds` is how long its next event has been waiting, 0 at the head."""

    name: str
    position: int
    head: int
    seconds: float

    @property
    def behind(self) -> int:
        """Positions between it and the end of the log."""
        return max(0, self.head - self.position)


def lag(
    log: Log, connection: Connection[Rows], schema: str, projections: Iterable[Projection], *, now: datetime
) -> list[Lag]:
    """The lag of each read model in a schema, one that was never prepared standing at 0. `now` is the
    store's clock."""
    head = log.head()
    standing = _positions(connection, schema)
    return [
        _lag(log, projection.name, standing.get(projection.name, 0), head, now) for projection in projections
    ]


def _positions(connection: Connection[Rows], schema: str) -> dict[str, int]:
    row = connection.execute("SELECT to_regclass(%s)", (f'"{schema}".projection_tracking',)).fetchone()
    if row is None or row[0] is None:
        return {}
    query = SQL("SELECT name, position FROM {}").format(Identifier(schema, "projection_tracking"))
    return dict(connection.execute(query).fetchall())


def _lag(log: Log, name: str, position: int, head: int, now: datetime) -> Lag:
    following = log.page(position, 1) if position < head else ()
    seconds = max(0.0, (now - following[0].at).total_seconds()) if following else 0.0
    return Lag(name=name, position=position, head=head, seconds=seconds)
