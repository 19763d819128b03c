"""The event table on PostgreSQL: the library's recorder, with a group commit that stamps under its lock.

Two things are done otherwise than in the library: the whole decision is taken between the lock and the
insert (application/stamping.py), and groups go in by COPY (three to four times the rate of its INSERT).
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from application.ports import Committed, Entry, Outcome
from application.stamping import Snapshot, ledgers_of, stamp, streams_of
from domain.aggregates.ledger import Ledger, at_posting
from domain.recorded import Recorded
from domain.values import stream_id
from infrastructure.mapper import decode_row
from infrastructure.rows import Changes, Writer, changes, sealed_rows

Answer = TypeVar("Answer")
_PAUSE_SECONDS = 0.2
_CLOCK = "SELECT clock_timestamp()"
_FROZEN_WRITER_SECONDS = 5
"""After so long without a word PostgreSQL ends a writer: nobody else writes while it has the lock."""
_FEW = 200
"""Entries up to which a group goes in by INSERT in a pipeline, and beyond which by COPY."""
SEALED_BY_DAY = ("sealed_messages", "sealed_replies")
"""Tables with a partition a day: what goes when the keys of the day are destroyed."""
LedgerKey = tuple[str, int]


def connect(database_url: str, *, schema: str, pool_size: int) -> PostgresDatastore:
    """A pool on the database of a libpq URL; `idle in transaction` is bounded so that no writer blocks all."""
    info: dict[str, Any] = conninfo_to_dict(database_url)
    datastore = PostgresDatastore(
        dbname=info.pop("dbname", ""),
        host=info.pop("host", ""),
        port=info.pop("port", "5432"),
        user=info.pop("user", ""),
        password=info.pop("password", ""),
        schema=schema,
        pool_size=1,
        max_overflow=pool_size - 1,
        idle_in_transaction_session_timeout=_FROZEN_WRITER_SECONDS,
        pre_ping=False,
    )
    kwargs = datastore.pool.kwargs
    assert isinstance(kwargs, dict)
    kwargs.update(info)
    return datastore


class LedgerRecorder(PostgresApplicationRecorder):
    """Appends groups of entries; reads as the library does."""

    def __init__(self, datastore: PostgresDatastore, *, patience_seconds: float = 10.0) -> None:
        super().__init__(datastore)
        self._patience_seconds = patience_seconds
        if datastore.enable_db_functions:
            raise ValueError(
                "the insert function of the library leaves the lock out: readers would miss events"
            )
        table = SQL("{}.{}").format(Identifier(datastore.schema), Identifier(self.events_table_name))
        # Rendered once: the driver keeps what it knows about a statement by its octets.
        self._lock = SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(table).as_bytes()
        self._notify = SQL("NOTIFY {}").format(Identifier(self.channel_name)).as_bytes()
        self._versions = (
            SQL(
                "SELECT s.id, (SELECT max(originator_version) FROM {} WHERE originator_id = s.id)"
                " FROM unnest(%s::uuid[]) AS s(id)"
            )
            .format(table)
            .as_bytes()
        )
        self._last = (
            SQL(
                "SELECT s.id, e.originator_version, e.topic, e.state FROM unnest(%s::uuid[]) AS s(id),"
                " LATERAL (SELECT originator_version, topic, state FROM {} WHERE originator_id = s.id"
                " ORDER BY originator_version DESC LIMIT 1) AS e"
            )
            .format(table)
            .as_bytes()
        )
        self._writer = Writer(datastore.schema)

    def commit(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Append a group: lock, read, stamp, insert, commit. One outcome an entry, durable on return.

        New streams are taken for new at first, since nearly all are: looking a thousand of them up costs a
        quarter of the time under the lock. Their sealed rows are written before the lock. The primary key, or
        an entry that is not committed, tells otherwise: then nothing is kept and all are looked up.
        A commit whose answer was lost is tried again and then meets its own events: the outcome is a
        Conflict, which every use case resolves by reading what stands there. A database that stays away
        longer than the recorder's patience raises eventsourcing's OperationalError.
        """
        return self._patiently(lambda: self._commit_knowing_least(entries))

    def _commit_knowing_least(self, entries: Sequence[Entry]) -> list[Outcome]:
        try:
            if all(_stands_alone(entry) for entry in entries):
                with self.datastore.get_connection() as conn:
                    return self._append(conn, entries)
            return self._commit(entries, new=False)
        except IntegrityError:
            return self._commit(entries, new=True)

    def _patiently(self, work: Callable[[], Answer]) -> Answer:
        """Try again while the database is away, for as long as this process can wait."""
        until = time.monotonic() + self._patience_seconds
        while True:
            try:
                return work()
            except (InterfaceError, OperationalError):
                if time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _commit(self, entries: Sequence[Entry], *, new: bool) -> list[Outcome]:
        """`new` says whether streams that are taken for new are looked up; if not, they are written early."""
        commit = self._commit_few if len(entries) <= _FEW else self._commit_many
        early = None if new else sealed_rows(entries)
        with self.datastore.get_connection() as conn:
            return commit(conn, entries, streams_of(entries, new=new), early)

    def _commit_few(
        self,
        conn: Connection[Any],
        entries: Sequence[Entry],
        streams: Collection[UUID],
        early: Changes | None,
    ) -> list[Outcome]:
        """Two round trips: lock and look, then write and commit."""
        with _pipeline(conn):
            conn.execute("BEGIN", prepare=True)
            if early is not None:
                self._writer.insert(conn, early)
            snapshot = self._look(conn, entries, streams)
            outcomes, appended = stamp(entries, snapshot)
            self._writer.insert(conn, _rest(appended, entries, outcomes, early))
            conn.execute("COMMIT", prepare=True)
        return outcomes

    def _append(self, conn: Connection[Any], entries: Sequence[Entry]) -> list[Outcome]:
        """Two round trips, but the lock is taken, used and given back in the second one alone.

        For entries that need no ledger and name the version they build on: the primary key says whether it
        is still the last one. This process may then be slow without holding up anybody.
        """
        versions = {entry.stream: entry.version for entry in entries if entry.stream and entry.version}
        with _pipeline(conn):
            conn.execute("BEGIN", prepare=True)
            clock = conn.cursor(row_factory=tuple_row).execute(_CLOCK, prepare=True)
            at: datetime = clock.fetchall()[0][0].astimezone(UTC)
            outcomes, appended = stamp(entries, Snapshot(at=at, versions=versions, ledgers={}))
            made = changes(appended, entries, outcomes)
            conn.execute(self._lock, prepare=True)
            conn.execute(self._notify, prepare=True)
            self._writer.insert(conn, made)
            conn.execute("COMMIT", prepare=True)
        return outcomes

    def _commit_many(
        self,
        conn: Connection[Any],
        entries: Sequence[Entry],
        streams: Collection[UUID],
        early: Changes | None,
    ) -> list[Outcome]:
        with conn.transaction():
            if early is not None:
                self._writer.copy(conn, early)
            with conn.pipeline():
                snapshot = self._look(conn, entries, streams)
            outcomes, appended = stamp(entries, snapshot)
            self._writer.copy(conn, _rest(appended, entries, outcomes, early))
            return outcomes

    def _look(self, conn: Connection[Any], entries: Sequence[Entry], streams: Collection[UUID]) -> Snapshot:
        """Take the lock, then read what the stamp needs, in one round trip of a pipeline."""
        clock = conn.cursor(row_factory=tuple_row)
        versions, last = (conn.cursor(row_factory=tuple_row, binary=True) for _ in range(2))
        # The year is the database's to say; that it is the one of this machine's clock is only likely.
        likely = _ledger_streams(entries, datetime.now(UTC))
        conn.execute(self._lock, prepare=True)
        conn.execute(self._notify, prepare=True)
        clock.execute(_CLOCK, prepare=True)
        versions.execute(self._versions, (list(streams),), prepare=True)
        last.execute(self._last, (list(likely),), prepare=True)
        at: datetime = clock.fetchall()[0][0].astimezone(UTC)
        known: dict[UUID, int] = {stream: version for stream, version in versions if version is not None}
        wanted = _ledger_streams(entries, at)
        if wanted.keys() != likely.keys():
            last = conn.cursor(row_factory=tuple_row, binary=True)
            last.execute(self._last, (list(wanted),), prepare=True)
        ledgers = dict(_ledger(row, wanted) for row in last)
        return Snapshot(at=at, versions=known, ledgers=ledgers)

    def rows(self, query: Any, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """All rows of a read, as tuples, in the binary format; as patient as `commit`."""
        return self._patiently(lambda: self._rows(query, parameters))

    def _rows(self, query: Any, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:  # noqa: ANN401
        with self.datastore.get_connection() as conn:
            cursor: Cursor[tuple[Any, ...]] = conn.cursor(row_factory=tuple_row, binary=True)
            return cursor.execute(query, parameters, prepare=True).fetchall()

    def ensure_day(self, day: date) -> None:
        """Make the partitions of a day for sealed rows; nothing to do where they are there."""
        for table in SEALED_BY_DAY:
            self._ensure_partition(table, day)

    def _ensure_partition(self, table: str, day: date) -> None:
        name = f"{table}_{day:%Y%m%d}"
        schema = self.datastore.schema
        with self.datastore.get_connection() as conn, conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(hashtext('smsledger.partitions'))")
            there = conn.execute("SELECT to_regclass(%s) AS there", (f"{schema}.{name}",)).fetchone()
            if there is not None and there["there"] is not None:
                return
            conn.execute("SET LOCAL lock_timeout = '5s'")
            statement = (
                "CREATE TABLE {0}.{1} (LIKE {0}.{2} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
                " INCLUDING INDEXES)"
            )
            conn.execute(SQL(statement).format(Identifier(schema), Identifier(name), Identifier(table)))
            # A partition made apart and attached with a matching check takes only a weak lock on the parent.
            bounds = SQL("FOR VALUES FROM ({}) TO ({})").format(
                day.isoformat(), date.fromordinal(day.toordinal() + 1).isoformat()
            )
            conn.execute(
                SQL("ALTER TABLE {0}.{2} ATTACH PARTITION {0}.{1} ").format(
                    Identifier(schema), Identifier(name), Identifier(table)
                )
                + bounds
            )


def _stands_alone(entry: Entry) -> bool:
    return entry.charge is None and (entry.stream is None or entry.version is not None)


def _rest(
    appended: Sequence[Recorded],
    entries: Sequence[Entry],
    outcomes: Sequence[Outcome],
    early: Changes | None,
) -> Changes:
    """What is still to be written. Raises IntegrityError where what was written early must not be kept."""
    if early is not None and not all(isinstance(outcome, Committed) for outcome in outcomes):
        raise IntegrityError("not every entry is committed")
    return changes(appended, entries, outcomes, sealed=early is None)


@contextmanager
def _pipeline(conn: Connection[Any]) -> Iterator[None]:
    """A pipeline with a whole transaction in it. A version that is taken raises IntegrityError."""
    try:
        with conn.pipeline():
            yield
    except (psycopg.errors.UniqueViolation, psycopg.errors.PipelineAborted) as error:
        conn.rollback()
        raise IntegrityError("a version is there already") from error
    except BaseException:
        if not conn.closed:
            conn.rollback()
        raise


def _ledger_streams(entries: Sequence[Entry], at: datetime) -> dict[UUID, LedgerKey]:
    return {stream_id("ledger", *key): key for key in ledgers_of(entries, at)}


def _ledger(row: Sequence[Any], keys: Mapping[UUID, LedgerKey]) -> tuple[LedgerKey, Ledger]:
    """A ledger as its last posting says."""
    stream, version, topic, state = row
    event: Any = decode_row(stream, version, topic, state).event
    account, year = key = keys[stream]
    return key, at_posting(account=account, year=year, version=version, event=event)
