"""The links to the carriers as the log knows them: configuration, connections, and counts of what went over each.

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
    name="links_v3",
    key=("name",),
    ddl=f"""
    CREATE TABLE links_v3 (
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
        connections int4 NOT NULL DEFAULT 1,
        receivers int4 NOT NULL DEFAULT 0,
        configured_at timestamptz,
        enabled bool NOT NULL DEFAULT false,
        draining bool NOT NULL DEFAULT false,
        broken_since timestamptz,
        broken_reason text NOT NULL DEFAULT '',
        connected bool NOT NULL DEFAULT false,
        connected_or_lost_at timestamptz,
        reason text NOT NULL DEFAULT '',
        {", ".join(f"{name} int8 NOT NULL DEFAULT 0" for name in _COUNTS)}
    ) WITH (fillfactor = 50);
    """,
)
CONNECTIONS = Table(
    name="link_connections_v3",
    key=("link", "connection"),
    ddl="""
    CREATE TABLE link_connections_v3 (
        link text,
        connection int4,
        connected bool NOT NULL,
        connected_or_lost_at timestamptz NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (link, connection)
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
INSERT INTO links_v3 (name, stream, protocol, host, port, system_id, source_address, carriers, window_size,
    rate_per_second, connections, receivers, configured_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET stream = excluded.stream, protocol = excluded.protocol,
    host = excluded.host, port = excluded.port, system_id = excluded.system_id,
    source_address = excluded.source_address, carriers = excluded.carriers,
    window_size = excluded.window_size, rate_per_second = excluded.rate_per_second,
    connections = excluded.connections, receivers = excluded.receivers, configured_at = excluded.configured_at
"""
_ENABLE = "UPDATE links_v3 SET enabled = %s, draining = false WHERE stream = %s"
_DRAIN = "UPDATE links_v3 SET draining = true WHERE stream = %s"
_BREAK = "UPDATE links_v3 SET broken_since = %s, broken_reason = %s WHERE name = %s"
_CONNECT = """
INSERT INTO link_connections_v3 AS c (link, connection, connected, connected_or_lost_at, reason)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (link, connection) DO UPDATE SET connected = excluded.connected, reason = excluded.reason,
    connected_or_lost_at = CASE WHEN c.connected OR excluded.connected THEN excluded.connected_or_lost_at
        ELSE c.connected_or_lost_at END
"""
"""A connection that is lost again, because it could not be made, is lost since it was lost first."""
_SETTLE = """
UPDATE links_v3 AS l SET connected = found.any, reason = CASE WHEN found.any THEN '' ELSE %(reason)s END,
    connected_or_lost_at = CASE WHEN found.any = l.connected THEN coalesce(l.connected_or_lost_at, %(at)s)
        ELSE %(at)s END
FROM (
    SELECT coalesce(bool_or(c.connected), false) AS any FROM links_v3 AS l
    LEFT JOIN link_connections_v3 AS c ON c.link = l.name AND c.connection <= l.connections - l.receivers
    WHERE l.name = %(name)s
) AS found
WHERE l.name = %(name)s AND (found.any <> l.connected OR NOT found.any AND %(reason)s <> '')
"""
"""A link is connected while any of its connections is that send; the latest that was lost says why it is not."""
_ADD = f"""
INSERT INTO links_v3 AS t (name, {", ".join(_COUNTS)}) VALUES (%s, {", ".join("%s" for _ in _COUNTS)})
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
    at = recorded.at
    match recorded.event:
        case link.Configured() as event:
            cursor.execute(_CONFIGURE, _configuration(event, recorded.stream, at))
            _settle(cursor, event.name, at)
        case link.Enabled():
            cursor.execute(_ENABLE, (True, recorded.stream))
        case link.Disabled():
            cursor.execute(_ENABLE, (False, recorded.stream))
        case link.Draining():
            cursor.execute(_DRAIN, (recorded.stream,))
        case link.Connected() as event:
            cursor.execute(_CONNECT, (event.name, event.connection, True, at, ""))
            _settle(cursor, event.name, at)
        case link.Lost() as event:
            cursor.execute(_CONNECT, (event.name, event.connection, False, at, event.reason))
            _settle(cursor, event.name, at, event.reason)
        case link.Broken() as event:
            cursor.execute(_BREAK, (at, event.reason, event.name))
        case link.Mended() as event:
            cursor.execute(_BREAK, (None, "", event.name))
        case _:
            pass


def _settle(cursor: ReadCursor, name: str, at: datetime, reason: str = "") -> None:
    cursor.execute(_SETTLE, {"at": at, "reason": reason, "name": name})


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
        event.connections,
        event.receivers,
        at,
    )


PROJECTION = Projection(
    name="links_v3",
    topics=tuple(
        kind.TOPIC
        for kind in (
            link.Configured,
            link.Enabled,
            link.Disabled,
            link.Draining,
            link.Connected,
            link.Lost,
            link.Broken,
            link.Mended,
            message.Submitted,
            message.SubmissionRefused,
            message.SubmissionInDoubt,
            message.ReceiptRecorded,
        )
    ),
    tables=(LINKS, CONNECTIONS),
    apply=apply,
)


class ConnectionLine(NamedTuple):
    """A connection that there is or was. `since` is when it was last connected or lost."""

    number: int
    connected: bool
    since: datetime
    reason: str


class LinkLine(NamedTuple):
    """A link as monitoring shows it. The last ones of its connections, `receivers` in number, only receive: connected
    or lost is what the others are. `since` is when it was last that as a whole; None: never yet.
    `broken_since` is None while its circuit is closed. Connections that it has no more are not among `lines`."""

    name: str
    protocol: str
    host: str
    port: int
    system_id: str
    source_address: str
    carriers: Sequence[str]
    window: int
    rate_per_second: int
    connections: int
    receivers: int
    configured_at: datetime | None
    enabled: bool
    draining: bool
    broken_since: datetime | None
    broken_reason: str
    connected: bool
    since: datetime | None
    reason: str
    submitted: int
    submitted_parts: int
    refused: int
    in_doubt: int
    receipts: int
    lines: tuple[ConnectionLine, ...] = ()


_READ = f"""
SELECT name, protocol, host, port, system_id, source_address, carriers, window_size, rate_per_second,
    connections, receivers, configured_at, enabled, draining, broken_since, broken_reason, connected,
    connected_or_lost_at, reason, {", ".join(_COUNTS)}
FROM links_v3 ORDER BY name
"""
_READ_CONNECTIONS = """
SELECT link, connection, connected, connected_or_lost_at, reason FROM link_connections_v3
ORDER BY link, connection
"""


def links(cursor: ReadCursor) -> list[LinkLine]:
    """All links by name."""
    lines: dict[str, list[ConnectionLine]] = {}
    for name, *line in cursor.execute(_READ_CONNECTIONS):
        lines.setdefault(name, []).append(ConnectionLine(*line))
    found = [LinkLine(*row) for row in cursor.execute(_READ)]
    return [
        each._replace(
            lines=tuple(line for line in lines.get(each.name, ()) if line.number <= each.connections)
        )
        for each in found
    ]
