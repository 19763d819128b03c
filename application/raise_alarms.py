"""Tell when the use of a year reaches a level of the allowance that the terms name: 80, 95 and 100 % by default.

Each level of a year is told once; run again it finds nothing to do.
"""

from collections.abc import Sequence
from datetime import datetime

from application.books import accounts_of, ledger_of
from application.directory import Directory
from application.platform import change
from application.ports import Store
from domain.aggregates.ledger import Ledger
from domain.events.alarm import Raised
from domain.recorded import Context
from domain.values import local_day, stream_id


async def raise_alarms(store: Store, directory: Directory, *, context: Context) -> Sequence[Raised]:
    """The alarms that were raised now, for all accounts."""
    today = local_day(await store.now())
    raised: list[Raised] = []
    for account in await accounts_of(store):
        agreed = await directory.contract(account)
        ledger = await ledger_of(store, account, today.year)
        if agreed is None:
            continue
        due = levels_reached(ledger, agreed.state.terms_on(today).alarm_percents)
        if due:
            raised += await _raise(store, ledger, due, context)
    return raised


async def list_alarms(store: Store, *, account: str, year: int) -> Sequence[tuple[Raised, datetime]]:
    """The alarms of a year and when each was raised, lowest level first."""
    stream = stream_id("alarm", account, year)
    history = (await store.load([stream])).get(stream, ())
    return [(recorded.event, recorded.at) for recorded in history if isinstance(recorded.event, Raised)]


def levels_reached(ledger: Ledger, percents: Sequence[int]) -> tuple[int, ...]:
    """The levels that the use of a year has reached; none where nothing is included."""
    after = ledger.after
    return tuple(p for p in percents if after.allowance and after.net * 100 >= after.allowance * p)


async def _raise(store: Store, ledger: Ledger, due: tuple[int, ...], context: Context) -> Sequence[Raised]:
    def decide(told: frozenset[int] | None) -> tuple[Raised, ...]:
        return tuple(_alarm(ledger, percent) for percent in due if percent not in (told or ()))

    made = await change(store, stream_id("alarm", ledger.account, ledger.year), _told, decide, context)
    return [event for event in made if isinstance(event, Raised)]


def _told(told: frozenset[int] | None, event: Raised, at: object) -> frozenset[int]:  # noqa: ARG001
    return (told or frozenset()) | {event.percent}


def _alarm(ledger: Ledger, percent: int) -> Raised:
    return Raised(
        account=ledger.account,
        year=ledger.year,
        percent=percent,
        allowance=ledger.after.allowance,
        net=ledger.after.net,
        posting=ledger.version,
    )
