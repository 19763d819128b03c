"""What sealing and proving need of the log: ledgers as they stood when a day ended, digests of stretches, seals."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from psycopg.sql import SQL, Identifier

from application.seal_ledgers import Heads
from domain.aggregates.seal import key_stream, seals_stream
from domain.events.ledger import Opened
from domain.events.seal import KeyCreated, Leaf, Sealed
from domain.recorded import Recorded
from domain.values import stream_id
from infrastructure.mapper import decode_row
from infrastructure.recorder import LedgerRecorder

BLOCK = 8_192
"""Positions of the log that are hashed together."""
_BLOCKS = 32
"""Blocks asked for at a time."""
_CHUNK = 5_000
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_EVENT = "originator_id, originator_version, topic, state, notification_id"


class _Fact(msgspec.Struct, gc=False):
    chain: str


class _Envelope(msgspec.Struct, gc=False):
    at: datetime
    fact: _Fact


class _OpenedFact(msgspec.Struct, gc=False):
    account: str
    year: int


class _OpenedEnvelope(msgspec.Struct, gc=False):
    fact: _OpenedFact


_posting = msgspec.json.Decoder(_Envelope).decode
_opening = msgspec.json.Decoder(_OpenedEnvelope).decode
Ledger = tuple[str, int]


@dataclass(slots=True)
class _Search:
    """A ledger whose last posting before a moment is looked for: `low` is before it, `high` is not (or not there)."""

    ledger: Ledger
    low: int
    high: int
    leaf: Leaf | None = None
    position: int = 0

    @property
    def next(self) -> int:
        return (self.low + self.high) // 2


class SealBook:
    """Blocking reads over a recorder."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder
        schema = recorder.datastore.schema
        table = SQL("{}.{}").format(Identifier(schema), Identifier(recorder.events_table_name))
        texts = {
            "last": f"SELECT {_EVENT} FROM {{0}} WHERE originator_id = %s"
            " ORDER BY originator_version DESC LIMIT 1",
            "after": f"SELECT {_EVENT} FROM {{0}} WHERE originator_id = %s AND originator_version > %s"
            " ORDER BY originator_version LIMIT 1",
            "one": f"SELECT {_EVENT} FROM {{0}} WHERE originator_id = %s AND originator_version = %s",
            "opened": "SELECT state FROM {0} WHERE notification_id > %s AND topic = %s"
            " ORDER BY notification_id",
            "ends": "SELECT s.id, (SELECT max(originator_version) FROM {0} WHERE originator_id = s.id)"
            " FROM unnest(%s::uuid[]) AS s(id)",
            "at": "SELECT s.n, e.state, e.notification_id"
            " FROM unnest(%s::int[], %s::uuid[], %s::int8[]) AS s(n, id, version)"
            " JOIN {0} AS e ON e.originator_id = s.id AND e.originator_version = s.version",
            "versions": f"SELECT {_EVENT} FROM {{0}}"
            " JOIN unnest(%s::uuid[], %s::int8[]) AS s(id, version)"
            " ON originator_id = s.id AND originator_version = s.version",
            # Octets of a row: stream, version, position, then topic and state, each after its length.
            "digest": "SELECT sha256(string_agg(uuid_send(originator_id) || int8send(originator_version)"
            " || int8send(notification_id) || int4send(octet_length(coalesce(topic, '')))"
            " || convert_to(coalesce(topic, ''), 'UTF8') || int4send(octet_length(coalesce(state, '')))"
            " || coalesce(state, ''), ''::bytea ORDER BY notification_id))"
            " FROM {0} WHERE notification_id > %s AND notification_id <= %s"
            f" GROUP BY (notification_id - 1) / {BLOCK} ORDER BY (notification_id - 1) / {BLOCK}",
            "now": "SELECT clock_timestamp()",
        }
        self._queries = {name: SQL(text).format(table).as_bytes() for name, text in texts.items()}

    # Seals.

    def last(self) -> Recorded | None:
        """The newest seal."""
        rows = self._rows("last", (seals_stream(),))
        return decode_row(*rows[0]) if rows else None

    def seals(self) -> Iterator[Recorded]:
        """All seals, oldest first, one in memory at a time. What cannot be decoded raises ValueError."""
        version = 0
        while rows := self._rows("after", (seals_stream(), version)):
            try:
                yield decode_row(*rows[0])
            except (msgspec.DecodeError, KeyError) as error:
                raise ValueError(f"seal {rows[0][1]} cannot be read: {type(error).__name__}") from None
            version = rows[0][1]

    def seal_of(self, day: date | None) -> Sealed | None:
        """The seal of a day; the newest one where no day is named."""
        for recorded in self.seals() if day is not None else (self.last(),):
            if (
                recorded is not None
                and isinstance(recorded.event, Sealed)
                and day in (None, recorded.event.day)
            ):
                return recorded.event
        return None

    def public_key(self, key: str) -> str | None:
        """A published public key."""
        rows = self._rows("one", (key_stream(key), 1))
        event = decode_row(*rows[0]).event if rows else None
        return event.public_key if isinstance(event, KeyCreated) else None

    # Ledgers and stretches of the log.

    def opened(self, after: int) -> list[Ledger]:
        """Ledgers opened after a position of the log."""
        found = [_opening(row[0]).fact for row in self._rows("opened", (after, Opened.TOPIC))]
        return [(fact.account, fact.year) for fact in found]

    def first_posting(self, ledgers: Collection[Ledger]) -> datetime | None:
        """When the oldest of some ledgers began."""
        ids = [stream_id("ledger", *ledger) for ledger in ledgers]
        rows = self._rows("at", (list(range(len(ids))), ids, [1] * len(ids)))
        return min((_posting(state).at for _, state, _ in rows), default=None)

    def heads(self, ledgers: Mapping[Ledger, int], before: datetime) -> Heads:
        """Ledgers as they stood at a moment; `ledgers` gives versions that are known to be before it."""
        names = list(ledgers)
        leaves: list[Leaf] = []
        position = 0
        for start in range(0, len(names), _CHUNK):
            for search in self._search(names[start : start + _CHUNK], ledgers, before):
                if search.leaf is not None:
                    leaves.append(search.leaf)
                    position = max(position, search.position)
        return Heads(leaves=leaves, position=position)

    def digest(self, after: int, upto: int) -> str:
        """SHA-256 over the digests of all blocks of rows with `after < position <= upto`, in order."""
        total, step = sha256(), BLOCK * _BLOCKS
        while after < upto:
            end = min(upto, (after // BLOCK) * BLOCK + step)
            for (block,) in self._rows("digest", (after, end)):
                total.update(bytes(block))
            after = end
        return total.hexdigest()

    def postings(self, wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], Recorded]:
        """Events by stream and version; what is not there or cannot be read is not in the answer."""
        found: dict[tuple[UUID, int], Recorded] = {}
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            ids, versions = [stream for stream, _ in chunk], [version for _, version in chunk]
            for row in self._rows("versions", (ids, versions)):
                try:
                    found[row[0], row[1]] = decode_row(*row)
                except (msgspec.DecodeError, KeyError):
                    continue
        return found

    def posting(self, stream: UUID, version: int) -> Recorded | None:
        """One event, None where it is not there or cannot be read."""
        return self.postings([(stream, version)]).get((stream, version))

    def now(self) -> datetime:
        """The database's clock."""
        moment: datetime = self._rows("now", ())[0][0]
        return moment

    def _search(
        self, names: Sequence[Ledger], known: Mapping[Ledger, int], before: datetime
    ) -> Sequence[_Search]:
        """Bisect all ledgers at once; most end with their last posting, which is looked at first."""
        ids = [stream_id("ledger", *name) for name in names]
        last = dict(self._rows("ends", (ids,)))
        searches = [
            _Search(name, known[name], (last[id_] or 0) + 1) for name, id_ in zip(names, ids, strict=True)
        ]
        ends = [(search, search.high - 1) for search in searches if search.high > 1]
        self._look(ends, before)
        while open_ := [search for search in searches if search.high - search.low > 1]:
            self._look([(search, search.next) for search in open_], before)
        missing = [(search, search.low) for search in searches if search.leaf is None and search.low]
        self._look(missing, _ALWAYS)
        return searches

    def _look(self, wanted: Sequence[tuple[_Search, int]], before: datetime) -> None:
        """Look at one posting of each ledger and narrow its bounds."""
        if not wanted:
            return
        ids = [stream_id("ledger", *search.ledger) for search, _ in wanted]
        parameters = (list(range(len(wanted))), ids, [version for _, version in wanted])
        seen = {n: (state, position) for n, state, position in self._rows("at", parameters)}
        for n, (search, version) in enumerate(wanted):
            state, position = seen.get(n, (None, 0))
            posting = None if state is None else _posting(state)
            if posting is None or posting.at >= before:
                search.high = version
                continue
            account, year = search.ledger
            search.low, search.position = version, position
            search.leaf = Leaf(account=account, year=year, version=version, chain=posting.fact.chain)

    def _rows(self, name: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._recorder.rows(self._queries[name], parameters)
