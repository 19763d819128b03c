"""What finance sends and gets about contracts, amendments, the fixed fee, adjustments and alarms."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from api.report_schemas import LedgerTotals
from api.schemas import Money
from domain.aggregates.adjustment import AdjustmentState
from domain.aggregates.contract import AmendmentState
from domain.aggregates.fee import StageState
from domain.values import ChargeOn, Counting, PartialYears, UnknownPolicy

Text = Annotated[str, Meta(min_length=1, max_length=200)]
AccountName = Annotated[
    str, Meta(max_length=32, description="Which account; needed with a key of no account.")
]


class TermsAnswer(Struct, kw_only=True):
    """Terms as they hold from a day on. Units are segments, money is integer micro-yuan."""

    allowance_segments: Annotated[int, Meta(description="Included in a calendar year.")]
    overage_price_micros: Annotated[int, Meta(description="A segment beyond them.")]
    charge_on: ChargeOn
    counting: Counting
    unknown_policy: UnknownPolicy
    term_years: int
    retention_months: int
    partial_years: PartialYears
    spending_cap_micros: Annotated[int | None, Meta(description="Most that a year's overage may cost.")] = (
        None
    )
    alarm_percents: list[int]
    dispute_days: int
    notice_days: int
    fixed_fee_micros: int
    stage_shares: list[int]


class TermsChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """The terms that change; the others stay as they are on the amendment's day."""

    allowance_segments: int | UnsetType = UNSET
    overage_price_micros: int | UnsetType = UNSET
    charge_on: ChargeOn | UnsetType = UNSET
    counting: Counting | UnsetType = UNSET
    unknown_policy: UnknownPolicy | UnsetType = UNSET
    term_years: int | UnsetType = UNSET
    retention_months: int | UnsetType = UNSET
    partial_years: PartialYears | UnsetType = UNSET
    spending_cap_micros: int | UnsetType | None = UNSET
    alarm_percents: tuple[int, ...] | UnsetType = UNSET
    dispute_days: int | UnsetType = UNSET
    notice_days: int | UnsetType = UNSET
    fixed_fee_micros: int | UnsetType = UNSET
    stage_shares: tuple[int, ...] | UnsetType = UNSET


class AmendmentAnswer(Struct, kw_only=True):
    """An amendment as it stands; it holds once two people have approved."""

    number: int
    effective_from: date
    state: AmendmentState
    terms: TermsAnswer
    retroactive: bool
    notice_waived: bool
    reason: str
    proposed_by: str
    approved_by: list[str]


class StageAnswer(Struct, kw_only=True):
    """A stage of the fixed fee as it stands today."""

    stage: int
    amount: Money
    falls_on: Annotated[date | None, Meta(description="From this day it may be invoiced.")] = None
    state: StageState
    invoice: str
    due_on: date | None = None
    paid_on: date | None = None


class ContractAnswer(Struct, kw_only=True):
    """A contract as it stands: the terms in force today, its amendments, and the stages of its fee."""

    account: str
    name: str
    state: Annotated[str, Meta(description="signed, live, suspended, over or ended")]
    signed_on: date | None = None
    live_on: date | None = None
    term_ends_on: Annotated[date | None, Meta(description="First day on which nothing is accepted.")] = None
    terms: TermsAnswer
    amendments: list[AmendmentAnswer]
    stages: list[StageAnswer]


class AmendmentRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """New terms from a day on (Shanghai)."""

    effective_from: date
    terms: TermsChange
    reason: Text
    retroactive: bool = False
    notice_waived: bool = False
    account: AccountName = ""


class ReasonRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Why; it is recorded."""

    reason: Text
    account: AccountName = ""


class AccountRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which account; may be empty with a key of an account."""

    account: AccountName = ""


class InvoiceRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The invoice of a stage of the fixed fee."""

    invoice: Text
    due_on: date
    account: AccountName = ""


class PaymentRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The payment of a stage of the fixed fee."""

    paid_on: date
    reference: Text
    account: AccountName = ""


class AdjustmentRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A correction: positive segments and money are owed, negative ones are a credit."""

    period: Annotated[str, Meta(description="The month (2026-11) or year (2026) it belongs to.")]
    reason: Text
    segments: int = 0
    amount_micros: Annotated[int, Meta(description="Money beside the segments.")] = 0
    reference: Annotated[str, Meta(max_length=200)] = ""
    id: Annotated[UUID | None, Meta(description="Yours, so that a repeated call asks once.")] = None
    account: AccountName = ""


class AdjustmentAnswer(Struct, kw_only=True):
    """A correction as it stands; it is posted with the last approval."""

    id: UUID
    account: str
    period: str
    year: int
    segments: int
    amount: Money
    reason: str
    reference: str
    state: AdjustmentState
    requested_by: str
    approvals_needed: int
    approved_by: list[str]


class AdjustmentList(Struct, kw_only=True):
    """Corrections of an account in the order they were asked for."""

    adjustments: list[AdjustmentAnswer]


class LedgerLine(Struct, kw_only=True):
    """A ledger after its last posting."""

    year: int
    postings: int
    chain: str
    totals: LedgerTotals


class LedgerList(Struct, kw_only=True):
    """All ledgers of an account, newest year first."""

    account: str
    ledgers: list[LedgerLine]


class Alarm(Struct, kw_only=True):
    """The use of a year reached a share of its allowance."""

    percent: int
    allowance: int
    net: int
    posting: int
    at: datetime


class AlarmList(Struct, kw_only=True):
    """The alarms of a year, lowest level first."""

    account: str
    year: int
    alarms: list[Alarm]
