"""Money is exact in micro-yuan, and days and years begin in Shanghai whatever the zone of machine or client."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.values import local_day, local_year, message_id, stream_id, year_start, yuan

LAST_MOMENT = datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
FIRST_MOMENT = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (38_000, "0.038"),
        (100_000, "0.10"),
        (1_000_000, "1.00"),
        (1_234_567, "1.234567"),
        (-38_000, "-0.038"),
        (-1_000_001, "-1.000001"),
        (11_400_000_000, "11400.00"),
    ],
)
def test_micro_yuan_are_written_exactly(micros, text):
    assert yuan(micros) == text


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_can_be_read_again(micros):
    whole, _, rest = yuan(micros).lstrip("-").partition(".")
    read = int(whole) * 1_000_000 + int(rest.ljust(6, "0"))
    assert (-read if yuan(micros).startswith("-") else read) == micros


def test_the_year_ends_at_16_00_utc():
    assert local_year(LAST_MOMENT) == 2026
    assert local_year(FIRST_MOMENT) == 2027
    assert year_start(2027) == FIRST_MOMENT


def test_the_day_ends_at_16_00_utc():
    assert local_day(LAST_MOMENT) == date(2026, 12, 31)
    assert local_day(FIRST_MOMENT) == date(2027, 1, 1)


@pytest.mark.parametrize("hours", [-11, 0, 8, 14])
def test_the_zone_in_which_a_moment_is_given_does_not_matter(hours):
    zone = timezone(timedelta(hours=hours))
    assert local_year(LAST_MOMENT.astimezone(zone)) == 2026
    assert local_year(FIRST_MOMENT.astimezone(zone)) == 2027


def test_a_stream_has_one_id_for_ever():
    assert stream_id("ledger", "acme", 2026) == UUID("4dbff5ff-987a-545a-a01f-d9d39981157b")
    assert message_id("acme", "order-1") == UUID("d5ba3f49-7b25-572d-b6e5-afd62841a4e2")


def test_names_that_run_into_each_other_are_other_streams():
    assert stream_id("template", "ab", "c") != stream_id("template", "a", "bc")
    assert message_id("ab", "c") != message_id("a", "bc")
