"""The tables of reconciliation: files that came, runs and how far they are, and the differences of each run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL, Identifier

from domain.difference import Difference
from domain.reconciling import RANKS, Reason
from infrastructure.carrier_rows import COLUMNS

WAITING, IMPORTING, MATCHING, COMPLETED, FAILED = "waiting", "importing", "matching", "completed", "failed"
_PATIENCE_SECONDS = 60
"""A run that waits so long for its process will not get one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierStatement:
    """A file of a month, and whether its rows are there."""

    id: UUID
    link: str
    month: date
    mapping: str
    mapping_version: int
    file_digest: str
    content_digest: str
    rows: int
    bad_rows: int
    imported_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run as it stands. `done` counts rows of the file, then facts and rows that were matched."""

    id: UUID
    statement: UUID
    link: str
    month: date
    mapping: str
    by: str
    requested_at: datetime
    state: str
    phase: str
    done: int
    upto: int
    problem: str
    supersedes: UUID | None
    finished_at: datetime | None


_STATEMENT = ", ".join(field.name for field in fields(CarrierStatement))
_RUN = ", ".join(field.name for field in fields(RunState))


class ReconciliationTables:
    """Reads and writes over one connection in autocommit mode, the caller's."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection = connection
        self._schema = schema

    # Files.

    def add_statement(self, id_: UUID, *, link: str, month: date, mapping: str, mapping_version: int) -> None:
        """A file came; its rows are not read yet."""
        self._do(
            "INSERT INTO {carrier_statements} (id, link, month, mapping, mapping_version)"
            " VALUES (%s, %s, %s, %s, %s)",
            (id_, link, month, mapping, mapping_version),
        )

    def statement(self, id_: UUID) -> CarrierStatement | None:
        """A file by its id."""
        query = self._sql("SELECT " + _STATEMENT + " FROM {carrier_statements} WHERE id = %s")
        return (
            self._connection.cursor(row_factory=class_row(CarrierStatement)).execute(query, (id_,)).fetchone()
        )

    def latest_statement(self, link: str, month: date) -> CarrierStatement | None:
        """The file of a month that was read last."""
        query = self._sql(
            "SELECT " + _STATEMENT + " FROM {carrier_statements} WHERE link = %s AND month = %s"
            " AND imported_at IS NOT NULL ORDER BY imported_at DESC LIMIT 1"
        )
        cursor = self._connection.cursor(row_factory=class_row(CarrierStatement))
        return cursor.execute(query, (link, month)).fetchone()

    def copy_rows(self) -> Any:  # noqa: ANN401  (psycopg's own context manager)
        """COPY into the table of rows, in text."""
        return self._connection.cursor().copy(
            self._sql("COPY {carrier_statement_rows} (" + ", ".join(COLUMNS) + ") FROM STDIN")
        )

    def finish_import(
        self, id_: UUID, *, file_digest: str, content_digest: str, rows: int, bad_rows: int
    ) -> None:
        """All rows of a file are there; in the transaction that wrote them."""
        self._do(
            "UPDATE {carrier_statements} SET file_digest = %s, content_digest = %s, rows = %s, bad_rows = %s,"
            " imported_at = clock_timestamp() WHERE id = %s",
            (file_digest, content_digest, rows, bad_rows, id_),
        )

    # Runs.

    def add_run(self, id_: UUID, *, of: CarrierStatement, mapping: str, by: str, upto: int = 0) -> None:
        """Somebody asked for a run over a file; `upto` 0 takes the facts as they are when it runs."""
        self._do(
            "INSERT INTO {reconciliations} (id, statement, link, month, mapping, by, state, upto)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'waiting', %s)",
            (id_, of.id, of.link, of.month, mapping, by, upto),
        )

    def run(self, id_: UUID) -> RunState | None:
        """A run by its id; one that nobody works on any more is interrupted."""
        found = self._runs("WHERE id = %s", (id_,))
        return found[0] if found else None

    def runs(self, *, link: str = "", limit: int = 100) -> list[RunState]:
        """Runs, newest first; of one link, or of all."""
        return self._runs("WHERE %s IN ('', link) ORDER BY requested_at DESC, id LIMIT %s", (link, limit))

    def superseded_by(self, id_: UUID) -> UUID | None:
        """The run that took the place of this one."""
        rows = self._all(
            "SELECT id FROM {reconciliations} WHERE supersedes = %s AND state = 'completed'", (id_,)
        )
        return rows[0][0] if rows else None

    def progress(self, id_: UUID, *, state: str, phase: str, done: int = 0) -> None:
        """Say how far a run is."""
        self._do(
            "UPDATE {reconciliations} SET state = %s, phase = %s, done = %s"
            " WHERE id = %s AND state <> 'completed'",
            (state, phase, done, id_),
        )

    def fail(self, id_: UUID, problem: str) -> None:
        """A run ended without a result, for a reason with a code."""
        self._do(
            "UPDATE {reconciliations} SET state = 'failed', problem = %s, finished_at = clock_timestamp()"
            " WHERE id = %s AND state <> 'completed'",
            (problem, id_),
        )

    def complete(self, id_: UUID, *, supersedes: UUID | None, done: int, upto: int) -> None:
        """A run has its result."""
        self._do(
            "UPDATE {reconciliations} SET state = 'completed', phase = '', supersedes = %s, done = %s,"
            " upto = %s, finished_at = clock_timestamp() WHERE id = %s",
            (supersedes, done, upto, id_),
        )

    def take(self, id_: UUID) -> bool:
        """Work on a run for as long as this connection lives; false where somebody does."""
        return bool(self._all("SELECT pg_try_advisory_lock(" + _LOCK + ")", (self._lock(id_),))[0][0])

    # Differences.

    def write(self, run: UUID, found: Iterable[Difference]) -> int:
        """Write a run's differences as they come; how many."""
        copy_to = self._sql(
            "COPY {reconciliation_differences} (run, rank, number, id, reason, difference) FROM STDIN"
        )
        number = 0
        with self._connection.cursor().copy(copy_to) as copy:
            for number, one in enumerate(found, 1):
                document = json.dumps(asdict(one), default=_plain, ensure_ascii=False)
                copy.write_row((run, RANKS[one.reason], number, one.id, one.reason, document))
        return number

    def page(
        self, run: UUID, *, reason: Reason | None, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int, dict[str, Any]]]:
        """Differences by rank of their reason, beginning after a rank and number."""
        rank = None if reason is None else RANKS[reason]
        return self._all(
            "SELECT rank, number, difference FROM {reconciliation_differences} WHERE run = %s"
            " AND (rank, number) > (%s, %s) AND (%s::int2 IS NULL OR rank = %s) ORDER BY rank, number LIMIT %s",
            (run, *after, rank, rank, limit),
        )

    def edges(self, run: UUID, first_day: date) -> tuple[int, int]:
        """Segments of MONTH_EDGE at the beginning and at the end of a month."""
        rows = self._all(
            "SELECT coalesce(sum(s) FILTER (WHERE day <= %s), 0)::int8,"
            " coalesce(sum(s) FILTER (WHERE day > %s), 0)::int8 FROM ("
            "SELECT (difference->>'day')::date AS day, (difference->>'carrier_segments')::int8"
            " - (difference->>'platform_segments')::int8 AS s FROM {reconciliation_differences}"
            " WHERE run = %s AND rank = %s) AS d",
            (half := first_day + timedelta(days=14), half, run, RANKS[Reason.MONTH_EDGE]),
        )
        return rows[0][0], rows[0][1]

    def difference(self, run: UUID, id_: UUID) -> dict[str, Any] | None:
        """One difference of a run."""
        rows = self._all(
            "SELECT difference FROM {reconciliation_differences} WHERE run = %s AND id = %s", (run, id_)
        )
        return rows[0][0] if rows else None

    def _runs(self, condition: str, parameters: Sequence[object]) -> list[RunState]:
        columns = _RUN.replace(", state,", f", {_STATE},")
        query = self._sql("SELECT " + columns + " FROM {reconciliations} " + condition)
        cursor = self._connection.cursor(row_factory=class_row(RunState))
        return cursor.execute(query, (self._lock_prefix, *parameters)).fetchall()

    def _lock(self, id_: UUID) -> str:
        return f"{self._lock_prefix}{id_}"

    @property
    def _lock_prefix(self) -> str:
        return f"{self._schema}.reconciliation."

    def _sql(self, text: str) -> Any:  # noqa: ANN401  (psycopg's Composed)
        names = {
            name: Identifier(self._schema, name)
            for name in (
                "carrier_statements",
                "carrier_statement_rows",
                "reconciliations",
                "reconciliation_differences",
            )
        }
        return SQL(text).format(**names)

    def _do(self, text: str, parameters: Sequence[object]) -> None:
        self._connection.execute(self._sql(text), parameters)

    def _all(self, text: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._connection.cursor(row_factory=tuple_row).execute(self._sql(text), parameters).fetchall()


_LOCK = "hashtextextended(%s, 0)"
_STATE = f"""
CASE WHEN (state IN ('importing', 'matching')
        OR state = 'waiting' AND requested_at < clock_timestamp() - interval '{_PATIENCE_SECONDS} seconds')
    AND NOT EXISTS (
        SELECT FROM pg_locks AS l, LATERAL (SELECT hashtextextended(%s || id::text, 0) AS key) AS k
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid::int8 = (k.key >> 32) & 4294967295 AND l.objid::int8 = k.key & 4294967295
    )
    THEN 'interrupted' ELSE state END AS state
"""
"""A run whose advisory lock nobody holds is at work in name only."""


def _plain(value: object) -> str:
    """What JSON does not know as its text; times are RFC 3339."""
    return value.isoformat() if isinstance(value, date) else str(value)
