"""Padded texts, times of China and phone numbers as the three carriers write them."""

from datetime import UTC, datetime

import pytest

from infrastructure.carriers.fixed_fields import (
    absolute_time,
    fixed,
    month_stamp,
    text_of,
    with_country,
    without_country,
)

NEW_YEAR_IN_CHINA = datetime(2026, 12, 31, 16, 0, 5, tzinfo=UTC)


def test_a_text_is_padded_and_read_without_its_padding():
    assert fixed("abc", 5) == b"abc\0\0"
    assert text_of(b"abc\0\0") == text_of(b"abc") == "abc"


@pytest.mark.parametrize("text", ["abcdef", "a\0b", "一"])
def test_a_text_that_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=r"text|encode"):
        fixed(text, 5)


def test_what_stands_behind_the_first_nul_is_not_text():
    assert text_of(b"ab\0rubbish") == "ab"


def test_a_stamp_is_the_time_of_china_without_the_zero_of_january():
    assert month_stamp(NEW_YEAR_IN_CHINA) == 101000005


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, ""),
        (0, "270101000006032+"),
        (86_400, "270102000005032+"),
        (10**9, "270201000005032+"),
    ],
)
def test_a_validity_ends_at_a_time_of_china_a_month_ahead_at_most(seconds, written):
    assert absolute_time(NEW_YEAR_IN_CHINA, seconds) == written


@pytest.mark.parametrize(
    ("address", "long", "short"),
    [
        ("13800138000", "8613800138000", "13800138000"),
        ("8613800138000", "8613800138000", "13800138000"),
        ("+86 138 0013 8000", "8613800138000", "13800138000"),
        ("008613800138000", "8613800138000", "13800138000"),
        ("10690001", "10690001", "10690001"),
        ("861069000100", "861069000100", "861069000100"),
        ("", "", ""),
    ],
)
def test_a_mainland_number_has_its_country_or_not(address, long, short):
    assert (with_country(address), without_country(address)) == (long, short)
