"""The turn of the year: open the ledger of a year, close those before that are over and still open.

Idempotent by (account, year): run again after a crash at any point it does what is left to do. A year that the
term leaves out is not opened. Refuses year_invalid, not_found, busy.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from application.books import accounts_of, ledger_of
from application.platform import MAX_TRIES, load
from application.ports import Charge, CloseYear, Committed, Conflict, Entry, OpenYear, SetAllowance, Store
from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger
from domain.errors import BadInput, Conflicting, NotFound
from domain.events import Event
from domain.events.ledger import Closed, Opened
from domain.recorded import Context
from domain.values import local_year, stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReset:
    """What the reset did (or would do) for one account."""

    account: str
    year: int
    opened: bool
    allowance: int
    closed_year: int | None
    """The newest year that was closed: the one before, and any that nobody had closed in its time."""
    expired_segments: int


async def reset_quota(
    store: Store, *, year: int, account: str | None, dry_run: bool, context: Context
) -> Sequence[QuotaReset]:
    """Reset one account, or all; `dry_run` says what would be done and writes nothing."""
    this_year = local_year(await store.now())
    if not this_year <= year <= this_year + 1:
        raise BadInput(
            "year_invalid", f"A quota is reset for {this_year} or {this_year + 1} only.", field="year"
        )
    accounts = [account] if account else await accounts_of(store)
    return [
        await _reset_one(store, name, year, over=year <= this_year, dry_run=dry_run, context=context)
        for name in accounts
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is left to do for one account, decided on a version of its contract."""

    version: int
    allowance: int
    opening: bool
    closing: tuple[Ledger, ...]
    """Ledgers of years that are over, with the allowance of their last day."""
    charges: tuple[Charge, ...]


async def _reset_one(
    store: Store, account: str, year: int, *, over: bool, dry_run: bool, context: Context
) -> QuotaReset:
    """One account: `over` says that the year before has ended."""
    stream = stream_id("contract", account)
    for attempt in range(MAX_TRIES):
        plan = await _plan(store, account, year, over=over)
        # The contract is guarded: an allowance that was agreed meanwhile is not opened with yesterday's.
        entries = [
            Entry(stream=stream, version=plan.version, context=context, charge=charge)
            for charge in plan.charges
        ]
        if dry_run or not entries:
            return _planned(plan, account, year)
        outcomes = await store.commit(entries)
        if not any(isinstance(outcome, Conflict) for outcome in outcomes):
            made = [r.event for o in outcomes if isinstance(o, Committed) for r in o.recorded]
            return _done(plan, account, year, made)
        await asyncio.sleep(0.01 * attempt)
    raise Conflicting("busy", "The contract is being changed: try again.")


async def _plan(store: Store, account: str, year: int, *, over: bool) -> _Plan:
    agreed, version = await load(store, stream_id("contract", account), contract.evolve)
    if agreed is None:
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    allowance = agreed.allowance_for(year, on=date(year, 1, 1))
    closing: list[Ledger] = []
    charges: list[Charge] = []
    for old_year in range(agreed.first_year, year if over else year - 1):
        ledger = await ledger_of(store, account, old_year)
        if ledger.version and not ledger.after.closed:
            last = set_allowance(agreed, ledger, on=date(old_year, 12, 31))
            charges += [last] if last else []
            charges += [CloseYear(account=account, year=old_year)]
            included = last.allowance if last else ledger.after.allowance
            closing.append(replace(ledger, after=replace(ledger.after, allowance=included)))
    new = await ledger_of(store, account, year)
    opening = not new.version and agreed.includes(year)
    charges += [OpenYear(account=account, year=year, allowance=allowance)] if opening else []
    return _Plan(
        version=version,
        allowance=new.after.allowance if new.version else allowance,
        opening=opening,
        closing=tuple(closing),
        charges=tuple(charges),
    )


def _planned(plan: _Plan, account: str, year: int) -> QuotaReset:
    return QuotaReset(
        account=account,
        year=year,
        opened=plan.opening,
        allowance=plan.allowance,
        closed_year=max((ledger.year for ledger in plan.closing), default=None),
        expired_segments=sum(max(0, one.after.allowance - one.after.net) for one in plan.closing),
    )


def _done(plan: _Plan, account: str, year: int, made: Sequence[Event]) -> QuotaReset:
    """What was really done: somebody else may have come first."""
    closed = [event for event in made if isinstance(event, Closed)]
    return QuotaReset(
        account=account,
        year=year,
        opened=any(isinstance(event, Opened) for event in made),
        allowance=plan.allowance,
        closed_year=max((event.year for event in closed), default=None),
        expired_segments=sum(event.unused for event in closed),
    )


def set_allowance(agreed: Contract, ledger: Ledger, *, on: date) -> SetAllowance | None:
    """What brings an open year's allowance to that of a day's terms; None where it is that already."""
    allowance = agreed.allowance_for(ledger.year, on=on)
    if not ledger.version or allowance == ledger.after.allowance:
        return None
    amendment = agreed.amendment_on(on)
    return SetAllowance(
        account=ledger.account,
        year=ledger.year,
        allowance=allowance,
        amendment=amendment.number if amendment else 0,
        price_micros=agreed.terms_on(on).overage_price_micros,
    )
