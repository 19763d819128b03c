"""How fast a link may submit."""

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
