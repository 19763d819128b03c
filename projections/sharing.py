"""One reading of the log for followers that stand close together: every event is fetched and decoded once."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.recorded import Recorded
from projections.log import Log, Window

_NEAR_PAGES = 2
"""Followers so close together share, wherever in the log they are: after a halt all are as far behind."""
_KEPT = 2
"""Stretches kept for whoever comes next: each may be a whole page of events."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    after: int
    window: Window


@dataclass(slots=True, kw_only=True)
class SharedLog:
    """A log whose last windows are remembered. `topics` are all that any of its followers wants.

    Followers are told apart by the topics they want.
    """

    log: Log
    topics: Sequence[str]
    _places: dict[tuple[str, ...], int] = field(default_factory=dict)
    _placing: threading.Lock = field(default_factory=threading.Lock)
    _recent: deque[_Stretch] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def head(self) -> int:
        """The last position there is."""
        return self.log.head()

    def page(self, after: int, limit: int, topics: Sequence[str] = ()) -> Sequence[Recorded]:
        """The next events of these topics; not shared."""
        return self.log.page(after, limit, topics)

    def wait(self, after: int, timeout_seconds: float) -> bool:
        """Wait until the log goes beyond a position."""
        return self.log.wait(after, timeout_seconds)

    def window(self, after: int, limit: int, topics: Sequence[str] = ()) -> Window:
        """The events of these topics among the next `limit` positions, or among fewer where one reading ends."""
        if not self._in_company(after, limit, tuple(topics)):
            return self.log.window(after, limit, topics)
        shared, wanted = self._shared(after, limit), frozenset(topics)
        events = [
            recorded
            for recorded in shared.events
            if recorded.event.TOPIC in wanted and recorded.position > after
        ]
        return Window(events=events, end=shared.end)

    def _in_company(self, after: int, limit: int, topics: tuple[str, ...]) -> bool:
        """Whether others are near. One who is far from all reads only what it wants, and nobody waits for it."""
        with self._placing:
            self._places[topics] = after
            others = [place for wanted, place in self._places.items() if wanted != topics]
        return not others or any(abs(place - after) <= _NEAR_PAGES * limit for place in others)

    def _shared(self, after: int, limit: int) -> Window:
        """A stretch that begins here or before and goes beyond. Who comes second waits for the first to read."""
        with self._reading:
            for stretch in self._recent:
                if stretch.after <= after < stretch.window.end <= after + limit:
                    return stretch.window
            window = self.log.window(after, limit, self.topics)
            if window.end > after:
                self._recent.append(_Stretch(after, window))
            return window
