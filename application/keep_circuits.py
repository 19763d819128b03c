"""The circuit breakers of links: opened by what their carriers answer, closed when their time is over or by hand."""

from datetime import datetime
from uuid import UUID

from application.platform import change
from application.ports import Store
from domain.aggregates import circuit
from domain.aggregates.circuit import Circuit
from domain.aggregates.link import Link
from domain.errors import NotFound
from domain.events import Event
from domain.events.link import Configured
from domain.recorded import Context
from domain.values import stream_id

_BEGUN_ANEW = "the link was configured or enabled anew"


def breaker_stream(name: str) -> UUID:
    """Where it is told whether a link's circuit is closed."""
    return stream_id("link-breaker", name)


async def open_circuit(
    store: Store, *, link: Configured, reason: str, now: datetime, context: Context
) -> tuple[Event, ...]:
    """Take others before a link; nothing to do where its circuit is open already."""

    def decide(state: Circuit | None) -> tuple[Event, ...]:
        standing = state or Circuit()
        return standing.open(name=link.name, reason=reason, settings=link.breaker, now=now)

    return await change(store, breaker_stream(link.name), circuit.evolve, decide, context)


async def end_pause(store: Store, *, link: Link, now: datetime, context: Context) -> tuple[Event, ...]:
    """Close a circuit whose time is over, or that is of the time before the link was configured or enabled anew."""

    def decide(state: Circuit | None) -> tuple[Event, ...]:
        if state is None or not must_close(state, link, now):
            return ()
        return state.close(name=link.name, reason=_BEGUN_ANEW if _is_of_before(state, link) else "")

    return await change(store, breaker_stream(link.name), circuit.evolve, decide, context)


def must_close(state: Circuit, link: Link, now: datetime) -> bool:
    """Whether `end_pause` would close it."""
    return state.is_over(now) or _is_of_before(state, link)


def _is_of_before(state: Circuit, link: Link) -> bool:
    opened, begun = state.opened_at, link.begun_at
    return opened is not None and begun is not None and opened < begun


async def mend_link(store: Store, *, name: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Close a link's circuit by hand; nothing to do where it is closed. Refuses not_found."""
    if stream_id("link", name) not in await store.load([stream_id("link", name)]):
        raise NotFound("not_found", f"There is no link {name}.", field="name")

    def decide(state: Circuit | None) -> tuple[Event, ...]:
        return state.close(name=name, reason=reason) if state is not None else ()

    return await change(store, breaker_stream(name), circuit.evolve, decide, context)
