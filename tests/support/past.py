"""A small log whose days are over: written as the store writes it, but with a clock of the test's own.

The database's clock cannot be put back; seals and statements need days that are past.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import psycopg

from application.carriage import Refused
from application.manage_adjustments import AskedFor, approve_adjustment, request_adjustment
from application.manage_amendments import approve_amendment, propose_amendment
from application.reset_quota import reset_quota
from application.settle_messages import cancel
from domain.events.contract import Terms
from domain.recorded import Context, Recorded
from domain.values import SHANGHAI
from infrastructure.mapper import encode
from tests.application.office import ACCOUNT, BY, Office
from tests.simulation import virtual_time

ADJUSTMENT, CREDIT = UUID(int=7), UUID(int=8)
ONE, TWO = Context(actor="cli:one"), Context(actor="cli:two")
FIRST_DAY = date(2025, 11, 20)


def shanghai(month: int, day: int, hour: int = 9, *, year: int = 2025) -> datetime:
    """A moment of the story."""
    return datetime(year, month, day, hour, tzinfo=SHANGHAI)


@dataclass(slots=True)
class Past:
    """What happened: two years of one account, with everything in it."""

    office: Office = field(
        default_factory=lambda: Office(now=shanghai(11, 20), terms=Terms(allowance_segments=6, notice_days=0))
    )

    text: str = "您好"

    async def happen(self) -> None:
        """Debits over the allowance, refunds, a new price, a new allowance, adjustments, the turn of the year."""
        office = self.office
        await office.open(live_on=FIRST_DAY)
        first = [await office.accept(f"a{number}", self.text) for number in range(5)]
        self._on(shanghai(11, 21))
        beyond = [await office.accept(f"b{number}", "字" * 80) for number in range(3)]
        await cancel(office.store, [first[0], beyond[2]], reason="by mistake", context=BY)
        await self._amend(
            date(2025, 12, 1), Terms(allowance_segments=6, overage_price_micros=48_000, notice_days=0)
        )
        self._on(shanghai(12, 2))
        later = [await office.accept(f"c{number}", "字" * 80) for number in range(3)]
        office.carriage.script = lambda _part, _key: Refused("11")
        await office.submit(later[0])
        await cancel(office.store, [later[1]], reason="by mistake", context=BY)
        await self._amend(
            date(2025, 12, 15), Terms(allowance_segments=9, overage_price_micros=48_000, notice_days=0)
        )
        self._on(shanghai(12, 16))
        await office.accept("d0")
        await self._adjust(ADJUSTMENT, segments=3, amount_micros=250_000, period="2025-12")
        self._on(shanghai(12, 20))
        await self._adjust(CREDIT, segments=-6, amount_micros=-100_000, period="2025")
        self._on(shanghai(1, 1, 0, year=2026))
        await reset_quota(office.store, year=2026, account=None, dry_run=False, context=BY)
        self._on(shanghai(1, 4, year=2026))
        await cancel(office.store, [beyond[1]], reason="too late", context=BY)
        await office.accept("e0")

    def _on(self, moment: datetime) -> None:
        self.office.now = moment

    async def _amend(self, day: date, terms: Terms) -> None:
        store = self.office.store
        await propose_amendment(
            store,
            account=ACCOUNT,
            effective_from=day,
            terms=terms,
            retroactive=False,
            notice_waived=True,
            reason="agreed anew",
            context=ONE,
        )
        for who in (ONE, TWO):
            await approve_amendment(
                store,
                account=ACCOUNT,
                number=1 if day.day == 1 else 2,
                context=who,
            )

    async def _adjust(self, id_: UUID, *, segments: int, amount_micros: int, period: str) -> None:
        asked = AskedFor(
            account=ACCOUNT,
            period=period,
            segments=segments,
            amount_micros=amount_micros,
            reason="billed wrong | by 3",
            reference="letter 7",
        )
        store = self.office.store
        await request_adjustment(store, id_=id_, asked=asked, approvals=2, context=BY)
        for who in (ONE, TWO):
            await approve_adjustment(store, id_=id_, context=who)

    def log(self) -> list[Recorded]:
        """Every event."""
        return self.office.store.disk.everything()


def past(text: str = "您好") -> Past:
    """The story, told once more; its first messages have this text."""
    made = Past(text=text)
    virtual_time.run(made.happen())
    return made


def write(database_url: str, log: Iterator[Recorded] | list[Recorded]) -> None:
    """Put events into the log of a database as they are."""
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO smsledger.stored_events (originator_id, originator_version, topic, state)"
            " VALUES (%s, %s, %s, %s)",
            [(one.stream, one.version, one.event.TOPIC, encode(one)) for one in log],
        )
