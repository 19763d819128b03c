"""What the doors of reconciliation take and answer."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, field

from api.schemas import Money
from domain.events.reconciliation import BilledOn, Columns, MappingSaved, MoneyUnit, Receipts, RowsAre
from domain.reconciling import Reason
from domain.values import Carrier

_DEFAULT = MappingSaved(name="", columns=Columns(carrier_id="A"))


class StatementColumns(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Where the file has what: the text of the heading, or the letter of the column; empty: it has no such column."""

    carrier_id: str
    time: str = ""
    phone: str = ""
    segments: str = ""
    status: str = ""
    price: str = ""
    amount: str = ""
    network: str = ""


class MappingRequest(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """How a carrier's files are read and judged."""

    columns: StatementColumns
    header_row: Annotated[int, Meta(ge=0, le=100, description="0: no headings, columns are letters.")] = 1
    time_format: Annotated[str, Meta(description="As strptime has it; empty reads the usual forms.")] = ""
    money_unit: MoneyUnit = MoneyUnit.YUAN
    rows_are: RowsAre = RowsAre.PARTS
    billed_on: Annotated[BilledOn, Meta(description="What the carrier charges for.")] = BilledOn.SUBMITTED
    receipts: Receipts = Receipts.EACH_PART
    price_micros: Annotated[int, Meta(description="Agreed for a segment; 0: not compared.")] = 0
    rounding_micros: Annotated[int, Meta(description="To what the carrier rounds a row.")] = 10_000
    delivered_statuses: list[str] = field(default_factory=lambda: list(_DEFAULT.delivered_statuses))
    pending_statuses: list[str] = field(default_factory=lambda: list(_DEFAULT.pending_statuses))
    ported_statuses: list[str] = field(default_factory=lambda: list(_DEFAULT.ported_statuses))
    networks: Annotated[dict[str, Carrier], Meta(description="What the file calls the operators.")] = field(
        default_factory=lambda: dict(_DEFAULT.networks)
    )
    late_hours: int = 72
    edge_minutes: int = 120
    test_numbers: Annotated[
        list[str] | None,
        Meta(description="Numbers that are free; kept sealed and never shown. Null keeps those there are."),
    ] = None


class MappingAnswer(Struct, kw_only=True):
    """A mapping as it stands."""

    name: str
    version: int
    columns: StatementColumns
    header_row: int
    time_format: str
    money_unit: MoneyUnit
    rows_are: RowsAre
    billed_on: BilledOn
    receipts: Receipts
    price: Money
    rounding_micros: int
    delivered_statuses: list[str]
    pending_statuses: list[str]
    ported_statuses: list[str]
    networks: dict[str, Carrier]
    late_hours: int
    edge_minutes: int
    has_test_numbers: bool


class RunSummary(Struct, kw_only=True):
    """A run and how far it is."""

    id: UUID
    link: str
    month: str
    mapping: str
    by: str
    state: Annotated[str, Meta(description="waiting, importing, matching, completed, failed or interrupted.")]
    phase: str
    done: Annotated[int, Meta(description="Rows of the phase that are done.")]
    problem: Annotated[str, Meta(description="Why it failed: a code.")]
    requested_at: datetime
    finished_at: datetime | None = None


class ReconciliationList(Struct, kw_only=True):
    """Runs, newest first."""

    reconciliations: list[RunSummary]


class ReasonSum(Struct, kw_only=True):
    """What the differences of a reason add up to: billed by the carrier less what was expected."""

    reason: Reason
    differences: int
    segments: int
    amount: Money


class MonthBeside(Struct, kw_only=True):
    """A statement of the month before or after that the run looked into."""

    month: str
    statement: UUID
    content_digest: str


class MonthEdge(Struct, kw_only=True):
    """Segments booked in the other month; `net` over this month and the one before is 0 where all is explained."""

    at_begin: int
    at_end: int
    month_before: int | None = None
    net: int | None = None


class RunResult(Struct, kw_only=True):
    """What a completed run found. carrier_segments - platform_segments is the sum of all reasons."""

    upto: Annotated[int, Meta(description="The position of the log the facts were taken up to.")]
    mapping_version: int
    platform_segments: Annotated[int, Meta(description="What the carrier should bill by our facts.")]
    carrier_segments: int
    ledger_segments: Annotated[int, Meta(description="What our ledgers charge for the same messages.")]
    platform_amount: Money
    carrier_amount: Money
    totals: Annotated[list[ReasonSum], Meta(description="UNEXPLAINED first, also where it is 0.")]
    month_edge: MonthEdge
    neighbours: list[MonthBeside]
    result_hash: str
    supersedes: UUID | None = None


class ReconciliationAnswer(RunSummary, kw_only=True):
    """A run with its file and its result."""

    statement: UUID
    rows: int
    bad_rows: int
    file_digest: Annotated[str, Meta(description="SHA-256 of the file; empty until it is read.")]
    superseded_by: UUID | None = None
    result: RunResult | None = None


class DifferenceLine(Struct, kw_only=True):
    """A difference with its one reason and its evidence."""

    id: UUID
    reason: Reason
    note: Annotated[str, Meta(description="Which form of the reason it is; docs/reconciliation.md has them.")]
    carrier_id: str
    day: date | None = None
    message: UUID | None = None
    part: int
    account: str
    year: Annotated[int, Meta(description="Of the ledger; 0: there is no posting.")]
    postings: Annotated[list[int], Meta(description="Debit and refund in that ledger.")]
    rows: Annotated[list[int], Meta(description="Numbers of the rows in the file, from 1.")]
    rows_month: Annotated[int, Meta(description="0: of this file; -1, 1: of the month's before, after.")]
    platform_segments: int
    carrier_segments: int
    ledger_segments: int
    platform_amount: Money
    carrier_amount: Money
    platform_status: str
    carrier_status: str
    taken_at: datetime | None = None
    reported_at: datetime | None = None
    row_at: datetime | None = None
    adjustment: Annotated[UUID | None, Meta(description="What was asked for because of it.")] = None


class DifferencePage(Struct, kw_only=True):
    """Differences in the order of their reasons. `next_cursor` is empty at the end."""

    differences: list[DifferenceLine]
    next_cursor: str


class RerunRequest(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """The same file again, with the mapping as it stands now."""

    mapping: Annotated[str, Meta(description="Another mapping; empty: the same.")] = ""
    upto: Annotated[int, Meta(ge=0, description="Facts up to this position; 0: all there are.")] = 0


class ResolutionRequest(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """How a difference is settled in an account's ledger: positive is owed, negative is a credit."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    account: Annotated[str, Meta(description="Empty: the account of the message.")] = ""
    segments: int = 0
    amount_micros: int = 0


class ResolutionAnswer(Struct, kw_only=True):
    """The adjustment that was asked for; two people have to approve it."""

    difference: UUID
    adjustment: UUID
    approvals: int


class SelfDifference(Struct, kw_only=True):
    """Two of the platform's own books that do not agree about a day of an account."""

    account: str
    day: date
    what: str
    left: Annotated[str, Meta(description="The book on the left, and its number.")]
    left_value: int
    right: str
    right_value: int
    messages: Annotated[list[UUID], Meta(description="Messages they disagree about, 20 at most.")]


class SelfAnswer(Struct, kw_only=True):
    """The platform held against itself: ledger, messages and read models, by day and account."""

    since: date
    until: date
    upto: Annotated[int, Meta(description="The position of the log up to which all were compared.")]
    accounts: int
    messages: int
    debited: Annotated[int, Meta(description="Segments.")]
    refunded: int
    agrees: bool
    differences: list[SelfDifference]
