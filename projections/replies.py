"""What phones wrote: whose each reply is and where it came in, newest first. Number and words stay sealed.

Parts of a long reply are rows of their own until the whole is there and takes their place.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.sql import SQL, Composable

from domain.aggregates.reply import part_row
from domain.events.reply import PartReceived, ReplyReceived
from domain.recorded import Recorded
from projections.projection import Projection, ReadCursor, Table

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "uuid"),
    ("part", "int4"),
    ("parts", "int4"),
    ("received_at", "timestamptz"),
    ("account", "text"),
    ("link", "text"),
    ("number", "text"),
    ("extension", "text"),
    ("asked", "text"),
    ("matched_by", "text"),
    ("message", "text"),
    ("keyword", "text"),
    ("exact", "bool"),
    ("sealed_id", "uuid"),
    ("sealed_day", "date"),
    ("sealed_digest", "text"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)

REPLIES = Table(
    name="replies_v2",
    key=("id", "part"),
    ddl=f"""
    CREATE TABLE replies_v2 (
        {", ".join(f"{name} {kind} NOT NULL" for name, kind in _COLUMNS)},
        PRIMARY KEY (id, part)
    );
    CREATE INDEX replies_v2_account ON replies_v2 (account, received_at, id, part);
    """,
)


class ReplyLine(NamedTuple):
    """A reply, or a part of one that is not whole; columns of the table in their order."""

    id: UUID
    part: int
    """0 for a whole reply."""
    parts: int
    received_at: datetime
    account: str
    link: str
    number: str
    extension: str
    asked: str
    matched_by: str
    message: str
    keyword: str
    exact: bool
    sealed_id: UUID
    sealed_day: date
    sealed_digest: str


def _line(recorded: Recorded, event: ReplyReceived | PartReceived) -> ReplyLine:
    part = event.part if isinstance(event, PartReceived) else 0
    return ReplyLine(
        id=recorded.stream,
        part=part,
        parts=event.parts,
        received_at=recorded.at,
        account=event.of.account,
        link=event.of.link,
        number=event.of.number,
        extension=event.of.extension,
        asked=event.of.asked,
        matched_by=event.of.matched_by,
        message=event.of.message,
        keyword=event.keyword if isinstance(event, ReplyReceived) else "",
        exact=event.exact,
        sealed_id=part_row(recorded.stream, part) if part else recorded.stream,
        sealed_day=event.sealed.day,
        sealed_digest=event.sealed.digest,
    )


_INSERT = f"INSERT INTO replies_v2 ({_NAMES}) VALUES ({', '.join('%s' for _ in _COLUMNS)})"


def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
    """Write a page: the whole takes the place of its parts."""
    lines: dict[tuple[UUID, int], ReplyLine] = {}
    whole: list[UUID] = []
    for recorded in events:
        event = recorded.event
        if isinstance(event, ReplyReceived) and event.parts > 1:
            whole.append(recorded.stream)
            lines = {key: line for key, line in lines.items() if key[0] != recorded.stream}
        if isinstance(event, ReplyReceived | PartReceived):
            line = _line(recorded, event)
            lines[line.id, line.part] = line
    if whole:
        cursor.execute("DELETE FROM replies_v2 WHERE id = ANY(%s)", (whole,))
    if lines:
        cursor.executemany(_INSERT, list(lines.values()))


PROJECTION = Projection(
    name="replies_v2",
    topics=(ReplyReceived.TOPIC, PartReceived.TOPIC),
    tables=(REPLIES,),
    apply=apply,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFilter:
    """Which replies of an account, or of nobody (an empty account); None leaves a condition out."""

    account: str | None
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    sealed_ids: Sequence[UUID] | None = None
    """Only those that are sealed under these ids: a number's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPage:
    """Replies, newest first, and the cursor of the next page (empty at the end)."""

    replies: Sequence[ReplyLine]
    next_cursor: str


class CursorInvalid(ValueError):  # noqa: N818
    """A cursor that no page of replies gave."""


def page(cursor: ReadCursor, wanted: ReplyFilter, *, after: str = "", limit: int = 50) -> ReplyPage:
    """A page of replies. Raises CursorInvalid where `after` is no cursor of ours."""
    conditions: list[Composable] = [SQL("true")]
    values: dict[str, Any] = {"limit": limit + 1}
    for name, value, condition in (
        ("account", wanted.account, "account = %(account)s"),
        ("since", wanted.since, "received_at >= %(since)s"),
        ("until", wanted.until, "received_at < %(until)s"),
        (
            "sealed_ids",
            None if wanted.sealed_ids is None else list(wanted.sealed_ids),
            "sealed_id = ANY(%(sealed_ids)s)",
        ),
    ):
        if value is not None:
            conditions.append(SQL(condition))
            values[name] = value
    if after:
        values["last_at"], values["last_id"], values["last_part"] = _read_cursor(after)
        conditions.append(SQL("(received_at, id, part) < (%(last_at)s, %(last_id)s, %(last_part)s)"))
    query = SQL(
        "SELECT {} FROM replies_v2 WHERE {} ORDER BY received_at DESC, id DESC, part DESC LIMIT %(limit)s"
    ).format(SQL(_NAMES), SQL(" AND ").join(conditions))
    lines = [ReplyLine(*row) for row in cursor.execute(query, values)]
    more = len(lines) > limit
    return ReplyPage(replies=lines[:limit], next_cursor=_cursor_after(lines[limit - 1]) if more else "")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_OCTETS = 25


def _cursor_after(line: ReplyLine) -> str:
    micros = (line.received_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(micros.to_bytes(8) + line.id.bytes + bytes((line.part,))).decode()


def _read_cursor(text: str) -> tuple[datetime, UUID, int]:
    try:
        raw = urlsafe_b64decode(text.encode())
        if len(raw) != _CURSOR_OCTETS:
            raise ValueError("length")
        moment = _EPOCH + timedelta(microseconds=int.from_bytes(raw[:8]))
        return moment, UUID(bytes=raw[8:24]), raw[24]
    except (ValueError, OverflowError):
        raise CursorInvalid("this is no cursor of the list of replies") from None
