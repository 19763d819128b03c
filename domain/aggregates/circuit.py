"""The circuit breaker of a link: closed, open for a while, then closed again on trial.

How long it stays open stands in the fact that opened it, so whoever looks, also after a restart, knows when it is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from domain.events.link import Breaker, Broken, Mended

_TRIAL_PAUSES = 10
"""It is on trial for so many times `open_seconds` after its time was over."""
_MOST_PAUSES = 16
"""It never stays open longer than so many times `open_seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A circuit as it stands: closed where nothing was ever recorded. `pause` is how long it was last open."""

    opened_at: datetime | None = None
    """None where it is closed."""
    reason: str = ""
    pause: timedelta = timedelta(0)
    tried_since: datetime | None = None
    """Since when it is closed again, only because its time was over."""

    @property
    def is_open(self) -> bool:
        """Whether other links are taken before this one."""
        return self.opened_at is not None

    def is_over(self, now: datetime) -> bool:
        """Whether it has been open for as long as it was opened for."""
        return self.opened_at is not None and now >= self.opened_at + self.pause

    def on_trial(self, settings: Breaker, now: datetime) -> bool:
        """Whether it was closed so lately, without anybody's word that it is well, that less is enough to open it."""
        trial = timedelta(seconds=_TRIAL_PAUSES * settings.open_seconds)
        return self.tried_since is not None and now < self.tried_since + trial

    def open(self, *, name: str, reason: str, settings: Breaker, now: datetime) -> tuple[Broken, ...]:
        """Take others before it: twice as long as the last time where it was on trial. Nothing to do where it is so."""
        if self.is_open:
            return ()
        seconds = settings.open_seconds
        if self.on_trial(settings, now):
            longer = 2 * int(self.pause.total_seconds())
            seconds = min(max(longer, seconds), _MOST_PAUSES * seconds)
        return (Broken(name=name, reason=reason, open_seconds=seconds),)

    def close(self, *, name: str, reason: str = "") -> tuple[Mended, ...]:
        """Take it again; without a reason it is on trial. Nothing to do where it is closed."""
        return (Mended(name=name, reason=reason),) if self.is_open else ()


def evolve(state: Circuit | None, event: Broken | Mended, at: datetime) -> Circuit:
    """The circuit after one more fact."""
    match event:
        case Broken():
            pause = timedelta(seconds=event.open_seconds)
            return Circuit(opened_at=at, reason=event.reason, pause=pause)
        case Mended():
            pause = state.pause if state is not None else timedelta(0)
            return Circuit(pause=pause, tried_since=None if event.reason else at)
        case _:
            assert_never(event)
