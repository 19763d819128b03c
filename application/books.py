"""What every use case about money begins with: the accounts, a contract, a ledger, as they stand."""

from application.platform import load
from application.ports import Store
from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger, at_posting
from domain.errors import NotFound
from domain.events.contract import Signed
from domain.events.ledger import LedgerEvent
from domain.values import stream_id


async def accounts_of(store: Store) -> list[str]:
    """All accounts that have a contract, by name."""
    signed = [recorded.event for recorded in await store.founded(Signed.TOPIC)]
    return sorted(event.account for event in signed if isinstance(event, Signed))


async def contract_of(store: Store, account: str) -> Contract:
    """The contract of an account. Refuses not_found."""
    agreed, _ = await load(store, stream_id("contract", account), contract.evolve)
    if agreed is None:
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    return agreed


async def ledger_of(store: Store, account: str, year: int) -> Ledger:
    """A ledger as its last posting says; one that is not opened has version 0."""
    last = await store.last_posting(account, year)
    if last is None:
        return Ledger(account=account, year=year)
    event = last.event
    assert isinstance(event, LedgerEvent)
    return at_posting(account=account, year=year, version=last.version, event=event)
