"""Amendments are numbered, agreed by two different people, in time, and hold from their day on."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.aggregates import contract
from domain.aggregates.contract import AmendmentState, Contract
from domain.errors import Conflicting, NotAccepting, NotFound
from domain.events.contract import (
    Amended,
    AmendmentApproved,
    AmendmentProposed,
    AmendmentWithdrawn,
    ContractEvent,
    Ended,
    Signed,
    Terms,
    WentLive,
)
from domain.values import PartialYears, year_start

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
TODAY, LIVE = date(2026, 5, 1), date(2026, 1, 1)
IN_TIME = TODAY + timedelta(days=30)
BASE = Terms(allowance_segments=1_000)
CHEAPER = replace(BASE, overage_price_micros=30_000)


def after(state: Contract | None, *events: ContractEvent) -> Contract:
    for event in events:
        state = contract.evolve(state, event, NOW)
    assert state is not None
    return state


def live(on: date = LIVE, *, terms: Terms = BASE) -> Contract:
    return after(None, Signed(account="acme", name="示例", terms=terms), WentLive(on=on))


def proposed(
    state: Contract,
    day: date = IN_TIME,
    terms: Terms = CHEAPER,
    *,
    retroactive: bool = False,
    waived: bool = False,
    today: date = TODAY,
    issued_until: date | None = None,
) -> Contract:
    events = state.propose(
        effective_from=day,
        terms=terms,
        retroactive=retroactive,
        notice_waived=waived,
        reason="agreed by letter",
        by="key:ann",
        today=today,
        issued_until=issued_until,
    )
    return after(state, *events)


def approved(state: Contract, number: int, *people: str, today: date = TODAY) -> Contract:
    for by in people:
        state = after(state, *state.approve(number=number, by=by, today=today, issued_until=None))
    return state


def agreed(state: Contract, day: date, terms: Terms, *, today: date | None = None) -> Contract:
    """An amendment that both sides agree at once, retroactive where its day is over."""
    on = today or min(day, TODAY)
    state = proposed(state, day, terms, retroactive=day < on, waived=True, today=on)
    return approved(state, len(state.amendments), "key:ann", "key:bob", today=on)


def refused(state: Contract, day: date, **options: object) -> str:
    with pytest.raises(Conflicting) as refusal:
        proposed(state, day, **options)  # type: ignore[arg-type]
    assert refusal.value.field == "effective_from"
    return refusal.value.code


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


# Numbers and approvals.


def test_amendments_are_numbered_densely_and_a_withdrawn_one_uses_up_its_number():
    state = proposed(proposed(live()))
    state = after(state, *state.withdraw(number=1, reason="a mistake", by="key:ann"))
    state = proposed(state)
    assert [one.number for one in state.amendments] == [1, 2, 3]
    assert [one.state for one in state.amendments] == [
        AmendmentState.WITHDRAWN,
        AmendmentState.PROPOSED,
        AmendmentState.PROPOSED,
    ]


def test_a_proposal_alone_and_one_approval_change_nothing():
    state = approved(proposed(live()), 1, "key:ann")
    assert state.terms_on(IN_TIME) == BASE
    assert state.amendments[0].approved_by == ("key:ann",)
    assert state.amendments[0].state is AmendmentState.PROPOSED


def test_the_same_person_twice_is_one_approval_and_nothing_to_do():
    state = approved(proposed(live()), 1, "key:ann")
    assert state.approve(number=1, by="key:ann", today=TODAY, issued_until=None) == ()


def test_the_second_person_makes_it_hold_and_both_are_named():
    state = approved(proposed(live()), 1, "key:ann")
    made = state.approve(number=1, by="key:bob", today=TODAY, issued_until=None)
    assert made == (
        AmendmentApproved(number=1, by="key:bob"),
        Amended(
            number=1,
            effective_from=IN_TIME,
            terms=CHEAPER,
            retroactive=False,
            approved_by=("key:ann", "key:bob"),
        ),
    )
    assert after(state, *made).amendments[0].agreed_at == NOW


@pytest.mark.parametrize("number", [0, -1, 2, 10**30])
def test_an_amendment_that_is_not_there_is_not_found(number: int):
    state = proposed(live())
    with pytest.raises(NotFound):
        state.approve(number=number, by="key:bob", today=TODAY, issued_until=None)
    with pytest.raises(NotFound):
        state.withdraw(number=number, reason="", by="key:bob")


def test_what_is_decided_stays_decided():
    held = approved(proposed(live()), 1, "key:ann", "key:bob")
    off = proposed(live())
    off = after(off, *off.withdraw(number=1, reason="a mistake", by="key:ann"))
    for state in (held, off):
        with pytest.raises(Conflicting, match="amendment_decided"):
            state.approve(number=1, by="key:cem", today=TODAY, issued_until=None)
        with pytest.raises(Conflicting, match="amendment_decided"):
            state.withdraw(number=1, reason="", by="key:cem")


def test_a_withdrawn_amendment_never_holds():
    state = approved(proposed(live()), 1, "key:ann")
    made = state.withdraw(number=1, reason="no", by="key:bob")
    assert made == (AmendmentWithdrawn(number=1, reason="no", by="key:bob"),)
    assert after(state, *made).terms_on(IN_TIME) == BASE


def test_an_ended_contract_is_not_amended():
    with pytest.raises(Conflicting, match="contract_ended"):
        proposed(after(live(), Ended(reason="done")))


# From which day.


def test_the_notice_runs_from_the_proposal_s_day():
    proposed(live(), IN_TIME)
    assert refused(live(), IN_TIME - timedelta(days=1)) == "amendment_notice"


def test_the_notice_is_that_of_the_terms_in_force():
    state = live(terms=replace(BASE, notice_days=3))
    proposed(state, TODAY + timedelta(days=3))
    assert refused(state, TODAY + timedelta(days=2)) == "amendment_notice"


def test_a_waived_notice_lets_it_begin_today():
    assert approved(proposed(live(), TODAY, waived=True), 1, "a", "b").terms_on(TODAY) == CHEAPER


def test_retroactive_is_no_way_around_the_notice_of_a_day_to_come():
    assert refused(live(), TODAY + timedelta(days=1), retroactive=True) == "amendment_notice"
    assert refused(live(), TODAY, retroactive=True) == "amendment_notice"
    proposed(live(), TODAY, retroactive=True, waived=True)


def test_yesterday_is_over_whatever_is_waived():
    assert refused(live(), TODAY - timedelta(days=1), waived=True) == "amendment_in_the_past"


def test_a_retroactive_one_may_begin_within_the_year_and_inside_a_statement():
    state = proposed(live(), LIVE, retroactive=True, issued_until=date(2026, 4, 1))
    assert approved(state, 1, "a", "b").terms_on(date(2026, 1, 1)) == CHEAPER


def test_nothing_reaches_into_a_year_that_is_over():
    state = live(date(2025, 7, 1))
    assert refused(state, date(2025, 12, 31), retroactive=True) == "amendment_too_far_back"


def test_a_day_inside_an_issued_statement_is_refused_unless_retroactive():
    issued = TODAY + timedelta(days=1)
    assert refused(live(), TODAY, waived=True, issued_until=issued) == "amendment_inside_statement"
    proposed(live(), TODAY, retroactive=True, issued_until=issued)
    proposed(live(), issued, waived=True, issued_until=issued)


def test_a_late_second_signature_needs_no_new_notice_but_the_day_may_not_be_over():
    state = approved(proposed(live()), 1, "key:ann")
    assert approved(state, 1, "key:bob", today=IN_TIME).terms_on(IN_TIME) == CHEAPER
    with pytest.raises(Conflicting, match="amendment_in_the_past"):
        approved(state, 1, "key:bob", today=IN_TIME + timedelta(days=1))
    with pytest.raises(Conflicting, match="amendment_inside_statement"):
        state.approve(number=1, by="key:bob", today=IN_TIME, issued_until=IN_TIME + timedelta(days=1))


def test_a_retroactive_one_left_over_the_turn_of_the_year_is_refused_at_the_second_approval():
    state = approved(proposed(live(), LIVE, retroactive=True), 1, "key:ann")
    with pytest.raises(Conflicting, match="amendment_too_far_back"):
        approved(state, 1, "key:bob", today=date(2027, 1, 1))


# Which terms hold.


def test_the_terms_of_a_day_are_those_of_the_latest_amendment_that_began():
    dearer = replace(BASE, overage_price_micros=50_000)
    state = agreed(agreed(live(), date(2026, 7, 1), CHEAPER), date(2026, 6, 1), dearer)
    prices = {
        day: state.terms_on(day).overage_price_micros
        for day in (date(2026, 5, 31), date(2026, 6, 1), date(2026, 6, 30), date(2026, 7, 1))
    }
    assert list(prices.values()) == [38_000, 50_000, 50_000, 30_000]


def test_of_two_of_the_same_day_the_higher_number_holds_whichever_was_agreed_first():
    dearer = replace(BASE, overage_price_micros=50_000)
    state = proposed(proposed(live(), terms=CHEAPER), terms=dearer)
    one_two = approved(approved(state, 1, "a", "b"), 2, "a", "b")
    two_one = approved(approved(state, 2, "a", "b"), 1, "a", "b")
    assert one_two.terms_on(IN_TIME) == two_one.terms_on(IN_TIME) == dearer


def test_an_amendment_s_terms_are_whole_and_not_added_to_what_a_later_one_says():
    more = replace(BASE, allowance_segments=2_000)
    state = agreed(agreed(live(), date(2026, 6, 1), CHEAPER), date(2026, 7, 1), more)
    assert state.terms_on(date(2026, 7, 1)) == more


# The end of the term.


def test_after_the_term_a_new_price_brings_the_contract_back_from_its_day():
    over = date(2028, 1, 1)
    state = agreed(live(), date(2028, 3, 1), replace(CHEAPER, term_years=4), today=over)
    for day, accepts in ((date(2027, 12, 31), True), (over, False), (date(2028, 2, 29), False)):
        assert state.is_over(day) is not accepts
    with pytest.raises(NotAccepting, match="contract_term_over"):
        state.require_accepting(noon(date(2028, 2, 29)))
    state.require_accepting(noon(date(2028, 3, 1)))
    assert state.term_ends_on == date(2030, 1, 1)


def test_after_the_term_no_notice_is_needed():
    over = date(2028, 1, 1)
    assert approved(proposed(live(), over, today=over), 1, "a", "b", today=over).terms_on(over) == CHEAPER


def test_a_new_price_alone_does_not_prolong_the_term():
    over = date(2028, 1, 1)
    state = agreed(live(), over, CHEAPER, today=over)
    with pytest.raises(NotAccepting, match="contract_term_over"):
        state.require_accepting(noon(over))


def test_a_term_that_is_shortened_ends_when_the_amendment_begins_at_the_earliest():
    state = agreed(live(terms=replace(BASE, term_years=5)), date(2028, 6, 1), replace(BASE, term_years=2))
    assert state.term_ends_on == date(2028, 6, 1)
    state.require_accepting(noon(date(2028, 5, 31)))
    assert state.is_over(date(2028, 6, 1))


def test_the_last_day_of_the_term_is_the_day_before_it_ends_whatever_was_amended():
    state = agreed(live(date(2026, 3, 1)), date(2027, 1, 1), replace(BASE, term_years=3))
    assert state.term_ends_on == date(2029, 3, 1)
    first = year_start(2029) + timedelta(days=31 + 28)
    state.require_accepting(first - timedelta(microseconds=1))
    with pytest.raises(NotAccepting, match="contract_term_over"):
        state.require_accepting(first)


# What a year includes.


@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_every_started_year_has_the_whole_allowance_by_default(year: int):
    assert live(date(2026, 7, 1)).allowance_for(year, on=date(year, 7, 1)) == 1_000


@pytest.mark.parametrize("year", [2025, 2029])
def test_a_year_without_a_day_of_the_term_includes_nothing(year: int):
    state = live(date(2026, 7, 1))
    assert state.allowance_for(year, on=date(year, 7, 1)) == 0
    assert not state.includes(year)


def test_a_term_that_ends_with_the_year_starts_no_other():
    state = live()
    assert [state.includes(year) for year in (2025, 2026, 2027, 2028)] == [False, True, True, False]
    assert state.allowance_for(2028, on=date(2028, 1, 1)) == 0


def test_an_amendment_to_come_brings_a_year_back_before_it_begins():
    state = agreed(live(), date(2028, 3, 1), replace(BASE, term_years=4), today=date(2028, 1, 1))
    assert state.includes(2028)
    assert state.allowance_for(2028, on=date(2028, 2, 29)) == 0
    assert state.allowance_for(2028, on=date(2028, 3, 1)) == 1_000


def test_nothing_is_included_before_the_contract_is_live_nor_after_it_ended():
    signed = after(None, Signed(account="acme", name="示例", terms=BASE))
    assert not signed.includes(2026)
    assert not after(live(), Ended(reason="done")).includes(2026)


@pytest.mark.parametrize(
    ("on", "years", "year", "days", "whole"),
    [
        (date(2026, 7, 1), 2, 2026, 184, 365),
        (date(2026, 7, 1), 2, 2027, 365, 365),
        (date(2026, 7, 1), 2, 2028, 182, 366),
        (date(2028, 7, 1), 2, 2028, 184, 366),
        (date(2028, 2, 29), 1, 2028, 307, 366),
        (date(2028, 2, 29), 1, 2029, 59, 365),
        (date(2026, 12, 31), 1, 2026, 1, 365),
        (date(2026, 1, 1), 1, 2026, 365, 365),
        (date(2026, 1, 1), 1, 2027, 0, 365),
        (date(2026, 1, 1), 1, 2025, 0, 365),
    ],
)
def test_pro_rata_a_year_includes_its_share_of_days_rounded_half_up(
    on: date, years: int, year: int, days: int, whole: int
):
    terms = Terms(partial_years=PartialYears.PRO_RATA, term_years=years)
    found = live(on, terms=terms).allowance_for(year, on=date(year, 12, 31))
    assert abs(found * whole - 300_000 * days) * 2 <= whole
    assert found == int(300_000 * days / whole + 0.5)


def test_half_a_segment_of_a_share_counts_as_one():
    terms = Terms(partial_years=PartialYears.PRO_RATA, allowance_segments=183)
    assert live(date(2028, 12, 31), terms=terms).allowance_for(2028, on=date(2028, 12, 31)) == 1


def test_the_whole_term_includes_what_its_parts_do():
    terms = Terms(partial_years=PartialYears.PRO_RATA, allowance_segments=365 * 366)
    state = live(date(2027, 3, 1), terms=terms)
    years = [state.allowance_for(year, on=date(year, 12, 31)) for year in (2027, 2028, 2029)]
    assert years == [306 * 366, 366 * 365, 59 * 366]


def test_a_changed_allowance_is_that_of_the_terms_of_the_day():
    state = agreed(live(), date(2026, 7, 1), replace(BASE, allowance_segments=5_000))
    assert state.allowance_for(2026, on=date(2026, 6, 30)) == 1_000
    assert state.allowance_for(2026, on=date(2026, 7, 1)) == 5_000


def test_a_history_folds_to_the_amendment_it_tells():
    fact = AmendmentProposed(
        number=1,
        effective_from=IN_TIME,
        terms=CHEAPER,
        retroactive=False,
        notice_waived=True,
        reason="x",
        by="a",
    )
    (one,) = after(live(), fact).amendments
    assert (one.notice_waived, one.proposed_by, one.approved_by, one.agreed_at) == (True, "a", (), None)
