"""The terms of the day decide under the lock: price, allowance, cap; what they refuse leaves nothing behind."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from application.ports import Committed, Conflict, Entry, PostAdjustment, SetAllowance
from domain.aggregates.contract import Amendment, AmendmentState, Contract
from domain.aggregates.ledger import Ledger
from domain.errors import Conflicting, NotAccepting
from domain.events.adjustment import Approved, Requested
from domain.events.contract import Terms
from domain.events.ledger import Adjusted, AllowanceChanged, Debited, Opened
from domain.values import stream_id
from tests.application.test_stamping import (
    AT,
    BY,
    CONTRACT,
    CONTRACT_STREAM,
    ONE,
    THREE,
    TWO,
    acceptance,
    opened,
    stamped,
    used_by,
    where,
)

MIDNIGHT = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)
"""The first moment of 1 June in Shanghai."""
JUNE = date(2026, 6, 1)


def amended(base: Contract = CONTRACT, on: date = JUNE, **changes: object) -> Contract:
    """A contract with an agreed amendment."""
    one = Amendment(
        number=1,
        effective_from=on,
        terms=replace(base.terms, **changes),  # type: ignore[arg-type]
        retroactive=False,
        notice_waived=True,
        reason="x",
        proposed_by="a",
        approved_by=("a", "b"),
        state=AmendmentState.AGREED,
        agreed_at=AT,
    )
    return replace(base, amendments=(one,))


def capped(micros: int, *, allowance: int = 2) -> Contract:
    return replace(CONTRACT, terms=Terms(allowance_segments=allowance, spending_cap_micros=micros))


CHEAPER = amended(overage_price_micros=30_000)


# The price of the day.


def test_the_price_is_that_of_the_day_of_the_stamp():
    for at, price in ((MIDNIGHT - timedelta(microseconds=1), 38_000), (MIDNIGHT, 30_000)):
        _, appended = stamped(acceptance(ONE, 12, contract=CHEAPER, at=at), at=at)
        debited = appended[-1].event
        assert isinstance(debited, Debited)
        assert (debited.price_micros, debited.after.amount_micros) == (price, 2 * price)


def test_terms_of_the_day_before_force_a_second_preparation_and_leave_nothing():
    """The message was prepared a moment before midnight and stamped a moment after."""
    before = MIDNIGHT - timedelta(microseconds=1)
    outcomes, appended = stamped(acceptance(ONE, contract=CHEAPER, at=before), at=MIDNIGHT)
    assert outcomes == [Conflict(stream=CONTRACT_STREAM, version=2)]
    assert appended == []
    (again,), _ = stamped(acceptance(ONE, contract=CHEAPER, at=MIDNIGHT), at=MIDNIGHT)
    assert isinstance(again, Committed)


def test_terms_that_stay_the_same_at_midnight_need_no_second_preparation():
    before = MIDNIGHT - timedelta(microseconds=1)
    (outcome,), _ = stamped(acceptance(ONE, at=before), at=MIDNIGHT)
    assert isinstance(outcome, Committed)


def test_two_messages_of_a_group_never_straddle_a_change_of_price():
    """A group has one moment: the database's clock, read once under the lock. So all of it is of one day.

    What was prepared with the terms of another day conflicts, whichever side of midnight it was on.
    """
    before = MIDNIGHT - timedelta(microseconds=1)
    entries = (
        acceptance(ONE, contract=CHEAPER, at=before),
        acceptance(TWO, contract=CHEAPER, at=MIDNIGHT),
        acceptance(THREE, contract=CHEAPER, at=before),
    )
    for at, price, accepted in ((before, 38_000, [0, 2]), (MIDNIGHT, 30_000, [1])):
        outcomes, appended = stamped(*entries, at=at)
        assert [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Committed)] == accepted
        assert {r.event.price_micros for r in appended if isinstance(r.event, Debited)} == {price}
        assert {recorded.at for recorded in appended} == {at}


# The allowance of the day.


def test_a_changed_allowance_is_posted_before_the_day_s_first_debit():
    fewer = amended(allowance_segments=4)
    ledgers = {("acme", 2026): opened(10).after_posting(*used_by(opened(10), 6))}
    _, appended = stamped(acceptance(TWO, contract=fewer, at=MIDNIGHT), at=MIDNIGHT, ledgers=ledgers)
    ledger = stream_id("ledger", "acme", 2026)
    assert where(appended) == [(ledger, 3), (TWO, 1), (ledger, 4)]
    changed, debited = appended[0].event, appended[2].event
    assert isinstance(changed, AllowanceChanged)
    assert isinstance(debited, Debited)
    assert (changed.amendment, changed.segments, changed.overage) == (1, -6, 2)
    assert (debited.overage, debited.after.overage, debited.after.allowance) == (1, 3, 4)


def test_only_the_first_message_of_a_group_brings_it():
    fewer = amended(allowance_segments=4)
    ledgers = {("acme", 2026): opened(10)}
    _, appended = stamped(
        *(acceptance(id_, contract=fewer, at=MIDNIGHT) for id_ in (ONE, TWO)), at=MIDNIGHT, ledgers=ledgers
    )
    assert sum(isinstance(recorded.event, AllowanceChanged) for recorded in appended) == 1


def test_a_year_opened_ahead_with_another_allowance_gets_that_of_its_first_day():
    new_year = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    fewer = amended(on=date(2027, 1, 1), allowance_segments=4)
    _, appended = stamped(
        acceptance(ONE, contract=fewer, at=new_year),
        at=new_year,
        ledgers={("acme", 2027): opened(10, year=2027)},
    )
    assert [type(r.event).__name__ for r in appended] == ["AllowanceChanged", "Accepted", "Debited"]


def test_setting_an_allowance_on_an_older_contract_conflicts_and_posts_nothing():
    charge = SetAllowance(account="acme", year=2026, allowance=4, amendment=1, price_micros=38_000)
    ledgers = {("acme", 2026): opened(10)}
    stale = Entry(stream=CONTRACT_STREAM, version=1, context=BY, charge=charge)
    assert stamped(stale, ledgers=ledgers) == ([Conflict(stream=CONTRACT_STREAM, version=2)], [])
    fresh = replace(stale, version=2)
    (outcome,), appended = stamped(fresh, ledgers=ledgers)
    assert isinstance(outcome, Committed)
    assert where(appended) == [(stream_id("ledger", "acme", 2026), 2)]


# The spending cap.


def test_the_cap_may_be_reached_and_not_passed():
    ledgers = {("acme", 2026): opened(2).after_posting(*used_by(opened(2), 2))}
    agreed = capped(2 * 38_000)
    outcomes, appended = stamped(
        *(acceptance(id_, contract=agreed) for id_ in (ONE, TWO, THREE)), ledgers=ledgers
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Committed, NotAccepting]
    assert isinstance(outcomes[2], NotAccepting)
    assert outcomes[2].code == "spending_cap_reached"
    assert THREE not in {recorded.stream for recorded in appended}


def test_a_message_beyond_the_cap_leaves_nothing_not_even_an_opened_year():
    outcomes, appended = stamped(acceptance(ONE, 5, contract=capped(0)))
    assert isinstance(outcomes[0], NotAccepting)
    assert appended == []


def test_a_message_beyond_the_cap_leaves_no_changed_allowance_either():
    agreed = amended(capped(0, allowance=10), allowance_segments=0)
    ledgers = {("acme", 2026): opened(10)}
    outcomes, appended = stamped(acceptance(ONE, contract=agreed, at=MIDNIGHT), at=MIDNIGHT, ledgers=ledgers)
    assert isinstance(outcomes[0], NotAccepting)
    assert appended == []


def test_a_smaller_message_after_one_beyond_the_cap_is_stamped_as_if_that_had_never_been():
    agreed = capped(38_000)
    together, appended = stamped(acceptance(ONE, 5, contract=agreed), acceptance(TWO, 3, contract=agreed))
    alone, only = stamped(acceptance(TWO, 3, contract=agreed))
    assert [type(outcome) for outcome in together] == [NotAccepting, Committed]
    assert together[1:] == alone
    assert appended == only
    assert isinstance(appended[0].event, Opened)


def test_what_is_within_the_allowance_is_never_capped():
    (outcome,), _ = stamped(acceptance(ONE, 2, contract=capped(0)))
    assert isinstance(outcome, Committed)


def test_a_credit_makes_room_below_the_cap_again():
    used = opened(0).after_posting(*used_by(opened(0), 1))
    agreed = capped(38_000, allowance=0)
    (full,), _ = stamped(acceptance(TWO, contract=agreed), ledgers={("acme", 2026): used})
    assert isinstance(full, NotAccepting)
    (credited,) = used.adjust(**adjustment(0, -38_000))
    room = {("acme", 2026): used.after_posting(credited)}
    (outcome,), _ = stamped(acceptance(TWO, contract=agreed), ledgers=room)
    assert isinstance(outcome, Committed)


# Adjustments.


def adjustment(segments: int, micros: int) -> dict[str, object]:
    return {
        "adjustment": UUID(int=9),
        "segments": segments,
        "amount_micros": micros,
        "price_micros": 38_000,
        "period": "2026-04",
        "reason": "x",
        "reference": "",
        "requested_by": "a",
        "approved_by": ("a",),
        "at": AT,
    }


def approval(segments: int, micros: int = 0, *, version: int = 1) -> Entry:
    wanted = Requested(
        adjustment=UUID(int=9),
        account="acme",
        year=2026,
        segments=segments,
        amount_micros=micros,
        period="2026-04",
        reason="x",
        reference="",
        approvals=1,
        by="a",
    )
    charge = PostAdjustment(
        account="acme", year=2026, requested=wanted, approved_by=("a",), allowance=10, price_micros=38_000
    )
    approved = Approved(by="a", posted=True)
    return Entry(stream=ONE, version=version, context=BY, events=(approved,), charge=charge)


def test_the_last_approval_and_the_posting_are_one():
    (outcome,), appended = stamped(approval(-4), versions={ONE: 1}, ledgers=used_ledger(6))
    assert isinstance(outcome, Committed)
    assert [type(recorded.event) for recorded in appended] == [Approved, Adjusted]
    assert appended[1].event.after.net == 2


def used_ledger(segments: int) -> dict[tuple[str, int], Ledger]:
    return {("acme", 2026): opened(10).after_posting(*used_by(opened(10), segments))}


def test_an_adjustment_that_the_ledger_cannot_take_leaves_neither_posting_nor_approval():
    outcomes, appended = stamped(approval(-7), versions={ONE: 1}, ledgers=used_ledger(6))
    assert isinstance(outcomes[0], Conflicting)
    assert outcomes[0].code == "adjustment_too_large"
    assert appended == []


def test_a_refused_adjustment_does_not_open_the_year_and_a_good_one_does():
    outcomes, appended = stamped(approval(-1), versions={ONE: 1})
    assert isinstance(outcomes[0], Conflicting)
    assert appended == []
    _, appended = stamped(approval(3), versions={ONE: 1})
    assert [type(recorded.event) for recorded in appended] == [Approved, Opened, Adjusted]


def test_a_refused_adjustment_harms_no_neighbour():
    outcomes, appended = stamped(approval(-7), acceptance(TWO), versions={ONE: 1}, ledgers=used_ledger(6))
    assert [type(outcome) for outcome in outcomes] == [Conflicting, Committed]
    assert {recorded.stream for recorded in appended} == {TWO, stream_id("ledger", "acme", 2026)}


def test_two_last_approvals_of_a_group_post_once():
    outcomes, appended = stamped(approval(-1), approval(-1), versions={ONE: 1}, ledgers=used_ledger(6))
    assert [type(outcome) for outcome in outcomes] == [Committed, Conflict]
    assert sum(isinstance(recorded.event, Adjusted) for recorded in appended) == 1


@pytest.mark.parametrize(("segments", "micros"), [(10**9 + 1, 0), (0, 10**18 + 1), (0, -(10**18) - 1)])
def test_more_than_a_ledger_can_hold_is_refused(segments: int, micros: int):
    outcomes, appended = stamped(approval(segments, micros), versions={ONE: 1})
    assert isinstance(outcomes[0], Conflicting)
    assert appended == []
