"""The link of each message, as the network stands: configured links, how they do, and the route table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.aggregates.link import Link
from domain.aggregates.route import Choice, Fitness, RouteTable, Wanted, default_route
from domain.events.link import Broken, ConditionEvent, Connected
from domain.events.route import RouteSet
from domain.values import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Links and routes at one moment. `conditions` are the last facts about each link: one of each of its
    connections that there ever was, and one of its breaker."""

    links: Sequence[Link]
    conditions: Mapping[str, Sequence[ConditionEvent]]
    table: RouteTable
    _fitness: dict[Carrier, tuple[dict[str, Fitness], RouteSet]] = field(default_factory=dict)

    def choose(self, wanted: Wanted) -> Choice | None:
        """The link of a message and why; None where no link may take it."""
        if wanted.carrier not in self._fitness:
            fitness = {link.name: self.fitness(link, wanted.carrier) for link in self.links}
            serving = {name: state for name, state in fitness.items() if state is not Fitness.NONE}
            self._fitness[wanted.carrier] = fitness, default_route(serving)
        fitness, default = self._fitness[wanted.carrier]
        return self.table.choose(wanted, fitness, default)

    def fitness(self, link: Link, carrier: Carrier) -> Fitness:
        """Whether a link can take a message of a carrier now."""
        return self.condition(link) if link.serves(carrier) else Fitness.NONE

    def condition(self, link: Link) -> Fitness:
        """How a link does, whatever it serves."""
        facts = self.conditions.get(link.name, ())
        if not any(isinstance(fact, Connected) for fact in facts):
            return Fitness.DOWN
        return Fitness.BROKEN if any(isinstance(fact, Broken) for fact in facts) else Fitness.READY
