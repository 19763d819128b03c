"""Jobs that wait for a link which cannot take them: given to another, where there is one.

Nothing is sent twice by that: whoever starts a message first has it, and the other finds it started.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from dramatiq.brokers.redis import RedisBroker

from application.reactions import SubmitJob
from domain.aggregates.link import Link
from domain.aggregates.route import Fitness
from domain.events.message import Accepted
from domain.values import Lane
from infrastructure import jobs
from infrastructure.dispatcher import Dispatcher

PATIENCE_SECONDS = 5.0
"""A connection that comes back sooner keeps its jobs."""


@dataclass(slots=True)
class Rerouting:
    """Looks again and again; remembers since when each link is unfit. `clock` only goes forward."""

    broker: RedisBroker
    dispatcher: Dispatcher
    clock: Callable[[], float] = time.monotonic
    _unfit_since: dict[str, float] = field(default_factory=dict)

    def step(self) -> int:
        """Move what can be moved now; returns how many messages."""
        network = self.dispatcher.network()
        now = self.clock()
        moved = 0
        for link in network.links:
            if network.condition(link) is Fitness.READY and link.enabled and not link.draining:
                self._unfit_since.pop(link.name, None)
            elif now - self._unfit_since.setdefault(link.name, now) >= PATIENCE_SECONDS:
                moved += sum(self._move(link, lane) for lane in Lane)
        return moved

    def _move(self, link: Link, lane: Lane) -> int:
        """The messages of a lane of a link to others; none where nothing else would take any of them."""
        waiting = jobs.messages_in_jobs(self.broker, link=link.name, lane=lane)
        known = self.dispatcher.facts([UUID(id_) for id_ in waiting]) if waiting else {}
        elsewhere = [
            SubmitJob(id_, accepted.carrier, lane, accepted=accepted)
            for id_, accepted in known.items()
            if self._goes_elsewhere(id_, accepted, link)
        ]
        if len(elsewhere) < len(waiting):
            # A job goes back whole or not at all: its messages may differ, the sweep finds what is left.
            return 0
        self.dispatcher.dispatch(elsewhere)
        self.broker.flush(jobs.queue_name(link.name, lane))
        return len(elsewhere)

    def _goes_elsewhere(self, id_: UUID, accepted: Accepted, link: Link) -> bool:
        choice = self.dispatcher.choose(id_, accepted)
        return choice is not None and choice.link != link.name
