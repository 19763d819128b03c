"""One reading of the log for followers that stand close together: every event is fetched and decoded once."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.recorded import Recorded
from projections.log import Log, Window

_KEPT = 2
"""Stretches kept for whoever comes next; a follower that is further behind reads for itself."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    after: int
    window: Window


@dataclass(slots=True, kw_only=True)
class SharedLog:
    """A log whose last windows are remembered. `topics` are all that any of its followers wants."""

    log: Log
    topics: Sequence[str]
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
        """The events of these topics from here to where the one reading goes: to `limit` positions or fewer."""
        read = self._read(after, limit)
        wanted = frozenset(topics)
        events = [
            recorded
            for recorded in read.events
            if recorded.event.TOPIC in wanted and recorded.position > after
        ]
        return Window(events=events, end=read.end)

    def _read(self, after: int, limit: int) -> Window:
        """A remembered stretch that goes beyond a position, or a new one. Who comes second waits for the first."""
        with self._reading:
            for stretch in self._recent:
                if stretch.after <= after < stretch.window.end <= after + limit:
                    return stretch.window
            window = self.log.window(after, limit, self.topics)
            if window.end > after:
                self._recent.append(_Stretch(after, window))
            return window
