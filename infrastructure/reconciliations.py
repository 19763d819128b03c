"""Reconciliations as the doors use them: ask for one, run it again, look how far it is, page what it found."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from application.reconcile_statements import find_mapping, resolved, runs
from domain import periods
from domain.errors import BadInput, NotFound, Refusal
from domain.events.reconciliation import RowsAre, RunCompleted
from domain.reconciling import Reason
from infrastructure.bootstrap import NOBODY_WAITS, Platform, data_dir, platform
from infrastructure.priority import let_others_go_first
from infrastructure.reconciler import Told, work_off
from infrastructure.reconciliation_tables import (
    COMPLETED,
    CarrierStatement,
    ReconciliationTables,
    RunState,
)
from infrastructure.settings import Settings

_NICE = 10
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Segments of MONTH_EDGE at both ends of a month; with the month before they net to zero."""

    at_begin: int
    at_end: int
    month_before: int | None
    """What the last run of the month before has at its end; None where there is none."""

    @property
    def net(self) -> int | None:
        """Over both months; None while the other one is not reconciled."""
        return None if self.month_before is None else self.at_begin + self.month_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A run with its file and, once it is completed, its result."""

    run: RunState
    statement: CarrierStatement
    result: RunCompleted | None
    superseded_by: UUID | None
    edges: Edges | None


async def begin(made: Platform, *, link: str, month: str, mapping: str, by: str, upto: int = 0) -> RunState:
    """Make place for a file and a run over it; `upto` 0 takes the facts of when it is matched.

    Refuses not_found, period_invalid, mapping_invalid.
    """
    period = periods.parse(month)
    if period.yearly:
        raise BadInput("period_invalid", "A carrier's statement is of a month like 2026-11.", field="month")
    if link not in {each.name for each in await made.directory.links()}:
        raise NotFound("not_found", f"There is no link {link}.", field="link")
    found = await find_mapping(made.store, mapping)
    if found.saved.rows_are is RowsAre.MESSAGES and not found.saved.columns.segments:
        raise BadInput("mapping_invalid", "Rows are messages: name the column of segments.", field="columns")

    def write(tables: ReconciliationTables) -> RunState:
        statement, run = uuid4(), uuid4()
        tables.add_statement(
            statement, link=link, month=period.first_day, mapping=mapping, mapping_version=found.version
        )
        return _added(tables, run, statement, mapping=mapping, by=by, upto=upto)

    return await with_tables(made, write)


async def rerun(made: Platform, id_: UUID, *, by: str, mapping: str = "", upto: int = 0) -> RunState:
    """A new run over the same file, with the mapping as it stands now; `upto` 0 takes the facts of now.

    Refuses not_found, and statement_missing where the file was never read to its end.
    """

    def write(tables: ReconciliationTables) -> RunState:
        before = _run(tables, id_)
        statement = tables.statement(before.statement)
        if statement is None or statement.imported_at is None:
            raise Refusal("statement_missing", "The file was not read to its end: send it again.")
        return _added(tables, uuid4(), statement.id, mapping=mapping or before.mapping, by=by, upto=upto)

    if mapping:
        await find_mapping(made.store, mapping)
    return await with_tables(made, write)


async def read(made: Platform, id_: UUID) -> Reconciliation:
    """A run as it stands. Refuses not_found."""

    def look(tables: ReconciliationTables) -> tuple[RunState, CarrierStatement, UUID | None]:
        run = _run(tables, id_)
        statement = tables.statement(run.statement)
        assert statement is not None
        return run, statement, tables.superseded_by(id_)

    run, statement, superseded_by = await with_tables(made, look)
    result = None
    if run.state == COMPLETED:
        recorded = await runs(made.store, run.link, f"{run.month:%Y-%m}")
        result = next((one for one in recorded if one.run == id_), None)
    return Reconciliation(
        run=run,
        statement=statement,
        result=result,
        superseded_by=superseded_by,
        edges=await _edges(made, run) if result else None,
    )


async def list_runs(made: Platform, *, link: str = "", limit: int = 100) -> list[RunState]:
    """Runs, newest first."""
    return await with_tables(made, lambda tables: tables.runs(link=link, limit=limit))


async def page(
    made: Platform, id_: UUID, *, reason: Reason | None, cursor: str, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """Differences with the adjustment that settles each, UNEXPLAINED first, and the next cursor.

    Refuses not_found, invalid_cursor, reconciliation_not_completed.
    """
    after = _place(cursor)

    def look(tables: ReconciliationTables) -> tuple[RunState, list[tuple[int, int, dict[str, Any]]]]:
        run = _completed(tables, id_)
        return run, tables.page(id_, reason=reason, after=after, limit=limit + 1)

    run, found = await with_tables(made, look)
    settled = await resolved(made.store, run.link, f"{run.month:%Y-%m}")
    shown = [{**each, "adjustment": settled.get(UUID(each["id"]))} for _, _, each in found[:limit]]
    more = len(found) > limit
    return shown, f"{found[limit - 1][0]}.{found[limit - 1][1]}" if more else ""


async def find_difference(made: Platform, id_: UUID, difference: UUID) -> tuple[RunState, dict[str, Any]]:
    """One difference of a completed run. Refuses not_found, reconciliation_not_completed."""

    def look(tables: ReconciliationTables) -> tuple[RunState, dict[str, Any] | None]:
        return _completed(tables, id_), tables.difference(id_, difference)

    run, found = await with_tables(made, look)
    if found is None:
        raise NotFound("not_found", "The run has no such difference.", field="difference")
    return run, found


async def with_tables(made: Platform, use: Callable[[ReconciliationTables], Value]) -> Value:
    """Something quick with the tables, on a thread of the store."""

    def work() -> Value:
        with made.store.datastore.get_connection() as connection:
            return use(ReconciliationTables(connection, made.settings.db_schema))

    return await made.store.in_thread(work)


def place_for_file(made: Platform) -> Path:
    """Where a file waits until it is read. It holds phone numbers: nobody else may look, and it goes at once."""
    folder = data_dir(made.settings) / "carrier-statements"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{uuid4().hex}.upload"


def start(settings: Settings, run: UUID, *, file: Path | None = None) -> None:
    """Work a run off in a process of its own, behind everything else; it takes the file with it when it ends."""
    context = multiprocessing.get_context("spawn")
    context.Process(target=_child, args=(settings, run, file), daemon=True).start()


def _child(settings: Settings, run: UUID, file: Path | None) -> None:
    # A session of its own: lowering that of the API would lower the API.
    os.setsid()
    let_others_go_first(os.getpid(), _NICE)
    asyncio.run(work_here(settings, run, file=file))


async def work_here(
    settings: Settings, run: UUID, *, file: Path | None = None, told: Told | None = None
) -> RunState:
    """Work a run off in this process; an uploaded file is gone afterwards."""
    try:
        with platform(settings, patience=NOBODY_WAITS) as made:
            return await work_off(made, run, file=file, told=told)
    finally:
        if file is not None:
            file.unlink(missing_ok=True)  # noqa: ASYNC240  (nothing else runs here)


async def _edges(made: Platform, run: RunState) -> Edges:
    period = periods.month_of(run.month)
    before = periods.month_of(period.first_day - timedelta(days=1))
    last = await runs(made.store, run.link, str(before))

    def look(tables: ReconciliationTables) -> Edges:
        at_begin, at_end = tables.edges(run.id, period.first_day)
        other = tables.edges(last[-1].run, before.first_day)[1] if last else None
        return Edges(at_begin=at_begin, at_end=at_end, month_before=other)

    return await with_tables(made, look)


def _added(
    tables: ReconciliationTables, run: UUID, statement: UUID, *, mapping: str, by: str, upto: int = 0
) -> RunState:
    of = tables.statement(statement)
    assert of is not None
    tables.add_run(run, of=of, mapping=mapping, by=by, upto=upto)
    return _run(tables, run)


def _run(tables: ReconciliationTables, id_: UUID) -> RunState:
    found = tables.run(id_)
    if found is None:
        raise NotFound("not_found", "There is no such reconciliation.", field="id")
    return found


def _completed(tables: ReconciliationTables, id_: UUID) -> RunState:
    found = _run(tables, id_)
    if found.state != COMPLETED:
        raise Refusal("reconciliation_not_completed", "The run has no result: wait, or run it again.")
    return found


def _place(cursor: str) -> tuple[int, int]:
    rank, _, number = cursor.partition(".")
    if not cursor:
        return (-1, 0)
    if not (rank.isdecimal() and number.isdecimal() and len(cursor) <= 18):
        raise BadInput("invalid_cursor", "This is no cursor of the differences.", field="cursor")
    return int(rank), int(number)
