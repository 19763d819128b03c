"""What was agreed with an account: signed, live, suspended, ended. Terms are data, never constants."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from domain.values import ChargeOn, Counting, UnknownPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The agreed terms. Units are segments, money is integer micro-yuan a segment."""

    allowance_segments: int = 300_000
    overage_price_micros: int = 38_000
    charge_on: ChargeOn = ChargeOn.SUBMITTED
    counting: Counting = Counting.UCS2_FOR_ALL
    unknown_policy: UnknownPolicy = UnknownPolicy.CHARGED
    term_years: int = 2
    retention_months: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The contract exists; nothing is accepted before it goes live."""

    TOPIC: ClassVar = "contract.signed"
    account: str
    name: str
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class WentLive:
    """The term runs from this day (Shanghai), for the years the terms say."""

    TOPIC: ClassVar = "contract.went_live"
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """Nothing is accepted until it is resumed."""

    TOPIC: ClassVar = "contract.suspended"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Accepting goes on."""

    TOPIC: ClassVar = "contract.resumed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The contract is over before or at the end of its term; final."""

    TOPIC: ClassVar = "contract.ended"
    reason: str


ContractEvent = Signed | WentLive | Suspended | Resumed | Ended
