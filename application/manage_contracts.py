"""Contracts: sign, go live, suspend, resume, end; and the stages of the fixed fee."""

import re
from collections.abc import Callable
from datetime import date

from application.platform import change
from application.ports import Store
from domain.aggregates import contract, fee
from domain.aggregates.contract import Contract
from domain.errors import BadInput, Conflicting, NotFound
from domain.events import Event
from domain.events.contract import Terms
from domain.recorded import Context
from domain.values import local_day, stream_id

_LONGEST_TEXT = 200
_MOST, _DEAREST = 10**12, 10**9
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{1,31}", re.ASCII)


def require_account(account: str) -> None:
    """Refuse account_name unless it is 2 to 32 small letters, digits and dashes."""
    if not _ACCOUNT.fullmatch(account):
        raise BadInput(
            "account_name", "An account is 2 to 32 small letters, digits and dashes.", field="account"
        )


async def sign_contract(
    store: Store, *, account: str, name: str, terms: Terms, context: Context
) -> tuple[Event, ...]:
    """Register an account with its contract. Refuses account_name, terms_invalid, already_exists."""
    require_account(account)
    require_terms(terms)

    def decide(state: Contract | None) -> tuple[Event, ...]:
        if state is not None:
            raise Conflicting("already_exists", f"The account {account} has a contract.", field="account")
        return contract.sign(account=account, name=name, terms=terms)

    return await change(store, stream_id("contract", account), contract.evolve, decide, context)


async def go_live(store: Store, *, account: str, on: date, context: Context) -> tuple[Event, ...]:
    """Start the term on a day (Shanghai). Refuses not_found, contract_already_live."""
    return await change_contract(store, account, lambda state: state.go_live(on=on), context)


async def suspend(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Stop accepting from the next message on. Refuses not_found."""
    return await change_contract(store, account, lambda state: state.suspend(reason=reason), context)


async def resume(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Accept again. Refuses not_found."""
    return await change_contract(store, account, lambda state: state.resume(reason=reason), context)


async def end(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """End the contract for good. Refuses not_found."""
    return await change_contract(store, account, lambda state: state.end(reason=reason), context)


async def invoice_stage(
    store: Store, *, account: str, stage: int, invoice: str, due_on: date, context: Context
) -> tuple[Event, ...]:
    """Invoice a stage of the fixed fee. Refuses not_found, reference_missing and those of domain/aggregates/fee."""
    require_text(invoice, "invoice")
    today = local_day(await store.now())
    return await change_contract(
        store,
        account,
        lambda state: fee.invoice_stage(state, stage=stage, invoice=invoice, due_on=due_on, today=today),
        context,
    )


async def pay_stage(
    store: Store, *, account: str, stage: int, paid_on: date, reference: str, context: Context
) -> tuple[Event, ...]:
    """Note that a stage is paid. Refuses not_found, stage_not_invoiced, reference_missing."""
    require_text(reference, "reference")
    today = local_day(await store.now())
    return await change_contract(
        store,
        account,
        lambda state: fee.pay_stage(state, stage=stage, paid_on=paid_on, reference=reference, today=today),
        context,
    )


async def change_contract(
    store: Store, account: str, command: Callable[[Contract], tuple[Event, ...]], context: Context
) -> tuple[Event, ...]:
    """Apply a command to an account's contract. Refuses not_found."""

    def decide(state: Contract | None) -> tuple[Event, ...]:
        if state is None:
            raise NotFound("not_found", f"There is no account {account}.", field="account")
        return command(state)

    return await change(store, stream_id("contract", account), contract.evolve, decide, context)


def require_text(text: str, field: str) -> None:
    """Refuse reference_missing, reference_too_long: every change of money names what it rests on."""
    if not text.strip():
        raise BadInput("reference_missing", "Say what this rests on, or why.", field=field)
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise BadInput(
            "reference_too_long", f"At most {_LONGEST_TEXT} visible characters, please.", field=field
        )


def require_terms(terms: Terms) -> None:
    """Refuse terms_invalid: terms nobody can mean."""
    wrong = (
        (not 0 <= terms.allowance_segments <= _MOST, "allowance_segments", "0 to 10^12 segments"),
        (
            not 0 <= terms.overage_price_micros <= _DEAREST,
            "overage_price_micros",
            "0 to 10^9 micro-yuan, 1000 yuan a segment",
        ),
        (not 1 <= terms.term_years <= 50, "term_years", "1 to 50 years"),
        (not 5 <= terms.retention_months <= 120, "retention_months", "5 to 120 months"),
        (not 0 <= terms.dispute_days <= 366, "dispute_days", "0 to 366 days"),
        (not 0 <= terms.notice_days <= 366, "notice_days", "0 to 366 days"),
        (
            not 0 <= terms.fixed_fee_micros <= _MOST * 1_000 or terms.fixed_fee_micros % fee.FEN,
            "fixed_fee_micros",
            "whole fen, 10000 micro-yuan each, and not negative",
        ),
        (
            terms.spending_cap_micros is not None and terms.spending_cap_micros < 0,
            "spending_cap_micros",
            "not negative",
        ),
        (
            not terms.stage_shares or len(terms.stage_shares) > 12 or min(terms.stage_shares) < 1,
            "stage_shares",
            "1 to 12 shares of at least 1",
        ),
        (
            len(terms.alarm_percents) > 10
            or any(not 1 <= percent <= 1_000 for percent in terms.alarm_percents)
            or list(terms.alarm_percents) != sorted(set(terms.alarm_percents)),
            "alarm_percents",
            "at most 10 rising levels of 1 to 1000 percent",
        ),
    )
    for bad, field, allowed in wrong:
        if bad:
            raise BadInput("terms_invalid", f"The term {field} has to be {allowed}.", field=field)
