"""The pauses between the attempts to reach a carrier."""

import pytest

from infrastructure.carriers.backoff import Backoff


def backoff(random: float = 1.0) -> Backoff:
    return Backoff(shortest=0.5, longest=4.0, random=lambda: random)


def test_the_pauses_double_to_their_limit():
    waiting = backoff()
    assert [waiting.after(0.0) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


@pytest.mark.parametrize(("random", "pause"), [(0.0, 0.25), (0.5, 0.375), (1.0, 0.5)])
def test_the_jitter_takes_up_to_half_of_a_pause(random, pause):
    assert backoff(random).after(0.0) == pause


def test_a_connection_that_held_begins_anew():
    waiting = backoff()
    for _ in range(4):
        waiting.after(0.0)
    assert waiting.after(60.0) == 0.5


def test_a_carrier_that_throws_us_out_at_once_is_not_knocked_at_faster():
    waiting = backoff()
    for _ in range(4):
        waiting.after(0.0)
    assert waiting.after(0.1) == 4.0
