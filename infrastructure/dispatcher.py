"""Follows the log and puts jobs into the queues: position recorded after the jobs, so none is ever lost."""

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from eventsourcing.persistence import PersistenceError, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from redis.exceptions import RedisError

from application.choose_route import CHANGES, Network, wanted_of
from application.reactions import TOPICS, SubmitJob, jobs
from application.submit_messages import Via
from domain.aggregates.route import Choice, Fitness, is_fitter
from domain.events.message import Accepted
from domain.values import Carrier, Lane
from infrastructure.jobs import enqueue
from infrastructure.log_reader import LogReader

TRACKING = "dispatcher"
_FOLLOWED = (*TOPICS, *CHANGES)
_PAGE = 5_000
_IDLE_SECONDS = 1.0
_BUSY_EVENTS = 10
_REST_SECONDS = 0.05
_log = logging.getLogger(__name__)


class Dispatcher:
    """One at a time works: `network` says where messages go now, `accepted` what a message is routed by.

    Where `network` keeps what it has read, `forget` makes it read again: a message that was accepted after a link or
    a route was changed goes by the change, without a second's delay.
    """

    def __init__(
        self,
        *,
        log: LogReader,
        tracking: PostgresTrackingRecorder,
        broker: RedisBroker,
        network: Callable[[], Network],
        accepted: Callable[[Sequence[UUID]], Mapping[UUID, Accepted]],
        job_messages: int,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._tracking = tracking
        self._broker = broker
        self._network = network
        self._accepted = accepted
        self._job_messages = job_messages
        self._forget = forget

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop; a lost database or broker is waited for."""
        position: int | None = None
        while not stop.is_set():
            try:
                if position is None:
                    position = self._tracking.max_tracking_id(TRACKING) or 0
                position = self._step(position, stop)
            except (PersistenceError, RedisError, BrokerConnectionError) as error:
                _log.warning("dispatcher waits: %s", type(error).__name__)
                position = None
                stop.wait(_IDLE_SECONDS)

    def _step(self, position: int, stop: threading.Event) -> int:
        window = self._log.window(position, _PAGE, _FOLLOWED)
        if window.end == position:
            self._log.wait(position, _IDLE_SECONDS)
            return position
        if any(recorded.event.TOPIC in CHANGES for recorded in window.events):
            self._forget()
        self.dispatch(job for recorded in window.events for job in jobs(recorded))
        self._tracking.insert_tracking(Tracking(TRACKING, window.end))
        if len(window.events) >= _BUSY_EVENTS:
            # Under load a moment's rest makes one job of many; a lone message never waits for it.
            stop.wait(_REST_SECONDS)
        return window.end

    def dispatch(self, found: Iterable[SubmitJob]) -> int:
        """Put jobs into the queues of the links that the routes choose, many messages a job; returns how many."""
        network = self._network()
        groups: dict[tuple[str, Lane, int, Via], list[UUID]] = defaultdict(list)
        without: Counter[Carrier] = Counter()
        for job, accepted in self._with_facts(list(found)):
            choice = network.choose(wanted_of(job.message, accepted))
            if choice is None:
                without[job.carrier] += 1
            else:
                groups[choice.link, job.lane, job.delay_seconds, _via(choice)].append(job.message)
        for carrier, count in without.items():
            _log.warning(
                "no route has an enabled link for %s: %d messages wait for the sweep", carrier, count
            )
        for (link, lane, delay, via), messages in groups.items():
            for start in range(0, len(messages), self._job_messages):
                enqueue(
                    self._broker,
                    link=link,
                    lane=lane,
                    messages=messages[start : start + self._job_messages],
                    via=via,
                    delay_seconds=delay,
                )
        return sum(map(len, groups.values()))

    def _with_facts(self, found: Sequence[SubmitJob]) -> Iterator[tuple[SubmitJob, Accepted]]:
        """Each job with what its route is chosen by, read where it is not at hand."""
        unknown = [job.message for job in found if job.accepted is None]
        read = self._accepted(unknown) if unknown else {}
        for job in found:
            accepted = job.accepted or read.get(job.message)
            if accepted is not None:
                yield job, accepted

    def facts(self, messages: Sequence[UUID]) -> Mapping[UUID, Accepted]:
        """What messages are routed by."""
        return self._accepted(messages)

    def fitter(self, messages: Mapping[UUID, Accepted], *, than: str) -> set[UUID]:
        """Those of some messages that would go now over a link that is fitter for them than this one."""
        network, found = self._network(), set()
        for message, accepted in messages.items():
            wanted = wanted_of(message, accepted)
            choice, here = network.choose(wanted), network.fitness_for(wanted).get(than, Fitness.NONE)
            if choice is not None and is_fitter(choice.fitness, here):
                found.add(message)
        return found

    def links_of(self, carrier: Carrier) -> list[str]:
        """Names of the links that take a carrier's numbers now."""
        return [link.name for link in self._network().links if link.serves(carrier)]

    def network(self) -> Network:
        """The links and routes as they are now."""
        return self._network()


def _via(choice: Choice) -> Via:
    passed = tuple(f"{link}:{fitness}" for link, fitness in choice.passed_over)
    return Via(route=choice.route, passed_over=passed, extension=choice.extension)
