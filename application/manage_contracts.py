"""Contracts: sign, go live, suspend, resume, end."""

import re
from collections.abc import Callable
from datetime import date

from application.platform import change
from application.ports import Store
from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.errors import BadInput, Conflicting, NotFound
from domain.events import Event
from domain.events.contract import Terms
from domain.recorded import Context
from domain.values import stream_id

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
    _require_terms(terms)

    def decide(state: Contract | None) -> tuple[Event, ...]:
        if state is not None:
            raise Conflicting("already_exists", f"The account {account} has a contract.", field="account")
        return contract.sign(account=account, name=name, terms=terms)

    return await change(store, stream_id("contract", account), contract.evolve, decide, context)


async def go_live(store: Store, *, account: str, on: date, context: Context) -> tuple[Event, ...]:
    """Start the term on a day (Shanghai). Refuses not_found, contract_already_live."""
    return await _change(store, account, lambda state: state.go_live(on=on), context)


async def suspend(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Stop accepting from the next message on. Refuses not_found."""
    return await _change(store, account, lambda state: state.suspend(reason=reason), context)


async def resume(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Accept again. Refuses not_found."""
    return await _change(store, account, lambda state: state.resume(reason=reason), context)


async def end(store: Store, *, account: str, reason: str, context: Context) -> tuple[Event, ...]:
    """End the contract for good. Refuses not_found."""
    return await _change(store, account, lambda state: state.end(reason=reason), context)


async def _change(
    store: Store, account: str, command: Callable[[Contract], tuple[Event, ...]], context: Context
) -> tuple[Event, ...]:
    def decide(state: Contract | None) -> tuple[Event, ...]:
        if state is None:
            raise NotFound("not_found", f"There is no account {account}.", field="account")
        return command(state)

    return await change(store, stream_id("contract", account), contract.evolve, decide, context)


def _require_terms(terms: Terms) -> None:
    if terms.allowance_segments < 0 or terms.overage_price_micros < 0 or not 1 <= terms.term_years <= 50:
        raise BadInput("terms_invalid", "Allowance and price must not be negative, the term 1 to 50 years.")
