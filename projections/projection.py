"""What makes a read model: its tables, the facts it follows and how a stretch of them changes its rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, Cursor

from domain.recorded import Recorded

Rows = tuple[Any, ...]
ReadCursor = Cursor[Rows]
"""A cursor of plain tuples on a connection whose search path is the schema of the read models."""
Connect = Callable[[], "Connection[Rows]"]
"""Opens a connection of plain tuples in autocommit mode; whoever calls it closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a read model. Its name carries the version of its projection; `ddl` makes it with its indexes
    and names no schema: the search path decides."""

    name: str
    key: tuple[str, ...]
    ddl: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A read model. The rows depend on the log alone: never on a clock, on another read model, or on how
    the log was cut into pages. A change of form or meaning is a new version, thus a new name."""

    name: str
    topics: tuple[str, ...]
    tables: tuple[Table, ...]
    apply: Callable[[ReadCursor, Sequence[Recorded]], None]
    """Changes the rows by some events, oldest first, inside the transaction that advances the position."""

    @property
    def noun(self) -> str:
        """The name without its version: what people call it."""
        return self.name.rpartition("_")[0]
