"""A changed route table, tried first: recorded messages are taken through it, and nothing is sent or written."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from application.choose_route import Network, wanted_of
from application.manage_routes import require_route
from domain.aggregates import route
from domain.aggregates.link import Link
from domain.aggregates.route import Choice, Fitness, RouteTable, Wanted
from domain.errors import BadInput
from domain.events.message import Accepted, SubmissionStarted
from domain.events.route import RouteSet
from domain.recorded import Recorded

NO_LINK = ""
"""In the place of a link where none may take a message."""
_SAMPLES = 5
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
Way = tuple[str, str]
"""A link, and the digits behind its number."""
NO_WAY: Way = (NO_LINK, "")


class Links(StrEnum):
    """How fit links are taken to be."""

    THEN = "then"
    """As they were when each message was sent, as far as its decision tells; what it does not tell of is ready."""
    READY = "ready"
    """Every enabled link is ready."""
    NOW = "now"
    """As they do at this moment."""


@dataclass(slots=True, kw_only=True)
class Shadow:
    """What a changed table would have done with the messages of a span; links by name, NO_LINK for none."""

    messages: int = 0
    decided: int = 0
    """How many were sent, so that their decision is recorded; only of Links.THEN."""
    before: Counter[str] = field(default_factory=Counter)
    """By link: the decisions that were taken, and where there is none, what the table as it stands would do."""
    after: Counter[str] = field(default_factory=Counter)
    moved: Counter[tuple[Way, Way]] = field(default_factory=Counter)
    """From which way to which, of those that would go another."""
    samples: dict[tuple[Way, Way], list[UUID]] = field(default_factory=dict)
    unlike: Counter[tuple[str, Way, str, Way]] = field(default_factory=Counter)
    """Decisions that the table as it stands would not take again: route and way then, route and way now."""

    @property
    def elsewhere(self) -> int:
        """How many would go another way."""
        return self.moved.total()

    def share(self, counted: Mapping[str, int], link: str) -> float:
        """A link's share of all messages in percent."""
        return round(100 * counted.get(link, 0) / self.messages, 2) if self.messages else 0.0


def table_of(routes: Iterable[RouteSet], *, links: Sequence[Link]) -> RouteTable:
    """A table of these routes, each checked as if it were set.

    Refuses route_name, route_invalid (a name that is there twice, too), link_unknown, extension_unfit.
    """
    configured, table = [link.configured for link in links], RouteTable()
    for wanted in routes:
        require_route(wanted, configured)
        if any(each.name == wanted.name for each in table.routes):
            raise BadInput("route_invalid", f"Route {wanted.name} is there twice.", field="name")
        for event in table.set_route(wanted):
            table = route.evolve(table, event, _ANY_TIME)
    return table


def shadow(
    pages: Iterable[Sequence[Recorded]],
    network: Network,
    table: RouteTable,
    *,
    decisions: Callable[[Sequence[UUID]], Mapping[UUID, SubmissionStarted]] | None = None,
    went: Callable[[int], None] = lambda _: None,
) -> Shadow:
    """Take accepted messages through the table as it stands and through a changed one, on the same network.

    `decisions` gives the first decision of each message that was sent: with it they are compared with what was
    decided, and a link that was not fit then is not fit here. `went` is told how many facts were looked at.
    """
    changed, found = replace(network, table=table, _standing={}), Shadow()
    for page in pages:
        accepted = {fact.stream: fact.event for fact in page if isinstance(fact.event, Accepted)}
        decided = decisions(list(accepted)) if decisions is not None else {}
        for id_, event in accepted.items():
            _count(found, wanted_of(id_, event), network, changed, decided.get(id_))
        went(len(page))
    return found


def _count(
    found: Shadow, wanted: Wanted, network: Network, changed: Network, decided: SubmissionStarted | None
) -> None:
    then = _fitness_then(decided)
    standing = network.choose(wanted, otherwise=then)
    before, after = _way(standing), _way(changed.choose(wanted, otherwise=then))
    if decided is not None:
        found.decided += 1
        again, before = before, (decided.link, decided.extension)
        if again != before:
            found.unlike[decided.route, before, standing.route if standing else "", again] += 1
    found.messages += 1
    found.before[before[0]] += 1
    found.after[after[0]] += 1
    if before != after:
        found.moved[before, after] += 1
        samples = found.samples.setdefault((before, after), [])
        if len(samples) < _SAMPLES:
            samples.append(wanted.message)


def _fitness_then(decided: SubmissionStarted | None) -> dict[str, Fitness]:
    """How fit the links were that a decision tells of: the one that was taken, and those that were passed over.

    Whether digits fit is left to the table that is tried, since it has digits of its own.
    """
    if decided is None:
        return {}
    passed = (each.partition(":") for each in decided.passed_over)
    told = {link: Fitness(why) for link, _, why in passed if why != Fitness.UNFIT}
    return told | {decided.link: Fitness.READY}


def _way(choice: Choice | None) -> Way:
    return (choice.link, choice.digits) if choice is not None else NO_WAY
