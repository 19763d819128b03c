"""What the doors about statements and the forecast send and get."""

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.contract_schemas import AccountName
from api.schemas import Money
from domain.aggregates.statement import StatementState
from domain.events.statement import Content, LineKind


class StatementSummary(Struct, kw_only=True):
    """A statement in a list."""

    period: Annotated[str, Meta(description="2026-11 for a month, 2026 for a year.")]
    number: str
    state: StatementState
    amount: Money
    issued_at: datetime
    open_until: Annotated[date, Meta(description="Last day on which it may be accepted or disputed.")]
    hash: str


class StatementList(Struct, kw_only=True):
    """The statements of an account by period; a year stands before its months."""

    account: str
    statements: list[StatementSummary]


class StatementLine(Struct, kw_only=True):
    """Postings of one kind, ledger and price that belong to one period; what is negative favours the customer."""

    line: Annotated[int, Meta(description="Its number: /lines/{line}/postings shows what it is the sum of.")]
    kind: LineKind
    year: Annotated[int, Meta(description="Whose ledger it is.")]
    period: Annotated[
        str, Meta(description="What the postings belong to; of a refund the month of its debit.")
    ]
    stated_in: Annotated[str, Meta(description="The monthly statement it is of.")]
    price: Money
    postings: int
    segments: int
    included: int
    overage: int
    allowance: Annotated[int, Meta(description="What the package grew by; of an expiry what expired.")]
    amount: Annotated[Money, Meta(description="Exact.")]
    billed: Annotated[Money, Meta(description="Rounded to 0.01 yuan, running half up.")]
    difference_micros: Annotated[int, Meta(description="What the rounding added.")]


class ForecastAnswer(Struct, kw_only=True):
    """What follows if the use goes on as it was."""

    method: Annotated[
        str, Meta(description="net_of_last_28_days, or net_of_year_so_far where it is shorter.")
    ]
    as_of: date
    observed_days: int
    observed_segments: Annotated[int, Meta(description="Net use in these days.")]
    runs_out_on: Annotated[date | None, Meta(description="When the package is used up; null: not this year.")]
    net: Annotated[int, Meta(description="At the end of the year.")]
    overage: Annotated[int, Meta(description="At the end of the year.")]
    amount: Annotated[Money, Meta(description="Beyond the fixed fee, at the end of the year.")]


class StatementAnswer(Struct, kw_only=True):
    """A statement: what was issued and what was said to it; or a preview of one."""

    account: str
    customer: str
    period: str
    number: str
    state: Annotated[str, Meta(description="preview, issued, accepted, disputed or resolved")]
    issued_at: datetime | None = None
    open_until: date | None = None
    said_by: Annotated[str, Meta(description="Who accepted, disputed or resolved it last.")] = ""
    said: str = ""
    adjustment: str = ""
    amount: Annotated[Money, Meta(description="What is due: the sum of the lines as billed.")]
    in_words: Annotated[str, Meta(description="The amount in capital numerals.")]
    remaining: Annotated[int, Meta(description="Segments of the package left at the period's end.")]
    expired: int
    lines: list[StatementLine]
    forecast: ForecastAnswer | None = None
    hash: Annotated[
        str, Meta(description="SHA-256 over the canonical JSON of `content`; empty in a preview.")
    ]
    content: Annotated[Content, Meta(description="What is hashed, to the letter.")]


class LinePosting(Struct, kw_only=True):
    """A posting of a line, and what it adds to that line."""

    posting: int
    at: datetime
    kind: str
    segments: int
    included: int
    overage: int
    allowance: int
    amount: Money
    message: Annotated[str | UnsetType, Meta(description="/v1/messages/{message} tells the rest.")] = UNSET
    reason: str | UnsetType = UNSET
    takes_back: int | UnsetType = UNSET
    adjustment: str | UnsetType = UNSET
    amendment: int | UnsetType = UNSET


class LinePostings(Struct, kw_only=True):
    """Postings of a line in their order. A page may hold fewer than were asked for; only an empty
    `next_cursor` is the end."""

    account: str
    period: str
    line: int
    postings: list[LinePosting]
    next_cursor: str


class NoteRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Agreement with a statement."""

    note: Annotated[str, Meta(max_length=200)] = ""
    account: AccountName = ""


class ResolveRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """How a dispute was settled."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    adjustment: Annotated[
        str, Meta(max_length=64, description="The adjustment that corrects it, if any.")
    ] = ""
    account: AccountName = ""
