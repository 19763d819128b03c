"""The link of each message, as the network stands: configured links, how they do, the route table, and with which
carriers the signatures are filed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from uuid import UUID

from domain.aggregates.link import Link
from domain.aggregates.route import Choice, Fitness, RouteTable, Wanted, default_route
from domain.aggregates.signature import Filing, FilingState, filing_of
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.events.message import Accepted
from domain.events.route import RouteSet
from domain.values import Carrier

Filings = tuple[Filing, ...]


_AS_THEY_ARE: Mapping[str, Fitness] = MappingProxyType({})


def _default_of(fitness: Mapping[str, Fitness]) -> RouteSet:
    return default_route({name: state for name, state in fitness.items() if state is not Fitness.NONE})


def _nothing_filed(account: str, signature: str) -> Filings:  # noqa: ARG001
    return ()


def wanted_of(id_: UUID, accepted: Accepted) -> Wanted:
    """What the route of a message is chosen by."""
    return Wanted(
        message=id_,
        account=accepted.account,
        category=accepted.category,
        carrier=accepted.carrier,
        signature=accepted.signature,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Links and routes at one moment. `conditions` are the last facts about each link: one of each of its
    connections that there ever was, and one of its breaker. `filings` are those of an account's signature."""

    links: Sequence[Link]
    conditions: Mapping[str, Sequence[ConditionEvent]]
    table: RouteTable
    filings: Callable[[str, str], Filings] = _nothing_filed
    require_filing: bool = False
    """Pass over links of carriers where the signature is not filed."""
    _fitness: dict[tuple[Carrier, Filings], tuple[dict[str, Fitness], RouteSet]] = field(default_factory=dict)

    def choose(self, wanted: Wanted, *, otherwise: Mapping[str, Fitness] = _AS_THEY_ARE) -> Choice | None:
        """The link of a message and why; None where no link may take it.

        Digits under which the signature is filed for the link stand in the place of the route's. `otherwise` is
        how fit some links are taken to be, however they do.
        """
        filings = self.filings(wanted.account, wanted.signature)
        fitness, default = self._known_fitness(wanted.carrier, filings if self.require_filing else ())
        if any(fitness.get(name, Fitness.NONE) is not fit for name, fit in otherwise.items()):
            fitness = {**fitness, **otherwise}
            default = _default_of(fitness)
        choice = self.table.choose(wanted, fitness, default)
        if choice is None or not filings:
            return choice
        filing = filing_of(filings, wanted.carrier, choice.link)
        return replace(choice, extension=filing.extension) if filing and filing.extension else choice

    def fitness_for(self, wanted: Wanted) -> Mapping[str, Fitness]:
        """How fit each link is for a message now."""
        filings = self.filings(wanted.account, wanted.signature) if self.require_filing else ()
        return self._known_fitness(wanted.carrier, filings)[0]

    def _known_fitness(self, carrier: Carrier, filings: Filings) -> tuple[dict[str, Fitness], RouteSet]:
        if (carrier, filings) not in self._fitness:
            fitness = {link.name: self._fit(link, carrier, filings) for link in self.links}
            self._fitness[carrier, filings] = fitness, _default_of(fitness)
        return self._fitness[carrier, filings]

    def _fit(self, link: Link, carrier: Carrier, filings: Filings) -> Fitness:
        fit = self.fitness(link, carrier)
        if fit is Fitness.NONE or not self.require_filing:
            return fit
        filing = filing_of(filings, carrier, link.name)
        return fit if filing is not None and filing.state is FilingState.FILED else Fitness.UNFILED

    def fitness(self, link: Link, carrier: Carrier) -> Fitness:
        """Whether a link can take a message of a carrier now, whatever its signature."""
        return self.condition(link) if link.serves(carrier) else Fitness.NONE

    def condition(self, link: Link) -> Fitness:
        """How a link does, whatever it serves."""
        facts = self.conditions.get(link.name, ())
        if not any(isinstance(fact, Connected) for fact in facts):
            return Fitness.DOWN
        return Fitness.BROKEN if any(isinstance(fact, Broken) for fact in facts) else Fitness.READY

    def reason(self, link: Link) -> str:
        """Why a link is not ready, in words for people; empty where nobody said why."""
        facts = self.conditions.get(link.name, ())
        match self.condition(link):
            case Fitness.BROKEN:
                said = [fact.reason for fact in facts if isinstance(fact, Broken)]
            case Fitness.DOWN:
                said = [fact.reason for fact in facts if isinstance(fact, Lost)]
            case _:
                said = []
        return said[0] if said else ""
