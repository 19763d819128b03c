"""The turn of the year: open the ledger of a year, close the one before once it is over.

Idempotent by (account, year): run again after a crash at any point it does what is left to do.
Refuses year_invalid, not_found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from application.platform import load
from application.ports import Charge, CloseYear, Committed, Entry, OpenYear, Store
from domain.aggregates import contract
from domain.aggregates.ledger import Ledger, at_posting
from domain.errors import BadInput, NotFound
from domain.events.contract import Signed
from domain.events.ledger import Closed, Debited, Opened, Refunded
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
    accounts = [account] if account else await _accounts(store)
    return [
        await _reset_one(store, name, year, over=year <= this_year, dry_run=dry_run, context=context)
        for name in accounts
    ]


async def _accounts(store: Store) -> list[str]:
    signed = [recorded.event for recorded in await store.founded(Signed.TOPIC)]
    return sorted(event.account for event in signed if isinstance(event, Signed))


async def _reset_one(
    store: Store, account: str, year: int, *, over: bool, dry_run: bool, context: Context
) -> QuotaReset:
    """One account: `over` says that the year before has ended."""
    agreed, _ = await load(store, stream_id("contract", account), contract.evolve)
    if agreed is None:
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    allowance = agreed.terms.allowance_segments
    old, new = await _ledger(store, account, year - 1), await _ledger(store, account, year)
    opening = [OpenYear(account=account, year=year, allowance=allowance)] if not new.version else []
    closing = (
        [CloseYear(account=account, year=year - 1)] if over and old.version and not old.after.closed else []
    )
    charges: tuple[Charge, ...] = (*closing, *opening)
    if charges and not dry_run:
        entries = [Entry(stream=None, version=None, context=context, charge=charge) for charge in charges]
        outcomes = await store.commit(entries)
        made = [r.event for o in outcomes if isinstance(o, Committed) for r in o.recorded]
        expired = sum(event.unused for event in made if isinstance(event, Closed))
        closed = any(isinstance(event, Closed) for event in made)
        opened = any(isinstance(event, Opened) for event in made)
    else:
        expired = max(0, old.after.allowance - old.after.net) if closing else 0
        closed, opened = bool(closing), bool(opening)
    return QuotaReset(
        account=account,
        year=year,
        opened=opened,
        allowance=allowance,
        closed_year=year - 1 if closed else None,
        expired_segments=expired,
    )


async def _ledger(store: Store, account: str, year: int) -> Ledger:
    last = await store.last_posting(account, year)
    if last is None:
        return Ledger(account=account, year=year)
    event = last.event
    assert isinstance(event, Opened | Debited | Refunded | Closed)
    return at_posting(account=account, year=year, version=last.version, event=event)
