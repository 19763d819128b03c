"""Jobs that wait for a link which cannot take them, or does badly: given to others, where better ones are there.

The new jobs are in the queues before the old ones are taken away, so a crash in between loses none. Nothing is sent
twice by that: whoever starts a message first has it, and the other finds it started.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from dramatiq.brokers.redis import RedisBroker

from application.choose_route import Network
from application.reactions import SubmitJob
from domain.aggregates.link import Link
from domain.aggregates.route import Fitness
from domain.values import Lane
from infrastructure import jobs
from infrastructure.dispatcher import Dispatcher
from infrastructure.jobs import Job

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
        return sum(
            self._move(link.name, lane)
            for link in network.links
            if self._is_lost(link, network)
            for lane in Lane
        )

    def _is_lost(self, link: Link, network: Network) -> bool:
        """Whether jobs should not wait for a link any longer: an open circuit is reason enough at once."""
        condition = network.condition(link)
        takes = link.enabled and not link.draining
        if condition is Fitness.READY and takes:
            self._unfit_since.pop(link.name, None)
            return False
        since = self._unfit_since.setdefault(link.name, self.clock())
        return (condition is Fitness.BROKEN and takes) or self.clock() - since >= PATIENCE_SECONDS

    def _move(self, link: str, lane: Lane) -> int:
        pages = jobs.pages(self.broker, link=link, lane=lane)
        return sum(self._move_page(link, lane, page) for page in pages)

    def _move_page(self, link: str, lane: Lane, page: Sequence[Job]) -> int:
        """The messages that have a fitter link go there; jobs of which some have none become smaller."""
        delays: dict[UUID, int] = {}
        for job in page:
            for id_ in job.messages:
                delays[id_] = min(job.delay_seconds, delays.get(id_, job.delay_seconds))
        known = self.dispatcher.facts(list(delays))
        going = self.dispatcher.fitter(known, than=link)
        self.dispatcher.dispatch(
            SubmitJob(id_, known[id_].carrier, lane, delays[id_], accepted=known[id_]) for id_ in going
        )
        changed = [job for job in page if not going.isdisjoint(job.messages)]
        for job in changed:
            staying = [id_ for id_ in job.messages if id_ not in going]
            if staying:
                jobs.put_back(self.broker, job, staying)
        jobs.remove(self.broker, changed)
        return len(going)
