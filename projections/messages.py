"""The history of messages: where each one stands, listed by account, and hints for the sweeps.

A page of the log is folded in memory to one change a message; new messages go in by COPY, changes by one
update, which also moves the counts of their batches.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.sql import SQL, Composable

from domain.aggregates.message import Status
from domain.events import batch, message
from domain.recorded import Recorded
from domain.values import ChargeOn
from projections import batches
from projections.projection import Projection, ReadCursor, Table

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "uuid"),
    ("account", "text"),
    ("accepted_at", "timestamptz"),
    ("status", "text"),
    ("status_at", "timestamptz"),
    ("category", "text"),
    ("lane", "text"),
    ("carrier", "text"),
    ("link", "text"),
    ("template", "text"),
    ("batch", "text"),
    ("client_reference", "text"),
    ("segments", "int4"),
    ("included", "int4"),
    ("overage", "int4"),
    ("price_micros", "int8"),
    ("code", "text"),
    ("attempt", "int4"),
    ("refunded", "bool"),
    ("charge_on", "text"),
    ("expires_at", "timestamptz"),
    ("sealed_day", "date"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_TYPES = [kind for _, kind in _COLUMNS]

MESSAGES = Table(
    name="messages_v1",
    key=("id",),
    ddl=f"""
    CREATE TABLE messages_v1 (
        {", ".join(f"{name} {kind} NOT NULL" for name, kind in _COLUMNS)},
        PRIMARY KEY (id)
    );
    CREATE INDEX messages_v1_account ON messages_v1 (account, accepted_at, id);
    CREATE INDEX messages_v1_batch ON messages_v1 (account, batch, accepted_at, id)
        WHERE batch <> '';
    CREATE INDEX messages_v1_open ON messages_v1 (status, status_at)
        WHERE status IN ('accepted', 'submitting', 'submitted', 'in_doubt');
    CREATE INDEX messages_v1_undelivered ON messages_v1 (account, status, accepted_at, id)
        WHERE status IN ('failed', 'expired', 'cancelled');
    CREATE INDEX messages_v1_validity ON messages_v1 (expires_at) WHERE status = 'accepted';
    """,
)


class Change(NamedTuple):
    """What the latest fact says about a message; an empty link and attempt 0 leave those as they are."""

    status: Status
    at: datetime
    code: str = ""
    refunded: bool = False
    link: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class PageChanges:
    """A page folded: messages accepted in it, and the change of every message it says more about."""

    accepted: dict[UUID, Recorded]
    changes: dict[UUID, Change]


def fold(events: Iterable[Recorded]) -> PageChanges:
    """One change a message, whatever a page says about it."""
    page = PageChanges({}, {})
    for recorded in events:
        if isinstance(recorded.event, message.Accepted):
            page.accepted[recorded.stream] = recorded
            continue
        change = _change(recorded.event, recorded.at)
        if change is None:
            continue
        before = page.changes.get(recorded.stream)
        if before is not None and not change.link:
            change = change._replace(link=before.link, attempt=before.attempt)
        page.changes[recorded.stream] = change
    return page


def _change(event: object, at: datetime) -> Change | None:
    """Mirrors `domain.aggregates.message.evolve`: decisions are taken there, this only shows them."""
    match event:
        case message.SubmissionStarted():
            return Change(Status.SUBMITTING, at, link=event.link, attempt=event.attempt)
        case message.Submitted():
            return Change(Status.SUBMITTED, at)
        case message.Delivered():
            return Change(Status.DELIVERED, at)
        case message.Failed():
            return Change(Status.FAILED, at, code=event.code, refunded=event.refunded)
        case message.SubmissionRefused():
            return Change(Status.ACCEPTED, at, code=event.code)
        case message.SubmissionInDoubt():
            return Change(Status.IN_DOUBT, at)
        case message.Expired():
            return Change(Status.EXPIRED, at, refunded=True)
        case message.Cancelled():
            return Change(Status.CANCELLED, at, refunded=True)
        case message.DoubtResolved(resend=True):
            return Change(Status.ACCEPTED, at)
        case _:
            return None


def _row(recorded: Recorded, change: Change | None) -> tuple[Any, ...]:
    event = recorded.event
    assert isinstance(event, message.Accepted)
    now = change or Change(Status.ACCEPTED, recorded.at)
    return (
        recorded.stream,
        event.account,
        recorded.at,
        now.status,
        now.at,
        event.category,
        event.lane,
        event.carrier,
        now.link,
        event.template,
        event.batch,
        event.client_reference,
        event.segments,
        event.charged.included,
        event.charged.overage,
        event.charged.price_micros,
        now.code,
        now.attempt,
        now.refunded,
        event.charge_on,
        event.expires_at,
        event.sealed.day,
    )


_COPY_NEW = f"COPY messages_v1 ({_NAMES}) FROM STDIN (FORMAT BINARY)"
_CHANGED = """
    UPDATE messages_v1 AS m
    SET status = c.status, status_at = c.status_at, code = c.code, refunded = c.refunded,
        link = coalesce(nullif(c.link, ''), m.link), attempt = coalesce(nullif(c.attempt, 0), m.attempt)
    FROM unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::text[], %b::bool[], %b::text[], %b::int4[])
            AS c (id, status, status_at, code, refunded, link, attempt)
        JOIN messages_v1 AS b ON b.id = c.id
    WHERE m.id = c.id
    RETURNING m.account, m.batch, b.status AS before, m.status AS after
