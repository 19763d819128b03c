"""Where in a ledger a moment lies: postings are recorded in the order of time, so a few looks find it."""

from datetime import datetime

from application.ports import Store
from domain.events.ledger import LedgerEvent, Totals
from domain.recorded import Recorded


async def last_before(
    store: Store, account: str, year: int, moment: datetime, *, least: int = 0, most: int | None = None
) -> int:
    """The last version recorded before a moment, known to be `least` or more; `least` where there is none.

    `most` is the last version to look at; without it, all that there are.
    """
    if most is None:
        last = await store.last_posting(account, year)
        if last is None or last.version <= least:
            return least
        if last.at < moment:
            return last.version
        most = last.version - 1
    while least < most:
        middle = (least + most + 1) // 2
        if (await posting(store, account, year, middle)).at < moment:
            least = middle
        else:
            most = middle - 1
    return least


async def posting(store: Store, account: str, year: int, version: int) -> Recorded:
    """A posting by its version, which there is."""
    (found,) = await store.postings(account, year, after=version - 1, limit=1)
    return found


async def totals_at(store: Store, account: str, year: int, version: int) -> Totals:
    """The totals after a posting that there is."""
    event = (await posting(store, account, year, version)).event
    assert isinstance(event, LedgerEvent)
    return event.after
