"""What the use cases need from outside: the store with its group commit, the vault and time.

The ports exist because each has two implementations: the real one, and that of the simulated world in
which the tests crash the platform at every step.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.aggregates.contract import Contract
from domain.aggregates.message import DebitDue, RefundDue
from domain.errors import Refusal
from domain.events import Event
from domain.events.adjustment import Requested
from domain.events.contract import Terms
from domain.events.message import Accepted, Charged
from domain.recorded import Context, Recorded
from domain.values import Carrier, Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Debit the ledger of the moment and accept: both or neither.

    `accept` builds the event once the posting is known; `contract` and its `terms` of the day are what the
    decision relied on: `contract_version` lets the store notice that the contract changed meanwhile, and the
    terms that a new day brought others.
    """

    contract: Contract
    contract_version: int
    terms: Terms
    segments: int
    accept: Callable[[Charged], Accepted]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenYear:
    """Open the ledger of a year with this allowance; nothing to do where it is open."""

    account: str
    year: int
    allowance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseYear:
    """Close the ledger of a year; nothing to do where it is closed or was never opened."""

    account: str
    year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAllowance:
    """An amendment's allowance within an open year; nothing to do where it is the allowance already."""

    account: str
    year: int
    allowance: int
    amendment: int
    price_micros: int
    """The price in force, for what is beyond the allowance by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAdjustment:
    """Post a correction that is approved; the year is opened for it where it is not."""

    account: str
    year: int
    requested: Requested
    approved_by: tuple[str, ...]
    allowance: int
    price_micros: int


Charge = Acceptance | DebitDue | RefundDue | OpenYear | CloseYear | SetAllowance | PostAdjustment


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """A phone number and a text under the key of a day, and the blind index that finds the number."""

    day: date
    message: UUID
    account: str
    phone_index: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """Which message a carrier's id belongs to: how a receipt finds its message."""

    link: str
    carrier_id: str
    message: UUID
    part: int
    phone: bytes = b""
    """Whom it went to, as a token (phone_tokens.py); empty where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPart:
    """A part that a carrier took under some id; ids recur, so there may be several of one id.

    `taken_at` is when that was recorded, None where nobody noted it.
    """

    message: UUID
    part: int
    phone: bytes = b""
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedReply:
    """A phone number and a text of a reply, or of a part of one; `sealed.message` is the row's id."""

    sealed: SealedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReceipt:
    """A receipt whose message is not known (yet): early, foreign, or of a submission in doubt."""

    link: str
    carrier_id: str
    status: str
    error: str
    carrier_time: str
    phone_index: bytes
    """The number's tokens of the day it came and of the days before (phone_tokens.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReleased:
    """A held receipt found its message and is held no longer."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRow:
    """What becomes known about a number that may be ported; under a digest, never under the number.

    Each is said where it is not None: whose the number is (`listed`: a list says so, which never goes before
    a person), who said that it is not theirs, who turned out to have it. `forget` takes all back.
    """

    digest: int
    """64 bits, signed, under a key of its own."""
    day: date
    carrier: Carrier | None = None
    listed: bool = False
    gone: Carrier | None = None
    back: Carrier | None = None
    forget: bool = False
    in_flight: tuple[UUID, ...] = ()
    """With `gone`: other messages on their way to the number, whose outcome may say the contrary."""


Row = SealedRow | SealedReply | PartRow | HeldReceipt | HeldReleased | NumberRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that one noun wants to write: applied whole or not at all, never at its neighbours' cost.

    `version` is the stream's version the decision was taken on, 0 for a new stream, None where there is
    no stream to guard (side rows only, or a charge alone).
    """

    stream: UUID | None
    version: int | None
    context: Context
    events: tuple[Event, ...] = ()
    charge: Charge | None = None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The entry is durable; `recorded` are its events, postings included."""

    recorded: tuple[Recorded, ...]
    charged: Charged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A stream was not at the version the decision was taken on: load, decide again."""

    stream: UUID
    version: int


Outcome = Committed | Conflict | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMatch:
    """A held receipt and the message part it belongs to."""

    id: int
    receipt: HeldReceipt
    message: UUID
    part: int


class Store(Protocol):
    """The event log, with the side tables that are written in the same transactions."""

    async def load(self, streams: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        """The histories of streams, oldest first; a stream without events is not in the answer."""
        ...

    async def last_posting(self, account: str, year: int) -> Recorded | None:
        """The newest posting of a ledger, None where the year is not opened."""
        ...

    async def postings(self, account: str, year: int, *, after: int, limit: int) -> Sequence[Recorded]:
        """Postings of a ledger by version, beginning after one."""
        ...

    async def founded(self, topic: str) -> Sequence[Recorded]:
        """All founding events of a noun (`contract.signed`, `link.configured`, …), oldest first."""
        ...

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        """Group commit: one outcome an entry, durable when it returns."""
        ...

    async def sealed(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        """Ciphertexts of messages by day and id; what was destroyed is not in the answer."""
        ...

    async def sealed_replies(self, refs: Sequence[tuple[date, UUID]]) -> Mapping[UUID, bytes]:
        """Ciphertexts of replies and parts of them by day and id; what was destroyed is not in the answer."""
        ...

    async def replies_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[UUID]:
        """Ids of sealed replies of an account from a number, given its blind index of each day, newest day first."""
        ...

    async def find_by_phone(
        self, account: str, indexes: Mapping[date, bytes], *, limit: int
    ) -> Sequence[tuple[date, UUID]]:
        """Messages of an account to a number, given its blind index of each day, newest day first."""
        ...

    async def find_by_index(self, day: date, phone_index: bytes) -> Sequence[UUID]:
        """Messages of a day to a number by its blind index, of any account; a hundred at most."""
        ...

    async def parts(
        self, link: str, carrier_ids: Sequence[str], *, since: datetime
    ) -> Mapping[str, Sequence[KnownPart]]:
        """What a link's carrier took under these ids since a moment, newest first."""
        ...

    async def held_matches(self, *, within: timedelta, limit: int) -> Sequence[HeldMatch]:
        """Held receipts whose carrier id and number are those of a part taken not longer before than `within`."""
        ...

    async def held_unmatched(
        self, *, limit: int, before: int | None = None
    ) -> Sequence[tuple[int, HeldReceipt]]:
        """Held receipts that still have no message with their places, newest first; those `before` a place, or all."""
        ...

    async def now(self) -> datetime:
        """The store's clock, UTC: what decides days and years."""
        ...


class Vault(Protocol):
    """Seals personal data under keys of the day. A destroyed day's data reads as None."""

    def ensure(self, day: date) -> str:
        """Make the keys of a day where there are none; returns their fingerprint."""
        ...

    def seal(
        self, *, account: str, message: UUID, day: date, phone: str, text: str
    ) -> tuple[Sealed, SealedRow]:
        """Seal a number and a text; the reference goes into the event, the row beside it."""
        ...

    def open(
        self, *, account: str, message: UUID, sealed: Sealed, ciphertext: bytes
    ) -> tuple[str, str] | None:
        """Number and text; None where the day's key is destroyed. A forged ciphertext raises ValueError."""
        ...

    def phone_index(self, phone: str, day: date) -> bytes | None:
        """The blind index of a normalised number on a day; None where the day has no key."""
        ...

    def digest(self, body: str, day: date) -> str | None:
        """Keyed digest of a request body; None where the day has no key any more."""
        ...

    def days(self) -> Sequence[date]:
        """Days whose keys exist, newest first."""
        ...


Now = Callable[[], datetime]
"""The clock port: aware UTC."""
Sleep = Callable[[float], Awaitable[None]]
