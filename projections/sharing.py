"""One reading of the log for followers that stand close together: every event is fetched and decoded once."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.recorded import Recorded
from projections.log import Log, Window

_NEAR_PAGES = 2
"""So near to its end all followers stand close together; one that is further behind reads for itself."""
_KEPT = 4
"""Stretches kept for whoever comes next."""


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
        """The events of these topics among the next `limit` positions, or among fewer where one reading ends."""
        shared = self._shared(after, limit)
        if shared is None:
            return self.log.window(after, limit, topics)
        wanted = frozenset(topics)
        events = [
            recorded
            for recorded in shared.events
            if recorded.event.TOPIC in wanted and recorded.position > after
        ]
        return Window(events=events, end=shared.end)

    def _shared(self, after: int, limit: int) -> Window | None:
        """A stretch that begins here or before and goes beyond. Who comes second waits for the first to read."""
        with self._reading:
            for stretch in self._recent:
                if stretch.after <= after < stretch.window.end <= after + limit:
                    return stretch.window
            if self.log.head() - after > _NEAR_PAGES * limit:
                return None
            window = self.log.window(after, limit, self.topics)
            if window.end > after:
                self._recent.append(_Stretch(after, window))
            return window
