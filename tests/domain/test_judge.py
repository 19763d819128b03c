"""When a link does badly: exact shares of the latest answers and receipts, as a judge with all memories finds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events.link import Breaker
from domain.judge import GOOD, Judge, Latest

EVEN = Breaker(refused_percent=50, undelivered_percent=80, least=50)


def judged(*codes: str, settings: Breaker = EVEN, on_trial: bool = False, receipts: bool = False) -> str:
    judge = Judge(settings)
    for second, code in enumerate(codes):
        (judge.note_receipt if receipts else judge.note_answer)(code, float(second))
    return judge.finding(float(len(codes)), on_trial=on_trial)


def test_the_words_have_the_figures_and_the_most_frequent_code():
    codes = ["8"] * 20 + ["no answer in time"] * 14 + [GOOD] * 16
    assert judged(*codes) == "34 of the latest 50 parts refused or unanswered, most often 8"
    receipts = judged(*(["UNDELIV"] * 30 + ["EXPIRED"] * 15 + [GOOD] * 5), receipts=True)
    assert receipts == "45 of the latest 50 receipts not delivered, most often UNDELIV"


@pytest.mark.parametrize(("bad", "opens"), [(24, False), (25, True), (50, True), (0, False)])
def test_the_share_of_answers_is_reached_exactly(bad: int, opens: bool):
    assert bool(judged(*(["8"] * bad + [GOOD] * (50 - bad)))) == opens


@pytest.mark.parametrize(("bad", "opens"), [(39, False), (40, True)])
def test_the_share_of_receipts_is_reached_exactly(bad: int, opens: bool):
    assert bool(judged(*(["UNDELIV"] * bad + [GOOD] * (50 - bad)), receipts=True)) == opens


@pytest.mark.parametrize(("known", "opens"), [(49, False), (50, True)])
def test_it_takes_the_least_number_exactly(known: int, opens: bool):
    assert bool(judged(*["8"] * known)) == opens


@pytest.mark.parametrize(
    ("least", "on_trial", "needed"),
    [(50, True, 10), (50, False, 50), (10, True, 5), (3, True, 3), (1, True, 1)],
)
def test_on_trial_a_fifth_is_enough_and_five_at_least(least: int, on_trial: bool, needed: int):
    settings = Breaker(least=least)
    assert not judged(*["8"] * (needed - 1), settings=settings, on_trial=on_trial)
    assert judged(*["8"] * needed, settings=settings, on_trial=on_trial)


def test_no_percent_is_never():
    never = Breaker(refused_percent=0, undelivered_percent=0)
    assert not judged(*["8"] * 500, settings=never)
    assert not judged(*["UNDELIV"] * 500, settings=never, receipts=True)


def test_answers_and_receipts_are_not_added_up():
    judge = Judge(EVEN)
    for second in range(30):
        judge.note_answer("8", float(second))
        judge.note_receipt("UNDELIV", float(second))
    assert not judge.finding(30.0)


def test_outcomes_of_more_than_an_hour_ago_count_no_more():
    judge = Judge(EVEN)
    for _ in range(50):
        judge.note_answer("8", 0.0)
    assert judge.finding(3_600.0)
    assert not judge.finding(3_600.5)


def test_what_went_well_since_makes_it_well_again():
    assert not judged(*(["8"] * 50 + [GOOD] * 26))


def test_on_a_busy_link_ten_seconds_count_and_not_a_moment_of_fifty_answers():
    judge = Judge(EVEN)
    for number in range(5_000):
        judge.note_answer(GOOD, number / 1_000)
    for number in range(50):
        judge.note_answer("8", 5.0 + number / 1_000)
    assert not judge.finding(5.05)


def test_of_codes_that_are_as_frequent_the_first_by_name_is_said():
    latest = Latest(10)
    for code in ("9", "8", GOOD, "8", "9"):
        latest.add(code, 0.0)
    assert latest.most_frequent() == "8"


OUTCOMES = st.lists(
    st.tuples(st.sampled_from([GOOD, GOOD, "8", "9"]), st.floats(0, 400, allow_nan=False)), max_size=200
)


@given(OUTCOMES, st.integers(1, 30), st.integers(0, 100), st.floats(0, 4_000, allow_nan=False))
def test_it_finds_what_a_judge_finds_that_remembers_everything(
    steps: list[tuple[str, float]], least: int, percent: int, later: float
):
    judge, all_of_them, at = Judge(Breaker(refused_percent=percent, least=least)), [], 0.0
    for code, seconds in steps:
        at += seconds
        judge.note_answer(code, at)
        all_of_them.append((at, code))
    now = at + later
    newest = all_of_them[::-1]
    counted = [
        code
        for place, (when, code) in enumerate(newest)
        if now - when <= 3_600 and (place < least or now - when <= 10)
    ]
    bad = sum(code != GOOD for code in counted)
    wanted = percent > 0 and len(counted) >= least and bad * 100 >= percent * len(counted)
    assert bool(judge.finding(now)) == wanted
