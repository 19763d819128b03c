"""The part of the proof that holds the seals: signature, root, link, every ledger and every row that they cover."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from application.findings import Finding
from domain.aggregates.ledger import Ledger
from domain.aggregates.seal import hash_of, root_of, signed_octets
from domain.events.ledger import LedgerEvent, Opened
from domain.events.seal import Leaf, Sealed
from domain.periods import day_start
from domain.recorded import Recorded
from domain.values import stream_id

_Key = tuple[str, int]


class SealedLog(Protocol):
    """What the proof of the seals reads; blocking."""

    def seals(self) -> Iterator[Recorded]:
        """All seals, oldest first. What cannot be read raises ValueError."""
        ...

    def public_key(self, key: str) -> str | None:
        """A published public key."""
        ...

    def postings(self, wanted: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], Recorded]:
        """Events by stream and version; what is not there or cannot be read is not in the answer."""
        ...

    def digest(self, after: int, upto: int) -> str:
        """Digest of all rows with `after < position <= upto`."""
        ...


@dataclass(slots=True)
class SealProof:
    """Proves all seals of a log; `opened` are the openings that the log holds, `ledgers` what their ends are."""

    log: SealedLog
    opened: Sequence[Recorded]
    ledgers: Mapping[UUID, Ledger]
    own_key: str | None = None
    """The key of the key store: the newest seal has to be by it. None where the store has none."""
    head: int | None = None
    """Seals beyond this position of the log belong to the next proof."""
    rows: int | None = None
    """How many rows of the log say they are seals."""
    count: int = 0
    last: Sealed | None = None
    _known: dict[_Key, int] = field(default_factory=dict)
    _keys: dict[str, str | None] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        """What is wrong, in the order of the days."""
        try:
            for recorded in self.log.seals():
                if self.head is not None and recorded.position > self.head:
                    break
                yield from self._seal(recorded)
        except ValueError as error:
            yield _finding("unreadable", str(error))
        yield from self._end()

    def _seal(self, recorded: Recorded) -> Iterator[Finding]:
        self.count += 1
        event = recorded.event
        if not isinstance(event, Sealed) or recorded.version != self.count:
            yield _finding("seal_missing", f"seal {self.count} is not there")
            self.count = recorded.version
        if not isinstance(event, Sealed):
            return
        yield from self._itself(event)
        yield from self._place(event)
        yield from self._covers(event)
        self.last = event

    def _itself(self, event: Sealed) -> Iterator[Finding]:
        if root_of(event.leaves) != event.root:
            yield _finding("seal_root_wrong", f"{event.day}: its leaves have another root")
        if not self._signed(event):
            yield _finding("seal_signature_wrong", f"{event.day}: the signature is not over this seal")

    def _signed(self, event: Sealed) -> bool:
        if event.key not in self._keys:
            self._keys[event.key] = self.log.public_key(event.key)
        public = self._keys[event.key]
        try:
            octets = bytes.fromhex(public or "")
            if sha256(octets).hexdigest()[:16] != event.key:
                return False
            signature = bytes.fromhex(event.signature)
            Ed25519PublicKey.from_public_bytes(octets).verify(signature, signed_octets(event))
        except (ValueError, InvalidSignature):
            return False
        return True

    def _place(self, event: Sealed) -> Iterator[Finding]:
        before = self.last
        if event.previous != ("" if before is None else hash_of(before)):
            yield _finding("seal_link_broken", f"{event.day}: it does not name the seal before")
        if before is not None and event.day != before.day + timedelta(days=1):
            yield _finding("seal_missing", f"{event.day} does not follow {before.day}")
        start = before.position if before is not None else 0
        if event.position < start or event.log != self.log.digest(start, event.position):
            detail = f"{event.day}: a row of the log at positions {start + 1} to {event.position} was altered"
            yield _finding("log_altered", detail)

    def _covers(self, event: Sealed) -> Iterator[Finding]:
        """Each ledger is in it, with the last posting of the day; only those that moved need looking up."""
        leaves = {(leaf.account, leaf.year): leaf for leaf in event.leaves}
        ends = day_start(event.day + timedelta(days=1))
        for recorded in self.opened:
            opening = recorded.event
            if isinstance(opening, Opened) and recorded.at < ends:
                key = (opening.account, opening.year)
                if key not in leaves:
                    yield _finding("seal_incomplete", f"{event.day}: the ledger is not in it", key)
        moved = [leaf for key, leaf in leaves.items() if self._known.get(key) != leaf.version]
        places = [(_stream(leaf), version) for leaf in moved for version in self._versions(leaf)]
        found = self.log.postings(places)
        for leaf in moved:
            yield from self._leaf(event, leaf, found)
        self._known = {key: leaf.version for key, leaf in leaves.items()}

    def _versions(self, leaf: Leaf) -> tuple[int, int]:
        """The sealed posting, and the first one after what was sealed before."""
        return leaf.version, self._known.get((leaf.account, leaf.year), 0) + 1

    def _leaf(
        self, event: Sealed, leaf: Leaf, found: Mapping[tuple[UUID, int], Recorded]
    ) -> Iterator[Finding]:
        key = (leaf.account, leaf.year)
        version, first = self._versions(leaf)
        posting, new = found.get((_stream(leaf), version)), found.get((_stream(leaf), first))
        if posting is None or not isinstance(posting.event, LedgerEvent):
            yield _finding("seal_differs", f"{event.day}: the sealed posting is gone", key, version)
        elif posting.event.chain != leaf.chain:
            yield _finding("seal_differs", f"{event.day}: another chain was sealed", key, version)
        elif posting.at >= day_start(event.day + timedelta(days=1)):
            yield _finding("seal_differs", f"{event.day}: the sealed posting is later", key, version)
        elif self.last is not None and new is not None and new.at < day_start(event.day):
            yield _finding(
                "seal_differs", f"{self.last.day}: a posting of that day is not under its seal", key, first
            )

    def _end(self) -> Iterator[Finding]:
        if self.rows is not None and self.rows != self.count:
            yield _finding("seal_missing", f"{self.rows} rows say they are seals, {self.count} are")
        if self.last is None:
            return
        if self.own_key is not None and self.last.key != self.own_key:
            yield _finding("seal_key_unknown", f"{self.last.day}: it is not by the key of the key store")
        versions = {(ledger.account, ledger.year): ledger.version for ledger in self.ledgers.values()}
        later = [key for key, version in self._known.items() if versions.get(key, 0) > version]
        found = self.log.postings([(stream_id("ledger", *key), self._known[key] + 1) for key in later])
        for key in later:
            recorded = found.get((stream_id("ledger", *key), self._known[key] + 1))
            if recorded is not None and recorded.at < day_start(self.last.day + timedelta(days=1)):
                detail = f"{self.last.day}: a posting of that day is not under its seal"
                yield _finding("seal_differs", detail, key, self._known[key] + 1)


def _stream(leaf: Leaf) -> UUID:
    return stream_id("ledger", leaf.account, leaf.year)


def _finding(code: str, detail: str, ledger: _Key = ("", 0), posting: int = 0) -> Finding:
    return Finding(code=code, account=ledger[0], year=ledger[1], posting=posting, detail=detail)
