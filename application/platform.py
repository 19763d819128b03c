"""Load, decide, save: the one way in which a noun changes, with a bounded number of tries."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.ports import Committed, Conflict, Entry, Store
from domain.aggregates import fold
from domain.errors import Conflicting, Refusal
from domain.events import Event
from domain.recorded import Context

State = TypeVar("State")
MAX_TRIES = 10


async def load(
    store: Store, stream: UUID, evolve: Callable[[State | None, Any, datetime], State]
) -> tuple[State | None, int]:
    """The state of a stream and its version; (None, 0) where there is none."""
    history = (await store.load([stream])).get(stream, ())
    return fold(evolve, history), history[-1].version if history else 0


async def change(
    store: Store,
    stream: UUID,
    evolve: Callable[[State | None, Any, datetime], State],
    decide: Callable[[State | None], Sequence[Event]],
    context: Context,
    *,
    dry_run: bool = False,
) -> tuple[Event, ...]:
    """The events that a decision made and saved; () where there was nothing to do.

    `dry_run` takes the same path and saves nothing. Refusals pass through. A stream that keeps moving
    under the decision refuses busy.
    """
    for attempt in range(MAX_TRIES):
        state, version = await load(store, stream, evolve)
        events = tuple(decide(state))
        if not events or dry_run:
            return events
        (outcome,) = await store.commit(
            [Entry(stream=stream, version=version, context=context, events=events)]
        )
        match outcome:
            case Committed():
                return events
            case Conflict():
                await asyncio.sleep(0.01 * attempt)
            case Refusal():
                raise outcome
    raise Conflicting("busy", "Somebody else keeps changing this: try again.")
