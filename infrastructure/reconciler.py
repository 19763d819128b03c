"""Works one reconciliation off: reads the carrier's file, gathers the facts, pairs them, writes what differs.

It runs in a process of its own beside the API, because a million rows would hold up its event loop; how far it is
stands in the database, and so does whether anybody is still at it.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from application.reconcile_statements import find_mapping, record_import, record_run
from domain import periods
from domain.aggregates.reconciliation import Mapping
from domain.errors import Refusal
from domain.events.reconciliation import (
    MappingSaved,
    Neighbour,
    ReasonTotals,
    RunCompleted,
    StatementImported,
)
from domain.pairing import Reconciler
from domain.periods import Period
from domain.reconciling import Reason, Row, Rules
from domain.recorded import Context
from infrastructure.bootstrap import Platform
from infrastructure.carrier_files import read_cells
from infrastructure.carrier_rows import RowReader, find_places
from infrastructure.gateway_facts import GatewayFacts, Wanted
from infrastructure.reconciliation_tables import (
    IMPORTING,
    MATCHING,
    CarrierStatement,
    ReconciliationTables,
    RunState,
)
from infrastructure.unanswered import read_doubts, test_messages

_LINES = 2_000
_TOLD_EACH = 20_000
_WORK_MEMORY = "64MB"
_log = logging.getLogger(__name__)

Told = Callable[[str, int], None]
"""Told the phase and how much of it is done."""


async def work_off(
    platform: Platform, run: UUID, *, file: Path | None = None, told: Told | None = None
) -> RunState:
    """Import the file where its rows are not there yet, match, record; the run as it stands then.

    What goes wrong with the file or the mapping ends the run as failed, with a code. A run that somebody works on
    is left to them.
    """
    with connect(platform) as connection, connect(platform) as beside:
        tables = ReconciliationTables(beside, platform.settings.db_schema)
        state = tables.run(run)
        assert state is not None
        if not tables.take(run):
            return state
        work = Work(platform, connection, tables, state, told or (lambda _phase, _done: None))
        try:
            await work.do(file)
        except Refusal as refusal:
            tables.fail(run, refusal.code)
        except Exception as error:
            tables.fail(run, "internal_error")
            _log.exception("a reconciliation failed", extra={"error": type(error).__name__})
            raise
        after = tables.run(run)
        assert after is not None
        return after


def connect(platform: Platform) -> Connection[Any]:
    """A connection of its own in autocommit mode; the pool is for those who are quick."""
    connection = psycopg.connect(platform.settings.database_url, autocommit=True, connect_timeout=5)
    connection.execute(f"SET work_mem = '{_WORK_MEMORY}'")
    connection.execute("SET jit = off")
    # Taking an event apart costs far more than the planner thinks: two take them faster than one.
    connection.execute("SET parallel_setup_cost = 0")
    connection.execute("SET parallel_tuple_cost = 0.001")
    connection.execute("SET max_parallel_workers_per_gather = 1")
    return connection


@dataclass(slots=True)
class Work:
    """One run at work. `connection` carries the long transaction; progress goes over that of the tables."""

    platform: Platform
    connection: Connection[Any]
    tables: ReconciliationTables
    run: RunState
    told: Told

    async def do(self, file: Path | None) -> None:
        """From the file to the recorded result. The file is read here while PostgreSQL gathers the facts."""
        store = self.platform.store
        statement = self._statement()
        mapping = await find_mapping(store, self.run.mapping)
        facts = GatewayFacts(self.connection, self.platform.settings.db_schema)
        wanted = self._wanted(statement, mapping.saved, facts)
        self.connection.execute("BEGIN")
        if statement.imported_at is None:
            read_by = await find_mapping(store, statement.mapping, version=statement.mapping_version)
            await self._side_by_side(
                lambda: self._import(statement, read_by.saved, file), lambda: facts.gather(wanted)
            )
            statement = self._statement()
        else:
            self._tell(MATCHING, "facts", 0)
            facts.gather(wanted)
        await record_import(store, imported=_imported(statement), context=self._context)
        await self._match(statement, mapping, facts, wanted)

    async def _side_by_side(self, reading: Callable[[], None], gathering: Callable[[], None]) -> None:
        """Both at once; where the file is refused, the other one is broken off."""
        other = asyncio.create_task(asyncio.to_thread(gathering))
        try:
            await asyncio.to_thread(reading)
        except BaseException:
            self.connection.cancel()
            await asyncio.wait([other])
            raise
        self._tell(MATCHING, "facts", 0)
        await other

    def _wanted(self, statement: CarrierStatement, mapping: MappingSaved, facts: GatewayFacts) -> Wanted:
        period = periods.month_of(statement.month)
        return Wanted(
            link=statement.link,
            begins=period.begins,
            ends=period.ends,
            upto=self.run.upto or facts.head(),
            rows_are=mapping.rows_are,
            receipts=mapping.receipts,
            test_messages=test_messages(self.platform, self.connection, mapping, period),
        )

    def _statement(self) -> CarrierStatement:
        found = self.tables.statement(self.run.statement)
        assert found is not None
        return found

    # The file.

    def _import(self, statement: CarrierStatement, mapping: MappingSaved, file: Path | None) -> None:
        """All rows or none: they are there for others when the last one is."""
        if file is None or not file.exists():
            raise Refusal("statement_missing", "The file was not read to its end: send it again.")
        cells = read_cells(file)
        header = _header(cells, mapping.header_row)
        sealed = mapping.sealed_test_numbers
        numbers = (
            self.platform.vault.open_secret(sealed, purpose=test_purpose(mapping.name)) if sealed else ""
        )
        reader = RowReader(
            mapping=mapping,
            places=find_places(mapping.columns, header),
            statement=str(statement.id),
            vault=self.platform.vault,
            test_numbers=frozenset(numbers.split()),
        )
        with connect(self.platform) as connection, connection.transaction():
            writing = ReconciliationTables(connection, self.platform.settings.db_schema)
            with writing.copy_rows() as copy:
                for lines in _pieces(reader, cells, lambda done: self._tell(IMPORTING, "rows", done)):
                    copy.write(lines)
            writing.finish_import(
                statement.id,
                file_digest=file_digest(file),
                content_digest=reader.content_digest,
                rows=reader.rows,
                bad_rows=reader.bad_rows,
            )

    # The match.

    async def _match(
        self, statement: CarrierStatement, mapping: Mapping, facts: GatewayFacts, wanted: Wanted
    ) -> None:
        period = periods.month_of(statement.month)
        beside = self._beside(statement, period)
        matcher = Reconciler(
            rules=rules_of(
                mapping.saved,
                period,
                carriers=await self._carriers(statement.link),
                neighbours=frozenset(beside),
            ),
            link=statement.link,
            doubts=await read_doubts(self.platform, self.connection, facts, wanted),
        )
        files = [(0, statement.id), *((month, other.id) for month, other in beside.items())]
        rows = facts.rows(files, begins=period.first_day, ends=period.next_day)
        found = matcher.differences(facts.facts(), self._counted(rows))
        with connect(self.platform) as writing:
            # The two other connections are in the middle of reading and of telling how far it is.
            ReconciliationTables(writing, self.platform.settings.db_schema).write(self.run.id, found)
        self.connection.execute("COMMIT")
        await self._record(statement, mapping, wanted.upto, beside, matcher)

    async def _record(
        self,
        statement: CarrierStatement,
        mapping: Mapping,
        upto: int,
        beside: dict[int, CarrierStatement],
        matcher: Reconciler,
    ) -> None:
        neighbours = tuple(
            Neighbour(month=f"{other.month:%Y-%m}", statement=other.id, content_digest=other.content_digest)
            for _, other in sorted(beside.items())
        )
        totals = tuple(
            ReasonTotals(
                reason=reason,
                differences=sums.differences,
                segments=sums.segments,
                amount_micros=sums.amount_micros,
            )
            for reason in Reason
            if (sums := matcher.totals.get(reason)) is not None
        )
        inputs = {
            "link": statement.link,
            "month": f"{statement.month:%Y-%m}",
            "upto": upto,
            "content": statement.content_digest,
            "mapping": [mapping.saved.name, mapping.version],
            "neighbours": [[each.month, each.content_digest] for each in neighbours],
        }
        completed = RunCompleted(
            run=self.run.id,
            link=statement.link,
            month=f"{statement.month:%Y-%m}",
            statement=statement.id,
            upto=upto,
            content_digest=statement.content_digest,
            mapping=mapping.saved.name,
            mapping_version=mapping.version,
            neighbours=neighbours,
            platform_segments=matcher.platform_segments,
            carrier_segments=matcher.carrier_segments,
            ledger_segments=matcher.ledger_segments,
            platform_micros=matcher.platform_micros,
            carrier_micros=matcher.carrier_micros,
            totals=totals,
            result_hash=matcher.result_hash(json.dumps(inputs, sort_keys=True)),
            supersedes=None,
        )
        recorded = await record_run(self.platform.store, completed=completed, context=self._context)
        self.tables.complete(self.run.id, supersedes=recorded.supersedes, done=matcher.rows, upto=upto)

    def _beside(self, statement: CarrierStatement, period: Period) -> dict[int, CarrierStatement]:
        """The statements of the months before and after, where they are here."""
        months = {-1: periods.month_of(period.first_day - timedelta(days=1)), 1: period.following}
        found = {
            way: self.tables.latest_statement(statement.link, month.first_day)
            for way, month in months.items()
        }
        return {way: other for way, other in found.items() if other is not None}

    async def _carriers(self, link: str) -> frozenset[str]:
        links = await self.platform.directory.links()
        return frozenset(
            str(carrier) for each in links if each.name == link for carrier in each.configured.carriers
        )

    def _counted(self, rows: Iterator[Row]) -> Iterator[Row]:
        for done, row in enumerate(rows):
            if done % _TOLD_EACH == 0:
                self._tell(MATCHING, "rows", done)
            yield row

    def _tell(self, state: str, phase: str, done: int) -> None:
        self.tables.progress(self.run.id, state=state, phase=phase, done=done)
        self.told(f"{state} {phase}", done)

    @property
    def _context(self) -> Context:
        return Context(actor=self.run.by, correlation=str(self.run.id))


def _imported(statement: CarrierStatement) -> StatementImported:
    return StatementImported(
        statement=statement.id,
        link=statement.link,
        month=f"{statement.month:%Y-%m}",
        mapping=statement.mapping,
        mapping_version=statement.mapping_version,
        file_digest=statement.file_digest,
        content_digest=statement.content_digest,
        rows=statement.rows,
        bad_rows=statement.bad_rows,
    )


def rules_of(
    mapping: MappingSaved, period: Period, *, carriers: frozenset[str], neighbours: frozenset[int]
) -> Rules:
    """What a mapping says, for one month."""
    return Rules(
        first_day=period.first_day,
        next_day=period.next_day,
        month_begins=period.begins,
        month_ends=period.ends,
        rows_are=mapping.rows_are,
        billed_on=mapping.billed_on,
        price_micros=mapping.price_micros,
        rounding_micros=mapping.rounding_micros,
        delivered=_words(mapping.delivered_statuses),
        pending=_words(mapping.pending_statuses),
        ported=_words(mapping.ported_statuses),
        carriers=carriers,
        late=timedelta(hours=mapping.late_hours),
        edge=timedelta(minutes=mapping.edge_minutes),
        neighbours=neighbours,
    )


def test_purpose(name: str) -> str:
    """What the test numbers of a mapping are sealed for."""
    return f"test-numbers:{name}"


def file_digest(file: Path) -> str:
    """SHA-256 of a file's octets."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _words(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word.upper() for word in words)


def _header(cells: Iterator[tuple[int, list[str]]], row: int) -> list[str] | None:
    """The headings, with everything before them passed over."""
    if not row:
        return None
    for number, each in cells:
        if number >= row:
            return each
    return None


def _pieces(
    reader: RowReader, cells: Iterator[tuple[int, list[str]]], told: Callable[[int], None]
) -> Iterator[str]:
    """The lines of a file by the thousand: COPY takes few large pieces faster than many small ones."""
    lines: list[str] = []
    for number, each in cells:
        lines.append(reader.line(number, each))
        if len(lines) >= _LINES:
            yield "".join(lines)
            lines.clear()
            if number % _TOLD_EACH < _LINES:
                told(reader.rows)
    yield "".join(lines)
    told(reader.rows)
