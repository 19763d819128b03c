"""Why a carrier's bill and our books differ: one decision table, one reason a difference.

docs/reconciliation.md shows the table in its order. Segments and micro-yuan are integers; a difference is
always what the carrier bills less what we expected it to bill.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from domain.events.reconciliation import BilledOn, RowsAre
from domain.receipts import Verdict, verdict


class Reason(StrEnum):
    """Why there is a difference; in the order in which they are listed."""

    UNEXPLAINED = "UNEXPLAINED"
    STATEMENT_ERROR = "STATEMENT_ERROR"
    MISSING_AT_PLATFORM = "MISSING_AT_PLATFORM"
    MISSING_AT_CARRIER = "MISSING_AT_CARRIER"
    DUPLICATE_SUBMIT = "DUPLICATE_SUBMIT"
    FAILED_BUT_BILLED = "FAILED_BUT_BILLED"
    DELIVERED_NOT_BILLED = "DELIVERED_NOT_BILLED"
    SEGMENT_COUNT = "SEGMENT_COUNT"
    PRICE = "PRICE"
    ROUNDING = "ROUNDING"
    NO_RECEIPT = "NO_RECEIPT"
    LATE_RECEIPT = "LATE_RECEIPT"
    PORTED_NUMBER = "PORTED_NUMBER"
    TEST_NUMBER = "TEST_NUMBER"
    MONTH_EDGE = "MONTH_EDGE"


RANKS = {reason: rank for rank, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What was agreed with the carrier and how its file says things, for one month of one link."""

    first_day: date
    next_day: date
    """The first day after the month."""
    month_begins: datetime
    month_ends: datetime
    rows_are: RowsAre = RowsAre.PARTS
    billed_on: BilledOn = BilledOn.SUBMITTED
    price_micros: int = 0
    rounding_micros: int = 10_000
    delivered: frozenset[str] = frozenset({"DELIVRD"})
    pending: frozenset[str] = frozenset({"UNKNOWN"})
    ported: frozenset[str] = frozenset()
    """Statuses in capital letters."""
    carriers: frozenset[str] = frozenset()
    """The operators whose numbers the link takes; empty: any."""
    late: timedelta = timedelta(hours=72)
    edge: timedelta = timedelta(minutes=120)
    neighbours: frozenset[int] = frozenset()
    """Which of the months before (-1) and after (1) have their statement here."""


class Fact(NamedTuple):
    """A part that the carrier took (or a whole message, where rows are messages), with its ledger."""

    carrier_id: str
    message: UUID
    part: int
    parts: int
    copy: int
    """0 for the first time this part was taken; more where it was submitted again."""
    at: datetime
    """When the carrier took it, and the day of that in Shanghai."""
    day: date
    status: str
    """The last final status of its receipts, else the last one, else empty."""
    reported_at: datetime | None
    """When that final receipt was recorded."""
    delivered: bool
    """The whole message was delivered."""
    account: str
    debited_at: datetime | None
    debit: int
    """Number of the posting, 0 where there is none."""
    refund: int
    debited: int
    net: int
    """Segments debited, and what is left of them after refunds."""
    test: bool


class Row(NamedTuple):
    """A row of the carrier's file. `month` is 0 for the file itself, -1 and 1 for those of the months beside."""

    month: int
    number: int
    carrier_id: str
    at: datetime | None
    day: date | None
    segments: int
    status: str
    network: str
    """The operator's value, empty where the file does not say."""
    price_micros: int | None
    amount_micros: int | None
    phone_index: bytes | None
    """The number's blind indexes, 16 octets each, of the row's day and the day before."""
    test: bool
    problem: str
    """Why the row cannot be read; empty for a good one."""


