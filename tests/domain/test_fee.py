"""The fixed fee falls due in stages, in whole fen that add up to it, and is invoiced and paid once a stage."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import contract, fee
from domain.aggregates.contract import Contract
from domain.aggregates.fee import FEN, Stage, StageState
from domain.errors import BadInput, Conflicting, NotFound
from domain.events.contract import (
    Amended,
    AmendmentProposed,
    ContractEvent,
    Signed,
    StageInvoiced,
    StagePaid,
    Terms,
    WentLive,
)

YUAN = 1_000_000
SIGNED_AT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SIGNED_ON, LIVE, MONTH_LATER = date(2026, 3, 1), date(2026, 5, 31), date(2026, 6, 30)
TERMS = Terms(fixed_fee_micros=98_000 * YUAN)


def after(state: Contract | None, *events: ContractEvent) -> Contract:
    for event in events:
        state = contract.evolve(state, event, SIGNED_AT)
    assert state is not None
    return state


def signed(terms: Terms = TERMS) -> Contract:
    return after(None, Signed(account="acme", name="示例", terms=terms))


def live(terms: Terms = TERMS) -> Contract:
    return after(signed(terms), WentLive(on=LIVE))


def invoiced(
    state: Contract, stage: int = 1, *, on: date = SIGNED_ON, due: date = date(2026, 3, 31)
) -> Contract:
    made = fee.invoice_stage(state, stage=stage, invoice=f"INV-{stage}", due_on=due, today=on)
    return after(state, *made)


def paid(state: Contract, stage: int = 1, *, on: date = date(2026, 3, 20)) -> Contract:
    return after(state, *fee.pay_stage(state, stage=stage, paid_on=on, reference="bank 7", today=on))


def amended(state: Contract, terms: Terms) -> Contract:
    number = len(state.amendments) + 1
    return after(
        state,
        AmendmentProposed(
            number=number,
            effective_from=SIGNED_ON,
            terms=terms,
            retroactive=False,
            notice_waived=True,
            reason="x",
            by="a",
        ),
        Amended(
            number=number, effective_from=SIGNED_ON, terms=terms, retroactive=False, approved_by=("a", "b")
        ),
    )


def states(state: Contract, on: date) -> list[StageState]:
    return [one.state for one in fee.stages(state, on)]


def amounts(state: Contract, on: date = SIGNED_ON) -> list[int]:
    return [one.amount_micros for one in fee.stages(state, on)]


def test_the_fee_is_split_5_4_1():
    assert amounts(signed()) == [49_000 * YUAN, 39_200 * YUAN, 9_800 * YUAN]


def test_stages_are_whole_fen_and_the_last_one_takes_what_is_left_over():
    assert amounts(signed(Terms(fixed_fee_micros=FEN * 99))) == [FEN * 49, FEN * 39, FEN * 11]


@given(
    fen=st.integers(1, 10**12),
    shares=st.lists(st.integers(1, 10**6), min_size=1, max_size=12),
)
def test_the_stages_of_any_split_are_whole_fen_and_add_up_to_the_fee(fen: int, shares: list[int]):
    found = amounts(signed(Terms(fixed_fee_micros=fen * FEN, stage_shares=tuple(shares))))
    assert sum(found) == fen * FEN
    assert all(amount >= 0 and amount % FEN == 0 for amount in found)
    assert all(
        0 <= share * fen * FEN // sum(shares) - amount < FEN
        for share, amount in zip(shares[:-1], found[:-1], strict=True)
    )


def test_without_a_fee_there_are_no_stages():
    assert fee.stages(live(Terms()), LIVE) == ()
    with pytest.raises(NotFound):
        fee.invoice_stage(live(Terms()), stage=1, invoice="INV", due_on=LIVE, today=LIVE)


def test_stages_fall_on_the_start_on_go_live_and_a_month_after_it():
    assert [one.falls_on for one in fee.stages(signed(), SIGNED_ON)] == [SIGNED_ON, None, None]
    assert [one.falls_on for one in fee.stages(live(), SIGNED_ON)] == [SIGNED_ON, LIVE, MONTH_LATER]


def test_a_stage_is_due_from_its_day_on():
    state = live()
    due, pending = StageState.DUE, StageState.PENDING
    assert states(state, date(2026, 2, 28)) == [pending, pending, pending]
    assert states(state, SIGNED_ON) == [due, pending, pending]
    assert states(state, LIVE) == [due, due, pending]
    assert states(state, MONTH_LATER) == [due, due, due]


def test_an_invoiced_stage_is_overdue_the_day_after_its_day_and_paid_for_good():
    state = invoiced(live(), due=date(2026, 3, 31))
    assert states(state, date(2026, 3, 31))[0] is StageState.INVOICED
    assert states(state, date(2026, 4, 1))[0] is StageState.OVERDUE
    assert states(paid(state), date(2030, 1, 1))[0] is StageState.PAID


def test_a_stage_tells_its_invoice_and_its_payment():
    (first, *_) = fee.stages(paid(invoiced(live())), date(2026, 4, 1))
    assert first == Stage(
        stage=1,
        amount_micros=49_000 * YUAN,
        falls_on=SIGNED_ON,
        state=StageState.PAID,
        invoice="INV-1",
        due_on=date(2026, 3, 31),
        paid_on=date(2026, 3, 20),
    )


def test_the_same_invoice_again_is_nothing_to_do_and_another_one_is_refused():
    state = invoiced(live())
    again = {"stage": 1, "due_on": date(2026, 3, 31), "today": SIGNED_ON}
    assert fee.invoice_stage(state, invoice="INV-1", **again) == ()
    with pytest.raises(Conflicting, match="stage_invoiced"):
        fee.invoice_stage(state, invoice="INV-2", **again)
    with pytest.raises(Conflicting, match="stage_invoiced"):
        fee.invoice_stage(paid(state), invoice="INV-2", **again)


def test_what_is_not_due_is_not_invoiced():
    for state, stage, today in ((signed(), 2, LIVE), (live(), 2, SIGNED_ON), (live(), 3, LIVE)):
        with pytest.raises(Conflicting, match="stage_not_due"):
            fee.invoice_stage(state, stage=stage, invoice="INV", due_on=date(2027, 1, 1), today=today)


def test_an_invoice_due_yesterday_is_refused_and_one_due_today_is_not():
    with pytest.raises(BadInput, match="due_in_the_past"):
        fee.invoice_stage(live(), stage=1, invoice="INV", due_on=date(2026, 3, 1), today=date(2026, 3, 2))
    (made,) = fee.invoice_stage(live(), stage=1, invoice="INV", due_on=SIGNED_ON, today=SIGNED_ON)
    assert isinstance(made, StageInvoiced)
    assert (made.amount_micros, made.invoiced_on) == (49_000 * YUAN, SIGNED_ON)


@pytest.mark.parametrize("stage", [0, -1, 4, 10**30])
def test_a_stage_that_is_not_there_is_not_found(stage: int):
    with pytest.raises(NotFound):
        fee.invoice_stage(live(), stage=stage, invoice="INV", due_on=LIVE, today=LIVE)
    with pytest.raises(NotFound):
        fee.pay_stage(live(), stage=stage, paid_on=LIVE, reference="x", today=LIVE)


def test_what_has_no_invoice_is_not_paid():
    with pytest.raises(Conflicting, match="stage_not_invoiced"):
        paid(live())


def test_paying_twice_is_nothing_to_do():
    state = paid(invoiced(live()))
    assert fee.pay_stage(state, stage=1, paid_on=LIVE, reference="again", today=LIVE) == ()
    assert [one.reference for one in state.paid] == ["bank 7"]


def test_a_payment_is_recorded_with_its_day_and_reference():
    made = fee.pay_stage(invoiced(live()), stage=1, paid_on=LIVE, reference="bank 7", today=LIVE)
    assert made == (StagePaid(stage=1, paid_on=LIVE, reference="bank 7"),)


def test_an_amended_fee_leaves_what_is_invoiced_and_still_adds_up():
    state = amended(invoiced(live()), replace(TERMS, fixed_fee_micros=120_000 * YUAN))
    assert amounts(state) == [49_000 * YUAN, 48_000 * YUAN, 23_000 * YUAN]
    assert sum(amounts(state)) == 120_000 * YUAN


def test_a_fee_amended_to_less_than_was_invoiced_asks_for_nothing_more_at_the_end():
    state = amended(invoiced(live()), replace(TERMS, fixed_fee_micros=10_000 * YUAN))
    assert amounts(state) == [49_000 * YUAN, 4_000 * YUAN, 0]
