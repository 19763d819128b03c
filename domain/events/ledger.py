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


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The ledger after a posting. `overage = max(0, net - allowance)` holds in every one."""

    allowance: int
    net: int = 0
    overage: int = 0
    amount_micros: int = 0
    closed: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """Segments of one message are given back: first those beyond the allowance."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The year is over: what was not used expires. Late refunds still go here, never to the new year."""

    TOPIC: ClassVar = "ledger.closed"
    account: str
    year: int
    unused: int
    after: Totals
    chain: str


LedgerEvent = Opened | Debited | Refunded | Closed
