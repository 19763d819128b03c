"""A correction of a ledger from its request to its posting: nobody decides alone beyond a limit."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.errors import BadInput, Conflicting
from domain.events.adjustment import AdjustmentEvent, Approved, Rejected, Requested


class AdjustmentState(StrEnum):
    """Where an adjustment stands."""

    REQUESTED = "requested"
    POSTED = "posted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An adjustment as it stands."""

    requested: Requested
    approved_by: tuple[str, ...] = ()
    state: AdjustmentState = AdjustmentState.REQUESTED

    def approve(self, *, by: str) -> tuple[AdjustmentEvent, ...]:
        """Approve it; the last approval posts it. Nothing to do for the same person, or once it is posted.

        Refuses adjustment_rejected.
        """
        if self.state is AdjustmentState.REJECTED:
            raise Conflicting("adjustment_rejected", "The adjustment was rejected: ask for a new one.")
        if self.state is AdjustmentState.POSTED or by in self.approved_by:
            return ()
        return (Approved(by=by, posted=len(self.approved_by) + 1 >= self.requested.approvals),)

    def reject(self, *, by: str, reason: str) -> tuple[AdjustmentEvent, ...]:
        """Turn it down. Refuses adjustment_posted."""
        if self.state is AdjustmentState.POSTED:
            raise Conflicting("adjustment_posted", "It is posted: ask for the opposite adjustment.")
        return () if self.state is AdjustmentState.REJECTED else (Rejected(by=by, reason=reason),)


def request(state: Adjustment | None, wanted: Requested) -> tuple[AdjustmentEvent, ...]:
    """Ask for a correction; nothing to do where the same was asked for under this id.

    Refuses adjustment_empty, adjustment_exists.
    """
    if state is not None:
        if state.requested == wanted:
            return ()
        raise Conflicting("adjustment_exists", "This id is another adjustment's: take a new one.")
    if not wanted.segments and not wanted.amount_micros:
        raise BadInput("adjustment_empty", "Give segments, or money, or both.", field="segments")
    return (wanted,)


def evolve(state: Adjustment | None, event: AdjustmentEvent, at: datetime) -> Adjustment:  # noqa: ARG001
    """The adjustment after one more fact."""
    if isinstance(event, Requested):
        return Adjustment(requested=event)
    if state is None:
        raise ValueError("an adjustment begins with adjustment.requested")
    match event:
        case Approved():
            approved = (*state.approved_by, event.by)
            return replace(
                state,
                approved_by=approved,
                state=AdjustmentState.POSTED if event.posted else state.state,
            )
        case Rejected():
            return replace(state, state=AdjustmentState.REJECTED)
        case _:
            assert_never(event)
