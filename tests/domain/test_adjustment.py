"""An adjustment is asked for once, approved by as many people as it takes, and then posted or rejected for good."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.aggregates import adjustment, fold
from domain.aggregates.adjustment import Adjustment, AdjustmentState
from domain.errors import BadInput, Conflicting
from domain.events.adjustment import AdjustmentEvent, Approved, Rejected, Requested
from domain.recorded import Context, Recorded

AT = datetime(2026, 5, 1, tzinfo=UTC)
WANTED = Requested(
    adjustment=UUID(int=1),
    account="acme",
    year=2026,
    segments=-3,
    amount_micros=500_000,
    period="2026-04",
    reason="test numbers",
    reference="reconciliation 4",
    approvals=2,
    by="key:ann",
)


def asked(approvals: int = 2) -> Adjustment:
    return after(None, replace(WANTED, approvals=approvals))


def after(state: Adjustment | None, *events: AdjustmentEvent) -> Adjustment:
    for event in events:
        state = adjustment.evolve(state, event, AT)
    assert state is not None
    return state


def approved(state: Adjustment, *people: str) -> Adjustment:
    for by in people:
        state = after(state, *state.approve(by=by))
    return state


def test_a_request_is_recorded_as_it_was_asked_for():
    assert adjustment.request(None, WANTED) == (WANTED,)


def test_the_same_request_again_is_nothing_to_do_and_another_under_its_id_is_refused():
    assert adjustment.request(asked(), WANTED) == ()
    for other in (replace(WANTED, segments=-4), replace(WANTED, by="key:bob"), replace(WANTED, approvals=1)):
        with pytest.raises(Conflicting, match="adjustment_exists"):
            adjustment.request(asked(), other)


@pytest.mark.parametrize(("segments", "micros", "empty"), [(0, 0, True), (1, 0, False), (0, -1, False)])
def test_a_request_is_of_segments_or_of_money_or_of_both(segments: int, micros: int, empty: bool):
    wanted = replace(WANTED, segments=segments, amount_micros=micros)
    if empty:
        with pytest.raises(BadInput, match="adjustment_empty"):
            adjustment.request(None, wanted)
    else:
        assert adjustment.request(None, wanted) == (wanted,)


def test_one_approval_of_two_posts_nothing():
    assert asked().approve(by="key:ann") == (Approved(by="key:ann", posted=False),)
    assert approved(asked(), "key:ann").state is AdjustmentState.REQUESTED


def test_the_second_person_posts_it():
    state = approved(asked(), "key:ann")
    assert state.approve(by="key:bob") == (Approved(by="key:bob", posted=True),)
    done = approved(state, "key:bob")
    assert (done.state, done.approved_by) == (AdjustmentState.POSTED, ("key:ann", "key:bob"))


def test_the_same_person_twice_is_one_person():
    state = approved(asked(), "key:ann")
    assert state.approve(by="key:ann") == ()
    assert approved(state, "key:ann").approved_by == ("key:ann",)


def test_where_one_is_enough_the_first_approval_posts_it():
    assert asked(1).approve(by="key:ann") == (Approved(by="key:ann", posted=True),)


def test_approving_what_is_posted_is_nothing_to_do():
    assert approved(asked(1), "key:ann").approve(by="key:bob") == ()


def test_a_rejected_one_is_neither_approved_nor_rejected_again():
    state = approved(asked(), "key:ann")
    made = state.reject(by="key:bob", reason="no")
    assert made == (Rejected(by="key:bob", reason="no"),)
    off = after(state, *made)
    assert off.reject(by="key:cem", reason="no") == ()
    with pytest.raises(Conflicting, match="adjustment_rejected"):
        off.approve(by="key:bob")


def test_what_is_posted_is_not_rejected():
    with pytest.raises(Conflicting, match="adjustment_posted"):
        approved(asked(1), "key:ann").reject(by="key:bob", reason="no")


def test_a_history_folds_and_must_begin_with_the_request():
    facts = (WANTED, Approved(by="key:ann", posted=False), Approved(by="key:bob", posted=True))
    history = [
        Recorded(stream=UUID(int=2), version=version, at=AT, context=Context(actor="x"), event=fact)
        for version, fact in enumerate(facts, 1)
    ]
    assert fold(adjustment.evolve, history) == approved(asked(), "key:ann", "key:bob")
    with pytest.raises(ValueError, match=r"adjustment\.requested"):
        adjustment.evolve(None, facts[1], AT)
