"""Bring the allowance of the open year to the terms of the day, for accounts that send nothing that day.

Who sends gets it with his first message of the day, under the lock (application/stamping.py).
"""

from collections.abc import Sequence

from application.platform import load
from application.ports import Entry, Store
from application.reset_quota import accounts_of, read_ledger, set_allowance
from domain.aggregates import contract
from domain.recorded import Context
from domain.values import local_day, stream_id


async def apply_amendments(store: Store, *, context: Context) -> Sequence[str]:
    """The accounts whose allowance of this year was changed; run again it finds nothing to do."""
    today = local_day(await store.now())
    entries: dict[str, Entry] = {}
    for account in await accounts_of(store):
        agreed, _ = await load(store, stream_id("contract", account), contract.evolve)
        assert agreed is not None
        charge = set_allowance(agreed, await read_ledger(store, account, today.year), on=today)
        if charge is not None:
            entries[account] = Entry(stream=None, version=None, context=context, charge=charge)
    await store.commit(list(entries.values()))
    return list(entries)
