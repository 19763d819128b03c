"""Progress of batches: how many messages of each are in which status, kept as counts.

Its table is written by the projection of messages, which alone knows what status a message leaves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.aggregates.message import Status
from domain.events import batch, message
from domain.recorded import Recorded
from projections.projection import ReadCursor, Table

_STATUSES = tuple(status.value for status in Status)
_COUNTS = ("messages", "segments", "overage", "refused", *_STATUSES)

BATCHES = Table(
    name="batches_v1",
    key=("account", "batch"),
    ddl=f"""
    CREATE TABLE batches_v1 (
        account text NOT NULL,
        batch text NOT NULL,
        first_at timestamptz NOT NULL,
        {", ".join(f"{name} int8 NOT NULL DEFAULT 0" for name in _COUNTS)},
        PRIMARY KEY (account, batch)
    ) WITH (fillfactor = 50);
    CREATE INDEX batches_v1_first ON batches_v1 (account, first_at);
    """,
)


@dataclass(slots=True)
class _Added:
    first_at: datetime
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))


def fold(events: Iterable[Recorded], statuses: Mapping[UUID, str]) -> dict[tuple[str, str], _Added]:
    """What a page adds to batches; `statuses` are those of the messages accepted in the page, at its end."""
    added: dict[tuple[str, str], _Added] = {}
    for recorded in events:
        match recorded.event:
            case message.Accepted(batch=str(name)) as event if name:
                counts = added.setdefault((event.account, name), _Added(recorded.at)).counts
                counts["messages"] += 1
                counts["segments"] += event.segments
                counts["overage"] += event.charged.overage
                counts[statuses[recorded.stream]] += 1
            case batch.ChunkAccepted() as event:
                counts = added.setdefault((event.account, event.batch), _Added(recorded.at)).counts
                counts["refused"] += sum(count for _, count in event.refused)
            case _:
                pass
    return added


_NAMES = ", ".join(_COUNTS)
_ADD = f"""
INSERT INTO batches_v1 AS t (account, batch, first_at, {_NAMES})
VALUES (%s, %s, %s, {", ".join("%s" for _ in _COUNTS)})
ON CONFLICT (account, batch) DO UPDATE SET {", ".join(f"{c} = t.{c} + excluded.{c}" for c in _COUNTS)}
"""


def add(cursor: ReadCursor, events: Iterable[Recorded], statuses: Mapping[UUID, str]) -> None:
    """Count the messages a page brought, and the refusals of its bulk calls."""
    rows = [(*key, of.first_at, *of.counts.values()) for key, of in fold(events, statuses).items()]
    if rows:
        cursor.executemany(_ADD, rows)


_MOVED = ", ".join(
    f"count(*) FILTER (WHERE after = '{s}') - count(*) FILTER (WHERE before = '{s}') AS {s}"
    for s in _STATUSES
)


def move(changed: str) -> str:
    """A statement that runs an update returning (account, batch, before, after) and moves the counts by it."""
    return f"""
    WITH changed AS ({changed}),
    moved AS (SELECT account, batch, {_MOVED} FROM changed WHERE batch <> '' GROUP BY account, batch)
    UPDATE batches_v1 AS t SET {", ".join(f"{s} = t.{s} + moved.{s}" for s in _STATUSES)}
    FROM moved WHERE t.account = moved.account AND t.batch = moved.batch
    """


class BatchProgress(NamedTuple):
    """Where the messages of a batch stand. `messages` = the sum of the eight statuses; `refused` never
    became messages."""

    account: str
    batch: str
    first_at: datetime
    messages: int
    segments: int
    overage: int
    refused: int
    accepted: int
    submitting: int
    submitted: int
    in_doubt: int
    delivered: int
    failed: int
    expired: int
    cancelled: int


_READ = f"SELECT account, batch, first_at, {_NAMES} FROM batches_v1 WHERE account = %s"


def progress(cursor: ReadCursor, account: str, batch: str) -> BatchProgress | None:
    """A batch's progress, None where it has no message and no answered call yet."""
    row = cursor.execute(_READ + " AND batch = %s", (account, batch)).fetchone()
    return None if row is None else BatchProgress(*row)


def newest(cursor: ReadCursor, account: str, *, limit: int = 50) -> list[BatchProgress]:
    """An account's batches, newest first."""
    rows = cursor.execute(_READ + " ORDER BY first_at DESC, batch DESC LIMIT %s", (account, limit))
    return [BatchProgress(*row) for row in rows]