"""
_CHANGE = batches.move(_CHANGED)


def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
    """Write a page: new messages, changed messages, and the counts of their batches."""
    page = fold(events)
    changes = page.changes
    statuses: dict[UUID, str] = {}
    with cursor.copy(_COPY_NEW) as copy:
        copy.set_types(_TYPES)
        for key, recorded in page.accepted.items():
            row = _row(recorded, changes.pop(key, None))
            statuses[key] = row[3]
            copy.write_row(row)
    batches.add(cursor, events, statuses)
    if changes:
        columns = [list(column) for column in zip(*changes.values(), strict=True)]
        cursor.execute(_CHANGE, [list(changes), *columns], prepare=True)


PROJECTION = Projection(
    name="messages_v1",
    topics=tuple(
        kind.TOPIC
        for kind in (
            message.Accepted,
            message.SubmissionStarted,
            message.Submitted,
            message.SubmissionRefused,
            message.SubmissionInDoubt,
            message.DoubtResolved,
            message.Delivered,
            message.Failed,
            message.Expired,
            message.Cancelled,
            batch.ChunkAccepted,
        )
    ),
    tables=(MESSAGES, batches.BATCHES),
    apply=apply,
)


class MessageLine(NamedTuple):
    """One message as the history shows it; columns of the table in their order."""

    id: UUID
    account: str
    accepted_at: datetime
    status: str
    status_at: datetime
    category: str
    lane: str
    carrier: str
    link: str
    template: str
    batch: str
    client_reference: str
    segments: int
    included: int
    overage: int
    price_micros: int
    code: str
    attempt: int
    refunded: bool
    charge_on: str
    expires_at: datetime
    sealed_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages of an account; None and empty leave a condition out. `until` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    status: Status | None = None
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Messages, newest first, and the cursor of the next page (empty at the end)."""

    messages: Sequence[MessageLine]
    next_cursor: str


class CursorInvalid(ValueError):  # noqa: N818
    """A cursor that no page of messages gave."""


