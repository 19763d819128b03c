"""What an amendment changes beside the next message: the allowance of the open year, and bills it reaches back to.

Who sends gets the allowance with his first message of the day, under the lock (application/stamping.py). A
retroactive price is an adjustment of the segments billed at another price meanwhile: of the amendment's own id,
so that it is posted once, whoever is killed when.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from application.platform import load
from application.ports import Committed, Entry, PostAdjustment, Store
from application.reset_quota import accounts_of, read_ledger, set_allowance
from domain.aggregates import contract
from domain.aggregates.contract import Amendment, AmendmentState, Contract
from domain.events.adjustment import Approved, Requested
from domain.events.ledger import Closed, LedgerEvent, Opened, Refunded
from domain.recorded import Context, Recorded
from domain.values import local_day, stream_id

_PAGE = 5_000


async def apply_amendments(store: Store, *, account: str | None = None, context: Context) -> Sequence[str]:
    """The accounts whose ledger was changed, of one or all; run again it finds nothing to do."""
    today = local_day(await store.now())
    changed: list[str] = []
    for name in [account] if account else await accounts_of(store):
        agreed, _ = await load(store, stream_id("contract", name), contract.evolve)
        if agreed is None or not agreed.amendments:
            continue
        entries = await _entries(store, agreed, today, context)
        outcomes = await store.commit(entries)
        if any(isinstance(outcome, Committed) and outcome.recorded for outcome in outcomes):
            changed.append(name)
    return changed


async def _entries(store: Store, agreed: Contract, today: date, context: Context) -> list[Entry]:
    entries: list[Entry] = []
    ledger = await read_ledger(store, agreed.account, today.year)
    charge = set_allowance(agreed, ledger, on=today)
    if charge is not None:
        entries.append(Entry(stream=None, version=None, context=context, charge=charge))
    for amendment in agreed.amendments:
        if amendment.retroactive and amendment.state is AmendmentState.AGREED:
            entries += await _reprice(store, agreed, amendment, context)
    return entries


def repricing_id(account: str, number: int) -> UUID:
    """The id of the adjustment that a retroactive amendment makes."""
    return stream_id("repricing", account, number)


async def _reprice(store: Store, agreed: Contract, amendment: Amendment, context: Context) -> list[Entry]:
    """The adjustment for what was billed at another price since the amendment's day; none where it is posted."""
    id_ = repricing_id(agreed.account, amendment.number)
    stream = stream_id("adjustment", str(id_))
    if stream in await store.load([stream]):
        return []
    year = amendment.effective_from.year
    amount = await _difference(store, agreed.account, amendment)
    if not amount:
        return []
    wanted = Requested(
        adjustment=id_,
        account=agreed.account,
        year=year,
        segments=0,
        amount_micros=amount,
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
        year=year,
        requested=wanted,
        approved_by=amendment.approved_by,
        allowance=agreed.allowance_for(year, on=amendment.effective_from),
        price_micros=amendment.terms.overage_price_micros,
    )
    return [Entry(stream=stream, version=0, context=context, events=(wanted, *approvals), charge=charge)]


async def _difference(store: Store, account: str, amendment: Amendment) -> int:
    """Micro-yuan that the overage of messages since the amendment's day costs more by it, up to its agreement."""
    assert amendment.agreed_at is not None
    price, after, first, amount = amendment.terms.overage_price_micros, 0, 0, 0
    while page := await store.postings(account, amendment.effective_from.year, after=after, limit=_PAGE):
        for recorded in page:
            if recorded.at >= amendment.agreed_at:
                return amount
            if local_day(recorded.at) >= amendment.effective_from:
                first = first or recorded.version
                amount += _more(recorded, first, price)
        after = page[-1].version
    return amount


def _more(recorded: Recorded, first: int, price_micros: int) -> int:
    """What one posting costs more; a refund of what was billed before the day stays at its price."""
    event = recorded.event
    assert isinstance(event, LedgerEvent)
    if isinstance(event, Opened | Closed) or (isinstance(event, Refunded) and event.debit < first):
        return 0
    return sum(part.segments * (price_micros - part.price_micros) for part in event.charges)
