"""A changed route table, tried first: recorded messages are taken through it, and nothing is sent or written."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from application.choose_route import Network
from domain.aggregates import route
from domain.aggregates.route import RouteTable, Wanted
from domain.errors import BadInput
from domain.events.link import Connected
from domain.events.message import Accepted
from domain.events.route import RouteSet
from domain.recorded import Recorded

NO_LINK = ""
"""In the place of a link where none may take a message."""
_SAMPLES = 5
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Shadow:
    """What a changed table would have done with the messages of a span; links by name, NO_LINK for none."""

    messages: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """From which link to which, of those that would go elsewhere."""
    samples: dict[tuple[str, str], list[UUID]] = field(default_factory=dict)

    @property
    def elsewhere(self) -> int:
        """How many would take another link."""
        return self.moved.total()

    def share(self, counted: Mapping[str, int], link: str) -> float:
        """A link's share of all messages in percent."""
        return round(100 * counted.get(link, 0) / self.messages, 2) if self.messages else 0.0


def table_of(routes: Iterable[RouteSet], *, links: Iterable[str]) -> RouteTable:
    """A table of these routes, each checked as if it were set. Refuses route_invalid, link_unknown."""
    known, table = set(links), RouteTable()
    for wanted in routes:
        unknown = [share.link for share in wanted.shares if share.link not in known]
        if unknown:
            raise BadInput("link_unknown", f"There is no link {unknown[0][:32]}.", field="links")
        for event in table.set_route(wanted):
            table = route.evolve(table, event, _ANY_TIME)
    return table


def all_ready(network: Network) -> Network:
    """The same network with every enabled link connected: what the tables say, whatever is down just now."""
    ready = {link.name: (Connected(name=link.name),) for link in network.links}
    return replace(network, conditions=ready, _fitness={})


def shadow(
    pages: Iterable[Sequence[Recorded]],
    network: Network,
    table: RouteTable,
    *,
    went: Callable[[int], None] = lambda _: None,
) -> Shadow:
    """Take accepted messages through the table as it stands and through a changed one, on the same network.

    `went` is told how many facts were looked at, page by page.
    """
    changed, found = replace(network, table=table, _fitness={}), Shadow()
    for page in pages:
        for recorded in page:
            if isinstance(recorded.event, Accepted):
                _count(found, recorded.stream, _link(network, recorded), _link(changed, recorded))
        went(len(page))
    return found


def _link(network: Network, recorded: Recorded) -> str:
    event = recorded.event
    assert isinstance(event, Accepted)
    choice = network.choose(
        Wanted(
            message=recorded.stream,
            account=event.account,
            category=event.category,
            carrier=event.carrier,
            signature=event.signature,
        )
    )
    return choice.link if choice is not None else NO_LINK


def _count(found: Shadow, id_: UUID, before: str, after: str) -> None:
    found.messages += 1
    found.before[before] += 1
    found.after[after] += 1
    if before != after:
        found.moved[before, after] += 1
        samples = found.samples.setdefault((before, after), [])
        if len(samples) < _SAMPLES:
            samples.append(id_)
