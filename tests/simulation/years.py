"""Two whole years of one account, and what comes after its term: bursts of traffic, and time that jumps between them.

Two turns of the year are crossed while messages come in; people amend, adjust and reset meanwhile; what is still on
its way when time jumps is refunded or revised in another month, or another year.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from application.apply_amendments import Known, apply_amendments
from application.directory import Directory
from application.manage_adjustments import AskedFor, approve_adjustment, reject_adjustment, request_adjustment
from application.manage_amendments import approve_amendment, propose_amendment, withdraw_amendment
from application.platform import load
from application.raise_alarms import raise_alarms
from application.reset_quota import reset_quota
from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.errors import Refusal
from domain.events.contract import Terms
from domain.events.ledger import Closed, Opened
from domain.recorded import Context
from domain.values import ChargeOn, PartialYears, local_day, stream_id
from tests.simulation.auditor import audit
from tests.simulation.process import start_outside
from tests.simulation.store import MemoryStore
from tests.simulation.world import ACCOUNT, BEGIN, Plan, World, plan

ANN, BOB, SCHEDULER = (Context(actor=name) for name in ("key:ann", "key:bob", "scheduler"))
LIVE = date(2026, 2, 10)
START = datetime(2026, 2, 10, 1, 0, tzinfo=UTC)
TURNS = (datetime(2026, 12, 31, 15, 57, tzinfo=UTC), datetime(2027, 12, 31, 15, 57, tzinfo=UTC))
"""Three minutes before the years end in Shanghai."""
TERM_OVER = datetime(2028, 2, 9, 15, 57, tzinfo=UTC)
"""Three minutes before the two years are over."""
AGREED_AGAIN = datetime(2028, 2, 20, 2, 0, tzinfo=UTC)
BACK = date(2028, 3, 1)
"""From this day on a new price is agreed."""
LAST = datetime(2028, 4, 2, 2, 0, tzinfo=UTC)
BUSY_YEARS = (2026, 2027)
PRICES = (0, 20_000, 30_000, 38_000, 45_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A while in which something happens: when, how many callers, and whether it has come to rest when time jumps."""

    at: datetime
    callers: int
    rests: bool


def plan_years(seed: int) -> Plan:
    """The world of a seed, with terms that a few messages exhaust and carriers that change their mind."""
    random, base = Random(f"years {seed}"), plan(seed)
    terms = Terms(
        allowance_segments=random.choice((0, 5, 20, 40)),
        charge_on=random.choice((ChargeOn.SUBMITTED, ChargeOn.DELIVERED, ChargeOn.DELIVERED)),
        unknown_policy=base.terms.unknown_policy,
        partial_years=random.choice(list(PartialYears)),
        spending_cap_micros=random.choice((None, None, 500_000, 2_000_000)),
        notice_days=random.choice((0, 30)),
    )
    scripts = {
        name: replace(script, contrary=random.choice((0.0, 0.3)), fail=random.choice((script.fail, 0.3)))
        for name, script in base.scripts.items()
    }
    return replace(base, terms=terms, scripts=scripts)


def bursts(random: Random) -> list[Burst]:
    """When something happens in the two years and after them, in order."""
    quiet_days = [
        START + timedelta(days=random.uniform(365 * number, 365 * number + 320))
        for number in range(len(BUSY_YEARS))
        for _ in range(3)
    ]
    early = [turn + timedelta(days=random.uniform(0.1, 20)) for turn in TURNS]
    moments = [START, *quiet_days, *TURNS, *early, TERM_OVER, AGREED_AGAIN, LAST]
    return [
        Burst(at=at, callers=random.choice((1, 2, 4, 6)), rests=random.random() < 0.5)
        for at in sorted(moments)
    ]


