"""An amendment changes the open year without traffic, and a retroactive price changes the bill by what it says."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from random import Random
from uuid import UUID

import pytest

from application import settle_messages
from application.apply_amendments import Known, apply_amendments
from application.manage_amendments import approve_amendment
from application.platform import load
from application.prove_ledgers import Proof
from application.repricing import Repricing, repricing_id
from application.reset_quota import reset_quota
from domain.aggregates import contract
from domain.errors import Conflicting
from domain.events.contract import Terms
from domain.events.ledger import Adjusted, AllowanceChanged, Debited
from domain.recorded import Context
from domain.values import stream_id
from tests.application.agreements import ANN, BOB, adjust, amend, asked_for, propose
from tests.application.office import ACCOUNT, BY, NOW, Office, story
from tests.simulation.process import Process
from tests.simulation.store import MemoryStore

SCHEDULER = Context(actor="scheduler")
P = 38_000


async def office_of(allowance: int = 0, *, price: int = P) -> Office:
    """An account of a small package that signed in April, on 1 May 2026."""
    terms = Terms(allowance_segments=allowance, overage_price_micros=price)
    office = await Office(now=datetime(2026, 4, 1, 4, 0, tzinfo=UTC), terms=terms).open()
    office.now = NOW
    return office


async def send(office: Office, *keys: str) -> list[UUID]:
    """Messages of one segment that carriers never took."""
    return [await office.accept(key) for key in keys]


async def send_on(office: Office, day: date, count: int) -> list[UUID]:
    office.now = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return await send(office, *(f"{day}-{number}" for number in range(count)))


async def cancel(office: Office, *ids: UUID) -> None:
    assert await settle_messages.cancel(office.store, ids, reason="a test", context=BY) == len(ids)


async def apply(office: Office, known: Known | None = None) -> list[str]:
    return list(await apply_amendments(office.store, known=known, context=SCHEDULER))


def payable(office: Office, year: int = 2026) -> int:
    return office.totals(year).payable_micros


def adjustments(office: Office) -> list[Adjusted]:
    return [event for event in office.postings() if isinstance(event, Adjusted)]


def assert_proved(office: Office) -> None:
    proof = Proof()
    for recorded in office.store.disk.everything():
        proof.feed(recorded)
    assert [str(finding) for finding in proof.findings()] == []


def brute_force(office: Office, since: date, price: int) -> int:
    """What the debits since a day would have cost more, where nothing was given back."""
    debits = [
        (recorded.at, recorded.event)
        for recorded in office.store.disk.history(stream_id("ledger", ACCOUNT, 2026))
        if isinstance(recorded.event, Debited)
    ]
    return sum(
        event.overage * (price - event.price_micros)
        for at, event in debits
        if (at.astimezone(UTC).timestamp() + 8 * 3600) // 86_400 >= (since - date(1970, 1, 1)).days
    )


# Allowances.


@story
async def test_a_changed_allowance_is_posted_on_its_day_though_nobody_sends():
    office = await office_of(10)
    await send(office, *"abcdef")
    await amend(office, date(2026, 5, 3), allowance_segments=4)
    assert await apply(office) == []
    office.pass_time(days=2)
    assert await apply(office) == [ACCOUNT]
    (changed,) = [event for event in office.postings() if isinstance(event, AllowanceChanged)]
    assert (changed.amendment, changed.segments, changed.overage, changed.price_micros) == (1, -6, 2, P)
    assert office.totals().overage == 2
    assert await apply(office) == []
    assert_proved(office)


@story
async def test_the_scheduler_s_name_is_on_what_it_posts():
    office = await office_of(10)
    await send(office, "a")
    await amend(office, date(2026, 5, 1), allowance_segments=4)
    await apply(office)
    last = office.store.disk.history(stream_id("ledger", ACCOUNT, 2026))[-1]
    assert last.context.actor == "scheduler"


@story
async def test_a_year_that_is_not_open_is_left_to_its_first_debit():
    office = await office_of(10)
    await amend(office, date(2026, 5, 1), allowance_segments=4)
    assert await apply(office) == []
    await send(office, "a")
    assert office.totals().allowance == 4


@story
async def test_the_first_message_of_the_day_brings_the_allowance_before_its_own_debit():
    office = await office_of(10)
    await send(office, *"abcd")
    await amend(office, date(2026, 5, 2), allowance_segments=3)
    office.pass_time(days=1)
    await send(office, "e")
    kinds = [type(event).__name__ for event in office.postings()[-2:]]
    assert kinds == ["AllowanceChanged", "Debited"]
    assert (office.totals().allowance, office.totals().overage) == (3, 2)
    assert await apply(office) == []


@story
async def test_an_allowance_decided_on_an_older_contract_is_not_posted():
    office = await office_of(10)
    await send(office, "a")
    await amend(office, date(2026, 5, 1), allowance_segments=20)

    async def another_amendment() -> None:
        await amend(office, date(2026, 5, 1), allowance_segments=30)

    office.store.meanwhile = another_amendment
    assert await apply(office) == []
    assert await apply(office) == [ACCOUNT]
    assert office.totals().allowance == 30
    changes = [event for event in office.postings() if isinstance(event, AllowanceChanged)]
    assert [(event.amendment, event.after.allowance) for event in changes] == [(2, 30)]


@story
async def test_the_last_day_s_allowance_is_posted_before_the_year_closes():
    office = await office_of(10)
    await send(office, *"abcd")
    await amend(office, date(2026, 12, 31), allowance_segments=3)
    await amend(office, date(2027, 1, 1), allowance_segments=50)
    office.now = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    (done,) = await reset_quota(office.store, year=2027, account=None, dry_run=False, context=BY)
    assert (done.allowance, done.expired_segments) == (50, 0)
    assert (office.totals(2026).allowance, office.totals(2026).overage) == (3, 1)
    assert await apply(office) == []
    assert_proved(office)


# Retroactive prices.


@pytest.mark.parametrize("price", [0, 30_000, 50_000])
@story
async def test_a_retroactive_price_changes_the_bill_by_exactly_what_the_debits_since_say(price: int):
    office = await office_of(3)
    await send_on(office, date(2026, 4, 28), 4)
    await send_on(office, date(2026, 4, 29), 5)
    await send_on(office, date(2026, 5, 4), 2)
    since = date(2026, 4, 29)
    before, exact = payable(office), brute_force(office, since, price)
    assert exact == 7 * (price - P)
    await amend(office, since, retroactive=True, overage_price_micros=price)
    assert await apply(office) == [ACCOUNT]
    assert payable(office) == before + exact
    (posted,) = adjustments(office)
    assert (posted.amount_micros, posted.segments, posted.period) == (exact, 0, "2026-04")
    assert (posted.approved_by, posted.requested_by) == (("key:ann", "key:bob"), "key:ann")
    assert_proved(office)


@story
async def test_what_comes_after_the_agreement_has_the_new_price_and_is_not_adjusted():
    office = await office_of()
    await send(office, "a", "b")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    await send(office, "c")
    await apply(office)
    assert payable(office) == 3 * 30_000
    assert [event.amount_micros for event in adjustments(office)] == [-2 * 8_000]


@story
async def test_repeated_it_posts_nothing_more():
    office = await office_of()
    await send(office, "a", "b")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    known: Known = {}
    assert [await apply(office, known) for _ in range(3)] == [[ACCOUNT], [], []]
    assert await apply(office) == []
    assert len(adjustments(office)) == 1


@story
async def test_two_runs_at_once_post_it_once():
    office = await office_of()
    await send(office, "a", "b")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    office.store.meanwhile = lambda: apply(office)
    await apply(office)
    assert len(adjustments(office)) == 1
    assert payable(office) == 2 * 30_000


@story
async def test_a_commit_whose_answer_was_lost_is_posted_once():
    office = await office_of()
    await send(office, "a", "b")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    office.store.answers_once_lost = True
    await apply(office)
    await apply(office)
    assert len(adjustments(office)) == 1


@story
async def test_killed_at_any_step_and_run_again_it_is_posted_once():
    for step in range(1, 20):
        office = await office_of(3)
        await send(office, *"abcdef")
        await amend(
            office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000, allowance_segments=4
        )
        await dying(office, step, lambda store: apply_amendments(store, context=SCHEDULER))
        await apply(office)
        assert payable(office) == 2 * 30_000, step
        assert len(adjustments(office)) == 1, step
        assert_proved(office)


async def dying(office: Office, step: int, work: Callable[[MemoryStore], Awaitable[object]]) -> None:
    """Do something in a process that dies at a step."""
    process = Process(Random(step), ends_at=step)
    store = MemoryStore(now=lambda: office.now, disk=office.store.disk, pause=process.store_step)

    async def live() -> None:
        await work(store)

    await asyncio.wait([process.start(live())])


# What happens to repriced messages afterwards.


@story
async def test_a_message_refunded_later_is_given_back_at_what_it_cost_in_the_end():
    office = await office_of()
    ids = await send(office, "a", "b", "c")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    await cancel(office, *ids)
    assert await apply(office) == [ACCOUNT]
    assert payable(office) == 0
    assert [event.amount_micros for event in adjustments(office)] == [-24_000, 24_000]
    assert await apply(office) == []
    assert_proved(office)


@story
async def test_a_refund_of_what_was_billed_before_the_day_stays_at_its_price():
    office = await office_of()
    old = await send_on(office, date(2026, 4, 28), 2)
    await send_on(office, date(2026, 4, 30), 2)
    await amend(office, date(2026, 4, 29), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    await cancel(office, *old)
    await apply(office)
    assert payable(office) == 2 * 30_000
    assert len(adjustments(office)) == 1


@story
async def test_a_refund_before_the_agreement_of_an_older_message_is_not_repriced():
    office = await office_of()
    old = await send_on(office, date(2026, 4, 28), 2)
    await send_on(office, date(2026, 4, 30), 3)
    await cancel(office, old[0])
    await amend(office, date(2026, 4, 29), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    assert payable(office) == P + 3 * 30_000


@story
async def test_an_allowance_that_grows_with_the_price_gives_nothing_back_twice():
    office = await office_of()
    await send(office, *"abcde")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000, allowance_segments=5)
    await apply(office)
    await apply(office)
    assert office.totals().overage == 0
    assert payable(office) == 0
    assert await apply(office) == []
    assert_proved(office)


@story
async def test_a_later_amendment_s_days_keep_their_price():
    office = await office_of()
    await send_on(office, date(2026, 4, 28), 1)
    await amend(office, date(2026, 4, 30), overage_price_micros=50_000)
    await send_on(office, date(2026, 4, 30), 1)
    await amend(office, date(2026, 4, 28), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    assert payable(office) == 30_000 + 50_000
    assert_proved(office)


@story
async def test_of_two_retroactive_amendments_of_a_day_the_second_changes_what_the_first_made():
    office = await office_of()
    await send(office, *"abc")
    for price in (30_000, 20_000):
        await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=price)
        await apply(office)
        assert payable(office) == 3 * price
    assert [event.amount_micros for event in adjustments(office)] == [-24_000, -30_000]
    assert [event.reference for event in adjustments(office)] == ["amendment 1", "amendment 2"]


@story
async def test_two_retroactive_amendments_at_once_are_one_difference():
    office = await office_of()
    await send(office, *"abc")
    for price in (30_000, 20_000):
        await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=price)
    await apply(office)
    assert [event.amount_micros for event in adjustments(office)] == [-54_000]


@story
async def test_an_adjustment_of_segments_has_the_price_of_its_period():
    office = await office_of()
    await send_on(office, date(2026, 4, 30), 2)
    await adjust(office, 1, asked_for(5, period="2026-04"))
    await amend(office, date(2026, 4, 1), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    assert payable(office) == 7 * 30_000


@story
async def test_money_that_people_adjusted_is_never_repriced():
    office = await office_of()
    await send(office, "a")
    await adjust(office, 1, asked_for(micros=123_456))
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    assert payable(office) == 30_000 + 123_456


@story
async def test_an_amendment_of_today_that_does_not_reach_back_leaves_this_morning_alone():
    office = await office_of()
    await send(office, "a")
    office.pass_time(hours=2)
    await amend(office, date(2026, 5, 1), overage_price_micros=30_000)
    await send(office, "b")
    await apply(office)
    assert payable(office) == P + 30_000
    assert_proved(office)


@story
async def test_a_refund_after_the_close_is_repriced_in_its_own_year():
    office = await office_of()
    office.now = datetime(2026, 12, 31, 4, tzinfo=UTC)
    ids = await send(office, "a", "b")
    await amend(office, date(2026, 12, 1), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    office.now = datetime(2027, 1, 1, 4, tzinfo=UTC)
    await reset_quota(office.store, year=2027, account=None, dry_run=False, context=BY)
    await cancel(office, ids[0])
    await apply(office)
    assert (payable(office), payable(office, 2027)) == (30_000, 0)
    assert office.totals(2026).closed
    assert_proved(office)


@story
async def test_what_is_read_in_steps_is_what_is_read_at_once():
    office = await office_of(2)
    ids = await send_on(office, date(2026, 4, 30), 6)
    await amend(office, date(2026, 4, 30), retroactive=True, overage_price_micros=30_000)
    await cancel(office, ids[0], ids[5])
    agreed, _ = await load(office.store, stream_id("contract", ACCOUNT), contract.evolve)
    assert agreed is not None
    whole, steps = (Repricing(agreed=agreed, year=2026) for _ in range(2))
    postings = await office.store.postings(ACCOUNT, 2026, after=0, limit=100)
    whole.read(postings)
    for posting in postings:
        steps.read([posting])
    assert (whole.owed_micros, whole.due, whole.version) == (steps.owed_micros, steps.due, steps.version)
    assert whole.owed_micros == -2 * 8_000


@story
async def test_the_difference_s_id_is_its_place_in_the_year():
    office = await office_of()
    await send(office, "a")
    await amend(office, date(2026, 5, 1), retroactive=True, overage_price_micros=30_000)
    await apply(office)
    assert [event.adjustment for event in adjustments(office)] == [repricing_id(ACCOUNT, 2026, 1)]


@story
async def test_one_approval_changes_nothing():
    office = await office_of()
    await send(office, "a")
    terms = Terms(allowance_segments=0, overage_price_micros=30_000)
    number = await propose(office, date(2026, 5, 1), terms, retroactive=True)
    for _ in range(2):
        await approve_amendment(office.store, account=ACCOUNT, number=number, context=ANN)
    assert await apply(office) == []
    await approve_amendment(office.store, account=ACCOUNT, number=number, context=BOB)
    assert await apply(office) == [ACCOUNT]


@story
async def test_two_second_approvals_at_once_agree_it_once():
    office = await office_of()
    terms = Terms(allowance_segments=0, overage_price_micros=30_000)
    number = await propose(office, date(2026, 5, 1), terms)
    await approve_amendment(office.store, account=ACCOUNT, number=number, context=ANN)

    async def cem() -> None:
        await approve_amendment(
            office.store, account=ACCOUNT, number=number, context=Context(actor="key:cem")
        )

    office.store.meanwhile = cem
    with pytest.raises(Conflicting, match="amendment_decided"):
        await approve_amendment(office.store, account=ACCOUNT, number=number, context=BOB)
    assert office.topics(stream_id("contract", ACCOUNT)).count("amended") == 1
