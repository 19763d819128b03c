"""Reconciliation as people use it: save a mapping, record what a run found, ask for a correction of a ledger.

Refuses mapping_invalid, not_found, difference_resolved and what an adjustment refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application.manage_adjustments import AskedFor, request_adjustment
from application.platform import change, load
from application.ports import Store
from domain.aggregates import reconciliation
from domain.aggregates.reconciliation import Mapping, Month, mapping_stream, month_stream
from domain.errors import BadInput, NotFound
from domain.events import Event
from domain.events.reconciliation import MappingSaved, RunCompleted, StatementImported
from domain.recorded import Context
from domain.values import stream_id

APPROVALS = 2
"""Nobody settles a difference alone."""


async def save_mapping(store: Store, *, wanted: MappingSaved, context: Context) -> Mapping:
    """Save how a carrier's files are read; the mapping as it stands then."""
    await change(
        store,
        mapping_stream(wanted.name),
        reconciliation.evolve_mapping,
        lambda state: reconciliation.save(state, wanted),
        context,
    )
    return await find_mapping(store, wanted.name)


async def find_mapping(store: Store, name: str, *, version: int = 0) -> Mapping:
    """A mapping as it stands, or as it stood at a version. Refuses not_found."""
    history = (await store.load([mapping_stream(name)])).get(mapping_stream(name), ())
    for recorded in reversed(history):
        saved = recorded.event
        if version in (0, recorded.version) and isinstance(saved, MappingSaved):
            return Mapping(saved=saved, version=recorded.version)
    raise NotFound("not_found", f"There is no statement mapping {name}: save one first.", field="mapping")


async def record_import(store: Store, *, imported: StatementImported, context: Context) -> None:
    """A file was read."""
    await _change(store, imported.link, imported.month, lambda month: month.record_import(imported), context)


async def record_run(store: Store, *, completed: RunCompleted, context: Context) -> RunCompleted:
    """A run is done; it is told with the run that it supersedes. Doing it twice is harmless."""
    await _change(store, completed.link, completed.month, lambda month: month.complete(completed), context)
    for found in reversed(await runs(store, completed.link, completed.month)):
        if found.run == completed.run:
            return found
    raise AssertionError("what was recorded is there")


async def runs(store: Store, link: str, month: str) -> list[RunCompleted]:
    """All completed runs of a link's month, oldest first."""
    stream = month_stream(link, month)
    history = (await store.load([stream])).get(stream, ())
    return [recorded.event for recorded in history if isinstance(recorded.event, RunCompleted)]


async def resolved(store: Store, link: str, month: str) -> dict[UUID, UUID]:
    """The adjustments by the difference they settle."""
    state, _ = await load(store, month_stream(link, month), reconciliation.evolve)
    return state.resolved if state else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a difference is to be settled: segments and money of an account's ledger; negative is a credit."""

    run: UUID
    link: str
    month: str
    difference: UUID
    account: str
    segments: int
    amount_micros: int
    reason: str


async def resolve_difference(store: Store, *, wanted: Resolution, context: Context) -> UUID:
    """Ask for an adjustment that two people have to approve; its id. Asking twice asks once.

    Refuses account_missing, difference_resolved, and what `request_adjustment` refuses.
    """
    if not wanted.account:
        raise BadInput("account_missing", "Name the account whose ledger is corrected.", field="account")
    adjustment = stream_id("adjustment-of-difference", str(wanted.difference))
    state, _ = await load(store, month_stream(wanted.link, wanted.month), reconciliation.evolve)
    state = state or Month()
    if wanted.difference not in state.resolved:
        await request_adjustment(
            store,
            id_=adjustment,
            asked=AskedFor(
                account=wanted.account,
                period=wanted.month,
                segments=wanted.segments,
                amount_micros=wanted.amount_micros,
                reason=wanted.reason,
                reference=f"reconciliation {wanted.run} difference {wanted.difference}",
            ),
            approvals=APPROVALS,
            context=context,
        )
    await _change(
        store,
        wanted.link,
        wanted.month,
        lambda month: month.resolve(
            run=wanted.run,
            difference=wanted.difference,
            adjustment=adjustment,
            reason=wanted.reason,
            by=context.actor,
        ),
        context,
    )
    return adjustment


async def _change(store: Store, link: str, month: str, decide: Any, context: Context) -> Sequence[Event]:  # noqa: ANN401
    return await change(
        store,
        month_stream(link, month),
        reconciliation.evolve,
        lambda state: decide(state or Month()),
        context,
    )
