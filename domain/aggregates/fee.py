"""The fixed fee of a contract: its stages as they stand on a day, invoiced and paid."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.aggregates.contract import Contract
from domain.errors import BadInput, Conflicting, NotFound
from domain.events.contract import ContractEvent, StageInvoiced, StagePaid, Terms

FEN = 10_000
"""Micro-yuan in the smallest coin: the fee and its stages are whole ones."""


class StageState(StrEnum):
    """Where a stage of the fixed fee stands."""

    PENDING = "pending"
    """Its day has not come, or is not known yet."""
    DUE = "due"
    """Its day has come: it can be invoiced."""
    INVOICED = "invoiced"
    OVERDUE = "overdue"
    PAID = "paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the fixed fee on a day."""

    stage: int
    amount_micros: int
    falls_on: date | None
    """The day from which it may be invoiced; None before the contract is live."""
    state: StageState
    invoice: str = ""
    due_on: date | None = None
    paid_on: date | None = None


def stages(contract: Contract, today: date) -> tuple[Stage, ...]:
    """The stages of the fixed fee as they stand on a day; none where there is no fee."""
    terms = contract.terms_on(today)
    if not terms.fixed_fee_micros:
        return ()
    amounts = _amounts(contract, terms)
    days = _stage_days(contract, len(amounts))
    return tuple(
        _stage(contract, number, amount, falls_on, today)
        for number, (amount, falls_on) in enumerate(zip(amounts, days, strict=True), 1)
    )


def _amounts(contract: Contract, terms: Terms) -> list[int]:
    """Micro-yuan of each stage. What is invoiced stays; the last open one takes what an amendment changed."""
    amounts = _shares(terms.fixed_fee_micros, terms.stage_shares)
    invoiced = {one.stage: one.amount_micros for one in contract.invoiced}
    amounts = [invoiced.get(stage, amount) for stage, amount in enumerate(amounts, 1)]
    still_open = [stage for stage in range(1, len(amounts) + 1) if stage not in invoiced]
    if still_open:
        last = still_open[-1] - 1
        amounts[last] = max(0, amounts[last] + terms.fixed_fee_micros - sum(amounts))
    return amounts


def _stage_days(contract: Contract, count: int) -> list[date | None]:
    """On the start, on acceptance and go-live, and a month after it each further one."""
    days = [contract.signed_on, contract.live_on]
    live = contract.live_on
    days += [None if live is None else _months_after(live, months) for months in range(1, count)]
    return days[:count]


def _stage(contract: Contract, number: int, amount: int, falls_on: date | None, today: date) -> Stage:
    invoiced = next((one for one in contract.invoiced if one.stage == number), None)
    paid = next((one for one in contract.paid if one.stage == number), None)
    if invoiced is None:
        reached = falls_on is not None and falls_on <= today
        state = StageState.DUE if reached else StageState.PENDING
        return Stage(stage=number, amount_micros=amount, falls_on=falls_on, state=state)
    state = StageState.OVERDUE if invoiced.due_on < today else StageState.INVOICED
    return Stage(
        stage=number,
        amount_micros=invoiced.amount_micros,
        falls_on=falls_on,
        state=StageState.PAID if paid else state,
        invoice=invoiced.invoice,
        due_on=invoiced.due_on,
        paid_on=paid.paid_on if paid else None,
    )


def invoice_stage(
    contract: Contract, *, stage: int, invoice: str, due_on: date, today: date
) -> tuple[ContractEvent, ...]:
    """Invoice a stage whose day has come; nothing to do with the same invoice again.

    Refuses not_found, stage_not_due, stage_invoiced, due_in_the_past.
    """
    found = _find_stage(contract, stage, today)
    if found.invoice == invoice and invoice:
        return ()
    if found.invoice:
        raise Conflicting("stage_invoiced", f"Stage {stage} is on invoice {found.invoice}.")
    if found.state is not StageState.DUE:
        raise Conflicting("stage_not_due", f"Stage {stage} falls on {found.falls_on or 'go-live'}.")
    if due_on < today:
        raise BadInput("due_in_the_past", "The day of payment is over: take a later one.", field="due_on")
    return (
        StageInvoiced(
            stage=stage,
            amount_micros=found.amount_micros,
            invoice=invoice,
            invoiced_on=today,
            due_on=due_on,
        ),
    )


def pay_stage(
    contract: Contract, *, stage: int, paid_on: date, reference: str, today: date
) -> tuple[ContractEvent, ...]:
    """Note the payment of an invoiced stage; nothing to do where it is paid. Refuses stage_not_invoiced."""
    found = _find_stage(contract, stage, today)
    if found.state is StageState.PAID:
        return ()
    if not found.invoice:
        raise Conflicting("stage_not_invoiced", f"Stage {stage} has no invoice yet.")
    return (StagePaid(stage=stage, paid_on=paid_on, reference=reference),)


def _find_stage(contract: Contract, stage: int, today: date) -> Stage:
    for one in stages(contract, today):
        if one.stage == stage:
            return one
    raise NotFound("not_found", f"The fixed fee has no stage {stage}.", field="stage")


def _shares(total_micros: int, shares: tuple[int, ...]) -> list[int]:
    """A sum split by shares into whole fen; the last one takes what is left over."""
    whole = sum(shares)
    amounts = [total_micros * share // whole // FEN * FEN for share in shares[:-1]]
    return [*amounts, total_micros - sum(amounts)]


def _months_after(day: date, months: int) -> date:
    """The same day some months on, or the last of that month where it is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
