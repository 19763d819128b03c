"""A contract accepts from its first day to the day before its term is over, and not while it is suspended."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.aggregates import contract
from domain.aggregates.contract import Contract
from domain.errors import Conflicting, NotAccepting
from domain.events.contract import ContractEvent, Ended, Resumed, Signed, Suspended, Terms, WentLive

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
MIDNIGHT_UTC = timedelta(hours=16)
"""Midnight in Shanghai is 16:00 UTC of the day before."""


def given(*events: ContractEvent) -> Contract:
    state: Contract | None = None
    for event in events:
        state = contract.evolve(state, event, NOW)
    assert state is not None
    return state


SIGNED = Signed(account="acme", name="示例", terms=Terms())


def live(on: date, *, years: int = 2) -> Contract:
    return given(Signed(account="acme", name="示例", terms=Terms(term_years=years)), WentLive(on=on))


def shanghai_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1) + MIDNIGHT_UTC


def refusal(state: Contract, at: datetime) -> str:
    with pytest.raises(NotAccepting) as refused:
        state.require_accepting(at)
    return refused.value.code


def test_a_new_contract_is_signed_with_its_terms():
    assert contract.sign(account="acme", name="示例", terms=Terms()) == (SIGNED,)


def test_a_contract_that_is_only_signed_accepts_nothing():
    assert refusal(given(SIGNED), NOW) == "contract_not_live"


def test_the_first_moment_of_the_first_day_in_shanghai_is_accepted():
    state = live(date(2026, 5, 1))
    state.require_accepting(shanghai_midnight(date(2026, 5, 1)))


def test_the_moment_before_the_first_day_is_refused():
    before = shanghai_midnight(date(2026, 5, 1)) - timedelta(microseconds=1)
    assert refusal(live(date(2026, 5, 1)), before) == "contract_not_live"


def test_the_last_moment_of_the_last_day_is_accepted():
    state = live(date(2026, 5, 1))
    state.require_accepting(shanghai_midnight(date(2028, 5, 1)) - timedelta(microseconds=1))


def test_the_day_after_the_last_is_refused_with_its_own_code():
    assert refusal(live(date(2026, 5, 1)), shanghai_midnight(date(2028, 5, 1))) == "contract_term_over"


@pytest.mark.parametrize(
    ("years", "over"), [(1, date(2025, 3, 1)), (2, date(2026, 3, 1)), (4, date(2028, 2, 29))]
)
def test_a_term_that_begins_on_29_february_is_over_on_1_march_or_on_the_next_29_february(years, over):
    state = live(date(2024, 2, 29), years=years)
    assert state.term_ends_on == over
    assert refusal(state, shanghai_midnight(over)) == "contract_term_over"
    state.require_accepting(shanghai_midnight(over) - timedelta(microseconds=1))


def test_a_contract_that_is_not_live_has_no_last_day():
    assert given(SIGNED).term_ends_on is None


def test_going_live_twice_on_the_same_day_is_nothing_to_do():
    assert live(date(2026, 5, 1)).go_live(on=date(2026, 5, 1)) == ()


def test_going_live_on_another_day_contradicts_the_record():
    with pytest.raises(Conflicting, match="contract_already_live"):
        live(date(2026, 5, 1)).go_live(on=date(2026, 5, 2))


def test_a_suspended_contract_accepts_nothing_until_it_is_resumed():
    running = live(date(2026, 5, 1))
    assert running.suspend(reason="unpaid") == (Suspended(reason="unpaid"),)
    suspended = contract.evolve(running, Suspended(reason="unpaid"), NOW)
    assert refusal(suspended, NOW) == "contract_suspended"
    assert suspended.resume(reason="paid") == (Resumed(reason="paid"),)
    contract.evolve(suspended, Resumed(reason="paid"), NOW).require_accepting(NOW)


def test_suspending_twice_and_resuming_what_runs_are_nothing_to_do():
    running = live(date(2026, 5, 1))
    assert running.resume(reason="") == ()
    assert contract.evolve(running, Suspended(reason="unpaid"), NOW).suspend(reason="again") == ()


def test_an_ended_contract_accepts_nothing_and_can_be_neither_suspended_nor_resumed_nor_ended_again():
    running = live(date(2026, 5, 1))
    assert running.end(reason="done") == (Ended(reason="done"),)
    ended = contract.evolve(running, Ended(reason="done"), NOW)
    assert refusal(ended, NOW) == "contract_ended"
    assert ended.suspend(reason="") == ended.resume(reason="") == ended.end(reason="") == ()


def test_an_end_while_suspended_stays_an_end():
    ended = given(SIGNED, WentLive(on=date(2026, 5, 1)), Suspended(reason=""), Ended(reason=""))
    assert refusal(ended, NOW) == "contract_ended"
    assert ended.resume(reason="paid") == ()


def test_a_history_that_does_not_begin_with_its_founding_is_refused():
    with pytest.raises(ValueError, match=r"contract\.signed"):
        contract.evolve(None, Resumed(reason=""), NOW)
