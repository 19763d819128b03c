"""Postings of the quota ledger of one account in one calendar year (Shanghai).

Each posting carries the totals after it and a hash over itself and the hash before, so the last
posting *is* the state and no posting can be altered or left out unseen.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from uuid import UUID


class DebitReason(StrEnum):
    """Why segments are owed."""

    ACCEPTED = "accepted"
    REVISED = "revised"
    """A receipt contradicted the failure for which the segments had been refunded."""


class RefundReason(StrEnum):
    """Why segments are not owed after all."""

    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AtPrice:
    """Segments beyond the allowance at a price in micro-yuan a segment."""

    price_micros: int
    segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The ledger after a posting. `overage = max(0, net - allowance)` holds in every one."""

    allowance: int
    net: int = 0
    overage: int = 0
    amount_micros: int = 0
    """What the overage costs: the sum of its segments, each at the price it was debited at."""
    closed: bool = False
    adjusted_micros: int = 0
    """Money that was adjusted beside the segments: positive is owed."""
    mixed: tuple[AtPrice, ...] = ()
    """The overage by price, in the order it began; only where there is more than one price."""

    @property
    def overage_by_price(self) -> tuple[AtPrice, ...]:
        """The overage by price, in the order it began."""
        if self.mixed or not self.overage:
            return self.mixed
        return (AtPrice(self.amount_micros // self.overage, self.overage),)

    @property
    def payable_micros(self) -> int:
        """All that is owed beyond the fixed fee."""
        return self.amount_micros + self.adjusted_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The first posting of a year: the allowance it begins with."""

    TOPIC: ClassVar = "ledger.opened"
    account: str
    year: int
    after: Totals
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Debited:
    """Segments of one message are owed; a message that straddles the allowance is split inside."""

    TOPIC: ClassVar = "ledger.debited"
    account: str
    message: UUID
    reason: DebitReason
    segments: int
    included: int
    overage: int
    price_micros: int
    after: Totals
    chain: str

    @property
    def charges(self) -> tuple[AtPrice, ...]:
        """What it adds to the overage, by price."""
        return (AtPrice(self.price_micros, self.overage),) if self.overage else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """Segments of one message are given back: first those beyond the allowance.

    Those are given back at the price of the message itself while there is overage at that price, then at
    that of the overage that began first, since it is what the message pushed beyond the allowance.
    """

    TOPIC: ClassVar = "ledger.refunded"
    account: str
    message: UUID
    debit: int
    """The version of the posting that is taken back."""
    reason: RefundReason
    segments: int
    included: int
    overage: int
    price_micros: int
    after: Totals
    chain: str
    given_back: tuple[AtPrice, ...] = ()
    """The overage given back by price; only where there is more than one price."""

    @property
    def charges(self) -> tuple[AtPrice, ...]:
        """What it takes off the overage, by price: negative segments."""
        return _negative(self.given_back, self.price_micros, self.overage)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceChanged:
    """An amendment changed the allowance within the year: what is included and what is beyond move with it."""

    TOPIC: ClassVar = "ledger.allowance_changed"
    account: str
    year: int
    amendment: int
    segments: int
    """How much larger the allowance is now; negative where it is smaller."""
    overage: int
    """How much larger the overage is now; negative where it is smaller."""
    price_micros: int
    """The price in force: that of segments which are beyond the allowance by this posting."""
    after: Totals
    chain: str
    given_back: tuple[AtPrice, ...] = ()

    @property
    def charges(self) -> tuple[AtPrice, ...]:
        """What it adds to the overage or takes off it, by price."""
        return _signed(self.given_back, self.price_micros, self.overage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """A correction that people decided: segments, or money, or both. Positive is owed, negative is a credit."""

    TOPIC: ClassVar = "ledger.adjusted"
    account: str
    year: int
    adjustment: UUID
    segments: int
    included: int
    overage: int
    price_micros: int
    amount_micros: int
    """Money beside the segments."""
    period: str
    """The month (2026-11) or year (2026) that it belongs to."""
    reason: str
    reference: str
    requested_by: str
    approved_by: tuple[str, ...]
    after: Totals
    chain: str
    given_back: tuple[AtPrice, ...] = ()

    @property
    def charges(self) -> tuple[AtPrice, ...]:
        """What its segments add to the overage or take off it, by price."""
        return _signed(self.given_back, self.price_micros, self.overage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The year is over: what was not used expires. Late refunds still go here, never to the new year."""

    TOPIC: ClassVar = "ledger.closed"
    account: str
    year: int
    unused: int
    after: Totals
    chain: str


LedgerEvent = Opened | Debited | Refunded | AllowanceChanged | Adjusted | Closed


def _negative(given_back: tuple[AtPrice, ...], price_micros: int, overage: int) -> tuple[AtPrice, ...]:
    parts = given_back or ((AtPrice(price_micros, overage),) if overage else ())
    return tuple(AtPrice(part.price_micros, -part.segments) for part in parts)


def _signed(given_back: tuple[AtPrice, ...], price_micros: int, overage: int) -> tuple[AtPrice, ...]:
    if overage > 0:
        return (AtPrice(price_micros, overage),)
    return _negative(given_back, price_micros, -overage)
