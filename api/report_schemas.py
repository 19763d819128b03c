"""What the reading doors answer with: history, bill, counts, and the state of the platform."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas import Money, ReadModel
from domain.aggregates.message import Status
from domain.events.link import Direction
from domain.values import Carrier
from infrastructure.link_standing import Condition, Phase, State


class HistoryMessage(Struct, kw_only=True):
    """One message to the number that was asked for."""

    id: UUID
    accepted_at: datetime
    status: Status
    phone: Annotated[str, Meta(description="Masked unless the key has history:unmasked.")]
    text: Annotated[str, Meta(description="Only the signature unless the key has history:unmasked.")]
    signature: str
    template: str
    carrier: Carrier
    segments: int
    code: Annotated[str, Meta(description="The last status code a carrier gave, empty before.")]


class HistoryAnswer(Struct, kw_only=True):
    """The messages to a number, newest first. The look-up was recorded before this was answered."""

    messages: list[HistoryMessage]
    unmasked: bool
    more: Annotated[bool, Meta(description="There are older ones beyond the limit.")]


class LedgerTotals(Struct, kw_only=True):
    """A quota ledger after its last posting: overage = max(0, net - allowance)."""

    allowance: int
    net: Annotated[int, Meta(description="Segments debited less those refunded.")]
    included: int
    overage: int
    remaining: int
    amount: Annotated[Money, Meta(description="What the overage costs.")]
    adjusted: Annotated[Money, Meta(description="Money that was adjusted beside the segments.")]
    payable: Annotated[Money, Meta(description="amount + adjusted")]
    closed: bool


class LedgerPeriod(Struct, kw_only=True):
    """What the postings of a day or month add up to, at one price a segment."""

    period: str
    price: Money
    debits: int
    debited: Annotated[int, Meta(description="Segments.")]
    refunds: int
    refunded: Annotated[int, Meta(description="Segments.")]
    adjusted: Annotated[int, Meta(description="Segments of corrections; negative is a credit.")]
    included: Annotated[
        int, Meta(description="Segments debited, refunded and adjusted within the allowance.")
    ]
    overage: int
    amount: Money
    adjusted_amount: Annotated[Money, Meta(description="Money of corrections beside the segments.")]


class LedgerAnswer(Struct, kw_only=True):
    """The ledger of a calendar year (Asia/Shanghai): totals from its last posting, months and days from the
    read model."""

    account: str
    year: int
    opened: bool
    postings: int
    chain: Annotated[str, Meta(description="Hash over all postings so far.")]
    totals: LedgerTotals
    months: list[LedgerPeriod]
    days: list[LedgerPeriod]
    as_of: ReadModel


class Posting(Struct, kw_only=True):
    """One posting, with the totals after it and the hash chain."""

    posting: int
    at: datetime
    kind: Annotated[str, Meta(description="opened, debited, refunded, allowance_changed, adjusted or closed")]
    after: LedgerTotals
    chain: str
    message: UUID | UnsetType = UNSET
    takes_back: Annotated[int | UnsetType, Meta(description="The debit that a refund takes back.")] = UNSET
    reason: str | UnsetType = UNSET
    segments: int | UnsetType = UNSET
    included: int | UnsetType = UNSET
    overage: int | UnsetType = UNSET
    price: Money | UnsetType = UNSET
    amount: Annotated[Money | UnsetType, Meta(description="What it adds to the bill.")] = UNSET
    unused: int | UnsetType = UNSET
    amendment: Annotated[
        int | UnsetType, Meta(description="What changed the allowance; 0: the calendar.")
    ] = UNSET
    adjustment: UUID | UnsetType = UNSET
    period: Annotated[str | UnsetType, Meta(description="The period an adjustment belongs to.")] = UNSET
    reference: str | UnsetType = UNSET
    requested_by: str | UnsetType = UNSET
    approved_by: list[str] | UnsetType = UNSET


class PostingsPage(Struct, kw_only=True):
    """Postings in their order, straight from the ledger. `next_cursor` is empty at the end."""

    account: str
    year: int
    postings: list[Posting]
    next_cursor: str


class StatisticsRow(Struct, kw_only=True):
    """Messages accepted in a group: total = delivered + failed + not_yet_reported."""

    total: int
    delivered: int
    failed: int
    not_yet_reported: int
    segments: int
    day: date | UnsetType = UNSET
    carrier: str | UnsetType = UNSET
    template: str | UnsetType = UNSET


class StatisticsAnswer(Struct, kw_only=True):
    """Counts by day of acceptance (Asia/Shanghai), carrier and template."""

    rows: list[StatisticsRow]
    total: StatisticsRow
    as_of: ReadModel


class LiveFigures(Struct, kw_only=True):
    """What workers tell of a link, or of one of its connections. Parts, not messages; counts since the worker took
    the connection over."""

    tps: Annotated[float, Meta(description="Answers of the carrier in the last full second.")]
    tps_10s: Annotated[float, Meta(description="Answers a second in the last ten.")]
    window_used: Annotated[int, Meta(description="On the wire without an answer.")]
    window_size: int
    rate_per_second: Annotated[
        float | None, Meta(description="Allowed now; less than configured after throttling; null: no limit.")
    ]
    waiting_parts: Annotated[int, Meta(description="With the worker, waiting for the window or the rate.")]
    waiting_receipts: Annotated[int, Meta(description="Receipts and replies not stored yet.")]
    submit_ms_p50: Annotated[float | None, Meta(description="To the answer, over the last 60 seconds.")]
    submit_ms_p99: float | None
    receipt_lag_seconds_p50: Annotated[
        float | None, Meta(description="From the answer to the receipt, over the last 10 minutes.")
    ]
    receipt_lag_seconds_p99: float | None
    delivered_percent: Annotated[
        float | None, Meta(description="Of the final receipts of the last 10 minutes.")
    ]
    delivered_lately: Annotated[int, Meta(description="In the last 10 minutes.")]
    failed_lately: int
    taken: int
    refused: int
    throttled: Annotated[int, Meta(description="Of those refused: too many at once.")]
    in_doubt: int
    not_sent: Annotated[int, Meta(description="Not an octet was written; each try counts.")]
    delivered: Annotated[int, Meta(description="Receipts that say so.")]
    failed: int
    pending: Annotated[int, Meta(description="Receipts that decide nothing.")]
    replies: int
    refusals: Annotated[dict[str, int], Meta(description="By the carrier's code, the most frequent first.")]
    last_error: Annotated[str, Meta(description="A refusal, a doubt or a loss; empty: none yet.")]
    last_error_at: datetime | None


class ConnectionStanding(Struct, kw_only=True):
    """One connection of a link."""

    connection: Annotated[int, Meta(description="From 1.")]
    direction: Annotated[Direction, Meta(description="What it is logged in for.")]
    phase: Annotated[Phase, Meta(description="unknown: no worker tells, and the log cannot know.")]
    since: Annotated[datetime | None, Meta(description="Since when the phase is this one.")]
    reason: str
    worker: Annotated[str, Meta(description="Host and process that runs it; empty where none tells.")]
    figures: LiveFigures | None


class LinkStanding(Struct, kw_only=True):
    """A link to a carrier: as the log knows it, as its workers tell, and the jobs in its queues."""

    name: str
    protocol: str
    carriers: list[str]
    state: State
    condition: Annotated[
        Condition, Meta(description="ready: connected, circuit closed; broken: circuit open; down.")
    ]
    since: Annotated[
        datetime | None, Meta(description="Since when the condition is this one; null: not known.")
    ]
    reason: Annotated[str, Meta(description="Why it is broken or down, or hears nothing.")]
    enabled: Annotated[bool, Meta(description="Not disabled; a draining link is enabled too.")]
    connected: Annotated[bool, Meta(description="At least one connection that sends is bound.")]
    hears: Annotated[
        bool,
        Meta(
            description="Receipts and replies can come: a connection that receives is bound, and the carrier can "
            "come to us where it has to (SGIP)."
        ),
    ]
    connections_bound: int
    connections_configured: int
    submitted: Annotated[int, Meta(description="Messages, ever, as the log has it; so the next three.")]
    refused: int
    in_doubt: int
    receipts: int
    in_doubt_now: Annotated[int, Meta(description="Messages that are in doubt at this moment.")]
    queued: Annotated[
        dict[str, int] | None, Meta(description="Jobs by lane; null where the broker does not answer.")
    ]
    figures: Annotated[
        LiveFigures | None, Meta(description="Of all its connections together; null where no worker tells.")
    ]
    connections: list[ConnectionStanding]


class ProjectionLag(Struct, kw_only=True):
    """How far a read model is behind the log, in events."""

    name: str
    position: int
    lag: int


class MonitoringAnswer(Struct, kw_only=True):
    """The state of carriage and read models."""

    live: Annotated[
        bool, Meta(description="Redis answered; if not, links stand as the log knows them, without figures.")
    ]
    links: list[LinkStanding]
    projections: list[ProjectionLag]
    head: int
    waiting_for_log: Annotated[int, Meta(description="Entries waiting for the log in this process.")]


class Health(Struct, kw_only=True):
    """Whether a process can work, and if not, why."""

    status: str
    checks: dict[str, str]


class ProblemKind(Struct, kw_only=True):
    """A row of the catalogue of problems."""

    code: str
    status: int
    title: str
    advice: str


class ProblemCatalogue(Struct, kw_only=True):
    """All problems the API answers with."""

    problems: list[ProblemKind]
