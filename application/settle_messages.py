"""What time or a person decides about messages: expiry, submissions left in doubt, missing receipts.

The sweeps are given candidates by a read model; they are hints only, each is decided on its own stream.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from application.platform import MAX_TRIES
from application.ports import Committed, Entry, Store
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.errors import NotFound
from domain.events.message import MessageEvent
from domain.recorded import Context

Decision = Callable[[Message], tuple[MessageEvent, ...]]


async def expire(store: Store, ids: Sequence[UUID], *, now: datetime, context: Context) -> int:
    """Expire and refund those whose validity is over and that no carrier has; returns how many."""
    return await _decide(store, ids, lambda state: state.expire(now=now), context)


async def doubt_abandoned(
    store: Store,
    ids: Sequence[UUID],
    *,
    before: datetime | None = None,
    connection: int | None = None,
    context: Context,
) -> int:
    """Submissions whose worker is gone are in doubt: they are not sent again by themselves.

    With `before` only those of which nothing was recorded at or after that moment, by the store's clock:
    what was started since has a worker. With `connection` only those over that one of the link's connections:
    the others have owners of their own.
    """

    def decide(state: Message) -> tuple[MessageEvent, ...]:
        abandoned = state.status is Status.SUBMITTING and connection in (None, state.connection)
        return state.record_in_doubt(reason="the worker ended before the answer") if abandoned else ()

    return await _decide(store, ids, decide, context, before=before)


async def give_up_unreported(store: Store, ids: Sequence[UUID], *, context: Context) -> int:
    """Refund what got no receipt in time, where delivery is what is charged."""
    return await _decide(store, ids, lambda state: state.give_up_unreported(), context)


async def cancel(store: Store, ids: Sequence[UUID], *, reason: str, context: Context) -> int:
    """Take back and refund what no carrier has yet."""
    return await _decide(store, ids, lambda state: state.cancel(reason=reason), context)


async def resolve_doubt(store: Store, id_: UUID, *, resend: bool, reason: str, context: Context) -> int:
    """A person decides about a submission in doubt. Refuses not_found; 0 where it is not in doubt."""
    if id_ not in await store.load([id_]):
        raise NotFound("not_found", "There is no such message.", field="id")
    return await _decide(
        store, [id_], lambda state: state.resolve_doubt(resend=resend, reason=reason), context
    )


async def _decide(
    store: Store,
    ids: Sequence[UUID],
    decision: Decision,
    context: Context,
    *,
    before: datetime | None = None,
) -> int:
    """Take one decision about each message that did not move since `before`; returns how many changed."""
    open_ids = list(ids)
    changed = 0
    for _ in range(MAX_TRIES):
        if not open_ids:
            break
        entries = await _entries(store, open_ids, decision, context, before)
        outcomes = await store.commit(entries)
        changed += sum(isinstance(outcome, Committed) for outcome in outcomes)
        open_ids = [
            entry.stream
            for entry, outcome in zip(entries, outcomes, strict=True)
            if not isinstance(outcome, Committed) and entry.stream is not None
        ]
    return changed


async def _entries(
    store: Store, ids: Sequence[UUID], decision: Decision, context: Context, before: datetime | None
) -> list[Entry]:
    entries = []
    for id_, history in (await store.load(ids)).items():
        if before is not None and history[-1].at >= before:
            continue
        state = fold(message.evolve, history)
        events = decision(state) if state is not None else ()
        if state is not None and events:
            entries.append(
                Entry(
                    stream=id_,
                    version=history[-1].version,
                    context=context,
                    events=events,
                    charge=state.charge_due(events),
                )
            )
    return entries
