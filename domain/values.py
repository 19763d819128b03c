"""Value types that every noun shares: ids, money, time in Shanghai and the reference to sealed data."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha1
from uuid import UUID
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The calendar of every contract: days and years begin here, whatever the zone of machine or client."""

MICROS_PER_YUAN = 1_000_000
NAMESPACE = UUID("6d1f5c1e-3c0b-5b1e-9a53-5f0a7d0c2b11")
"""Root of all deterministic stream ids; changing it would lose every stream."""
_NAMESPACE_BYTES = NAMESPACE.bytes


class Carrier(StrEnum):
    """The operator whose network a number is in."""

    MOBILE = "mobile"
    UNICOM = "unicom"
    TELECOM = "telecom"
    BROADNET = "broadnet"


class FoundBy(StrEnum):
    """How the carrier of a number was found; the first that knows decides."""

    OVERRIDE = "override"
    """A person said so."""
    LEARNED = "learned"
    """A carrier said that the number is not its own: the next one that may have it."""
    LIST = "list"
    """An imported list of ported numbers says so."""
    SEGMENTS = "segments"
    """The number segments say so: nobody knows better."""


class Lane(StrEnum):
    """Which queue a message waits in: a one-time password never waits behind a batch."""

    REALTIME = "realtime"
    BATCH = "batch"


class Category(StrEnum):
    """What a text is for; it decides the lane and the default validity."""

    OTP = "otp"
    NOTICE = "notice"
    MARKETING = "marketing"


class ChargeOn(StrEnum):
    """When a segment is owed: on acceptance for a carrier, or only when the receipt says delivered."""

    SUBMITTED = "submitted"
    DELIVERED = "delivered"


class Counting(StrEnum):
    """How segments are counted: every character as one (70/67), or GSM-7 texts at 160/153."""

    UCS2_FOR_ALL = "70/67"
    GSM7_WHERE_POSSIBLE = "160/153"


class UnknownPolicy(StrEnum):
    """What a message is that got no receipt in 72 hours, where the contract charges on delivery."""

    CHARGED = "charged"
    REFUNDED = "refunded"


class PartialYears(StrEnum):
    """What a calendar year includes that the term covers only in part."""

    FULL = "full"
    """The whole allowance for every started year."""
    PRO_RATA = "pro_rata"
    """Its share by days, rounded half up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Where the phone number and the text of a message are, and the digest that proves they are the same."""

    day: date
    digest: str
    """SHA-256 of the ciphertext, 64 hexadecimal digits."""


@lru_cache(maxsize=10_000)
def stream_id(noun: str, *names: str | int) -> UUID:
    """The id of the stream of a noun: deterministic, so that it is found without an index."""
    return _uuid5("\x1f".join((noun, *map(str, names))))


def message_id(account: str, key: str) -> UUID:
    """The id of a message: the account's idempotency key decides it, for ever."""
    return _uuid5(f"message\x1f{account}\x1f{key}")


def _uuid5(name: str) -> UUID:
    """`uuid.uuid5(NAMESPACE, name)`, without the import and the conversions that it repeats at each call."""
    return UUID(bytes=sha1(_NAMESPACE_BYTES + name.encode()).digest()[:16], version=5)  # noqa: S324


_MOST_DIGITS = 12


def is_extension(text: str) -> bool:
    """Whether this can stand behind a link's number: nothing, or up to 12 digits."""
    return not text or (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS)


def local_day(moment: datetime) -> date:
    """The calendar day in Shanghai of an aware moment."""
    return moment.astimezone(SHANGHAI).date()


def local_year(moment: datetime) -> int:
    """The calendar year in Shanghai of an aware moment: the ledger it is debited to."""
    return moment.astimezone(SHANGHAI).year


def year_start(year: int) -> datetime:
    """The first moment of a calendar year in Shanghai."""
    return datetime(year, 1, 1, tzinfo=SHANGHAI)


def yuan(micros: int) -> str:
    """Micro-yuan as a decimal string in yuan, exact: 38000 is "0.038"."""
    whole, rest = divmod(abs(micros), MICROS_PER_YUAN)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{digits}"
