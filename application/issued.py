"""How far an account's monthly statements reach: what is issued never changes, so new terms begin after it."""

from datetime import date

from application.ports import Store
from domain import periods
from domain.events.statement import Issued


async def issued_until(store: Store, account: str) -> date | None:
    """The first day that no monthly statement covers yet; None where none was ever issued."""
    days = [
        period.next_day
        for recorded in await store.founded(Issued.TOPIC)
        if isinstance(recorded.event, Issued) and recorded.event.content.account == account
        if not (period := periods.parse(recorded.event.content.period)).yearly
    ]
    return max(days, default=None)
