"""The facts of a span of time, page by page: where it begins is found by halving, since times grow with positions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from domain.recorded import Recorded
from infrastructure.log_reader import LogReader

_SLACK = timedelta(minutes=1)
"""Positions and times run side by side but for the moment a commit takes."""
_PAGE = 20_000


def position_at(log: LogReader, moment: datetime, head: int) -> int:
    """The last position before a moment, 0 where there is none."""
    low, high = 0, head
    while low < high:
        middle = (low + high) // 2
        found = log.page(middle, 1)
        if found and found[0].position <= high and found[0].at < moment:
            low = found[0].position
        else:
            high = middle
    return low


def facts_between(
    log: LogReader, since: datetime, until: datetime, topics: Sequence[str]
) -> Iterator[Sequence[Recorded]]:
    """Facts of some topics recorded from a moment on and before another, oldest first."""
    head = log.head()
    position, last = position_at(log, since - _SLACK, head), position_at(log, until + _SLACK, head)
    while position < last:
        window = log.window(position, min(_PAGE, last - position), topics)
        yield [recorded for recorded in window.events if since <= recorded.at < until]
        position = window.end
