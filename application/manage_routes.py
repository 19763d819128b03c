"""Routes: set, remove, and read the table."""

import re
from collections.abc import Iterable

from application.look_up_history import require_reason
from application.platform import change, load
from application.ports import Store
from domain.aggregates import fold, link, route
from domain.aggregates.route import RouteTable
from domain.errors import BadInput
from domain.events import Event
from domain.events.link import Configured
from domain.events.route import RouteSet
from domain.recorded import Context
from domain.values import stream_id

STREAM = stream_id("routes")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


async def read_routes(store: Store) -> RouteTable:
    """The table as it stands."""
    table, _ = await load(store, STREAM, route.evolve)
    return table or RouteTable()


def require_route(wanted: RouteSet, links: Iterable[Configured]) -> None:
    """Refuse route_name, link_unknown, and extension_unfit: digits that do not fit behind a link's number."""
    if not _NAME.fullmatch(wanted.name):
        raise BadInput(
            "route_name", "A route's name is 1 to 32 small letters, digits and dashes.", field="name"
        )
    known = {configured.name: configured for configured in links}
    for share in wanted.shares:
        if share.link not in known:
            raise BadInput("link_unknown", f"There is no link {share.link[:32]}.", field="shares")
        route.require_room(known[share.link], wanted.extension)


async def set_route(store: Store, *, wanted: RouteSet, context: Context) -> tuple[Event, ...]:
    """Make a route, or make it anew. Refuses route_name, route_invalid, link_unknown, extension_unfit."""
    streams = [stream_id("link", share.link) for share in wanted.shares]
    states = [fold(link.evolve, history) for history in (await store.load(streams)).values()]
    require_route(wanted, [state.configured for state in states if state is not None])
    return await change(
        store,
        STREAM,
        route.evolve,
        lambda table: (table or RouteTable()).set_route(wanted),
        context,
    )


async def remove_route(store: Store, *, name: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Ask a route no more. Refuses not_found, reason_required."""
    why = require_reason(reason)
    return await change(
        store,
        STREAM,
        route.evolve,
        lambda table: (table or RouteTable()).remove(name=name, reason=why, by=context.actor),
        context,
    )
