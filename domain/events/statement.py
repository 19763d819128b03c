"""Statements: what was put before the customer for a month or a year, and what the customer said to it.

An issued statement never changes; whatever becomes known later is a line of the next one.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from domain.events.ledger import AtPrice


class LineKind(StrEnum):
    """What the postings of a line are."""

    ALLOWANCE = "allowance"
    """The package of a year: opened, or changed by an amendment."""
    DEBITS = "debits"
    REFUNDS = "refunds"
    ADJUSTMENTS = "adjustments"
    EXPIRED = "expired"
    """What was not used by the end of the year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Postings of one kind, ledger and price that belong to one period. Negative figures are in the customer's favour.

    `segments = included + overage`, always.
    """

    kind: LineKind
    year: int
    """Whose ledger it is."""
    period: str
    """What the postings belong to: of a refund the month of its debit, of a package its year."""
    stated_in: str
    """The monthly statement the line is of."""
    price_micros: int
    first: int
    last: int
    """The postings are among these versions of the ledger."""
    postings: int
    segments: int
    included: int
    overage: int
    allowance: int
    """Segments that the package grew by, or that expired (negative)."""
    amount_micros: int
    amount_fen: int
    """The amount, rounded so that the running total of the ledger is always rounded half up, once."""
    difference_micros: int
    """What the rounding added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A ledger at a moment. A form of its own, so that the hash never depends on what the ledger learns to say."""

    allowance: int
    net: int
    overage: int
    by_price: tuple[AtPrice, ...]
    """The overage by price, in the order it began."""
    amount_micros: int
    """What the overage costs."""
    adjusted_micros: int
    """Money that was adjusted beside the segments."""
    closed: bool

    @property
    def payable_micros(self) -> int:
        """All that is owed beyond the fixed fee."""
        return self.amount_micros + self.adjusted_micros

    @property
    def remaining(self) -> int:
        """Segments of the package that are not used."""
        return max(0, self.allowance - self.net)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A ledger within a statement: the postings `after < version <= upto`, and its totals before and after them."""

    year: int
    after: int
    upto: int
    chain: str
    """The hash of posting `upto`: it fixes every posting up to there."""
    opening: Balance
    closing: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What follows if the use goes on as it was. Whole segments and micro-yuan."""

    method: str
    """net_of_last_28_days, or net_of_year_so_far where the year is shorter."""
    as_of: date
    """The last day whose postings are counted."""
    observed_days: int
    observed_segments: int
    """Net use in these days."""
    runs_out_on: date | None
    """The day on which the package is used up; None: not within the year."""
    net: int
    overage: int
    amount_micros: int
    """At the end of the year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A monthly statement that a yearly one rests on."""

    period: str
    number: str
    hash: str
    amount_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a statement says. The hash is over this, so nothing is added to it but under a new `form`."""

    form: int
    account: str
    customer: str
    period: str
    number: str
    dispute_days: int
    """The window of the terms in force at issue."""
    sections: tuple[Section, ...]
    lines: tuple[Line, ...]
    amount_micros: int
    amount_fen: int
    difference_micros: int
    remaining: int
    """Segments of the year's package that were left at the end of the period."""
    expired: int
    """Segments that expired with the year (yearly statements)."""
    forecast: Forecast | None
    rests_on: tuple[Rest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The statement of a period, final."""

    TOPIC: ClassVar = "statement.issued"
    content: Content
    hash: str
    """SHA-256 over the canonical JSON of the content (docs/statements.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The customer agrees; final."""

    TOPIC: ClassVar = "statement.accepted"
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The customer does not agree."""

    TOPIC: ClassVar = "statement.disputed"
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeResolved:
    """The dispute is settled: by an adjustment that is named, or because there was nothing to correct."""

    TOPIC: ClassVar = "statement.dispute_resolved"
    by: str
    reason: str
    adjustment: str
    """The id of the adjustment; empty where none was made."""


StatementEvent = Issued | Accepted | Disputed | DisputeResolved
