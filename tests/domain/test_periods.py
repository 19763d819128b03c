"""Months and years in Shanghai."""

from datetime import UTC, date, datetime

import pytest

from domain.errors import BadInput
from domain.periods import Period, month_at, months_between, parse


def test_a_period_is_written_as_it_is_read():
    assert [str(parse(text)) for text in ("2026-01", "2026-12", "2026")] == ["2026-01", "2026-12", "2026"]


@pytest.mark.parametrize(
    "text", ["", "2026-13", "2026-00", "26-01", "2026-1", "2026-01 ", "1999", "２０２６"]
)
def test_what_is_no_period_is_refused(text: str):
    with pytest.raises(BadInput, match="period_invalid"):
        parse(text)


def test_a_month_begins_and_ends_at_midnight_in_shanghai():
    november = Period(2026, 11)
    assert november.begins == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert november.ends == datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert month_at(datetime(2026, 11, 30, 15, 59, 59, 999_999, tzinfo=UTC)) == november
    assert month_at(november.ends) == Period(2026, 12)


def test_periods_follow_each_other_over_the_turn_of_the_year():
    assert Period(2026, 12).following == Period(2027, 1)
    assert Period(2027, 1).preceding == Period(2026, 12)
    assert (Period(2026).following, Period(2026).preceding) == (Period(2027), Period(2025))
    assert Period(2026).last_day == Period(2026, 12).last_day == date(2026, 12, 31)


def test_the_months_between_are_all_of_them_or_none():
    assert list(map(str, months_between(Period(2026, 11), Period(2027, 1)))) == [
        "2026-11",
        "2026-12",
        "2027-01",
    ]
    assert months_between(Period(2027, 1), Period(2026, 12)) == ()
    assert len(Period(2026).months) == 12