class Doubt(NamedTuple):
    """A submission that was never answered: the carrier may have it under ids that nobody knows."""

    message: UUID
    at: datetime
    day: date
    phone_index: bytes | None
    taken: bool
    """The message was taken on another try."""
    account: str
    debited_at: datetime | None
    debit: int
    refund: int
    debited: int
    net: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What belongs together: at least one of a fact and a row."""

    fact: Fact | None = None
    row: Row | None = None
    beside: Row | None = None
    """The row that a neighbouring month's statement has for the fact."""
    repeated: bool = False
    """The fact has its row already: this is one more."""
    doubt: Doubt | None = None


Finding = tuple[Reason, str]
"""A reason, and a word that says which of its forms it is."""


def explain(case: Case, rules: Rules) -> Finding | None:
    """The one reason of a case, None where everything agrees. The first rule that applies decides."""
    fact, row = case.fact, case.row
    if row is not None and row.problem:
        return Reason.STATEMENT_ERROR, row.problem
    if row is not None and case.repeated:
        return Reason.STATEMENT_ERROR, "row_repeated"
    if fact is None:
        assert row is not None
        return _without_fact(row, case.doubt, rules)
    if row is None:
        return _without_row(fact, case.beside, rules)
    if in_month(fact, rules):
        return _both(fact, row, rules)
    if case.beside is not None:
        return Reason.STATEMENT_ERROR, "billed_in_both_months"
    return _across(fact, row, rules)


def in_month(fact: Fact, rules: Rules) -> bool:
    """Whether the fact is of the month itself, and not of the day before or after."""
    return rules.first_day <= fact.day < rules.next_day


def expected(fact: Fact, rules: Rules) -> int:
    """Segments that the carrier should bill for a fact."""
    if fact.test or fact.copy:
        return 0
    if rules.billed_on is BilledOn.DELIVERED and _verdict(fact.status) is not Verdict.DELIVERED:
        return 0
    return fact.parts if rules.rows_are is RowsAre.MESSAGES else 1


def billed(row: Row, rules: Rules) -> int:
    """Segments that a row bills."""
    if row.amount_micros is not None:
        return row.segments if row.amount_micros > 0 else 0
    if row.price_micros == 0:
        return 0
    if rules.billed_on is BilledOn.DELIVERED and row.status:
        return row.segments if row.status.upper() in rules.delivered else 0
    return row.segments


def charged_micros(row: Row, rules: Rules) -> int:
    """What a row costs: as it says, else its segments at its price, else at the agreed one."""
    if row.amount_micros is not None:
        return row.amount_micros
    price = rules.price_micros if row.price_micros is None else row.price_micros
    return billed(row, rules) * price


def _without_fact(row: Row, doubt: Doubt | None, rules: Rules) -> Finding:
    if row.test:
        return Reason.TEST_NUMBER, "not_ours"
    if row.day is not None and not rules.first_day - _DAY <= row.day <= rules.next_day:
        return Reason.STATEMENT_ERROR, "other_month"
    if doubt is not None:
        return (Reason.DUPLICATE_SUBMIT, "unanswered") if doubt.taken else (Reason.NO_RECEIPT, "unanswered")
    return Reason.MISSING_AT_PLATFORM, "unknown_id"


def _without_row(fact: Fact, beside: Row | None, rules: Rules) -> Finding | None:
    if beside is not None:
        return _across(fact, beside, rules)
    if not expected(fact, rules):
        return _ledger(fact)
    if _may_be_beside(fact, rules):
        return Reason.MONTH_EDGE, "other_month_not_here"
    if fact.status.upper() in rules.ported:
        return Reason.PORTED_NUMBER, "not_billed"
    return Reason.MISSING_AT_CARRIER, "no_row"


def _may_be_beside(fact: Fact, rules: Rules) -> bool:
    """Whether it is near the turn of a month whose statement is not here."""
    early = -1 not in rules.neighbours and fact.at - rules.month_begins < rules.edge
    late = 1 not in rules.neighbours and rules.month_ends - fact.at <= rules.edge
    return early or late


def _across(fact: Fact, row: Row, rules: Rules) -> Finding | None:
    """Taken in one month, billed in the other. What differs besides keeps its own reason, so that the turn of
    the month nets to zero over both."""
    found = _both(fact, row, rules)
    if found is not None:
        return found
    return (Reason.MONTH_EDGE, "other_month") if expected(fact, rules) else None


