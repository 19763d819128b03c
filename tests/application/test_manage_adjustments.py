"""Corrections take one person or two, and reach the ledger once, whoever approves at the same time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from application.manage_adjustments import (
    AskedFor,
    adjustment_stream,
    approve_adjustment,
    find_adjustment,
    list_adjustments,
    reject_adjustment,
    request_adjustment,
)
from application.manage_contracts import sign_contract
from domain.aggregates.adjustment import AdjustmentState
from domain.errors import BadInput, Conflicting, NotFound, Refusal
from domain.events.contract import Terms
from domain.events.ledger import Adjusted, AllowanceChanged, Opened
from domain.recorded import Context
from tests.application.agreements import ANN, BOB, amend, asked_for
from tests.application.office import ACCOUNT, BY, Office, story

ID = UUID(int=1)
YUAN = 1_000_000
CEM = Context(actor="key:cem")


async def used(segments: int = 5, **terms: Any) -> Office:  # noqa: ANN401
    """An account that sent some messages of one segment in May 2026."""
    office = await Office(terms=Terms(**({"allowance_segments": 3} | terms))).open()
    for number in range(segments):
        await office.accept(f"k{number}")
    return office


async def ask(office: Office, asked: AskedFor, *, limit: int = 0, id_: UUID = ID, by: Context = ANN) -> None:
    await request_adjustment(office.store, id_=id_, asked=asked, limit_micros=limit, context=by)


async def approve(office: Office, *people: Context) -> AdjustmentState:
    for context in people:
        state = await approve_adjustment(office.store, id_=ID, context=context)
    return state.state


def posted(office: Office, year: int = 2026) -> list[Adjusted]:
    return [event for event in office.postings(year) if isinstance(event, Adjusted)]


# How many it takes.


@pytest.mark.parametrize(
    ("segments", "micros", "needed"),
    [
        (0, 100 * YUAN, 1),
        (0, -100 * YUAN, 1),
        (0, 100 * YUAN + 1, 2),
        (0, -100 * YUAN - 1, 2),
        (2_631, 0, 1),
        (2_632, 0, 2),
        (-2, -100 * YUAN, 2),
    ],
)
@story
async def test_beyond_the_limit_it_takes_two_people(segments: int, micros: int, needed: int):
    office = await used()
    await ask(office, asked_for(segments, micros), limit=100 * YUAN)
    state = await find_adjustment(office.store, id_=ID)
    assert state is not None
    assert state.requested.approvals == needed


@story
async def test_a_limit_of_nothing_always_takes_two():
    office = await used()
    await ask(office, asked_for(micros=1))
    assert await approve(office, ANN) is AdjustmentState.REQUESTED
    assert posted(office) == []


@story
async def test_within_the_limit_one_person_posts_it():
    office = await used()
    await ask(office, asked_for(-1), limit=YUAN)
    assert await approve(office, ANN) is AdjustmentState.POSTED
    assert office.totals().net == 4


@story
async def test_two_people_post_it_with_their_names_reason_and_period():
    office = await used()
    await ask(office, asked_for(-1, 250_000))
    assert await approve(office, ANN, BOB) is AdjustmentState.POSTED
    (event,) = posted(office)
    assert (event.segments, event.overage, event.amount_micros) == (-1, -1, 250_000)
    assert (event.requested_by, event.approved_by) == ("key:ann", ("key:ann", "key:bob"))
    assert (event.period, event.reason, event.reference) == ("2026-05", "a test", "letter 7")
    assert office.totals().payable_micros == 38_000 + 250_000


@story
async def test_the_same_person_twice_posts_nothing():
    office = await used()
    await ask(office, asked_for(-1))
    assert await approve(office, ANN, ANN, ANN) is AdjustmentState.REQUESTED
    assert posted(office) == []


@story
async def test_two_second_approvals_at_once_post_once():
    office = await used()
    await ask(office, asked_for(-1))
    await approve(office, ANN)
    office.store.meanwhile = lambda: approve_adjustment(office.store, id_=ID, context=CEM)
    assert await approve(office, BOB) is AdjustmentState.POSTED
    (event,) = posted(office)
    assert event.approved_by == ("key:ann", "key:cem")


@story
async def test_two_first_approvals_at_once_are_two_people_and_post_once():
    office = await used()
    await ask(office, asked_for(-1))
    office.store.meanwhile = lambda: approve_adjustment(office.store, id_=ID, context=BOB)
    assert await approve(office, ANN) is AdjustmentState.POSTED
    assert [event.approved_by for event in posted(office)] == [("key:bob", "key:ann")]


@story
async def test_the_same_person_twice_at_once_is_one_person():
    office = await used()
    await ask(office, asked_for(-1))
    office.store.meanwhile = lambda: approve_adjustment(office.store, id_=ID, context=ANN)
    assert await approve(office, ANN) is AdjustmentState.REQUESTED
    assert office.topics(adjustment_stream(ID)) == ["requested", "approved"]


@story
async def test_an_approval_whose_answer_was_lost_posts_once():
    office = await used()
    await ask(office, asked_for(-1))
    await approve(office, ANN)
    office.store.answers_once_lost = True
    assert await approve(office, BOB) is AdjustmentState.POSTED
    assert len(posted(office)) == 1


# What is refused.


@story
async def test_what_the_ledger_cannot_take_is_refused_and_leaves_the_request_open():
    office = await used(5)
    await ask(office, asked_for(-6))
    await approve(office, ANN)
    before = len(office.store.disk.log)
    with pytest.raises(Conflicting, match="adjustment_too_large"):
        await approve(office, BOB)
    assert len(office.store.disk.log) == before
    await office.accept("one more")
    assert await approve(office, BOB) is AdjustmentState.POSTED
    assert office.totals().net == 0


@story
async def test_a_rejected_one_is_never_posted():
    office = await used()
    await ask(office, asked_for(-1))
    await approve(office, ANN)
    await reject_adjustment(office.store, id_=ID, reason="no", context=BOB)
    with pytest.raises(Conflicting, match="adjustment_rejected"):
        await approve(office, BOB)
    assert posted(office) == []


@story
async def test_a_rejection_and_the_last_approval_at_once_are_one_of_the_two():
    office = await used()
    await ask(office, asked_for(-1))
    await approve(office, ANN)
    office.store.meanwhile = lambda: reject_adjustment(office.store, id_=ID, reason="no", context=CEM)
    with pytest.raises(Conflicting, match="adjustment_rejected"):
        await approve(office, BOB)
    assert posted(office) == []


@pytest.mark.parametrize(
    "period",
    [
        "",
        "2026-13",
        "2026-00",
        "2026-6",
        "2026-06",
        "2027",
        "2027-01",
        "2025-12",
        "2025",
        "26",
        "2026-05-01",
        "٢٠٢٦",
        "2026-05\n",
    ],
)
@story
async def test_a_period_that_is_none_or_is_still_to_come_or_before_the_contract_is_refused(period: str):
    office = await used()
    before = len(office.store.disk.log)
    with pytest.raises(BadInput, match="period_invalid"):
        await ask(office, asked_for(-1, period=period))
    assert len(office.store.disk.log) == before


@pytest.mark.parametrize("period", ["2026", "2026-01", "2026-05"])
@story
async def test_the_year_and_its_months_so_far_are_periods(period: str):
    office = await used()
    await ask(office, asked_for(-1, period=period))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (asked_for(), "adjustment_empty"),
        (asked_for(10**15 + 1), "adjustment_too_large"),
        (asked_for(micros=-(10**15) - 1), "adjustment_too_large"),
        (asked_for(10**40), "adjustment_too_large"),
        (asked_for(1, account="nobody"), "not_found"),
        (
            AskedFor(account=ACCOUNT, period="2026", segments=1, amount_micros=0, reason=" "),
            "reference_missing",
        ),
        (
            AskedFor(account=ACCOUNT, period="2026", segments=1, amount_micros=0, reason="x" * 201),
            "reference_too_long",
        ),
        (
            AskedFor(account=ACCOUNT, period="2026", segments=1, amount_micros=0, reason="x\x1fy"),
            "reference_too_long",
        ),
    ],
)
@story
async def test_what_nobody_can_mean_is_refused_and_recorded_nowhere(asked: AskedFor, code: str):
    office = await used()
    before = len(office.store.disk.log)
    with pytest.raises(Refusal) as refused:
        await ask(office, asked)
    assert refused.value.code == code
    assert len(office.store.disk.log) == before


@story
async def test_the_same_request_again_is_one_and_another_under_its_id_is_refused():
    office = await used()
    for _ in range(2):
        await ask(office, asked_for(-1))
    with pytest.raises(Conflicting, match="adjustment_exists"):
        await ask(office, asked_for(-2))
    assert office.topics(adjustment_stream(ID)) == ["requested"]


@story
async def test_approving_what_nobody_asked_for_is_not_found():
    office = await used()
    with pytest.raises(NotFound):
        await approve(office, ANN)


# Years, prices and lists.


@story
async def test_its_segments_have_the_price_of_the_first_day_of_their_period():
    office = await used(5)
    office.now = datetime(2026, 6, 1, 4, tzinfo=UTC)
    await amend(office, office.now.date(), overage_price_micros=50_000)
    for number, period in enumerate(("2026", "2026-05", "2026-06"), 1):
        asked = asked_for(1, period=period)
        await ask(office, asked, id_=UUID(int=number), limit=YUAN)
        await approve_adjustment(office.store, id_=UUID(int=number), context=ANN)
    assert [event.price_micros for event in posted(office)] == [38_000, 38_000, 50_000]


@story
async def test_a_year_it_opens_has_the_allowance_of_today_s_terms_and_not_of_terms_to_come():
    office = await Office(terms=Terms(allowance_segments=100)).open()
    await amend(office, datetime(2026, 12, 1, tzinfo=UTC).date(), allowance_segments=500)
    await ask(office, asked_for(3), limit=YUAN)
    await approve(office, ANN)
    assert [type(event) for event in office.postings()] == [Opened, Adjusted]
    assert office.totals().allowance == 100
    await office.accept("k")
    assert not any(isinstance(event, AllowanceChanged) for event in office.postings())


@story
async def test_a_correction_of_last_year_goes_to_that_year_closed_or_not():
    office = await used(5)
    office.now = datetime(2027, 2, 1, tzinfo=UTC)
    await ask(office, asked_for(-2, period="2026-12"))
    await approve(office, ANN, BOB)
    assert office.totals(2026).net == 3
    assert office.postings(2027) == []


@story
async def test_adjustments_are_listed_in_the_order_they_were_asked_for_by_account():
    office = await used()
    await sign_contract(office.store, account="bolt", name="示例", terms=Terms(), context=BY)
    for number, account in enumerate((ACCOUNT, "bolt", ACCOUNT), 1):
        await ask(office, asked_for(number, account=account), id_=UUID(int=number))
    everything = await list_adjustments(office.store)
    assert [state.requested.adjustment.int for state in everything] == [1, 2, 3]
    mine = await list_adjustments(office.store, account=ACCOUNT)
    assert [state.requested.adjustment.int for state in mine] == [1, 3]
