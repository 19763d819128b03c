"""How long a link waits before it tries again to reach its carrier."""

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Doubles from `shortest` to `longest` seconds; `random` (0 to 1) takes away up to half of each pause.

    The jitter keeps many links from knocking at a carrier's door at one moment after its restart.
    """

    def __init__(self, *, shortest: float, longest: float, random: Callable[[], float]) -> None:
        self._shortest = shortest
        self._longest = longest
        self._random = random
        self._pause = 0.0

    def after(self, held_seconds: float) -> float:
        """Return the next pause, after a connection that held so long (0 = none came about).

        One that held longer than the pause before it begins anew; a carrier that lets us in only to throw
        us out at once does not.
        """
        doubled = 0.0 if held_seconds > self._pause else self._pause * 2
        self._pause = min(max(doubled, self._shortest), self._longest)
        return self._pause * (0.5 + self._random() / 2)
