"""Links: configure, enable, disable."""

import re
from collections.abc import Callable

from application.look_up_history import require_reason
from application.platform import change
from application.ports import Store
from domain.aggregates import link
from domain.aggregates.link import Link
from domain.errors import BadInput, NotFound
from domain.events import Event
from domain.events.link import Configured, LinkEvent
from domain.recorded import Context
from domain.values import stream_id

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


async def configure_link(store: Store, *, configured: Configured, context: Context) -> tuple[Event, ...]:
    """Make a link, or change how it is reached; a new one is enabled. Refuses link_name, link_invalid."""
    require_name(configured.name)
    if not configured.carriers or not 1 <= configured.window <= 5_000 or not 1 <= configured.port <= 65_535:
        raise BadInput("link_invalid", "A link needs carriers, a window of 1 to 5000 and a port.")

    return await change(
        store,
        stream_id("link", configured.name),
        link.evolve,
        lambda state: configured_anew(state, configured),
        context,
    )


def configured_anew(state: Link | None, configured: Configured) -> tuple[LinkEvent, ...]:
    """A link that is changed, or a new one, which is enabled; nothing to do where nothing changes."""
    if state is None:
        return (configured, *Link(configured=configured).enable())
    return state.configure(configured)


def require_name(name: str) -> None:
    """Refuse link_name."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            "link_name", "A link's name is 1 to 32 small letters, digits and dashes.", field="name"
        )


async def enable_link(store: Store, *, name: str, context: Context) -> tuple[Event, ...]:
    """Route messages to it. Refuses not_found."""
    return await _change(store, name, lambda state: state.enable(), context)


async def disable_link(store: Store, *, name: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Route no more messages to it. Refuses not_found, reason_required."""
    why = require_reason(reason)
    return await _change(store, name, lambda state: state.disable(reason=why), context)


async def drain_link(store: Store, *, name: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Route no more messages to it and give away what waits; what is on the wire is finished.

    Refuses not_found, reason_required.
    """
    why = require_reason(reason)
    return await _change(store, name, lambda state: state.drain(reason=why), context)


async def _change(
    store: Store, name: str, command: Callable[[Link], tuple[LinkEvent, ...]], context: Context
) -> tuple[Event, ...]:
    def decide(state: Link | None) -> tuple[LinkEvent, ...]:
        if state is None:
            raise NotFound("not_found", f"There is no link {name}.", field="name")
        return command(state)

    return await change(store, stream_id("link", name), link.evolve, decide, context)
