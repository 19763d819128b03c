"""What an amendment changes beside the next message: the allowance of the open year, and bills it reaches back to.

Who sends gets the allowance with his first message of the day, under the lock (application/stamping.py). What a
retroactive price changes is an adjustment (application/repricing.py). Its id is its place in the year, so that it is
posted once, whoever is killed when; what changes afterwards is the next one.
"""

from collections.abc import MutableMapping, Sequence

from application.books import accounts_of, ledger_of
from application.platform import load
from application.ports import Committed, Entry, PostAdjustment, Store
from application.repricing import Repricing, retroactive_ones
from application.reset_quota import set_allowance
from domain.aggregates import contract
from domain.aggregates.contract import Amendment, Contract
from domain.events.adjustment import Approved, Requested
from domain.recorded import Context
from domain.values import local_day, stream_id

_PAGE = 5_000
Known = MutableMapping[tuple[str, int], Repricing]
"""Repricings as far as they were read, by account and year: who calls often reads only what came since."""


async def apply_amendments(
    store: Store, *, account: str | None = None, known: Known | None = None, context: Context
) -> Sequence[str]:
    """The accounts whose ledger was changed, of one or all; run again it finds nothing to do."""
    changed: list[str] = []
    known = {} if known is None else known
    for name in [account] if account else await accounts_of(store):
        agreed, version = await load(store, stream_id("contract", name), contract.evolve)
        if agreed is None:
            continue
        # The allowance comes first: what it moves is in the difference that is read then.
        outcomes = [*await store.commit(await _allowance(store, agreed, version, context))]
        outcomes += await store.commit(await _repricings(store, agreed, known, context))
        if any(isinstance(outcome, Committed) and outcome.recorded for outcome in outcomes):
            changed.append(name)
    return changed


async def _allowance(store: Store, agreed: Contract, version: int, context: Context) -> list[Entry]:
    """The allowance of today's terms, where the open year has another one.

    It is guarded by the contract: what was changed meanwhile, the next run does.
    """
    today = local_day(await store.now())
    charge = set_allowance(agreed, await ledger_of(store, agreed.account, today.year), on=today)
    if charge is None:
        return []
    stream = stream_id("contract", agreed.account)
    return [Entry(stream=stream, version=version, context=context, charge=charge)]


async def _repricings(store: Store, agreed: Contract, known: Known, context: Context) -> list[Entry]:
    """The adjustments for what the retroactive amendments of each year change; none where all are posted."""
    latest = {one.effective_from.year: one for one in retroactive_ones(agreed)}
    entries: list[Entry] = []
    for year, amendment in latest.items():
        found = known.get((agreed.account, year))
        if found is None or found.agreed.amendments != agreed.amendments:
            found = known[agreed.account, year] = Repricing(agreed=agreed, year=year)
        while page := await store.postings(agreed.account, year, after=found.version, limit=_PAGE):
            found.read(page)
        if found.owed_micros:
            entries.append(_entry(agreed, amendment, found, context))
    return entries


def _entry(agreed: Contract, amendment: Amendment, found: Repricing, context: Context) -> Entry:
    """The next adjustment of a year, in the words of its latest retroactive amendment and approved with it."""
    wanted = Requested(
        adjustment=found.next_id,
        account=agreed.account,
        year=found.year,
        segments=0,
        amount_micros=found.owed_micros,
        period=f"{amendment.effective_from:%Y-%m}",
        reason=f"amendment {amendment.number} holds from {amendment.effective_from}",
        reference=f"amendment {amendment.number}",
        approvals=len(amendment.approved_by),
        by=amendment.proposed_by,
    )
    approvals = tuple(
        Approved(by=by, posted=place == len(amendment.approved_by))
        for place, by in enumerate(amendment.approved_by, 1)
    )
    charge = PostAdjustment(
        account=agreed.account,
        year=found.year,
        requested=wanted,
        approved_by=amendment.approved_by,
        allowance=found.charged.allowance,
        price_micros=amendment.terms.overage_price_micros,
    )
    stream = stream_id("adjustment", str(wanted.adjustment))
    return Entry(stream=stream, version=0, context=context, events=(wanted, *approvals), charge=charge)