def _both(fact: Fact, row: Row, rules: Rules) -> Finding | None:
    carrier, ours = billed(row, rules), expected(fact, rules)
    if fact.test or row.test:
        return (Reason.TEST_NUMBER, "billed") if carrier else None
    if fact.copy:
        return (Reason.DUPLICATE_SUBMIT, "taken_again") if carrier else None
    found = _counts(carrier, ours) or _statuses(fact, row, carrier, ours, rules) or _ledger(fact)
    found = found or _money(row, carrier, rules)
    return (Reason.PORTED_NUMBER, found[1]) if found and _is_ported(fact, row, rules) else found


def _counts(carrier: int, ours: int) -> Finding | None:
    differ = carrier and ours and carrier != ours
    return (Reason.SEGMENT_COUNT, "carrier_and_parts") if differ else None


def _statuses(fact: Fact, row: Row, carrier: int, ours: int, rules: Rules) -> Finding | None:
    """What the receipt said against what the statement says or bills."""
    known, said = _verdict(fact.status), _said(row.status, rules)
    agree = carrier == ours and (said in (None, Verdict.PENDING) or said is known)
    if agree:
        return None
    if known is Verdict.PENDING:
        return Reason.NO_RECEIPT, "billed" if carrier else "not_billed"
    if fact.reported_at is not None and fact.reported_at - fact.at > rules.late:
        return Reason.LATE_RECEIPT, known.value
    if known is Verdict.FAILED and carrier:
        return Reason.FAILED_BUT_BILLED, "billed"
    if known is Verdict.DELIVERED and carrier < ours:
        return Reason.DELIVERED_NOT_BILLED, "not_billed"
    if carrier == ours:
        return Reason.STATEMENT_ERROR, "status_contradicts_receipt"
    return Reason.UNEXPLAINED, "failed_and_not_billed"


def _ledger(fact: Fact) -> Finding | None:
    """Our own ledger against what the carrier took; told once a message, by its first part."""
    if fact.part != 1 or fact.copy:
        return None
    if not fact.debited:
        return Reason.UNEXPLAINED, "no_debit"
    if fact.net not in (0, fact.debited):
        return Reason.UNEXPLAINED, "ledger_sum"
    if fact.delivered and not fact.net:
        return Reason.DELIVERED_NOT_BILLED, "not_in_ledger"
    return (Reason.SEGMENT_COUNT, "ledger_and_parts") if fact.debited != fact.parts else None


def _money(row: Row, carrier: int, rules: Rules) -> Finding | None:
    if not carrier or not rules.price_micros:
        return None
    agreed = carrier * rules.price_micros
    if row.price_micros not in (None, rules.price_micros):
        return Reason.PRICE, "price"
    if row.amount_micros in (None, agreed):
        return None
    assert row.amount_micros is not None
    unit = rules.rounding_micros
    near = row.price_micros is not None and abs(row.amount_micros - agreed) < unit
    rounded = unit > 0 and row.amount_micros == (2 * agreed + unit) // (2 * unit) * unit
    return (Reason.ROUNDING, "rounded") if near or rounded else (Reason.PRICE, "amount")


def _is_ported(fact: Fact, row: Row, rules: Rules) -> bool:
    elsewhere = bool(row.network and rules.carriers) and row.network not in rules.carriers
    return elsewhere or row.status.upper() in rules.ported or fact.status.upper() in rules.ported


def _said(status: str, rules: Rules) -> Verdict | None:
    """What the statement says about a row; None where it says nothing."""
    if not status:
        return None
    word = status.upper()
    if word in rules.delivered:
        return Verdict.DELIVERED
    return Verdict.PENDING if word in rules.pending else Verdict.FAILED


_verdict = lru_cache(maxsize=1_000)(verdict)
_DAY = timedelta(days=1)
