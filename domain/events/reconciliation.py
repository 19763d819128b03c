"""Holding a carrier's bill against our own books: how its file is read, what a run found, what was done about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from domain.values import Carrier


class RowsAre(StrEnum):
    """What one row of a carrier's file stands for."""

    PARTS = "parts"
    """A row for every part, each under its own carrier id."""
    MESSAGES = "messages"
    """A row for every message, under the id of any of its parts, with a count of segments."""


class BilledOn(StrEnum):
    """What the carrier charges for."""

    SUBMITTED = "submitted"
    DELIVERED = "delivered"


class Receipts(StrEnum):
    """For which parts of a long message the carrier sends receipts."""

    EACH_PART = "each part"
    ONE_PART = "one part"


class MoneyUnit(StrEnum):
    """In what the file counts money."""

    YUAN = "yuan"
    FEN = "fen"
    LI = "li"
    """厘: a thousandth of a yuan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where the file has what: the heading's text, or the letter of the column; empty where there is no such column."""

    carrier_id: str
    time: str = ""
    phone: str = ""
    segments: str = ""
    status: str = ""
    price: str = ""
    amount: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSaved:
    """How the statements of a carrier (or of one link) are read and judged. A later one replaces it."""

    TOPIC: ClassVar = "reconciliation.mapping_saved"
    name: str
    columns: Columns
    header_row: int = 1
    """Number of the row with the headings; 0 where there are none and columns are letters."""
    time_format: str = ""
    """As `strptime` has it; empty reads the usual forms. Times are those of Shanghai."""
    money_unit: MoneyUnit = MoneyUnit.YUAN
    rows_are: RowsAre = RowsAre.PARTS
    billed_on: BilledOn = BilledOn.SUBMITTED
    receipts: Receipts = Receipts.EACH_PART
    price_micros: int = 0
    """What the carrier agreed to charge for a segment; 0: prices are not compared."""
    rounding_micros: int = 10_000
    """To what the carrier rounds the amount of a row."""
    delivered_statuses: tuple[str, ...] = ("DELIVRD", "成功")
    pending_statuses: tuple[str, ...] = ("UNKNOWN", "未知")
    """Words by which the file says that it does not know either."""
    ported_statuses: tuple[str, ...] = ("携转", "携号转网")
    networks: tuple[tuple[str, Carrier], ...] = (
        ("移动", Carrier.MOBILE),
        ("联通", Carrier.UNICOM),
        ("电信", Carrier.TELECOM),
        ("广电", Carrier.BROADNET),
    )
    late_hours: int = 72
    """A receipt that came later than this after the submission is late."""
    edge_minutes: int = 120
    """How near to the turn of a month a message may be booked in the other month, while that one's file is not here."""
    sealed_test_numbers: str = ""
    """Numbers that are free by agreement, sealed under the platform's own key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementImported:
    """A carrier's file of a month was read. Its rows stand in a table of their own."""

    TOPIC: ClassVar = "reconciliation.statement_imported"
    statement: UUID
    link: str
    month: str
    """For example 2026-11."""
    mapping: str
    mapping_version: int
    file_digest: str
    """SHA-256 of the file's octets."""
    content_digest: str
    """A digest of what its rows say, whatever their order."""
    rows: int
    bad_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTotals:
    """What the differences of one reason add up to."""

    reason: str
    differences: int
    segments: int
    """Segments billed by the carrier less those we expected."""
    amount_micros: int
    """The same in money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The statement of the month before or after that a run looked into."""

    month: str
    statement: UUID
    content_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCompleted:
    """A month of a link was reconciled: what went in, and what came out. Never edited; a rerun supersedes it."""

    TOPIC: ClassVar = "reconciliation.run_completed"
    run: UUID
    link: str
    month: str
    statement: UUID
    upto: int
    """The position of the log up to which facts were taken."""
    content_digest: str
    mapping: str
    mapping_version: int
    neighbours: tuple[Neighbour, ...]
    platform_segments: int
    carrier_segments: int
    ledger_segments: int
    platform_micros: int
    """What the carrier should have charged by the agreed price."""
    carrier_micros: int
    totals: tuple[ReasonTotals, ...]
    result_hash: str
    supersedes: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceResolved:
    """Somebody asked for a correction because of a difference; it is posted when two people have approved."""

    TOPIC: ClassVar = "reconciliation.difference_resolved"
    run: UUID
    difference: UUID
    adjustment: UUID
    reason: str
    by: str


MonthEvent = StatementImported | RunCompleted | DifferenceResolved
ReconciliationEvent = MappingSaved | MonthEvent
