"""The links to the carriers as the log knows them: configuration, connection, and counts of what went over each.

The password is not here, not even sealed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from domain.events import link, message
from domain.recorded import Recorded
from projections.projection import Projection, ReadCursor, Table

_COUNTS = ("submitted", "submitted_parts", "refused", "in_doubt", "receipts")

LINKS = Table(
    name="links_v1",
    key=("name",),
    ddl=f"""
    CREATE TABLE links_v1 (
        name text PRIMARY KEY,
        stream uuid UNIQUE,
        protocol text NOT NULL DEFAULT '',
        host text NOT NULL DEFAULT '',
        port int4 NOT NULL DEFAULT 0,
        system_id text NOT NULL DEFAULT '',
        source_address text NOT NULL DEFAULT '',
        carriers text[] NOT NULL DEFAULT '{{}}',
        window_size int4 NOT NULL DEFAULT 0,
        rate_per_second int4 NOT NULL DEFAULT 0,
        configured_at timestamptz,
        enabled bool NOT NULL DEFAULT false,
        connected bool NOT NULL DEFAULT false,
        connected_or_lost_at timestamptz,
        reason text NOT NULL DEFAULT '',
        {", ".join(f"{name} int8 NOT NULL DEFAULT 0" for name in _COUNTS)}
    ) WITH (fillfactor = 50);
    """,
)


@dataclass(slots=True)
class Counts:
    """What a page adds to a link."""

    submitted: int = 0
    submitted_parts: int = 0
    refused: int = 0
    in_doubt: int = 0
    receipts: int = 0


def fold(events: Iterable[Recorded]) -> dict[str, Counts]:
    """What a page adds to each link's counts.

    A receipt is counted for the link that recorded it; one that was held first is recorded by the matcher
    and counted for none.
    """
    added: dict[str, Counts] = {}

    def counts(name: str) -> Counts:
        return added.get(name) or added.setdefault(name, Counts())

    for recorded in events:
        match recorded.event:
            case message.Submitted() as event:
                of = counts(event.link)
                of.submitted += 1
                of.submitted_parts += len(event.parts)
            case message.ReceiptRecorded() if recorded.context.actor.startswith("link:"):
                counts(recorded.context.actor.removeprefix("link:")).receipts += 1
            case message.SubmissionRefused() as event:
                counts(event.link).refused += 1
            case message.SubmissionInDoubt() as event:
                counts(event.link).in_doubt += 1
            case _:
                pass
    return added


_CONFIGURE = """
INSERT INTO links_v1 (name, stream, protocol, host, port, system_id, source_address, carriers, window_size,
    rate_per_second, configured_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET stream = excluded.stream, protocol = excluded.protocol,
    host = excluded.host, port = excluded.port, system_id = excluded.system_id,
    source_address = excluded.source_address, carriers = excluded.carriers,
    window_size = excluded.window_size, rate_per_second = excluded.rate_per_second,
    configured_at = excluded.configured_at
"""
_ENABLE = "UPDATE links_v1 SET enabled = %s WHERE stream = %s"
_CONNECT = """
INSERT INTO links_v1 (name, connected, connected_or_lost_at, reason) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET connected = excluded.connected, reason = excluded.reason,
    connected_or_lost_at = excluded.connected_or_lost_at
"""
_ADD = f"""
INSERT INTO links_v1 AS t (name, {", ".join(_COUNTS)}) VALUES (%s, {", ".join("%s" for _ in _COUNTS)})
ON CONFLICT (name) DO UPDATE SET {", ".join(f"{name} = t.{name} + excluded.{name}" for name in _COUNTS)}
"""


def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
    """Write a page: the few changes of links one by one in order, then the counts."""
    for recorded in events:
        _apply_link_event(cursor, recorded)
    added = fold(events)
    if added:
        rows = [(name, *(getattr(counts, of) for of in _COUNTS)) for name, counts in added.items()]
        cursor.executemany(_ADD, rows)


def _apply_link_event(cursor: ReadCursor, recorded: Recorded) -> None:
    match recorded.event:
        case link.Configured() as event:
            cursor.execute(_CONFIGURE, _configuration(event, recorded.stream, recorded.at))
        case link.Enabled():
            cursor.execute(_ENABLE, (True, recorded.stream))
        case link.Disabled():
            cursor.execute(_ENABLE, (False, recorded.stream))
        case link.Connected() as event:
            cursor.execute(_CONNECT, (event.name, True, recorded.at, ""))
        case link.Lost() as event:
            cursor.execute(_CONNECT, (event.name, False, recorded.at, event.reason))
        case _:
            pass


def _configuration(event: link.Configured, stream: UUID, at: datetime) -> tuple[Any, ...]:
    return (
        event.name,
        stream,
        event.protocol,
        event.host,
        event.port,
        event.system_id,
        event.source_address,
        [carrier.value for carrier in event.carriers],
        event.window,
        event.rate_per_second,
        at,
    )


PROJECTION = Projection(
    name="links_v1",
    topics=tuple(
        kind.TOPIC
        for kind in (
            link.Configured,
            link.Enabled,
            link.Disabled,
            link.Connected,
            link.Lost,
            message.Submitted,
            message.SubmissionRefused,
            message.SubmissionInDoubt,
            message.ReceiptRecorded,
        )
    ),
    tables=(LINKS,),
    apply=apply,
)


class LinkLine(NamedTuple):
    """A link as monitoring shows it. `since` is when it was last connected or lost; None: never yet."""

    name: str
    protocol: str
    host: str
    port: int
    system_id: str
    source_address: str
    carriers: Sequence[str]
    window: int
    rate_per_second: int
    configured_at: datetime | None
    enabled: bool
    connected: bool
    since: datetime | None
    reason: str
    submitted: int
    submitted_parts: int
    refused: int
    in_doubt: int
    receipts: int


_READ = f"""
SELECT name, protocol, host, port, system_id, source_address, carriers, window_size, rate_per_second,
    configured_at, enabled, connected, connected_or_lost_at, reason, {", ".join(_COUNTS)}
FROM links_v1 ORDER BY name
"""


def links(cursor: ReadCursor) -> list[LinkLine]:
    """All links by name."""
    return [LinkLine(*row) for row in cursor.execute(_READ)]
