"""What was agreed with an account: signed, live, amended, paid, suspended, ended. Terms are data, never constants."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from domain.values import ChargeOn, Counting, PartialYears, UnknownPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The agreed terms. Units are segments, money is integer micro-yuan a segment."""

    allowance_segments: int = 300_000
    overage_price_micros: int = 38_000
    charge_on: ChargeOn = ChargeOn.SUBMITTED
    counting: Counting = Counting.UCS2_FOR_ALL
    unknown_policy: UnknownPolicy = UnknownPolicy.CHARGED
    term_years: int = 2
    """Years from the first day after which nothing is accepted; an amendment may make them more."""
    retention_months: int = 6
    partial_years: PartialYears = PartialYears.FULL
    spending_cap_micros: int | None = None
    """What the overage of a calendar year may cost at most; None: no cap."""
    alarm_percents: tuple[int, ...] = (80, 95, 100)
    """Shares of the allowance at which somebody is told."""
    dispute_days: int = 30
    """Days after its issue in which a statement may be disputed."""
    notice_days: int = 30
    """Days between an amendment's approval and the day from which it holds."""
    fixed_fee_micros: int = 0
    stage_shares: tuple[int, ...] = (5, 4, 1)
    """How the fixed fee is split: on the start, on acceptance and go-live, a month after go-live."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentProposed:
    """New terms as a whole, from a day on (Shanghai); they hold when two people have approved."""

    TOPIC: ClassVar = "contract.amendment_proposed"
    number: int
    """1, 2, 3 … within the contract."""
    effective_from: date
    terms: Terms
    retroactive: bool
    """It may reach into statements that are issued; what it changes there is a line of the next one."""
    notice_waived: bool
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentApproved:
    """One of the two people it takes."""

    TOPIC: ClassVar = "contract.amendment_approved"
    number: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentWithdrawn:
    """The proposal is off; its number is used up."""

    TOPIC: ClassVar = "contract.amendment_withdrawn"
    number: int
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """The amendment is agreed: these terms hold from its day on, until a later one's."""

    TOPIC: ClassVar = "contract.amended"
    number: int
    effective_from: date
    terms: Terms
    retroactive: bool
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInvoiced:
    """A stage of the fixed fee is invoiced. Stages count from 1."""

    TOPIC: ClassVar = "contract.stage_invoiced"
    stage: int
    amount_micros: int
    invoice: str
    invoiced_on: date
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePaid:
    """A stage of the fixed fee is paid."""

    TOPIC: ClassVar = "contract.stage_paid"
    stage: int
    paid_on: date
    reference: str


ContractEvent = (
    Signed
    | WentLive
    | Suspended
    | Resumed
    | Ended
    | AmendmentProposed
    | AmendmentApproved
    | AmendmentWithdrawn
    | Amended
    | StageInvoiced
    | StagePaid
)
