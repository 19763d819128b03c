"""The threads that take the jobs of one connection from the queues of its link: one consumer a lane.

They wait for Redis, which may be away for long; nobody else waits for them longer than is said.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import dramatiq

from domain.values import Lane
from infrastructure.jobs import Handle, define_submit, make_broker, queue_name

_LOOK_SECONDS = 1.0
_REST_MS = 250
"""How long a thread without work sleeps before it asks whether it should end: a job wakes it at once."""
_log = logging.getLogger(__name__)


class Consumers:
    """Runs from `start` to `stop`. `handle` is called in their threads, `threads` at once for each lane.

    While nothing comes a queue is looked at every `poll_ms`, which is asked from their threads each time.
    """

    def __init__(
        self,
        link: str,
        handle: Handle,
        *,
        redis_url: str,
        realm: str,
        threads: int,
        poll_ms: Callable[[Lane], int],
    ) -> None:
        self._link = link
        self._handle = handle
        self._redis_url = redis_url
        self._realm = realm
        self._threads = threads
        self._poll_ms = poll_ms
        self._running: dict[Lane, dramatiq.Worker] = {}

    def start(self) -> None:
        """Take jobs."""
        self._running = {lane: self._consume(lane) for lane in Lane}

    async def keep(self) -> None:
        """Put another in the place of one whose thread died: it takes no jobs any more, or no delayed ones."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for lane, consumer in self._running.items():
                if not _is_whole(consumer):
                    _log.error("link %s: a consumer of lane %s died, another begins", self._link, lane)
                    self._running[lane] = self._consume(lane)
                    _stop(consumer, seconds=_LOOK_SECONDS)

    async def stop(self, seconds: float) -> None:
        """Take no more; wait for the jobs that were begun, so long at most. What is still held comes back by itself."""
        stopped = [_stop(consumer, seconds=seconds) for consumer in self._running.values()]
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(each.wait() for each in stopped))
        except TimeoutError:
            _log.warning("link %s: its consumers end later", self._link)

    def _consume(self, lane: Lane) -> dramatiq.Worker:
        queue = queue_name(self._link, lane)
        broker = make_broker(self._redis_url, realm=self._realm)
        broker.poll_ms = partial(self._poll_ms, lane)
        define_submit(broker, self._handle)
        broker.declare_queue(queue)
        consumer = dramatiq.Worker(
            broker, queues={queue}, worker_timeout=_REST_MS, worker_threads=self._threads
        )
        consumer.start()
        return consumer


def _is_whole(consumer: dramatiq.Worker) -> bool:
    return all(thread.is_alive() for thread in (*consumer.consumers.values(), *consumer.workers))


def _stop(consumer: dramatiq.Worker, *, seconds: float) -> asyncio.Event:
    """Begin to stop it, in a thread of its own so that none waits for another; the event says that it is done."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        try:
            consumer.stop(int(seconds * 1_000))
        except Exception as error:  # noqa: BLE001  (what it holds comes back as that of a killed worker does)
            _log.warning("a consumer did not end as it should: %s", type(error).__name__)
        consumer.broker.close()
        # The loop may have ended meanwhile: nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=stop, name="consumer-stop", daemon=True).start()
    return stopped
