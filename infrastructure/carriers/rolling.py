"""Counts of measured times, since the start and of the last while, cheap enough for every answer of a carrier.

Histograms, not averages: those of several connections can be added up, and the percentiles of the sum are right.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence

__all__ = ["Rolling", "added", "bounds", "quantile"]

_STEPS = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2)
"""Twelve to a decade, each about a fifth above the one before: no percentile is further off than that."""


def bounds(first: float, *, decades: int) -> tuple[float, ...]:
    """Upper bounds of buckets in seconds, from `first`, over so many decades."""
    return tuple(float(f"{first * 10**decade * step:.2g}") for decade in range(decades) for step in _STEPS)


class Rolling:
    """Counts by bucket, the last one beyond all bounds. What is old leaves slice by slice; `now` only goes forward."""

    def __init__(self, limits: Sequence[float], *, slice_seconds: float, slices: int) -> None:
        self.total_seconds = 0.0
        self._limits = limits
        self._slice_seconds = slice_seconds
        self._slices = slices
        self._number = 0
        self._ends = 0.0
        self._counts = [0] * (len(limits) + 1)
        self._closed: deque[tuple[int, int, list[int]]] = deque()
        self._lately = [0] * len(self._counts)
        self._ever = [0] * len(self._counts)

    def add(self, seconds: float, now: float) -> None:
        """One more."""
        if now >= self._ends:
            self._turn(now)
        self._counts[bisect_left(self._limits, seconds)] += 1
        self.total_seconds += seconds

    def ever(self) -> list[int]:
        """All there ever was."""
        return added((self._ever, self._counts))

    def lately(self, now: float) -> list[int]:
        """What came in the last slices, the one that still runs included."""
        if now >= self._ends:
            self._turn(now)
        return added((self._lately, self._counts))

    def a_second(self, now: float, *, slices: int) -> float:
        """How many came a second in the last full slices."""
        if now >= self._ends:
            self._turn(now)
        first = self._number - slices
        count = sum(total for number, total, _ in self._closed if number >= first)
        return count / (slices * self._slice_seconds)

    def _turn(self, now: float) -> None:
        """Close the slice and let go of those that are too old."""
        total = sum(self._counts)
        if total:
            self._closed.append((self._number, total, self._counts))
            self._lately = added((self._lately, self._counts))
            self._ever = added((self._ever, self._counts))
            self._counts = [0] * len(self._counts)
        self._number = int(now // self._slice_seconds)
        self._ends = (self._number + 1) * self._slice_seconds
        while self._closed and self._closed[0][0] <= self._number - self._slices:
            gone = self._closed.popleft()[2]
            self._lately = [count - old for count, old in zip(self._lately, gone, strict=True)]


def added(counts: Iterable[Sequence[int]]) -> list[int]:
    """Several counts by bucket as one."""
    return [sum(each) for each in zip(*counts, strict=True)]


def quantile(limits: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The time that `share` of what was counted did not exceed; None where nothing was.

    Inside its bucket it is taken to lie where it would if times were spread evenly there; what lies beyond the
    last bound counts as the last bound.
    """
    rank = share * sum(counts)
    if not rank:
        return None
    below, running = 0.0, 0
    for limit, count in zip(limits, counts, strict=False):
        if count and running + count >= rank:
            return below + (limit - below) * (rank - running) / count
        below, running = limit, running + count
    return limits[-1]
