"""Follows the log and puts jobs into the queues: position recorded after the jobs, so none is ever lost."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from eventsourcing.persistence import PersistenceError, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from redis.exceptions import RedisError

from application.reactions import TOPICS, SubmitJob, jobs
from domain.aggregates.link import Link
from domain.values import Carrier, Lane
from infrastructure.jobs import enqueue
from infrastructure.log_reader import LogReader

TRACKING = "dispatcher"
_PAGE = 5_000
_IDLE_SECONDS = 1.0
_BUSY_EVENTS = 10
_REST_SECONDS = 0.05
_log = logging.getLogger(__name__)


class Dispatcher:
    """One at a time works: `links` says where each carrier's numbers go now."""

    def __init__(
        self,
        *,
        log: LogReader,
        tracking: PostgresTrackingRecorder,
        broker: RedisBroker,
        links: "Links",
        job_messages: int,
    ) -> None:
        self._log = log
        self._tracking = tracking
        self._broker = broker
        self._links = links
        self._job_messages = job_messages

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
        window = self._log.window(position, _PAGE, TOPICS)
        if window.end == position:
            self._log.wait(position, _IDLE_SECONDS)
            return position
        self.dispatch(job for recorded in window.events for job in jobs(recorded))
        self._tracking.insert_tracking(Tracking(TRACKING, window.end))
        if len(window.events) >= _BUSY_EVENTS:
            # Under load a moment's rest makes one job of many; a lone message never waits for it.
            stop.wait(_REST_SECONDS)
        return window.end

    def dispatch(self, found: Iterable[SubmitJob]) -> int:
        """Put jobs into the queues, many messages a job; returns how many messages."""
        groups: dict[tuple[Carrier, Lane, int], list[UUID]] = defaultdict(list)
        for job in found:
            groups[job.carrier, job.lane, job.delay_seconds].append(job.message)
        for (carrier, lane, delay), messages in groups.items():
            link = self._links.route(carrier)
            if link is None:
                _log.warning("no link takes %s: %d messages wait for the sweep", carrier, len(messages))
                continue
            for start in range(0, len(messages), self._job_messages):
                enqueue(
                    self._broker,
                    link=link,
                    lane=lane,
                    messages=messages[start : start + self._job_messages],
                    delay_seconds=delay,
                )
        return sum(map(len, groups.values()))

    def links_of(self, carrier: Carrier) -> list[str]:
        """Names of the links that take a carrier's numbers now."""
        return [link.name for link in self._links.now() if link.serves(carrier)]

    def known_links(self) -> Sequence[Link]:
        """All links as they are now."""
        return self._links.now()


class Links:
    """Where each carrier's numbers go: read afresh every second, so that changes take effect by themselves."""

    def __init__(self, read: Callable[[], Sequence[Link]]) -> None:
        self._read = read
        self._known: Sequence[Link] = ()
        self._until = 0.0
        self._turn = 0

    def route(self, carrier: Carrier) -> str | None:
        """The link for the next job of a carrier: its links take turns. None where there is none."""
        serving = [link.name for link in self.now() if link.serves(carrier)]
        self._turn += 1
        return serving[self._turn % len(serving)] if serving else None

    def now(self) -> Sequence[Link]:
        """All links, at most a second old."""
        if time.monotonic() >= self._until:
            self._known = self._read()
            self._until = time.monotonic() + _IDLE_SECONDS
        return self._known
