"""How fast a link may submit: a configured rate, halved when the carrier says that it is too much."""

import math

__all__ = ["TokenBucket"]

_BURST_SECONDS = 0.05
_SHORTEST_WAIT_SECONDS = 0.001
_GROWTH_PER_SECOND = 1.2
_LONGEST_GROWTH_SECONDS = 120
"""From one a second to more than anybody sends; a night's growth at once is more than a float holds."""
_ONE_SIGNAL_SECONDS = 1.0
_AS_GOOD_AS_UNLIMITED = 100_000.0


class TokenBucket:
    """Tokens at `rate_per_second` (0 = without a limit); the caller gives the time in seconds.

    A throttling answer halves the rate (of an unlimited bucket: what was taken lately), at most once a second;
    each second without another one raises it by a fifth, until the configured rate is reached again.
    """

    def __init__(self, rate_per_second: float, *, now: float) -> None:
        self._limit = float(rate_per_second) if rate_per_second > 0 else math.inf
        self._rate = self._limit
        self._tokens = self._burst()
        self._filled_at = now
        self._halved_at = -math.inf
        self._grown_until = -math.inf
        self._counted_since = now
        self._counted = 0

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
        if now - self._counted_since >= 1.0:
            self._counted_since, self._counted = now, 0
        self._counted += 1
        if self._rate != math.inf:
            self._tokens -= 1.0

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, at least a millisecond; 0 when there is one."""
        if self.available(now) > 0:
            return 0.0
        return max((1.0 - self._tokens) / self._rate, _SHORTEST_WAIT_SECONDS)

    def throttled(self, now: float) -> None:
        """The carrier wants less. The answers to one burst come together and halve the rate once."""
        self._grown_until = now
        if now - self._halved_at < _ONE_SIGNAL_SECONDS:
            return
        lately = self._counted / max(now - self._counted_since, 0.1)
        self._rate = max(1.0, (lately if self._rate == math.inf else self._rate) / 2)
        self._tokens = min(self._tokens, 0.0)
        self._filled_at = self._halved_at = now

    def _burst(self) -> float:
        return max(1.0, self._rate * _BURST_SECONDS)

    def _recover(self, now: float) -> None:
        seconds = int(now - self._grown_until) if self._rate < self._limit else 0
        if seconds > 0:
            grown = self._rate * _GROWTH_PER_SECOND ** min(seconds, _LONGEST_GROWTH_SECONDS)
            self._rate = min(self._limit, grown)
            self._grown_until += seconds
            if self._limit == math.inf and self._rate > _AS_GOOD_AS_UNLIMITED:
                self._rate = math.inf
