"""Figures of a connection: counted as they happen, forgotten in time, added up without losing their meaning."""

from itertools import pairwise

import pytest

from infrastructure.carriers.figures import ANSWER_SECONDS, OTHER, REPORTED_SECONDS, Figures
from infrastructure.carriers.rolling import Rolling, added, bounds, quantile
from infrastructure.carriers.traffic import InDoubt, LinkPhase, LinkState, NotSent, Refused, Taken

LIMITS = (1.0, 2.0, 4.0)


def rolling(*, slices: int = 3) -> Rolling:
    return Rolling(LIMITS, slice_seconds=1.0, slices=slices)


# Rolling counts.


def test_a_time_falls_into_the_bucket_it_does_not_exceed():
    counts = rolling()
    for seconds in (0.0, 1.0, 1.5, 4.0, 9.0):
        counts.add(seconds, 10.0)
    assert counts.lately(10.0) == counts.ever() == [2, 1, 1, 1]
    assert counts.total_seconds == 15.5


def test_what_is_old_is_forgotten_slice_by_slice_and_stays_in_what_there_ever_was():
    counts = rolling()
    for second in (10, 11, 12):
        counts.add(0.5, second + 0.9)
    assert [counts.lately(now)[0] for now in (12.95, 13.0, 13.99, 14.0, 15.0)] == [3, 2, 2, 1, 0]
    assert counts.ever()[0] == 3


def test_a_long_silence_forgets_everything_at_once():
    counts = rolling()
    counts.add(0.5, 10.0)
    assert counts.lately(1_000_000.0) == [0, 0, 0, 0]
    counts.add(0.5, 1_000_000.5)
    assert counts.lately(1_000_000.5)[0] == 1


def test_a_rate_is_that_of_full_slices_only():
    counts = rolling(slices=60)
    for tenth in range(20):
        counts.add(0.5, 10 + tenth / 10)
    assert counts.a_second(11.95, slices=1) == 10.0
    assert counts.a_second(12.0, slices=10) == 2.0
    assert counts.a_second(13.0, slices=1) == 0.0


# Percentiles.


def test_bounds_are_a_fifth_apart_and_begin_each_decade_anew():
    limits = bounds(0.001, decades=6)
    assert (limits[0], limits[12], limits[60], limits[-1]) == (0.001, 0.01, 100.0, 820.0)
    assert all(1.1 < high / low < 1.26 for low, high in pairwise(limits))


def test_a_percentile_of_nothing_is_nothing():
    assert quantile(LIMITS, [0, 0, 0, 0], 0.5) is None


def test_a_percentile_lies_inside_its_bucket():
    assert quantile(LIMITS, [0, 10, 0, 0], 0.5) == 1.5
    assert quantile(LIMITS, [10, 0, 10, 0], 0.5) == 1.0
    assert quantile(LIMITS, [10, 0, 10, 0], 0.99) == pytest.approx(3.96)


def test_what_is_beyond_all_bounds_counts_as_the_last_bound():
    assert quantile(LIMITS, [0, 0, 0, 7], 0.99) == 4.0


def test_percentiles_of_a_sum_are_not_the_mean_of_percentiles():
    quick, slow = [99, 0, 0, 0], [0, 0, 1, 0]
    together = added((quick, slow))
    assert quantile(LIMITS, together, 0.5) == pytest.approx(50 / 99)
    assert quantile(LIMITS, together, 0.99) == 1.0


def test_no_percentile_is_further_off_than_a_fifth():
    times = [0.0013 * 1.37**step for step in range(40)]
    for exact in times:
        counts = Rolling(ANSWER_SECONDS, slice_seconds=1.0, slices=60)
        counts.add(exact, 0.0)
        found = quantile(ANSWER_SECONDS, counts.ever(), 0.5)
        assert found is not None
        assert abs(found - exact) / exact < 0.2


# What is counted.


def test_answers_are_counted_by_what_they_say():
    figures = Figures(since=0.0)
    said = (
        Taken("1"),
        Taken("2"),
        Refused("8", True, True),
        Refused("5"),
        InDoubt("no answer"),
        NotSent("x"),
    )
    for answer in said:
        figures.answered(answer, 0.02, 5.0)
    assert (figures.taken, figures.refused, figures.throttled) == (2, 2, 1)
    assert (figures.in_doubt, figures.not_sent) == (1, 1)
    assert figures.refusals == {"8": 1, "5": 1}


def test_a_part_that_we_refuse_ourselves_is_counted_and_has_no_answer_time():
    figures = Figures(since=0.0)
    figures.answered(Refused("local:unfit"), 0.0, 5.0)
    assert figures.refusals == {"local:unfit": 1}
    assert sum(figures.answers.ever()) == 0


def test_only_what_the_carrier_answered_has_an_answer_time():
    figures = Figures(since=0.0)
    for answer in (Taken("1"), Refused("8"), InDoubt("no answer"), NotSent("x")):
        figures.answered(answer, 0.02, 5.0)
    assert sum(figures.answers.ever()) == 2


def test_receipts_are_counted_by_what_they_decide():
    figures = Figures(since=0.0)
    for status in ("DELIVRD", "DELIVRD", "UNDELIV", "MK:0001", "ACCEPTD"):
        figures.reported(status, 5.0)
    assert figures.verdicts.ever() == [2, 2]
    assert figures.pending == 1
    assert figures.verdicts.lately(5.0 + REPORTED_SECONDS + 10) == [0, 0]


def test_the_last_error_says_what_and_when():
    figures = Figures(since=0.0)
    assert figures.last_error == ""
    figures.answered(Refused("8"), 0.02, 5.0)
    assert (figures.last_error, figures.last_error_at) == ("refused with 8", 5.0)
    figures.answered(InDoubt("no answer in time"), 60.0, 70.0)
    assert (figures.last_error, figures.last_error_at) == ("in doubt: no answer in time", 70.0)
    figures.answered(Taken("1"), 0.02, 71.0)
    assert figures.last_error_at == 70.0


def test_a_connection_that_is_lost_or_refused_is_an_error_and_one_that_closes_is_none():
    figures = Figures(since=0.0)
    figures.moved(LinkState(LinkPhase.BOUND), 1.0)
    figures.moved(LinkState(LinkPhase.CLOSED, "closed"), 2.0)
    assert (figures.phase, figures.since, figures.last_error) == (LinkPhase.CLOSED, 2.0, "")
    figures.moved(LinkState(LinkPhase.REFUSED, "bind refused: 3"), 3.0)
    assert (figures.last_error, figures.last_error_at) == ("bind refused: 3", 3.0)


# What cannot get in.


@pytest.mark.parametrize("code", ["13800138000", "x" * 21, "a b", "字", "", '"}'])
def test_what_does_not_look_like_a_code_is_counted_and_not_shown(code: str):
    figures = Figures(since=0.0)
    figures.answered(Refused(code), 0.02, 5.0)
    assert figures.refusals == {OTHER: 1}
    assert figures.last_error == f"refused with {OTHER}"


def test_there_is_room_for_so_many_codes_and_the_rest_are_one():
    figures = Figures(since=0.0)
    for code in range(100):
        figures.answered(Refused(str(code)), 0.02, 5.0)
    assert len(figures.refusals) == 33
    assert figures.refusals[OTHER] == 68
    figures.answered(Refused("7"), 0.02, 5.0)
    assert figures.refusals["7"] == 2
