"""Follows the log for read models: one thread, one connection and one advisory lock each.

A page of events and the new position are one transaction, so every event takes effect exactly once,
whatever dies when. Commits are not waited for (a crash only replays from an older position).
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from projections import tracking
from projections.log import Log, Window
from projections.projection import Connect, Projection, Rows

_TURN_SECONDS = 0.5
"""Between two looks whether another projector gave a projection free."""
_WAIT_SECONDS = 0.5
_BUSY_EVENTS = 500
_BUSY_RESTS = 4
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 5.0

logger = logging.getLogger(__name__)


def configure(connection: Connection[Rows]) -> None:
    """Fix the plans of a writing connection: rows are found by key, however small the tables still are.

    Without this a plan made for an empty table goes on scanning it whole until it is next analysed.
    """
    connection.execute(
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;"
        " SET plan_cache_mode = force_generic_plan"
    )


def apply_window(connection: Connection[Rows], projection: Projection, *, after: int, window: Window) -> None:
    """Apply a window and advance the position, both or neither. Raises Moved where it was applied before."""
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        tracking.advance(cursor, projection.name, after=after, end=window.end)
        if window.events:
            projection.apply(cursor, window.events)


@dataclass(slots=True, kw_only=True)
class Follower:
    """Keeps one read model at the end of the log, until it is told to stop."""

    projection: Projection
    log: Log
    connect: Connect
    schema: str
    page_events: int = 2_000
    rest_seconds: float = 0.1
    """After a page that was not full: small commits are applied together."""
    position: int = 0
    failures: int = 0
    """How often it failed since a page last went through."""

    def run(self, stop: threading.Event) -> None:
        """Follow until stopped. Whatever fails is tried again from the last position, never skipped."""
        while not stop.is_set():
            try:
                self._work(stop)
            except tracking.Moved:
                logger.info("projection %s: its tables were replaced", self.projection.name)
            except Exception as error:  # noqa: BLE001  (any fault stops the page, none stops the projector)
                self.failures += 1
                delay = min(_FIRST_DELAY_SECONDS * 2 ** (self.failures - 1), _LONGEST_DELAY_SECONDS)
                logger.error(
                    "projection %s stopped after position %d: %s; trying again in %.1f s",
                    self.projection.name,
                    self.position,
                    describe(error),
                    delay,
                )
                stop.wait(delay)

    def _work(self, stop: threading.Event) -> None:
        with self.connect() as connection:
            tracking.prepare(connection, self.schema, [self.projection])
            configure(connection)
            if self._wait_for_turn(connection, stop):
                self._follow(connection, stop)

    def _wait_for_turn(self, connection: Connection[Rows], stop: threading.Event) -> bool:
        key = tracking.lock_key(self.schema, self.projection.name, "live")
        while not stop.is_set():
            if tracking.try_lock(connection, key):
                return True
            stop.wait(_TURN_SECONDS)
        return False

    def _follow(self, connection: Connection[Rows], stop: threading.Event) -> None:
        with connection.cursor() as cursor:
            self.position = tracking.position(cursor, self.projection.name) or 0
        logger.info("projection %s follows from position %d", self.projection.name, self.position)
        while not stop.is_set():
            window = self.log.window(self.position, self.page_events, self.projection.topics)
            if window.end == self.position:
                self.log.wait(self.position, _WAIT_SECONDS)
                continue
            apply_window(connection, self.projection, after=self.position, window=window)
            passed = window.end - self.position
            self.position, self.failures = window.end, 0
            if passed < self.page_events:
                stop.wait(self._until_tick(busy=passed >= _BUSY_EVENTS))

    def _until_tick(self, *, busy: bool) -> float:
        """Followers rest until the same moments, so that they read the same stretch of the log.

        While much happens they rest longer: a message that passes through several states within a page
        is written once.
        """
        rest = self.rest_seconds * (_BUSY_RESTS if busy else 1)
        return rest - time.monotonic() % rest


def describe(error: BaseException) -> str:
    """An error for the log: its kind and where it was raised, never its text, which may quote a row."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    state = getattr(error, "sqlstate", None)
    place = f" at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{f' {state}' if state else ''}{place}"


def follow(followers: Sequence[Follower], stop: threading.Event) -> None:
    """Run followers side by side until stopped, each in a thread of its own."""
    threads = [
        threading.Thread(target=follower.run, args=(stop,), name=f"projection-{follower.projection.name}")
        for follower in followers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
