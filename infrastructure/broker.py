"""dramatiq's broker on Redis or Valkey, for a line that can break: what a consumer fetched and lost comes back.

A consumer begins anew after every error, and each time under a name of its own. So what an earlier one held
belongs to one that gives no sign of life any more, and goes back to its queue as that of a killed worker does.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from uuid import uuid4

import dramatiq
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.exceptions import RedisError

_SIGNS = 5
"""How many are given in the time after which a consumer without them is taken for dead."""
_MISSES = 2
"""A queue that is empty is asked again after 10 to 20 ms at the soonest, then ever later. The library's 3 to 5 ms
cost a worker of many queues a tenth of its time, most of it for nothing."""


@contextmanager
def _broken_line() -> Iterator[None]:
    """Whatever the client says of Redis is to dramatiq a line that broke: of another error its threads may die."""
    try:
        yield
    except RedisError as error:
        raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]


class LineConsumer(_RedisConsumer):
    """Fetches jobs of one queue until the line breaks."""

    poll_ms: Callable[[], int] | None = None
    _next_sign = 0.0

    def __next__(self) -> "dramatiq.MessageProxy | None":
        """The next job, or None where there is none for now."""
        self.misses = max(self.misses, _MISSES)
        if self.poll_ms is not None:
            self.timeout = self.poll_ms()
        with _broken_line():
            found: dramatiq.MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
            if found is None and self.outstanding_message_count >= self.prefetch:
                self._give_sign_of_life()
            return found

    def _give_sign_of_life(self) -> None:
        """It holds all it may and asks for no more, but lives: to put back nothing is a sign too."""
        now = time.monotonic()
        if now >= self._next_sign:
            self.broker.do_requeue(self.queue_name)
            self._next_sign = now + self.broker.heartbeat_timeout / 1_000 / _SIGNS

    def ack(self, message: "dramatiq.MessageProxy") -> None:
        """The job is done."""
        with _broken_line():
            super().ack(message)  # type: ignore[no-untyped-call]

    def nack(self, message: "dramatiq.MessageProxy") -> None:
        """The job was tried often enough."""
        with _broken_line():
            super().nack(message)  # type: ignore[no-untyped-call]

    def requeue(self, messages: "Iterable[dramatiq.MessageProxy]") -> None:
        """Put jobs back that were not begun."""
        with _broken_line():
            super().requeue(messages)  # type: ignore[no-untyped-call]


class LineBroker(RedisBroker):
    """Raises dramatiq's ConnectionClosed wherever Redis is away, late or not able."""

    poll_ms: Callable[[], int] | None = None
    """The longest wait between two looks at a queue, which may change; for jobs that are delayed, and where it is
    not said, that of the threads that do the jobs."""

    @property
    def consumer_class(self) -> type[LineConsumer]:
        """What `consume` makes."""
        return LineConsumer

    def close(self) -> None:
        """Let go of the connections; who still uses it makes new ones."""
        self.client.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5_000) -> Consumer:
        """A consumer of a queue, under a name that no other has or had."""
        own = copy(self)
        own.broker_id = str(uuid4())
        consumer = LineConsumer(own, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        if queue_name not in self.delay_queues:
            consumer.poll_ms = self.poll_ms
        return consumer

    def enqueue(
        self, message: "dramatiq.Message[None]", *, delay: int | None = None
    ) -> "dramatiq.Message[None]":
        """Put a job into its queue, to be done not before `delay` milliseconds from now."""
        with _broken_line():
            return super().enqueue(message, delay=delay)
