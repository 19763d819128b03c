"""A log, a connection to the read models and the means to bring them up to date, for one test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from infrastructure import settings
from infrastructure.log_reader import LogReader
from infrastructure.projector import ReadModels, read_models
from infrastructure.recorder import LedgerRecorder
from projections import runner, tracking
from projections.catalogue import PROJECTIONS
from projections.projection import Projection, ReadCursor, Rows
from projections.runner import Follower


@dataclass(slots=True, kw_only=True)
class Bench:
    """One log and its read models, applied when a test says so."""

    models: ReadModels
    connection: psycopg.Connection[Rows]

    @property
    def log(self) -> LogReader:
        return self.models.log

    @property
    def recorder(self) -> LedgerRecorder:
        return self.models.recorder

    @property
    def cursor(self) -> ReadCursor:
        return self.connection.cursor()

    def position(self, projection: Projection) -> int:
        position = tracking.position(self.cursor, projection.name)
        assert position is not None
        return position

    def catch_up(self, *projections: Projection, page_events: int = 2_000) -> None:
        """Apply what is new in the log."""
        for projection in projections or PROJECTIONS:
            after, head = self.position(projection), self.log.head()
            while after < head:
                window = self.log.window(after, page_events, projection.topics)
                runner.apply_window(self.connection, projection, after=after, window=window)
                after = window.end

    def rows(self, projection: Projection) -> dict[str, list[Rows]]:
        """Every row of a read model, by table."""
        return {
            table.name: self.connection.execute(
                f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"
            ).fetchall()
            for table in projection.tables
        }

    def follower(self, projection: Projection, **settings_of_it: object) -> Follower:
        return Follower(
            projection=projection,
            log=self.log,
            connect=self.models.connect,
            schema=self.models.schema,
            rest_seconds=0.001,
            **settings_of_it,
        )


@pytest.fixture
def models(database_url: str) -> Iterator[ReadModels]:
    with read_models(settings.Settings(database_url=database_url, follow_poll_ms=20)) as opened:
        yield opened


@pytest.fixture
def bench(models: ReadModels) -> Iterator[Bench]:
    with models.connect() as connection:
        tracking.prepare(connection, models.schema, PROJECTIONS)
        yield Bench(models=models, connection=connection)


@contextmanager
def running(*followers: Follower) -> Iterator[threading.Event]:
    """Followers at work in threads of their own until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=runner.follow, args=(followers, stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def eventually(true: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait until something is true; fails when it does not become so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)
