"""How a link does: what the log knows of it, what its workers tell now, and what waits for it.

The log is sure and may be old: a killed worker never wrote that its connections are gone. Workers tell what is now,
as long as Redis can be asked. So where both can be had, a link is as connected as its workers say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from domain.events.link import Direction, direction_of
from infrastructure.carriers.traffic import LinkPhase
from infrastructure.link_figures import ConnectionFigures, LinkFigures, merge, moment
from projections.links import LinkLine

State = Literal["enabled", "draining", "disabled"]
Condition = Literal["ready", "broken", "down"]
Phase = Literal["connecting", "bound", "lost", "refused", "closed", "unknown"]
NO_WORKER = "no worker runs it"


@dataclass(frozen=True, kw_only=True)
class ConnectionStanding:
    """One connection. Without figures nobody tells them, and `unknown` is what the log cannot know alone."""

    connection: int
    direction: Direction
    phase: Phase
    since: datetime | None
    reason: str
    worker: str = ""
    figures: LinkFigures | None = None


@dataclass(frozen=True, kw_only=True)
class LinkStanding:
    """One link. `told` are the figures of its connections, None where Redis could not be asked; so is `queued`."""

    line: LinkLine
    told: Sequence[ConnectionFigures] | None
    queued: Mapping[str, int] | None = None
    in_doubt_now: int = 0

    @property
    def name(self) -> str:
        """The link's name."""
        return self.line.name

    @property
    def state(self) -> State:
        """Whether messages are routed to it."""
        if not self.line.enabled:
            return "disabled"
        return "draining" if self.line.draining else "enabled"

    @property
    def condition(self) -> Condition:
        """Whether it can carry, and whether it should."""
        if not self.connected:
            return "down"
        return "ready" if self.line.broken_since is None else "broken"

    @property
    def connected(self) -> bool:
        """Whether any of its connections is that send."""
        if self.told is None:
            return self.line.connected
        return any(each.phase is LinkPhase.BOUND and self._sends(each.connection) for each in self.told)

    @property
    def hears(self) -> bool:
        """Whether receipts and replies can come."""
        return not self.deaf

    @property
    def deaf(self) -> str:
        """Why receipts and replies cannot come; empty where they can."""
        if not any(each.phase == "bound" and each.direction != "send" for each in self.connections):
            return "no connection that receives is bound"
        return next((each.deaf for each in self.told or () if each.deaf), "")

    @property
    def bound(self) -> int:
        """How many of its connections are there."""
        if self.told is None:
            return sum(line.connected for line in self.line.lines)
        return sum(each.phase is LinkPhase.BOUND for each in self.told)

    @property
    def refused(self) -> int:
        """How many of its connections the carrier does not let in."""
        return sum(each.phase is LinkPhase.REFUSED for each in self.told or ())

    @property
    def since(self) -> datetime | None:
        """Since when its condition is what it is; None where that is not known.

        Of a connected link since when the oldest of its connections stands: the log does not know of the time
        between a worker that was killed and the next one.
        """
        if self.condition == "broken":
            return self.line.broken_since
        if self.told is None or (not self.connected and not self.line.connected):
            return self.line.since
        known = [
            each.since
            for each in self.told
            if self._sends(each.connection) and self.connected == (each.phase is LinkPhase.BOUND)
        ]
        return moment(min(known)) if known else None

    @property
    def reason(self) -> str:
        """Why it is broken or down, or hears nothing; empty for one that was never connected."""
        if self.condition == "broken":
            return self.line.broken_reason
        if self.connected:
            return self.deaf
        if self.told == () and self.line.enabled:
            return NO_WORKER
        sending = [each for each in self.told or () if self._sends(each.connection)]
        latest = max(sending, key=lambda each: each.since, default=None)
        return (latest.reason if latest else "") or self.line.reason

    @cached_property
    def figures(self) -> LinkFigures | None:
        """What its connections add up to; None where nobody tells."""
        return merge(self.told) if self.told else None

    @cached_property
    def connections(self) -> tuple[ConnectionStanding, ...]:
        """Each of its connections, from 1."""
        told = {each.connection: each for each in self.told or ()}
        return tuple(
            _told(told[number], self._direction(number)) if number in told else self._by_the_log(number)
            for number in range(1, self.line.connections + 1)
        )

    def _sends(self, number: int) -> bool:
        return self._direction(number) != "receive"

    def _direction(self, number: int) -> Direction:
        return direction_of(number, connections=self.line.connections, receivers=self.line.receivers)

    def _by_the_log(self, number: int) -> ConnectionStanding:
        direction = self._direction(number)
        line = next((line for line in self.line.lines if line.number == number), None)
        if line is not None and not line.connected:
            return ConnectionStanding(
                connection=number, direction=direction, phase="lost", since=line.since, reason=line.reason
            )
        if line is not None and self.told is None:
            return ConnectionStanding(
                connection=number, direction=direction, phase="bound", since=line.since, reason=""
            )
        reason = NO_WORKER if self.told is not None and self.line.enabled else ""
        return ConnectionStanding(
            connection=number, direction=direction, phase="unknown", since=None, reason=reason
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStanding:
    """All links by name, and whether what they stand in could be read; without the database Redis was not asked."""

    links: Sequence[LinkStanding] = field(default=())
    database: bool = True
    board: bool = True


def _told(figures: ConnectionFigures, direction: Direction) -> ConnectionStanding:
    return ConnectionStanding(
        connection=figures.connection,
        direction=direction,
        phase=figures.phase.value,
        since=moment(figures.since),
        reason=figures.reason,
        worker=figures.worker,
        figures=merge([figures]),
    )
