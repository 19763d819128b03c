"""The day in Shanghai of a moment, remembered by the hour: a page of the log holds thousands of one day."""

from datetime import date, datetime
from functools import lru_cache

from domain.values import local_day


def day_of(moment: datetime) -> date:
    """The calendar day in Shanghai of an aware moment; days begin at a full hour in every zone involved."""
    return _day(moment.replace(minute=0, second=0, microsecond=0))


@lru_cache(maxsize=1_000)
def _day(hour: datetime) -> date:
    return local_day(hour)
