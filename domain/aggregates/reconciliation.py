"""The reconciliation of one link and month, and the mapping by which a carrier's files are read.

A run is never edited: the next one supersedes it. A difference is resolved once, in whatever run it shows.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from domain.errors import BadInput, Conflicting
from domain.events.reconciliation import (
    DifferenceResolved,
    MappingSaved,
    MonthEvent,
    RunCompleted,
    StatementImported,
)
from domain.values import stream_id

_MOST_MICROS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A mapping as it was saved last, and how often it was saved."""

    saved: MappingSaved
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What is known about a link's month: the files that came, the last run, and what was resolved."""

    statements: frozenset[UUID] = frozenset()
    runs: frozenset[UUID] = frozenset()
    last_run: UUID | None = None
    resolved: dict[UUID, UUID] = field(default_factory=dict)
    """The adjustment by the difference it settles."""

    def record_import(self, imported: StatementImported) -> tuple[MonthEvent, ...]:
        """A file was read; nothing to do where it is known."""
        return () if imported.statement in self.statements else (imported,)

    def complete(self, run: RunCompleted) -> tuple[MonthEvent, ...]:
        """A run is done; it supersedes the one before. Nothing to do where it is known."""
        return () if run.run in self.runs else (replace(run, supersedes=self.last_run),)

    def resolve(
        self, *, run: UUID, difference: UUID, adjustment: UUID, reason: str, by: str
    ) -> tuple[MonthEvent, ...]:
        """Settle a difference by an adjustment. Refuses difference_resolved where it is by another one."""
        if self.resolved.get(difference) == adjustment:
            return ()
        if difference in self.resolved:
            raise Conflicting("difference_resolved", "An adjustment was asked for because of it already.")
        return (
            DifferenceResolved(run=run, difference=difference, adjustment=adjustment, reason=reason, by=by),
        )


def mapping_stream(name: str) -> UUID:
    """The stream of a mapping."""
    return stream_id("statement-mapping", name)


def month_stream(link: str, month: str) -> UUID:
    """The stream of a link's month."""
    return stream_id("reconciliation", link, month)


def save(state: Mapping | None, wanted: MappingSaved) -> tuple[MappingSaved, ...]:
    """Save a mapping; nothing to do where it says what is saved already. Refuses mapping_invalid."""
    columns = wanted.columns
    named = [
        name
        for name in (
            columns.carrier_id,
            columns.time,
            columns.phone,
            columns.segments,
            columns.status,
            columns.price,
            columns.amount,
            columns.network,
        )
        if name
    ]
    if not columns.carrier_id or len(set(named)) < len(named):
        raise BadInput(
            "mapping_invalid", "Name the column of the carrier's id, and each column once.", field="columns"
        )
    bounds = (
        ("header_row", wanted.header_row, 0, 100),
        ("price_micros", wanted.price_micros, 0, _MOST_MICROS),
        ("rounding_micros", wanted.rounding_micros, 0, _MOST_MICROS),
        ("late_hours", wanted.late_hours, 1, 24 * 31),
        ("edge_minutes", wanted.edge_minutes, 0, 24 * 60),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise BadInput("mapping_invalid", f"{name} is {least} to {most}.", field=name)
    return () if state is not None and state.saved == wanted else (wanted,)


def evolve_mapping(state: Mapping | None, event: MappingSaved, at: datetime) -> Mapping:  # noqa: ARG001
    """The mapping after one more fact."""
    return Mapping(saved=event, version=state.version + 1 if state else 1)


def evolve(state: Month | None, event: MonthEvent, at: datetime) -> Month:  # noqa: ARG001
    """The month after one more fact."""
    month = state or Month()
    match event:
        case StatementImported():
            return replace(month, statements=month.statements | {event.statement})
        case RunCompleted():
            return replace(month, runs=month.runs | {event.run}, last_run=event.run)
        case DifferenceResolved():
            return replace(month, resolved={**month.resolved, event.difference: event.adjustment})
        case _:
            assert_never(event)
