"""A link's circuit: open for a while, on trial, longer each time it opens again on trial, and never by itself twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.circuit import Circuit, evolve
from domain.events.link import Breaker, Broken, Mended

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = Breaker(open_seconds=60)
SECOND = timedelta(seconds=1)


def opened(state: Circuit, at: datetime, settings: Breaker = SETTINGS) -> Circuit:
    (fact,) = state.open(name="one", reason="x", settings=settings, now=at)
    return evolve(state, fact, at)


def closed(state: Circuit, at: datetime, reason: str = "") -> Circuit:
    (fact,) = state.close(name="one", reason=reason)
    return evolve(state, fact, at)


def test_it_opens_once_and_closes_once():
    assert Circuit().close(name="one") == ()
    standing = opened(Circuit(), NOW)
    assert (standing.is_open, standing.reason) == (True, "x")
    assert standing.open(name="one", reason="y", settings=SETTINGS, now=NOW) == ()
    again = closed(standing, NOW + SECOND)
    assert not again.is_open
    assert again.close(name="one") == ()


def test_its_time_is_over_exactly_after_the_seconds_that_stand_in_the_fact():
    standing = opened(Circuit(), NOW)
    assert not standing.is_over(NOW + timedelta(seconds=60) - timedelta(microseconds=1))
    assert standing.is_over(NOW + timedelta(seconds=60))
    assert not Circuit().is_over(NOW)


def test_an_event_of_before_the_seconds_were_written_has_the_default():
    assert evolve(None, Broken(name="one", reason="x"), NOW).pause == timedelta(seconds=60)


def test_on_trial_it_opens_for_twice_as_long_each_time_up_to_sixteen_times():
    state, at, pauses = Circuit(), NOW, []
    for _ in range(7):
        state = opened(state, at)
        pauses.append(int(state.pause.total_seconds()))
        at += state.pause
        state = closed(state, at)
        at += SECOND
    assert pauses == [60, 120, 240, 480, 960, 960, 960]


def test_a_trial_lasts_ten_pauses_and_then_everything_is_as_it_was():
    state = closed(opened(Circuit(), NOW), NOW)
    end = NOW + timedelta(seconds=600)
    assert state.on_trial(SETTINGS, end - SECOND)
    assert not state.on_trial(SETTINGS, end)
    assert opened(state, end).pause == timedelta(seconds=60)


def test_who_closes_it_by_hand_puts_it_on_no_trial():
    state = closed(opened(Circuit(), NOW), NOW, reason="repaired")
    assert not state.on_trial(SETTINGS, NOW)
    assert opened(state, NOW + SECOND).pause == timedelta(seconds=60)


def test_settings_made_shorter_hold_from_the_next_opening_on():
    state = closed(opened(Circuit(), NOW), NOW)
    assert opened(state, NOW, Breaker(open_seconds=5)).pause == timedelta(seconds=80)
    assert opened(state, NOW, Breaker(open_seconds=300)).pause == timedelta(seconds=300)


STEPS = st.lists(st.tuples(st.sampled_from(["open", "close", "mend"]), st.integers(1, 3_000)), max_size=40)


@given(STEPS, st.integers(1, 300))
def test_whatever_happens_it_alternates_and_is_open_for_one_to_sixteen_pauses(
    steps: list[tuple[str, int]], seconds: int
):
    settings, state, at = Breaker(open_seconds=seconds), Circuit(), NOW
    for what, after in steps:
        at += timedelta(seconds=after)
        was_open = state.is_open
        events: tuple[Broken | Mended, ...] = (
            state.open(name="one", reason="x", settings=settings, now=at)
            if what == "open"
            else state.close(name="one", reason="by hand" if what == "mend" else "")
        )
        assert len(events) == (was_open != (what == "open"))
        for event in events:
            state = evolve(state, event, at)
            if isinstance(event, Broken):
                assert event.open_seconds % seconds == 0
                assert event.open_seconds // seconds in (1, 2, 4, 8, 16)


@pytest.mark.parametrize("last", [Broken(name="one", reason="x", open_seconds=120), Mended(name="one")])
def test_the_last_fact_alone_says_how_it_stands(last: Broken | Mended):
    before = closed(opened(Circuit(), NOW), NOW) if isinstance(last, Broken) else opened(Circuit(), NOW)
    whole, alone = evolve(before, last, NOW), evolve(None, last, NOW)
    assert (whole.is_open, whole.on_trial(SETTINGS, NOW)) == (alone.is_open, alone.on_trial(SETTINGS, NOW))
    assert whole.is_over(NOW + timedelta(seconds=120)) == alone.is_over(NOW + timedelta(seconds=120))
