"""Follows the log for what carriers teach about ported numbers, and lets go of what was learned too long ago."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from application.learn_numbers import TOPICS, NumberLearner, PortedCodes
from domain.values import local_day
from infrastructure.bootstrap import Platform
from infrastructure.event_store import EventStore
from infrastructure.log_reader import LogReader

TRACKING = "number-learner"
_PAGE = 8_000
_WATCHED_DAYS = 7
"""A receipt comes sooner or not at all."""
_SWEEP_SECONDS = 3_600.0


def learner_of(platform: Platform) -> NumberLearner:
    """A learner that goes by the settings; it has yet to be told what to watch for."""
    settings = platform.settings
    codes = frozenset(filter(None, settings.ported_codes.split(",")))
    return NumberLearner(
        store=platform.store,
        vault=platform.vault,
        numbers=platform.numbers,
        codes=PortedCodes(codes=codes),
        now=platform.now,
        oldest=timedelta(days=settings.learned_number_days),
        watched={},
    )


@dataclass(slots=True)
class LearningFollower:
    """Takes one step after another; what it was at is taken again after a crash, and learned once."""

    platform: Platform
    log: LogReader
    learner: NumberLearner = field(init=False)
    _tracking: PostgresTrackingRecorder = field(init=False)
    _position: int | None = None
    _swept: float | None = None

    def __post_init__(self) -> None:
        """The learner, and where the position is kept."""
        self.learner = learner_of(self.platform)
        self._tracking = PostgresTrackingRecorder(self.platform.store.datastore)

    async def step(self) -> int:
        """Go to the end of the log as it is now; returns how many times something was learned."""
        if self._swept is None or time.monotonic() - self._swept > _SWEEP_SECONDS:
            await self._sweep()
        learned = 0
        while (found := await self._window()) is not None:
            learned += found
        return learned

    async def _window(self) -> int | None:
        if self._position is None:
            self._position = await asyncio.to_thread(self._tracking.max_tracking_id, TRACKING) or 0
        window = await asyncio.to_thread(self.log.window, self._position, _PAGE, TOPICS)
        if window.end == self._position:
            return None
        links = await self.platform.directory.links() if window.events else ()
        learned = await self.learner(window.events, links)
        await asyncio.to_thread(self._tracking.insert_tracking, Tracking(TRACKING, window.end))
        self._position = window.end
        return learned

    async def _sweep(self) -> None:
        today = local_day(await self.platform.store.now())
        days = self.platform.settings.learned_number_days
        rows = await asyncio.to_thread(sweep, self.platform.store, today, learned_days=days)
        self.learner.watched = {id_: digest for digest, ids in rows for id_ in ids}
        self._swept = time.monotonic()


def sweep(store: EventStore, today: date, *, learned_days: int) -> Sequence[tuple[int, Sequence[UUID]]]:
    """Let go of what is over; returns the messages that are still watched, by digest. Blocking.

    A row in which nothing is known any more goes days later, so that every process hears of it before.
    """
    schema = store.datastore.schema
    lock, unlearn, unwatch, drop, watched = (
        SQL(text).format(Identifier(schema, "known_numbers"), Identifier(schema)) for text in _SWEEP
    )
    with store.datastore.get_connection() as connection, connection.transaction():
        connection.execute(lock)
        connection.execute(unlearn, (today, today - timedelta(days=learned_days)))
        connection.execute(unwatch, (today - timedelta(days=_WATCHED_DAYS),))
        connection.execute(drop, (today - timedelta(days=1),))
        return connection.cursor(row_factory=tuple_row).execute(watched).fetchall()


_SWEEP = (
    # Changes are counted in the order of commits, so nobody else may count meanwhile.
    "LOCK TABLE {0} IN SHARE ROW EXCLUSIVE MODE",
    (
        "UPDATE {0} SET gone = 0, change = nextval('{1}.known_numbers_change'),"
        " since = CASE WHEN carrier > 0 THEN since ELSE %s END WHERE gone > 0 AND gone_since < %s"
    ),
    "UPDATE {0} SET in_flight = '{{}}' WHERE in_flight <> '{{}}' AND gone_since < %s",
    "DELETE FROM {0} WHERE coalesce(carrier, 0) = 0 AND gone = 0 AND since < %s",
    "SELECT digest, in_flight FROM {0} WHERE in_flight <> '{{}}'",
)
