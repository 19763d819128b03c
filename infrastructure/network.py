"""Links, how they do, and the route table, read afresh every second: changes take effect by themselves."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import get_args
from uuid import UUID

from application.choose_route import Network
from application.keep_circuits import breaker_stream
from application.manage_routes import STREAM
from domain.aggregates import fold, link, route
from domain.aggregates.link import Link
from domain.aggregates.route import RouteTable
from domain.events.link import ConditionEvent
from domain.events.message import Accepted, SubmissionStarted
from domain.values import stream_id
from infrastructure.bootstrap import Platform
from infrastructure.event_store import EventStore
from infrastructure.filings import FilingBook

_AGE_SECONDS = 1.0


def condition_stream(name: str, connection: int = 1) -> UUID:
    """Where it is told how a connection of a link does; apart from the configuration, which is read whole."""
    return stream_id("link-condition", name, *([str(connection)] if connection > 1 else []))


class NetworkReader:
    """The network as it stands, at most a second old. For threads without an event loop."""

    def __init__(self, read: Callable[[], Network], *, filings: FilingBook) -> None:
        self._read = read
        self._filings = filings
        self._known = Network(links=(), conditions={}, table=RouteTable())
        self._until = 0.0

    def __call__(self) -> Network:
        """The network now."""
        if time.monotonic() >= self._until:
            self._known = self._read()
            self._until = time.monotonic() + _AGE_SECONDS
        return self._known

    def forget(self) -> None:
        """Read everything again when it is asked for next."""
        self._until = 0.0
        self._filings.forget()


def read_network(
    store: EventStore, *, filings: FilingBook | None = None, require_filing: bool = False
) -> Network:
    """The network from the log. Who reads it again and again keeps the `filings`."""
    links = _links(store)
    streams = {one.name: _condition_streams(one) for one in links}
    last = store.last_events([stream for of in streams.values() for stream in of])
    conditions = {
        name: tuple(
            found.event
            for stream in of
            if (found := last.get(stream)) is not None and isinstance(found.event, get_args(ConditionEvent))
        )
        for name, of in streams.items()
    }
    table = fold(route.evolve, store.histories([STREAM]).get(STREAM, ()))
    return Network(
        links=links,
        conditions=conditions,
        table=table or RouteTable(),
        filings=filings or FilingBook(store),
        require_filing=require_filing,
    )


def network_reader(platform: Platform) -> NetworkReader:
    """The network of a platform, as its settings say."""
    store, filings = platform.store, FilingBook(platform.store)
    require = platform.settings.require_filing
    return NetworkReader(
        lambda: read_network(store, filings=filings, require_filing=require), filings=filings
    )


def _condition_streams(one: Link) -> list[UUID]:
    numbers = range(1, one.configured.connections + 1)
    return [breaker_stream(one.name), *(condition_stream(one.name, number) for number in numbers)]


def accepted_of(store: EventStore, messages: Sequence[UUID]) -> Mapping[UUID, Accepted]:
    """What messages are routed by, from their first events."""
    return {
        stream: recorded.event
        for stream, recorded in store.first_events(messages).items()
        if isinstance(recorded.event, Accepted)
    }


def decided_of(store: EventStore, messages: Sequence[UUID]) -> Mapping[UUID, SubmissionStarted]:
    """The first decision of messages that were sent: nothing comes between it and their acceptance."""
    return {
        stream: recorded.event
        for stream, recorded in store.first_events(messages, version=2).items()
        if isinstance(recorded.event, SubmissionStarted)
    }


def _links(store: EventStore) -> Sequence[Link]:
    folded = (fold(link.evolve, history) for history in store.nouns("link.configured"))
    return [state for state in folded if state is not None]
