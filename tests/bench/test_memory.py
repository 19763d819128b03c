"""When the soak calls a process's memory flat."""

from bench.support.memory import SHORTEST_SECONDS, WARM_UP_SECONDS, Sample, judge

LONG = int(WARM_UP_SECONDS + 2 * SHORTEST_SECONDS)


def life(*, seconds: int = LONG, mib_per_minute: float = 0.0, warm_up_mib: float = 0.0) -> list[Sample]:
    """A process of 100 MiB, looked at every two seconds; it may still grow while it warms up."""
    return [
        (1_000.0 + at, 100 + at * mib_per_minute / 60 - warm_up_mib * max(0.0, 1 - at / WARM_UP_SECONDS))
        for at in range(0, seconds + 1, 2)
    ]


def test_a_process_that_keeps_its_size_is_flat():
    judged = judge(life())
    assert judged.flat is True
    assert (judged.first_mib, judged.last_mib, judged.mib_per_minute) == (100, 100, 0)


def test_a_process_that_grows_and_grows_is_not_flat_and_the_slope_says_how_fast():
    judged = judge(life(mib_per_minute=6.0))
    assert judged.flat is False
    assert abs(judged.mib_per_minute - 6.0) < 0.001


def test_what_a_process_takes_while_it_warms_up_is_not_held_against_it():
    assert judge(life(warm_up_mib=60.0)).flat is True


def test_of_a_short_life_nothing_is_said():
    assert judge(life(seconds=100, mib_per_minute=60.0)).flat is None
    assert judge([(5.0, 80.0)]).flat is None
