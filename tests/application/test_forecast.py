"""The forecast carries the observed use on in whole numbers, and says from what."""

from datetime import UTC, date, datetime, timedelta

import pytest

from application.forecast import DAYS, LAST_28_DAYS, YEAR_SO_FAR, forecast, forecast_at, window
from application.read_statements import open_book
from domain.events.contract import Terms
from domain.events.ledger import Totals
from domain.events.statement import Forecast
from tests.support.billed import ACCOUNT, PRICE, Billed, run


def guess(net: int, use: int, *, days: int = 28, as_of: date = date(2026, 11, 30)) -> Forecast:
    overage = max(0, net - 100)
    now = Totals(allowance=100, net=net, overage=overage, amount_micros=overage * PRICE)
    return forecast(now=now, observed_days=days, observed_segments=use, as_of=as_of, price_micros=PRICE)


def test_the_package_runs_out_on_the_day_whose_use_takes_the_last_segment():
    # Two segments a day: 41 are left after 59, and the 21st day takes the last one.
    assert guess(59, 56).runs_out_on == date(2026, 12, 21)
    assert guess(60, 56).runs_out_on == date(2026, 12, 20)


def test_what_is_used_up_already_ran_out_by_now():
    assert guess(100, 56).runs_out_on == date(2026, 11, 30)


def test_a_package_that_lasts_beyond_the_year_does_not_run_out():
    assert guess(30, 56).runs_out_on is None
    assert guess(38, 56).runs_out_on == date(2026, 12, 31)


@pytest.mark.parametrize("use", [0, -5])
def test_no_use_is_no_use(use: int):
    found = guess(50, use)
    assert (found.runs_out_on, found.net, found.overage, found.amount_micros) == (None, 50, 0, 0)


def test_the_end_of_the_year_is_rounded_half_up_and_priced_beyond_what_is_owed_already():
    # 31 days at 1 in 2 days are 15.5 segments.
    found = guess(110, 14)
    assert (found.net, found.overage) == (126, 26)
    assert found.amount_micros == 26 * PRICE


def test_four_whole_weeks_are_observed_where_there_are_as_many():
    cut = datetime(2026, 11, 30, 16, tzinfo=UTC)
    since, days = window(cut=cut, live_on=date(2025, 3, 1))
    assert (cut - since, days) == (timedelta(days=28), DAYS)
    assert guess(1, 1).method == LAST_28_DAYS


def test_a_year_that_is_shorter_is_observed_whole_and_named_so():
    cut = datetime(2026, 1, 10, 16, tzinfo=UTC)
    assert window(cut=cut, live_on=date(2025, 3, 1)) == (datetime(2025, 12, 31, 16, tzinfo=UTC), 10)
    assert guess(1, 1, days=10).method == YEAR_SO_FAR


def test_a_contract_that_began_within_the_year_is_observed_from_its_first_day():
    cut = datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert window(cut=cut, live_on=date(2026, 11, 20))[1] == 11


def test_the_statement_of_a_month_forecasts_from_its_own_end():
    billed = Billed(terms=Terms(allowance_segments=100))
    for day in (1, 3, 10, 20, 31):
        billed.go_to(date(2026, 1, day))
        billed.debit(7)
    billed.go_to(date(2026, 2, 20))
    billed.debit(50)
    found = billed.issue("2026-01").content.forecast
    assert found is not None
    assert (found.as_of, found.observed_days, found.observed_segments) == (date(2026, 1, 31), 28, 21)
    assert found.runs_out_on == date(2026, 1, 31) + timedelta(days=87)


def test_a_year_in_which_nothing_was_sent_forecasts_nothing():
    billed = Billed()

    async def read() -> Forecast:
        book = await open_book(billed.store, ACCOUNT)
        return await forecast_at(billed.store, ACCOUNT, book.contract, cut=book.now)

    found = run(read())
    assert (found.net, found.runs_out_on, found.observed_segments) == (0, None, 0)
