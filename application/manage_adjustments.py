"""Adjustments: corrections of a ledger that one person asks for and others approve.

The last approval and the posting are one transaction, so that neither is ever there without the other.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from application.books import contract_of
from application.manage_contracts import require_text
from application.platform import MAX_TRIES, change, load
from application.ports import Committed, Conflict, Entry, PostAdjustment, Store
from domain.aggregates import adjustment, fold
from domain.aggregates.adjustment import Adjustment, AdjustmentState
from domain.aggregates.contract import Contract
from domain.errors import BadInput, Conflicting, NotFound, Refusal
from domain.events import Event
from domain.events.adjustment import Approved, Requested
from domain.recorded import Context
from domain.values import local_day, stream_id

_PERIOD = re.compile(r"(?P<year>20\d\d)(-(0[1-9]|1[0-2]))?", re.ASCII)
_MOST = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """A correction that somebody asks for; positive segments and money are owed, negative ones a credit."""

    account: str
    period: str
    """The month (2026-11) or year (2026) it belongs to; its year's ledger is corrected."""
    segments: int
    amount_micros: int
    reason: str
    reference: str = ""


def adjustment_stream(id_: UUID) -> UUID:
    """The stream of an adjustment."""
    return stream_id("adjustment", str(id_))


async def request_adjustment(
    store: Store,
    *,
    id_: UUID,
    asked: AskedFor,
    approvals: int | None = None,
    limit_micros: int = 0,
    context: Context,
) -> tuple[Event, ...]:
    """Ask for a correction. It takes two people, or one where its worth is within `limit_micros`.

    Refuses not_found, period_invalid, adjustment_empty, adjustment_too_large, adjustment_exists,
    reference_missing.
    """
    require_text(asked.reason, "reason")
    if asked.reference:
        require_text(asked.reference, "reference")
    agreed = await contract_of(store, asked.account)
    year = _year(asked.period, agreed, today=local_day(await store.now()))
    if max(abs(asked.segments), abs(asked.amount_micros)) > _MOST:
        raise BadInput("adjustment_too_large", "Nobody can mean that much.", field="segments")
    worth = abs(asked.segments) * _price(agreed, year) + abs(asked.amount_micros)
    needed = approvals if approvals is not None else (1 if worth <= limit_micros else 2)
    wanted = Requested(
        adjustment=id_,
        account=asked.account,
        year=year,
        segments=asked.segments,
        amount_micros=asked.amount_micros,
        period=asked.period,
        reason=asked.reason,
        reference=asked.reference,
        approvals=needed,
        by=context.actor,
    )
    return await change(
        store,
        adjustment_stream(id_),
        adjustment.evolve,
        lambda state: adjustment.request(state, wanted),
        context,
    )


async def approve_adjustment(store: Store, *, id_: UUID, context: Context) -> Adjustment:
    """Approve as the person of the context; the last approval posts it. The adjustment as it stands then.

    Refuses not_found, adjustment_rejected, and adjustment_too_large where the ledger cannot take it.
    """
    for attempt in range(MAX_TRIES):
        state, version = await load(store, adjustment_stream(id_), adjustment.evolve)
        if state is None:
            raise NotFound("not_found", "There is no such adjustment.", field="id")
        events = state.approve(by=context.actor)
        if not events:
            return state
        charge = await _charge(store, state, events)
        entry = Entry(
            stream=adjustment_stream(id_), version=version, context=context, events=events, charge=charge
        )
        (outcome,) = await store.commit([entry])
        match outcome:
            case Committed():
                return _after(state, events, outcome)
            case Conflict():
                await asyncio.sleep(0.01 * attempt)
            case Refusal():
                raise outcome
    raise Conflicting("busy", "Somebody else keeps changing this: try again.")


async def reject_adjustment(store: Store, *, id_: UUID, reason: str, context: Context) -> tuple[Event, ...]:
    """Turn it down for good. Refuses not_found, adjustment_posted, reference_missing."""
    require_text(reason, "reason")

    def reject(state: Adjustment | None) -> Sequence[Event]:
        if state is None:
            raise NotFound("not_found", "There is no such adjustment.", field="id")
        return state.reject(by=context.actor, reason=reason)

    return await change(store, adjustment_stream(id_), adjustment.evolve, reject, context)


async def find_adjustment(store: Store, *, id_: UUID) -> Adjustment | None:
    """An adjustment as it stands."""
    state, _ = await load(store, adjustment_stream(id_), adjustment.evolve)
    return state


async def list_adjustments(store: Store, *, account: str | None = None) -> list[Adjustment]:
    """All adjustments, or those of an account, in the order they were asked for."""
    founding = await store.founded(Requested.TOPIC)
    wanted = [
        recorded.stream
        for recorded in founding
        if isinstance(recorded.event, Requested) and account in (None, recorded.event.account)
    ]
    histories = await store.load(wanted)
    found = [fold(adjustment.evolve, histories[stream]) for stream in wanted]
    return [state for state in found if state is not None]


async def _charge(store: Store, state: Adjustment, events: Sequence[Event]) -> PostAdjustment | None:
    last = events[-1]
    if not (isinstance(last, Approved) and last.posted):
        return None
    wanted = state.requested
    return await posting(store, wanted, approved_by=(*state.approved_by, last.by))


async def posting(store: Store, wanted: Requested, *, approved_by: tuple[str, ...]) -> PostAdjustment:
    """What posts an adjustment: beyond the allowance of the year's last known day at the price of its period."""
    agreed = await contract_of(store, wanted.account)
    known = min(local_day(await store.now()), date(wanted.year, 12, 31))
    return PostAdjustment(
        account=wanted.account,
        year=wanted.year,
        requested=wanted,
        approved_by=approved_by,
        allowance=agreed.allowance_for(wanted.year, on=known),
        price_micros=_price(agreed, wanted.year, period=wanted.period),
    )


def _price(agreed: Contract, year: int, *, period: str = "") -> int:
    """The price in force on the first day of the period that is corrected."""
    month = int(period[5:]) if len(period) > 4 else 1
    return agreed.terms_on(date(year, month, 1)).overage_price_micros


def _year(period: str, agreed: Contract, *, today: date) -> int:
    found = _PERIOD.fullmatch(period)
    began = found is not None and agreed.first_year <= int(found["year"])
    if not began or period > f"{today:%Y-%m}":
        raise BadInput(
            "period_invalid",
            "The period is a month, 2026-11, or a year, 2026, of the contract and not to come.",
            field="period",
        )
    return int(period[:4])


def _after(state: Adjustment, events: Sequence[Event], outcome: Committed) -> Adjustment:
    at = outcome.recorded[0].at
    for event in events:
        assert isinstance(event, Approved)
        state = adjustment.evolve(state, event, at)
    assert state.state in (AdjustmentState.REQUESTED, AdjustmentState.POSTED)
    return state
