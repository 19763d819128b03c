"""What a projection sees of the event log; the implementation is infrastructure/log_reader.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the log: what was asked for among the positions up to `end`, oldest first.

    Everything up to `end` has been looked at, so a follower stands at `end` afterwards even where the
    window holds nothing for it.
    """

    events: Sequence[Recorded]
    end: int


class Log(Protocol):
    """The event log, read by position. Positions grow with every commit and may have holes."""

    def head(self) -> int:
        """The last position there is, 0 for an empty log."""
        ...

    def window(self, after: int, limit: int, topics: Sequence[str] = ()) -> Window:
        """The events of these topics among the next `limit` positions; no topics means all."""
        ...

    def page(self, after: int, limit: int, topics: Sequence[str] = ()) -> Sequence[Recorded]:
        """The next `limit` events of these topics, however far away they are; no topics means all."""
        ...

    def wait(self, after: int, timeout_seconds: float) -> bool:
        """Wait until the log goes beyond a position; whether it does."""
        ...