class Years(World):
    """Lives from START to LAST; afterwards everything that was open is settled, and the books are closed."""

    live_on = LIVE

    def __init__(self, planned: Plan) -> None:
        super().__init__(planned)
        self.callers = 0
        self.known: Known = {}
        self.refused: list[str] = []

    async def story(self) -> None:
        """One burst after another."""
        for burst in bursts(self.random):
            self.jump(burst.at)
            people = [start_outside(self._call()) for _ in range(burst.callers)]
            people += [start_outside(work()) for work in self._errands(burst.at)]
            await asyncio.gather(*people)
            await (self._come_to_rest() if burst.rests else asyncio.sleep(self.random.uniform(0, 40)))

    def jump(self, at: datetime) -> None:
        """Let time go on at a later moment."""
        self.jumped += max(timedelta(), at - self.now())

    async def set_up(self) -> None:
        """The contract is signed on its first day."""
        self.jumped = START - BEGIN
        await super().set_up()

    async def _call(self) -> None:
        self.callers += 1
        await self.client(self.callers)

    async def _come_to_rest(self) -> None:
        """Wait until nothing more happens, but not for long: a doubt may last."""
        for _ in range(30):
            if self._finished():
                break
            await asyncio.sleep(20)

    def _errands(self, at: datetime) -> list[Callable[[], Awaitable[None]]]:
        """What people and the scheduler do in a burst."""
        some: list[Callable[[], Awaitable[None]]] = [
            self._amend,
            self._amend,
            self._adjust,
            self._turn_the_year,
            self._apply,
            self._look_at_the_levels,
            self.administrator,
        ]
        chosen = [errand for errand in some if self.random.random() < 0.5]
        return [*chosen, self._bring_back] if at == AGREED_AGAIN else chosen

    # Amendments.

    async def _amend(self) -> None:
        await asyncio.sleep(self.random.uniform(0, 300))
        today = local_day(self.now())
        first = max(LIVE, date(today.year, 1, 1))
        back = first + timedelta(days=self.random.randint(0, max(0, (today - first).days)))
        reaches_back = self.random.random() < 0.5
        since = back if reaches_back else today + timedelta(days=self.random.choice((0, 0, 1, 30)))
        price = {"overage_price_micros": self.random.choice(PRICES)}
        allowance = {"allowance_segments": self.random.choice((0, 5, 20, 60))}
        cap = {"spending_cap_micros": self.random.choice((None, 2_000_000))}
        changes = self.random.choice((price, price, allowance, price | allowance, cap))
        await self._agree(since, retroactive=reaches_back, **changes)

    async def _bring_back(self) -> None:
        """The term is over: a new price from a day to come, for two more years."""
        await self._agree(BACK, term_years=4, overage_price_micros=45_000, spending_cap_micros=None)

    async def _agree(self, since: date, *, retroactive: bool = False, **changes: Any) -> None:  # noqa: ANN401
        """Propose; then two people approve at the same time, or somebody takes it back meanwhile."""
        made = await self.ask(lambda store: self._propose(store, since, retroactive=retroactive, **changes))
        if isinstance(made, Refusal):
            return
        number: int = made

        def approve(who: Context) -> Awaitable[Any]:
            return self.ask(lambda s: approve_amendment(s, account=ACCOUNT, number=number, context=who))

        works = [approve(ANN), approve(BOB)]
        if self.random.random() < 0.1 and since != BACK:
            works.append(
                self.ask(
                    lambda store: withdraw_amendment(
                        store, account=ACCOUNT, number=number, reason="a slip", context=ANN
                    )
                )
            )
        await asyncio.gather(*works)
        if self.random.random() < 0.7:
            await self._apply()

    async def _propose(self, store: MemoryStore, since: date, *, retroactive: bool, **changes: Any) -> int:  # noqa: ANN401
        state, _ = await load(store, stream_id("contract", ACCOUNT), contract.evolve)
        assert isinstance(state, Contract)
        made = await propose_amendment(
            store,
            account=ACCOUNT,
            effective_from=since,
            terms=replace(state.terms_on(since), **changes),
            retroactive=retroactive,
            notice_waived=True,
            reason="a letter",
            context=ANN,
        )
        number: int = made[0].number  # type: ignore[union-attr]
        return number

    async def _apply(self) -> None:
        """What the scheduler does; a new one has to read everything again."""
        if self.random.random() < 0.5:
            self.known = {}
        known = self.known
        await self.ask(lambda store: apply_amendments(store, known=known, context=SCHEDULER))

    # Corrections.

    async def _adjust(self) -> None:
        """Asked for by one, approved by two at the same time, sometimes rejected meanwhile."""
        await asyncio.sleep(self.random.uniform(0, 300))
        today, id_ = local_day(self.now()), UUID(int=self.random.getrandbits(128))
        asked = AskedFor(
            account=ACCOUNT,
            period=self.random.choice((f"{today:%Y-%m}", str(today.year), str(max(2026, today.year - 1)))),
            segments=self.random.randint(-6, 6),
            amount_micros=self.random.choice((0, -38_000, 1, 10**6)),
            reason="a test",
        )
        limit = self.random.choice((0, 10**9))
        made = await self.ask(
            lambda store: request_adjustment(store, id_=id_, asked=asked, limit_micros=limit, context=ANN)
        )
        if isinstance(made, Refusal):
            return
        works = [
            self.ask(lambda store, who=who: approve_adjustment(store, id_=id_, context=who))  # type: ignore[misc]
            for who in (ANN, BOB)
        ]
        if self.random.random() < 0.1:
            works.append(self.ask(lambda s: reject_adjustment(s, id_=id_, reason="no", context=BOB)))
        await asyncio.gather(*works)

    # The year.

    async def _turn_the_year(self) -> None:
        """This year's reset or the next one's, at any moment."""
        await asyncio.sleep(self.random.uniform(0, 300))
        year, dry_run = local_day(self.now()).year + self.random.randint(0, 1), self.random.random() < 0.3
        await self.ask(
            lambda store: reset_quota(store, year=year, account=None, dry_run=dry_run, context=SCHEDULER)
        )

    async def _look_at_the_levels(self) -> None:
        await asyncio.sleep(self.random.uniform(0, 300))
        seconds = asyncio.get_running_loop().time
        await self.ask(
            lambda store: raise_alarms(store, Directory(store, seconds=seconds), context=SCHEDULER)
        )

    async def ask(self, work: Callable[[MemoryStore], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """As `attempt`; a refusal is an answer."""

        async def answered(store: MemoryStore) -> Any:  # noqa: ANN401
            try:
                return await work(store)
            except Refusal as refusal:
                self.refused.append(refusal.code)
                return refusal

        return await self.attempt(answered)

    # The end.

    async def live(self) -> None:
        """After the last burst the scheduler does once more, undisturbed, what it does every minute."""
        await super().live()
        store = MemoryStore(now=self.now, disk=self.disk)
        await reset_quota(store, year=LAST.year, account=None, dry_run=False, context=SCHEDULER)
        await apply_amendments(store, context=SCHEDULER)
        again = await apply_amendments(store, context=SCHEDULER)
        assert not again, "applied twice, an amendment still changes something"


def audit_years(world: World) -> list[str]:
    """Everything that is wrong, and years that are over and were never closed."""
    events = [recorded.event for recorded in world.disk.everything()]
    closed = {event.year for event in events if isinstance(event, Closed)}
    opened = {event.year for event in events if isinstance(event, Opened)}
    unclosed = [year for year in opened - closed if year < LAST.year]
    return audit(world) + [f"{year} was never closed" for year in unclosed]
