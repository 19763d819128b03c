"""How fast a link may submit: a configured rate, halved when the carrier says that it is too much."""

import math
from collections import deque

__all__ = ["TokenBucket"]

_BURST_SECONDS = 0.05
_SHORTEST_WAIT_SECONDS = 0.001
_GROWTH_PER_SECOND = 1.2
_LONGEST_GROWTH_SECONDS = 120
"""From one a second to more than anybody sends; a night's growth at once is more than a float holds."""
_ONE_SIGNAL_SECONDS = 1.0
_ABOVE_WHAT_IS_TAKEN = 1.2
_SECONDS_KNOWN = 5
_LEAST_WITHOUT_A_LIMIT = 100.0
"""Of a bucket without a limit that has just begun to send: what it sent in a moment says little."""
_AS_GOOD_AS_UNLIMITED = 100_000.0


class TokenBucket:
    """Tokens at `rate_per_second` (0 = without a limit); the caller gives the time in seconds.

    A throttling answer halves the rate (of an unlimited bucket: what was sent lately). Where more of them come it is
    changed once a second: to half, or to a fifth more than what the carrier takes, by the best of the last seconds. So
    a carrier with a limit is met just above it, and one that refuses at random is not taken for slow. Each second
    without such an answer raises it by a fifth, until the configured rate is reached again.
    """

    def __init__(self, rate_per_second: float, *, now: float) -> None:
        self._limit = float(rate_per_second) if rate_per_second > 0 else math.inf
        self._rate = self._limit
        self._tokens = self._burst()
        self._filled_at = now
        self._halved_at = -math.inf
        self._grown_until = -math.inf
        self._counted_since = now
        self._sent = self._signals = 0
        self._takes: deque[float] = deque(maxlen=_SECONDS_KNOWN)

    @property
    def rate(self) -> float:
        """Tokens a second now; infinite without a limit."""
        return self._rate

    def available(self, now: float) -> int:
        """Return how many parts may be submitted now."""
        if self._rate == math.inf:
            return 1 << 30
        self._recover(now)
        if self._rate == math.inf:
            return 1 << 30
        self._tokens = min(self._burst(), self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return int(self._tokens)

    def take(self, now: float) -> None:
        """Use one token up."""
        self._count(now)
        self._sent += 1
        if self._rate != math.inf:
            self._tokens -= 1.0

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, at least a millisecond; 0 when there is one."""
        if self.available(now) > 0:
            return 0.0
        return max((1.0 - self._tokens) / self._rate, _SHORTEST_WAIT_SECONDS)

    def throttled(self, now: float) -> None:
        """The carrier wants less. The answers to one burst come together and halve the rate once."""
        self._count(now)
        self._signals += 1
        self._grown_until = now
        if now - self._halved_at < _ONE_SIGNAL_SECONDS:
            return
        rate = self._rate
        if rate == math.inf:
            rate = max(_LEAST_WITHOUT_A_LIMIT, self._sent / max(now - self._counted_since, 0.1))
        if self._rate >= self._limit:
            # What it took until now is no measure of what it wants from now on.
            self._takes.clear()
            self._counted_since, self._sent, self._signals = now, 0, 0
        known = _ABOVE_WHAT_IS_TAKEN * max(self._takes, default=0.0)
        self._set_rate(max(1.0, rate / 2, known))
        self._tokens = min(self._tokens, 0.0)
        self._filled_at = self._halved_at = now

    def _count(self, now: float) -> None:
        """The share of a second's parts that was not too much says what the carrier takes, whether or not as many
        were sent as might have been."""
        if now - self._counted_since < 1.0:
            return
        if self._sent and self._rate != math.inf:
            self._takes.append(self._rate * max(0.0, 1.0 - self._signals / self._sent))
        self._counted_since, self._sent, self._signals = now, 0, 0

    def _burst(self) -> float:
        return max(1.0, self._rate * _BURST_SECONDS)

    def _recover(self, now: float) -> None:
        seconds = int(now - self._grown_until) if self._rate < self._limit else 0
        if seconds > 0:
            self._grown_until += seconds
            self._set_rate(self._rate * _GROWTH_PER_SECOND ** min(seconds, _LONGEST_GROWTH_SECONDS))

    def _set_rate(self, rate: float) -> None:
        self._rate = self._limit if rate > _AS_GOOD_AS_UNLIMITED else min(self._limit, rate)
