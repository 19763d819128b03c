"""The turn of the year: open the ledger of a year, close the one before once it is over.

Idempotent by (account, year): run again after a crash at any point it does what is left to do.
Refuses year_invalid, not_found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from application.platform import load
from application.ports import Charge, CloseYear, Committed, Entry, OpenYear, SetAllowance, Store
from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger, at_posting
from domain.errors import BadInput, NotFound
from domain.events.contract import Signed
from domain.events.ledger import Closed, LedgerEvent, Opened
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


async def accounts_of(store: Store) -> list[str]:
    """All accounts that have a contract, by name."""
    signed = [recorded.event for recorded in await store.founded(Signed.TOPIC)]
    return sorted(event.account for event in signed if isinstance(event, Signed))


async def _reset_one(
    store: Store, account: str, year: int, *, over: bool, dry_run: bool, context: Context
) -> QuotaReset:
    """One account: `over` says that the year before has ended."""
    agreed, _ = await load(store, stream_id("contract", account), contract.evolve)
    if agreed is None:
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    first = date(year, 1, 1)
    allowance = agreed.allowance_for(year, on=first)
    old, new = await read_ledger(store, account, year - 1), await read_ledger(store, account, year)
    opening = [OpenYear(account=account, year=year, allowance=allowance)] if not new.version else []
    closing = over and bool(old.version) and not old.after.closed
    last_allowance = set_allowance(agreed, old, on=first - timedelta(days=1)) if closing else None
    charges: list[Charge] = [] if last_allowance is None else [last_allowance]
    charges += [CloseYear(account=account, year=year - 1)] if closing else []
    charges += opening
    if charges and not dry_run:
        entries = [Entry(stream=None, version=None, context=context, charge=charge) for charge in charges]
        outcomes = await store.commit(entries)
        made = [r.event for o in outcomes if isinstance(o, Committed) for r in o.recorded]
        expired = sum(event.unused for event in made if isinstance(event, Closed))
        closed = any(isinstance(event, Closed) for event in made)
        opened = any(isinstance(event, Opened) for event in made)
    else:
        included = last_allowance.allowance if last_allowance else old.after.allowance
        expired = max(0, included - old.after.net) if closing else 0
        closed, opened = closing, bool(opening)
    return QuotaReset(
        account=account,
        year=year,
        opened=opened,
        allowance=allowance,
        closed_year=year - 1 if closed else None,
        expired_segments=expired,
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


async def read_ledger(store: Store, account: str, year: int) -> Ledger:
    """A ledger as its last posting says."""
    last = await store.last_posting(account, year)
    if last is None:
        return Ledger(account=account, year=year)
    event = last.event
    assert isinstance(event, LedgerEvent)
    return at_posting(account=account, year=year, version=last.version, event=event)
