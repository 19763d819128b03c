"""The projector process: keeps the read models at the end of the log, and rebuilds, proves and measures them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL

from infrastructure import recorder
from infrastructure.log_reader import LogReader
from infrastructure.process_memory import prepare_memory
from infrastructure.settings import Settings
from projections import lag as lags
from projections import tracking
from projections.catalogue import BY_NAME, PROJECTIONS
from projections.lag import Lag
from projections.log import Log
from projections.projection import Projection, Rows
from projections.rebuild import Progress, Rebuilt, Verified, Workshop
from projections.rebuild import rebuild as rebuild_one
from projections.rebuild import verify as verify_one
from projections.runner import Follower, follow
from projections.sharing import SharedLog

_REBUILD_PAGE_EVENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModels:
    """The log and connections, as all work on read models needs them."""

    settings: Settings
    log: LogReader
    recorder: recorder.LedgerRecorder

    def connect(self) -> psycopg.Connection[Rows]:
        """A connection of plain tuples in autocommit mode; whoever asks closes it."""
        return psycopg.connect(
            self.settings.database_url, autocommit=True, connect_timeout=5, tcp_user_timeout=10_000
        )

    @property
    def schema(self) -> str:
        """Where the live read models are."""
        return tracking.live_schema(self.settings.db_schema)

    @property
    def workshop(self) -> Workshop:
        """The means of a rebuild."""
        return Workshop(
            log=self.log,
            connect=self.connect,
            db_schema=self.settings.db_schema,
            page_events=_REBUILD_PAGE_EVENTS,
        )


@contextmanager
def read_models(settings: Settings) -> Iterator[ReadModels]:
    """Open the log for work on read models, and close it."""
    datastore = recorder.connect(
        settings.database_url, schema=settings.db_schema, pool_size=settings.pool_size
    )
    store = recorder.LedgerRecorder(datastore)
    try:
        with LogReader(store, poll_seconds=settings.follow_poll_ms / 1_000) as log:
            yield ReadModels(settings=settings, log=log, recorder=store)
    finally:
        datastore.close()


def run(settings: Settings, stop: threading.Event) -> None:
    """Follow the log with every read model until told to stop. Each has one owner among all projectors."""
    prepare_memory()
    with read_models(settings) as opened:
        topics = {topic for projection in PROJECTIONS for topic in projection.topics}
        log = SharedLog(log=opened.log, topics=sorted(topics))
        follow([_follower(opened, projection, log) for projection in PROJECTIONS], stop)


def _follower(opened: ReadModels, projection: Projection, log: Log) -> Follower:
    return Follower(
        projection=projection,
        log=log,
        connect=opened.connect,
        schema=opened.schema,
        page_events=opened.settings.page_events,
        rest_seconds=opened.settings.follow_poll_ms / 1_000,
    )


def prepare(settings: Settings) -> None:
    """Make what is missing of the read models' schema, so that they can be read before a projector ran."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        tracking.prepare(connection, tracking.live_schema(settings.db_schema), PROJECTIONS)


def rebuild(settings: Settings, name: str, *, progress: Progress) -> Rebuilt:
    """Build one read model again and put it in place; `name` is its noun. Raises as projections.rebuild does."""
    prepare_memory()
    with read_models(settings) as opened:
        return rebuild_one(BY_NAME[name], opened.workshop, progress=progress)


def verify(settings: Settings, name: str, *, progress: Progress) -> Verified:
    """Hold one read model against the log; `name` is its noun. Raises as projections.rebuild does."""
    prepare_memory()
    with read_models(settings) as opened:
        return verify_one(BY_NAME[name], opened.workshop, progress=progress)


def lag(opened: ReadModels) -> Sequence[Lag]:
    """How far every read model is behind."""
    now = opened.recorder.rows(SQL("SELECT clock_timestamp()"))[0][0]
    with opened.connect() as connection:
        return lags.lag(opened.log, connection, opened.schema, PROJECTIONS, now=now)