def page(
    cursor: ReadCursor, account: str, wanted: MessageFilter, *, after: str = "", limit: int = 50
) -> MessagePage:
    """A page of an account's messages. Raises CursorInvalid where `after` is no cursor of ours."""
    conditions: list[Composable] = [SQL("account = %(account)s")]
    values: dict[str, object] = {"account": account, "limit": limit + 1}
    if wanted.status is not None:
        # A literal, so that the planner sees which partial index serves the query.
        conditions.append(SQL("status = {}").format(wanted.status.value))
    for name, value, condition in (
        ("since", wanted.since, "accepted_at >= %(since)s"),
        ("until", wanted.until, "accepted_at < %(until)s"),
        ("batch", wanted.batch or None, "batch = %(batch)s AND batch <> ''"),
    ):
        if value is not None:
            conditions.append(SQL(condition))
            values[name] = value
    if after:
        values["last_at"], values["last_id"] = _read_cursor(after)
        conditions.append(SQL("(accepted_at, id) < (%(last_at)s, %(last_id)s)"))
    query = SQL(
        "SELECT {} FROM messages_v1 WHERE {} ORDER BY accepted_at DESC, id DESC LIMIT %(limit)s"
    ).format(SQL(_NAMES), SQL(" AND ").join(conditions))
    lines = [MessageLine(*row) for row in cursor.execute(query, values)]
    more = len(lines) > limit
    return MessagePage(messages=lines[:limit], next_cursor=_cursor_after(lines[limit - 1]) if more else "")


def outcomes_by_link(cursor: ReadCursor, account: str) -> dict[str, dict[str, int]]:
    """How many messages of an account took each link last, by where they stand."""
    found: dict[str, dict[str, int]] = {}
    rows = cursor.execute(
        "SELECT link, status, count(*) FROM messages_v1 WHERE account = %s AND link <> '' GROUP BY 1, 2",
        (account,),
    )
    for link, status, count in rows:
        found.setdefault(link, {})[status] = count
    return found


class Overdue(NamedTuple):
    """A hint for a sweep: the use case decides on the message's own history, never on this."""

    id: UUID
    lane: str
    carrier: str
    link: str
    since: datetime


def waiting(
    cursor: ReadCursor, status: Status, *, before: datetime, limit: int, after: Overdue | None = None
) -> list[Overdue]:
    """Messages that have been in an open status since before a moment, oldest first; those after one of them."""
    # The status is a literal in all three, so that the planner sees which partial index serves the query.
    condition = SQL("status = {} AND status_at < %s AND (status_at, id) > (%s, %s) ORDER BY status_at, id")
    start = (after.since, after.id) if after is not None else (_EPOCH, UUID(int=0))
    return _overdue(cursor, condition.format(status.value), before, *start, limit)


def past_validity(cursor: ReadCursor, *, now: datetime, limit: int) -> list[Overdue]:
    """Messages still waiting for a link though their validity is over, longest over first."""
    condition = SQL("status = {} AND expires_at <= %s ORDER BY expires_at").format(Status.ACCEPTED.value)
    return _overdue(cursor, condition, now, limit)


def unreported(cursor: ReadCursor, *, before: datetime, charge_on: ChargeOn, limit: int) -> list[Overdue]:
    """Messages the carrier took before a moment without a final report since, of one way of charging."""
    condition = SQL("status = {} AND charge_on = {} AND status_at < %s ORDER BY status_at").format(
        Status.SUBMITTED.value, charge_on.value
    )
    return _overdue(cursor, condition, before, limit)


def in_doubt(cursor: ReadCursor) -> dict[str, int]:
    """How many messages are in doubt now, by link."""
    query = SQL("SELECT link, count(*) FROM messages_v1 WHERE status = {} GROUP BY link")
    return dict(cursor.execute(query.format(Status.IN_DOUBT.value)).fetchall())


def _overdue(cursor: ReadCursor, condition: Composable, *values: object) -> list[Overdue]:
    query = SQL("SELECT id, lane, carrier, link, status_at FROM messages_v1 WHERE {} LIMIT %s").format(
        condition
    )
    return [Overdue(*row) for row in cursor.execute(query, values)]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _cursor_after(line: MessageLine) -> str:
    micros = (line.accepted_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(micros.to_bytes(8) + line.id.bytes).decode()


def _read_cursor(text: str) -> tuple[datetime, UUID]:
    try:
        raw = urlsafe_b64decode(text.encode())
        moment = _EPOCH + timedelta(microseconds=int.from_bytes(raw[:8]))
        return moment, UUID(bytes=raw[8:])
    except (ValueError, OverflowError):
        raise CursorInvalid("this is no cursor of the message list") from None
