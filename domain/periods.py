"""Months and years of the contract's calendar: what a statement is about."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.errors import BadInput
from domain.values import SHANGHAI, local_day

_TEXT = re.compile(r"(20\d{2})(?:-(0[1-9]|1[0-2]))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A calendar month in Shanghai, or a whole calendar year where `month` is 0."""

    year: int
    month: int = 0

    def __str__(self) -> str:
        """2026-11 for a month, 2026 for a year."""
        return f"{self.year}-{self.month:02d}" if self.month else f"{self.year}"

    @property
    def yearly(self) -> bool:
        """Whether it is a whole year."""
        return not self.month

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def next_day(self) -> date:
        """The first day after it."""
        if self.month in (0, 12):
            return date(self.year + 1, 1, 1)
        return date(self.year, self.month + 1, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.next_day - timedelta(days=1)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return day_start(self.next_day)

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return day_start(self.first_day)

    @property
    def following(self) -> "Period":
        """The month after a month, the year after a year."""
        return month_of(self.next_day) if self.month else Period(self.year + 1)

    @property
    def preceding(self) -> "Period":
        """The month before a month, the year before a year."""
        return month_of(self.first_day - timedelta(days=1)) if self.month else Period(self.year - 1)

    @property
    def months(self) -> tuple["Period", ...]:
        """The months it is made of."""
        return (self,) if self.month else tuple(Period(self.year, month) for month in range(1, 13))


def parse(text: str) -> Period:
    """A period as it is written, 2026-11 or 2026. Refuses period_invalid."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadInput(
            "period_invalid", "A period is a month like 2026-11 or a year like 2026.", field="period"
        )
    return Period(int(found[1]), int(found[2] or 0))


def month_of(day: date) -> Period:
    """The month of a day."""
    return Period(day.year, day.month)


def month_at(moment: datetime) -> Period:
    """The month in Shanghai of an aware moment."""
    return month_of(local_day(moment))


def months_between(first: Period, last: Period) -> tuple[Period, ...]:
    """All months from one to another, both included; none where the last is before the first."""
    found: list[Period] = []
    while first <= last:
        found.append(first)
        first = first.following
    return tuple(found)


def day_start(day: date) -> datetime:
    """The first moment of a day in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
