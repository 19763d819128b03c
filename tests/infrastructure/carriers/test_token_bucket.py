"""How fast a link may submit."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers.token_bucket import TokenBucket


def spend_all(bucket: TokenBucket, now: float) -> int:
    spent = 0
    while spent < 10_000 and bucket.available(now) > 0:
        bucket.take(now)
        spent += 1
    return spent


def test_without_a_rate_there_is_always_a_token():
    assert TokenBucket(0, now=0.0).available(0.0) > 1_000_000


@given(st.integers(min_value=1, max_value=2_000), st.lists(st.floats(0.001, 0.3), min_size=1, max_size=50))
def test_no_more_than_the_rate_and_a_twentieth_second_of_it_is_ever_spent(rate, pauses):
    bucket, now, spent = TokenBucket(rate, now=0.0), 0.0, 0
    for pause in pauses:
        now += pause
        spent += spend_all(bucket, now)
    assert spent <= now * rate + max(1.0, rate * 0.05)


def test_the_rate_is_reached_when_it_is_used():
    bucket = TokenBucket(100, now=0.0)
    assert sum(spend_all(bucket, step / 100) for step in range(1, 101)) == pytest.approx(105, abs=2)


def test_the_wait_leads_to_a_token():
    bucket = TokenBucket(10, now=0.0)
    spend_all(bucket, 0.0)
    wait = bucket.wait(0.0)
    assert wait > 0
    assert bucket.available(wait + 1e-9) == 1


def test_throttling_halves_the_rate_once_for_a_burst_of_answers():
    bucket = TokenBucket(100, now=0.0)
    for _ in range(20):
        bucket.throttled(1.0)
    assert bucket.rate == 50


def test_throttling_again_later_halves_it_again_down_to_one():
    bucket = TokenBucket(100, now=0.0)
    for second in range(1, 20):
        bucket.throttled(second * 1.01)
    assert bucket.rate == pytest.approx(1, rel=0.3)


def test_the_rate_recovers_by_a_fifth_a_second_to_what_is_configured():
    bucket = TokenBucket(100, now=0.0)
    bucket.throttled(0.0)
    bucket.available(1.0)
    assert bucket.rate == pytest.approx(60)
    bucket.available(30.0)
    assert bucket.rate == 100


def test_an_unlimited_bucket_falls_to_half_of_what_was_taken_lately_and_recovers():
    bucket = TokenBucket(0, now=0.0)
    for _ in range(200):
        bucket.take(0.5)
    bucket.throttled(0.5)
    assert bucket.rate == pytest.approx(200)
    bucket.available(60.0)
    assert bucket.available(60.0) > 1_000_000


@pytest.mark.parametrize("rate", [0, 100])
def test_after_a_night_without_traffic_it_is_what_is_configured(rate: int):
    bucket = TokenBucket(rate, now=0.0)
    bucket.take(0.0)
    bucket.throttled(0.5)
    assert bucket.available(36_000.0) > 0
    assert bucket.rate == (rate or math.inf)


@pytest.mark.parametrize("configured", [200, 0])
def test_a_carrier_that_refuses_some_at_random_is_not_taken_for_slow(configured: int):
    bucket, sent, random = TokenBucket(configured, now=0.0), 0, Random(5)
    for step in range(60_000):
        if step % 2 == 0 and bucket.available(step / 1_000) > 0:
            bucket.take(step / 1_000)
            if random.random() < 0.1:
                bucket.throttled(step / 1_000)
            else:
                sent += 1
    assert sent >= 60 * 60


@pytest.mark.parametrize("configured", [200, 0])
def test_under_load_it_finds_what_the_carrier_takes_and_loses_nothing_of_it(configured: int):
    """A carrier that takes 50 a second, and a sender who always has something."""
    bucket, sent, refused, in_second = TokenBucket(configured, now=0.0), 0, 0, 0
    for step in range(60_000):
        now = step / 1_000
        if step % 1_000 == 0:
            in_second = 0
        if bucket.available(now) > 0:
            bucket.take(now)
            in_second += 1
            if in_second > 50:
                refused += 1
                bucket.throttled(now)
            else:
                sent += 1
    assert sent >= 60 * 50 * 0.9
    assert refused < sent / 2


def test_while_signals_come_it_does_not_grow():
    bucket = TokenBucket(100, now=0.0)
    for tenth in range(1, 9):
        bucket.throttled(tenth / 10)
    bucket.available(1.7)
    assert bucket.rate == 50
    bucket.available(1.8)
    assert bucket.rate == pytest.approx(60)
