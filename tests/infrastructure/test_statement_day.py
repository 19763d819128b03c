"""The scheduler issues by itself from the day it is told, and never where it is told none."""

from pathlib import Path

import pytest

from application.read_statements import open_book
from infrastructure import bootstrap
from infrastructure.bootstrap import Platform
from infrastructure.scheduler import Scheduler
from tests.support.door import run
from tests.support.poured import last_months, ready
from tests.support.sample import ACCOUNT, settings_for


def periods_after_a_day(platform: Platform) -> list[str]:
    """What is issued after the scheduler has looked twice."""
    ready(platform)
    scheduler = Scheduler(platform=platform, broker=None, dispatcher=None)  # type: ignore[arg-type]
    for _ in range(2):
        run(scheduler.issue_statements())
    return [str(period) for period in run(open_book(platform.store, ACCOUNT)).statements]


@pytest.mark.parametrize(("day", "expected"), [(0, []), (1, [str(month) for month in last_months()])])
def test_every_month_that_is_over_is_issued_from_the_day_of_the_settings(
    database_url: str, tmp_path: Path, day: int, expected: list[str]
):
    with bootstrap.platform(settings_for(database_url, tmp_path, statement_day=day)) as platform:
        assert periods_after_a_day(platform) == expected
