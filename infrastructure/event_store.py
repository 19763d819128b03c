"""The store as the use cases see it: async reads on a few threads, writes by group commit."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.sql import SQL, Identifier

from application.ports import Entry, HeldMatch, HeldReceipt, KnownPart, Outcome
from domain.recorded import Recorded
from domain.values import stream_id
from infrastructure.group_commit import GroupCommit
from infrastructure.mapper import decode_row
from infrastructure.recorder import LedgerRecorder

Answer = TypeVar("Answer")
_LAST_PLACE = 2**63 - 1
_EVENT = "originator_id, originator_version, topic, state, notification_id"


class EventStore:
    """Implements the port `application.ports.Store` on PostgreSQL."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        *,
        most_entries: int,
        most_waiting: int,
        patience_seconds: float = 10.0,
        gather_entries: int = 32,
        gather_seconds: float = 0.003,
    ) -> None:
        self.datastore = datastore
        self.recorder = LedgerRecorder(datastore, patience_seconds=patience_seconds)
        self.group = GroupCommit(
            self.recorder.commit,
            most_entries=most_entries,
            most_waiting=most_waiting,
            gather_entries=gather_entries,
            gather_seconds=gather_seconds,
        )
        self._threads = ThreadPoolExecutor(max_workers=3, thread_name_prefix="store")
        self._queries = _queries(datastore.schema)

    async def load(self, streams: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        """Histories by stream, oldest first."""
        rows = await self._read("load", (list(streams),))
        histories: dict[UUID, list[Recorded]] = defaultdict(list)
        for row in rows:
            histories[row[0]].append(_recorded(row))
        return histories

    async def last_posting(self, account: str, year: int) -> Recorded | None:
        """The newest posting of a ledger."""
        rows = await self._read("last", (stream_id("ledger", account, year),))
        return _recorded(rows[0]) if rows else None

    async def postings(self, account: str, year: int, *, after: int, limit: int) -> Sequence[Recorded]:
        """Postings after a version, oldest first."""
        rows = await self._read("page", (stream_id("ledger", account, year), after, limit))
        return [_recorded(row) for row in rows]

    async def founded(self, topic: str) -> Sequence[Recorded]:
        """Founding events of a noun, oldest first; served by the partial index of migration 0002."""
        return [_recorded(row) for row in await self._read("founded", (topic,))]

    def first_events(self, streams: Sequence[UUID], *, version: int = 1) -> Mapping[UUID, Recorded]:
        """The founding event of each stream, or the one that came so many after; blocking."""
        rows = self.recorder.rows(self._queries["first_events"], (list(streams), version))
        return {row[0]: _recorded(row) for row in rows}

    def last_events(self, streams: Sequence[UUID]) -> Mapping[UUID, Recorded]:
        """The newest event of each stream; blocking."""
        rows = self.recorder.rows(self._queries["last_events"], (list(streams),))
        return {row[0]: _recorded(row) for row in rows}

    def histories(self, streams: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        """Whole histories, oldest first; blocking."""
        rows = self.recorder.rows(self._queries["load"], (list(streams),))
        return {
            stream: list(history) for stream, history in groupby(map(_recorded, rows), lambda r: r.stream)
        }

    def nouns(self, topic: str) -> list[list[Recorded]]:
        """Whole histories of all nouns with a founding topic; blocking, for threads without an event loop."""
        founding = self.recorder.rows(self._queries["founded"], (topic,))
        rows = self.recorder.rows(self._queries["load"], ([row[0] for row in founding],))
        return [list(history) for _, history in groupby(map(_recorded, rows), key=lambda r: r.stream)]

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        """Group commit."""
        return await self.group.commit(entries)

    async def sealed(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        """Ciphertexts by message; one read a day, so that each looks into one partition only."""
        return await self._ciphertexts("sealed", refs)

    async def sealed_replies(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        """Ciphertexts of replies and of parts of them."""
        return await self._ciphertexts("sealed_replies", refs)

    async def _ciphertexts(self, query: str, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        by_day: dict[date, list[UUID]] = defaultdict(list)
        for day, id_ in refs:
            by_day[day].append(id_)
        reads = [self._read(query, (day, ids)) for day, ids in by_day.items()]
        return {id_: ciphertext for rows in await asyncio.gather(*reads) for id_, ciphertext in rows}

    async def replies_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[UUID]:
        """Sealed replies from a number by its blind indexes."""
        rows = await self._read("replies", (list(indexes), list(indexes.values()), account, limit))
        return [row[0] for row in rows]

    async def find_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[tuple[date, UUID]]:
        """Messages to a number by its blind indexes."""
        return await self._read("phone", (list(indexes), list(indexes.values()), account, limit))

    async def find_by_index(self, day: date, phone_index: bytes) -> Sequence[UUID]:
        """Messages of a day to a number, of any account."""
        return [row[0] for row in await self._read("index", (day, phone_index))]

    async def parts(
        self, link: str, carrier_ids: Sequence[str], *, since: datetime
    ) -> Mapping[str, Sequence[KnownPart]]:
        """Parts by carrier id, newest first."""
        found: dict[str, list[KnownPart]] = defaultdict(list)
        for carrier_id, message, part, phone, at in await self._read(
            "parts", (link, list(carrier_ids), since)
        ):
            known = KnownPart(message=message, part=part, phone=bytes(phone), taken_at=at)
            found[carrier_id].append(known)
        return found

    async def held_matches(self, *, within: timedelta, limit: int) -> Sequence[HeldMatch]:
        """Held receipts that can be matched by now."""
        return [
            HeldMatch(id=row[0], receipt=_held(row[1:7]), message=row[7], part=row[8])
            for row in await self._read("held_matches", (within, limit))
        ]

    async def held_unmatched(
        self, *, limit: int, before: int | None = None
    ) -> Sequence[tuple[int, HeldReceipt]]:
        """Held receipts without a message, newest first; those before a place, or all."""
        parameters = (_LAST_PLACE if before is None else before, limit)
        return [(row[0], _held(row[1:7])) for row in await self._read("held", parameters)]

    async def drop_held(self, *, before: datetime) -> int:
        """Let go of receipts that have been held since before a moment; returns how many."""
        return len(await self._read("drop_held", (before,)))

    async def now(self) -> datetime:
        """The database's clock."""
        moment: datetime = (await self._read("now", ()))[0][0]
        return moment

    @property
    def waiting(self) -> int:
        """Entries waiting for the log in this process."""
        return self.group.waiting

    async def in_thread(self, work: Callable[[], Answer]) -> Answer:
        """Run blocking work on the store's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _read(self, name: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        query = self._queries[name]
        return await self.in_thread(lambda: self.recorder.rows(query, parameters))

    def close(self) -> None:
        """Write what waits and let the connections go."""
        self.group.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.datastore.close()


def _recorded(row: Sequence[Any]) -> Recorded:
    return decode_row(*row)


def _held(row: Sequence[Any]) -> HeldReceipt:
    link, carrier_id, status, error, carrier_time, phone_index = row
    return HeldReceipt(
        link=link,
        carrier_id=carrier_id,
        status=status,
        error=error,
        carrier_time=carrier_time,
        phone_index=bytes(phone_index),
    )


_HELD = "h.id, h.link, h.carrier_id, h.status, h.error, h.carrier_time, h.phone_index"


def _queries(schema: str) -> dict[str, bytes]:
    of_event = ", ".join(f"e.{name}" for name in _EVENT.split(", "))
    # Streams are looked up one by one (OFFSET keeps the planner from joining): for a hundred of them it would rather
    # read the whole log, since how many events a stream has is a guess that is wrong as long as the log grows.
    texts = {
        "load": f"SELECT {of_event} FROM (SELECT DISTINCT unnest(%s::uuid[]) AS id) AS s, LATERAL ("
        "SELECT * FROM {0}.stored_events WHERE originator_id = s.id OFFSET 0) AS e"
        " ORDER BY e.originator_id, e.originator_version",
        "last": f"SELECT {_EVENT} FROM {{0}}.stored_events WHERE originator_id = %s"
        " ORDER BY originator_version DESC LIMIT 1",
        "first_events": f"SELECT {of_event} FROM (SELECT DISTINCT unnest(%s::uuid[]) AS id) AS s, LATERAL ("
        "SELECT * FROM {0}.stored_events WHERE originator_id = s.id AND originator_version = %s OFFSET 0) AS e",
        "last_events": f"SELECT {of_event} FROM unnest(%s::uuid[]) AS s(id), LATERAL (SELECT * FROM {{0}}.stored_events"
        " WHERE originator_id = s.id ORDER BY originator_version DESC LIMIT 1) AS e",
        "page": f"SELECT {_EVENT} FROM {{0}}.stored_events WHERE originator_id = %s"
        " AND originator_version > %s ORDER BY originator_version LIMIT %s",
        "founded": f"SELECT {_EVENT} FROM {{0}}.stored_events WHERE topic = %s"
        " AND originator_version = 1 AND topic <> 'message.accepted' ORDER BY notification_id",
        "sealed": "SELECT message_id, ciphertext FROM {0}.sealed_messages"
        " WHERE day = %s AND message_id = ANY(%s)",
        "phone": "SELECT s.day, s.message_id FROM unnest(%s::date[], %s::bytea[]) AS w(day, key)"
        " JOIN {0}.sealed_messages s ON s.day = w.day AND s.phone_index = w.key AND s.account = %s"
        " ORDER BY s.day DESC LIMIT %s",
        "index": "SELECT message_id FROM {0}.sealed_messages WHERE day = %s AND phone_index = %s LIMIT 100",
        "sealed_replies": "SELECT reply_id, ciphertext FROM {0}.sealed_replies"
        " WHERE day = %s AND reply_id = ANY(%s)",
        "replies": "SELECT s.reply_id FROM unnest(%s::date[], %s::bytea[]) AS w(day, key)"
        " JOIN {0}.sealed_replies s ON s.day = w.day AND s.phone_index = w.key AND s.account = %s"
        " ORDER BY s.day DESC LIMIT %s",
        "parts": "SELECT carrier_id, message_id, part, phone, at FROM {0}.carrier_parts"
        " WHERE link = %s AND carrier_id = ANY(%s) AND at >= %s ORDER BY at DESC",
        "held_matches": f"SELECT DISTINCT ON (h.id) {_HELD}, p.message_id, p.part FROM {{0}}.held_receipts h"
        " JOIN {0}.carrier_parts p ON p.link = h.link AND p.carrier_id = h.carrier_id"
        " AND p.at >= h.at - %s::interval"
        " AND (p.phone = '' OR position(p.phone IN h.phone_index) > 0"
        " OR position(substring(p.phone FOR 4) IN h.phone_index) = 0)"
        " ORDER BY h.id, p.at DESC LIMIT %s",
        "drop_held": "DELETE FROM {0}.held_receipts WHERE at < %s RETURNING id",
        "held": f"SELECT {_HELD} FROM {{0}}.held_receipts h WHERE h.id < %s ORDER BY h.id DESC LIMIT %s",
        "now": "SELECT clock_timestamp()",
    }
    return {name: SQL(text).format(Identifier(schema)).as_bytes() for name, text in texts.items()}
