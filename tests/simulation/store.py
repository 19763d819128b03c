"""The store in memory: the same stamp as the real one, its own clock, every event kept in its stored form."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from application.phone_tokens import is_among
from application.ports import (
    Committed,
    Entry,
    HeldMatch,
    HeldReceipt,
    HeldReleased,
    KnownPart,
    Now,
    Outcome,
    PartRow,
    Row,
    SealedReply,
    SealedRow,
)
from application.stamping import Snapshot, ledgers_of, stamp, streams_of
from domain.aggregates.ledger import Ledger, at_posting
from domain.events import ledger as ledger_events
from domain.recorded import Recorded
from domain.values import stream_id
from infrastructure.mapper import decode, encode

Pause = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Disk:
    """What survives every crash."""

    log: list[StoredEvent] = field(default_factory=list)
    streams: dict[UUID, list[int]] = field(default_factory=dict)
    """Places in the log, by stream."""
    sealed: dict[tuple[date, UUID], SealedRow] = field(default_factory=dict)
    sealed_replies: dict[tuple[date, UUID], SealedRow] = field(default_factory=dict)
    parts: list[PartRow] = field(default_factory=list)
    taken_at: list[datetime] = field(default_factory=list)
    """When each of the parts was."""
    held: dict[int, HeldReceipt] = field(default_factory=dict)
    held_at: dict[int, datetime] = field(default_factory=dict)
    held_ever: int = 0
    _read: dict[int, Recorded] = field(default_factory=dict)

    def recorded(self, place: int) -> Recorded:
        """The event at a place of the log, as its stored form says; positions begin at 1."""
        if place not in self._read:
            self._read[place] = decode(self.log[place], position=place + 1)
        return self._read[place]

    def history(self, stream: UUID) -> list[Recorded]:
        """The events of a stream, oldest first."""
        return [self.recorded(place) for place in self.streams.get(stream, ())]

    def everything(self) -> list[Recorded]:
        """The whole log."""
        return [self.recorded(place) for place in range(len(self.log))]

    def append(self, recorded: Recorded) -> None:
        """One more event; its version must be the next of its stream, as a primary key would insist."""
        known = self.streams.setdefault(recorded.stream, [])
        assert recorded.version == len(known) + 1, "two events of a stream got one version, or one is missing"
        known.append(len(self.log))
        self.log.append(
            StoredEvent(recorded.stream, recorded.version, recorded.event.TOPIC, encode(recorded))
        )

    def write(self, row: Row, at: datetime) -> None:
        """One side row."""
        match row:
            case SealedRow():
                assert (row.day, row.message) not in self.sealed
                self.sealed[row.day, row.message] = row
            case SealedReply():
                assert (row.sealed.day, row.sealed.message) not in self.sealed_replies
                self.sealed_replies[row.sealed.day, row.sealed.message] = row.sealed
            case PartRow():
                self.parts.append(row)
                self.taken_at.append(at)
            case HeldReceipt():
                self.held_ever += 1
                self.held[self.held_ever] = row
                self.held_at[self.held_ever] = at
            case HeldReleased():
                self.held.pop(row.id, None)


async def _at_once() -> None:
    return


class MemoryStore:
    """Implements `application.ports.Store`. `pause` is awaited before and after everything that reads or writes."""

    def __init__(self, *, now: Now, disk: Disk | None = None, pause: Pause = _at_once) -> None:
        self._now = now
        self._pause = pause
        self.disk = Disk() if disk is None else disk

    async def load(self, streams: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        await self._pause()
        found = {stream: self.disk.history(stream) for stream in streams}
        await self._pause()
        return {stream: history for stream, history in found.items() if history}

    async def last_posting(self, account: str, year: int) -> Recorded | None:
        history = self.disk.history(stream_id("ledger", account, year))
        await self._pause()
        return history[-1] if history else None

    async def postings(self, account: str, year: int, *, after: int, limit: int) -> Sequence[Recorded]:
        history = self.disk.history(stream_id("ledger", account, year))
        await self._pause()
        return history[after : after + limit]

    async def founded(self, topic: str) -> Sequence[Recorded]:
        found = [self.disk.recorded(place) for place, row in enumerate(self.disk.log) if row.topic == topic]
        await self._pause()
        return found

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        await self._pause()
        at = self._now()
        outcomes, appended = stamp(entries, self._snapshot(entries, at))
        for recorded in appended:
            self.disk.append(recorded)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Committed):
                for row in entry.rows:
                    self.disk.write(row, at)
        await self._pause()
        return outcomes

    def _snapshot(self, entries: Sequence[Entry], at: datetime) -> Snapshot:
        versions = {
            stream: len(self.disk.streams[stream])
            for stream in streams_of(entries, new=True)
            if stream in self.disk.streams
        }
        ledgers = {key: self._ledger(*key) for key in ledgers_of(entries, at)}
        return Snapshot(at=at, versions=versions, ledgers=ledgers)

    def _ledger(self, account: str, year: int) -> Ledger:
        history = self.disk.history(stream_id("ledger", account, year))
        if not history:
            return Ledger(account=account, year=year)
        event = history[-1].event
        assert isinstance(event, ledger_events.LedgerEvent)
        return at_posting(account=account, year=year, version=history[-1].version, event=event)

    async def sealed(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        found = {ref[1]: self.disk.sealed[ref].ciphertext for ref in refs if ref in self.disk.sealed}
        await self._pause()
        return found

    async def sealed_replies(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        rows = self.disk.sealed_replies
        found = {ref[1]: rows[ref].ciphertext for ref in refs if ref in rows}
        await self._pause()
        return found

    async def replies_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[UUID]:
        rows = sorted(self.disk.sealed_replies.values(), key=lambda row: row.day, reverse=True)
        await self._pause()
        return [r.message for r in rows if r.account == account and indexes.get(r.day) == r.phone_index][
            :limit
        ]

    async def find_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[tuple[date, UUID]]:
        found = [
            (row.day, row.message)
            for row in self.disk.sealed.values()
            if row.account == account and indexes.get(row.day) == row.phone_index
        ]
        await self._pause()
        return sorted(found, key=lambda ref: ref[0], reverse=True)[:limit]

    async def find_by_index(self, day: date, phone_index: bytes) -> Sequence[UUID]:
        rows = self.disk.sealed.values()
        found = [row.message for row in rows if (row.day, row.phone_index) == (day, phone_index)]
        await self._pause()
        return found[:100]

    async def parts(
        self, link: str, carrier_ids: Sequence[str], *, since: datetime
    ) -> Mapping[str, Sequence[KnownPart]]:
        found: dict[str, list[KnownPart]] = {}
        for row, at in self._newest(since):
            if row.link == link and row.carrier_id in carrier_ids:
                known = KnownPart(message=row.message, part=row.part, phone=row.phone, taken_at=at)
                found.setdefault(row.carrier_id, []).append(known)
        await self._pause()
        return found

    def _newest(self, since: datetime) -> list[tuple[PartRow, datetime]]:
        """Parts that were taken since a moment, and when, newest first."""
        both = zip(self.disk.parts, self.disk.taken_at, strict=True)
        return [(row, at) for row, at in reversed(list(both)) if at >= since]

    async def held_matches(self, *, within: timedelta, limit: int) -> Sequence[HeldMatch]:
        found: list[HeldMatch] = []
        for id_, held in self.disk.held.items():
            rows = (row for row, _ in self._newest(self.disk.held_at[id_] - within))
            of_id = (row for row in rows if (row.link, row.carrier_id) == (held.link, held.carrier_id))
            fitting = (r for r in of_id if is_among(r.phone, held.phone_index))
            row = next(fitting, None)
            if row is not None:
                found.append(HeldMatch(id=id_, receipt=held, message=row.message, part=row.part))
        await self._pause()
        return found[:limit]

    async def held_unmatched(
        self, *, limit: int, before: int | None = None
    ) -> Sequence[tuple[int, HeldReceipt]]:
        held = reversed(self.disk.held.items())
        found = [(id_, receipt) for id_, receipt in held if before is None or id_ < before]
        await self._pause()
        return found[:limit]

    async def now(self) -> datetime:
        await self._pause()
        return self._now()


class ForgetfulStore(MemoryStore):
    """As after a connection that broke at the commit: what was done is tried again, and meets itself."""

    def __init__(
        self, *, now: Now, disk: Disk | None = None, pause: Pause = _at_once, forgets: Callable[[], bool]
    ) -> None:
        super().__init__(now=now, disk=disk, pause=pause)
        self._forgets = forgets

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        if self._forgets():
            await super().commit(entries)
        return await super().commit(entries)
