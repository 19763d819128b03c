"""What became of messages by account, day of acceptance, carrier and template, kept as counts.

Outcome events repeat their message's dimensions and say what they revise, so no message is looked up:
a revision takes one from the outcome it contradicts. Always total = delivered + failed + not yet reported.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from psycopg.sql import SQL, Identifier

from domain.events import message
from domain.recorded import Recorded
from projections.days import day_of
from projections.projection import Projection, ReadCursor, Table

_COUNTS = ("total", "segments", "delivered", "delivered_segments", "failed", "expired", "cancelled")
Key = tuple[str, date, str, str]

STATISTICS = Table(
    name="statistics_v1",
    key=("account", "day", "carrier", "template"),
    ddl=f"""
    CREATE TABLE statistics_v1 (
        account text NOT NULL,
        day date NOT NULL,
        carrier text NOT NULL,
        template text NOT NULL,
        {", ".join(f"{name} int8 NOT NULL" for name in _COUNTS)},
        PRIMARY KEY (account, day, carrier, template)
    ) WITH (fillfactor = 50);
    """,
)


@dataclass(slots=True)
class Counts:
    """What a page adds to one row; a revision makes negative ones."""

    total: int = 0
    segments: int = 0
    delivered: int = 0
    delivered_segments: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0


def fold(events: Iterable[Recorded]) -> dict[Key, Counts]:
    """What a page adds to each row it touches."""
    added: dict[Key, Counts] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, message.Accepted):
            counts = _counts(added, event.account, recorded.at, event.carrier, event.template)
            counts.total += 1
            counts.segments += event.segments
        elif isinstance(event, message.Delivered | message.Failed | message.Expired | message.Cancelled):
            of = event.of
            counts = _counts(added, of.account, of.accepted_at, of.carrier, of.template)
            _add_outcome(counts, event)
    return added


def _counts(added: dict[Key, Counts], account: str, at: datetime, carrier: str, template: str) -> Counts:
    key = (account, day_of(at), carrier, template)
    counts = added.get(key)
    if counts is None:
        counts = added[key] = Counts()
    return counts


def _add_outcome(
    counts: Counts, event: message.Delivered | message.Failed | message.Expired | message.Cancelled
) -> None:
    match event:
        case message.Delivered():
            counts.delivered += 1
            counts.delivered_segments += event.of.segments
            counts.failed -= event.revises == "failed"
        case message.Failed():
            counts.failed += 1
            if event.revises == "delivered":
                counts.delivered -= 1
                counts.delivered_segments -= event.of.segments
        case message.Expired():
            counts.expired += 1
        case message.Cancelled():
            counts.cancelled += 1


_ADD = f"""
INSERT INTO statistics_v1 AS t (account, day, carrier, template, {", ".join(_COUNTS)})
VALUES (%s, %s, %s, %s, {", ".join("%s" for _ in _COUNTS)})
ON CONFLICT (account, day, carrier, template) DO UPDATE SET
    {", ".join(f"{name} = t.{name} + excluded.{name}" for name in _COUNTS)}
"""


def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
    """Add a page's counts, one upsert a row."""
    added = fold(events)
    if added:
        rows = [(*key, *(getattr(counts, name) for name in _COUNTS)) for key, counts in added.items()]
        cursor.executemany(_ADD, rows)


PROJECTION = Projection(
    name="statistics_v1",
    topics=tuple(
        kind.TOPIC
        for kind in (
            message.Accepted,
            message.Delivered,
            message.Failed,
            message.Expired,
            message.Cancelled,
        )
    ),
    tables=(STATISTICS,),
    apply=apply,
)


class By(StrEnum):
    """What statistics can be grouped by."""

    DAY = "day"
    CARRIER = "carrier"
    TEMPLATE = "template"


class StatisticsLine(NamedTuple):
    """Counts of a group; what was not grouped by is None. `reported_failed` + `expired` + `cancelled` are
    the failed, each apart."""

    day: date | None
    carrier: str | None
    template: str | None
    total: int
    segments: int
    delivered: int
    delivered_segments: int
    reported_failed: int
    expired: int
    cancelled: int

    @property
    def failed(self) -> int:
        """What will not be delivered, for whatever reason."""
        return self.reported_failed + self.expired + self.cancelled

    @property
    def not_yet_reported(self) -> int:
        """What has no outcome yet."""
        return self.total - self.delivered - self.failed


def lines(
    cursor: ReadCursor,
    account: str,
    *,
    since: date | None = None,
    until: date | None = None,
    group_by: Sequence[By] = (),
) -> list[StatisticsLine]:
    """Counts of an account's messages by day of acceptance (Shanghai), `until` inclusive, in order of group."""
    groups = [Identifier(by.value) for by in By if by in group_by]
    columns = [Identifier(by.value) if by in group_by else SQL("NULL") for by in By]
    sums = [SQL("coalesce(sum({}), 0)::int8").format(Identifier(name)) for name in _COUNTS]
    query = SQL(
        "SELECT {} FROM statistics_v1 WHERE account = %s AND (%s::date IS NULL OR day >= %s)"
        " AND (%s::date IS NULL OR day <= %s)"
    ).format(SQL(", ").join([*columns, *sums]))
    if groups:
        by_group = SQL(", ").join(groups)
        query += SQL(" GROUP BY {0} ORDER BY {0}").format(by_group)
    rows = cursor.execute(query, (account, since, since, until, until))
    return [StatisticsLine(*row) for row in rows]
