"""Corrections of a ledger that people ask for and approve: the posting itself is `ledger.adjusted`."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """Somebody asks for a correction. Positive segments and money are owed, negative ones are a credit."""

    TOPIC: ClassVar = "adjustment.requested"
    adjustment: UUID
    account: str
    year: int
    segments: int
    amount_micros: int
    """Money beside the segments."""
    period: str
    """The month (2026-11) or year (2026) that it belongs to."""
    reason: str
    reference: str
    """What it rests on: an amendment, a reconciliation, a statement, a letter; may be empty."""
    approvals: int
    """How many different people have to approve."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """One approval; with the last one the posting is made in the same transaction."""

    TOPIC: ClassVar = "adjustment.approved"
    by: str
    posted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """It will not be posted; final."""

    TOPIC: ClassVar = "adjustment.rejected"
    by: str
    reason: str


AdjustmentEvent = Requested | Approved | Rejected
