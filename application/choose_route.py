"""The link of each message, as the network stands: configured links, how they do, the route table, and with which
carriers the signatures are filed."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from uuid import UUID

from domain.aggregates.link import Link
from domain.aggregates.route import Choice, Digits, Fitness, RouteTable, Wanted, default_route, room_behind
from domain.aggregates.signature import Filing, FilingState, filing_of
from domain.errors import BadInput
from domain.events.link import (
    Broken,
    ConditionEvent,
    Configured,
    Connected,
    Direction,
    Disabled,
    Draining,
    Enabled,
    Lost,
)
from domain.events.message import Accepted
from domain.events.route import RouteRemoved, RouteSet
from domain.events.signature import Filed, FilingRejected, FilingRequested
from domain.values import Carrier, is_extension

Filings = tuple[Filing, ...]
CHANGES = frozenset(
    event.TOPIC
    for event in (
        *(Configured, Enabled, Disabled, Draining),
        *(RouteSet, RouteRemoved),
        *(FilingRequested, Filed, FilingRejected),
    )
)
"""The facts after which another network holds: what is accepted later goes by it. How links do is not among them."""
_PHONE_WITHIN = re.compile(r"1[3-9]\d{9}", re.ASCII)


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
        extension=accepted.extension,
    )


def require_extension(digits: str) -> None:
    """Refuse extension_unfit: more than 12 digits, what is none, and phone numbers, since digits are kept for ever."""
    if not is_extension(digits) or _PHONE_WITHIN.search(digits):
        raise BadInput(
            "extension_unfit", "An extension is up to 12 digits, and no phone number.", field="extension"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """How the links stand to all messages of a carrier with a signature."""

    fitness: Mapping[str, Fitness]
    default: RouteSet
    digits: Digits


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
    _standing: dict[tuple[Carrier, Filings], _Standing] = field(default_factory=dict)

    def choose(self, wanted: Wanted, *, otherwise: Mapping[str, Fitness] = _AS_THEY_ARE) -> Choice | None:
        """The link of a message and why; None where no link may take it.

        Digits under which the signature is filed for the link stand in the place of the route's. `otherwise` is
        how fit some links are taken to be, however they do.
        """
        standing = self._standing_of(wanted)
        fitness, default = standing.fitness, standing.default
        if any(fitness.get(name, Fitness.NONE) is not fit for name, fit in otherwise.items()):
            fitness = {**fitness, **otherwise}
            default = _default_of(fitness)
        return self.table.choose(wanted, fitness, default, standing.digits)

    def all_ready(self) -> "Network":
        """The same network with every enabled link connected: what the tables say, whatever is down just now."""
        ready = {link.name: (Connected(name=link.name),) for link in self.links}
        return replace(self, conditions=ready, _standing={})

    def require_room(self, wanted: Wanted, filings: Filings) -> None:
        """Refuse extension_unfit: what can be no extension, and digits that fit behind the number of no link that
        the routes let a message with a signature so filed take. The network has to be `all_ready`."""
        require_extension(wanted.extension)
        # What is known of links is kept by filings, so that it serves whoever asks with the same ones.
        asked = replace(self, filings=lambda account, signature: filings)  # noqa: ARG005
        if asked.choose(wanted) is None and Fitness.UNFIT in asked.fitness_for(wanted).values():
            raise BadInput(
                "extension_unfit",
                "These digits fit behind the number of no link for this message, or are another account's there.",
                field="extension",
            )

    def fitness_for(self, wanted: Wanted) -> Mapping[str, Fitness]:
        """How fit each link is for a message now."""
        standing = self._standing_of(wanted)
        return self.table.fitness_for(wanted, standing.fitness, standing.default, standing.digits)

    def _standing_of(self, wanted: Wanted) -> _Standing:
        carrier, filings = wanted.carrier, self.filings(wanted.account, wanted.signature)
        if (carrier, filings) not in self._standing:
            fitness = {link.name: self._fit(link, carrier, filings) for link in self.links}
            self._standing[carrier, filings] = _Standing(
                fitness=fitness, default=_default_of(fitness), digits=self._digits(carrier, filings)
            )
        return self._standing[carrier, filings]

    def _digits(self, carrier: Carrier, filings: Filings) -> Digits:
        filed = {link.name: filing_of(filings, carrier, link.name) for link in self.links}
        return Digits(
            room={link.name: room_behind(link.configured) for link in self.links},
            filed={name: filing.extension for name, filing in filed.items() if filing and filing.extension},
        )

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
        """How a link does, whatever it serves. A connection that only receives does not count: it carries nothing."""
        facts = self.conditions.get(link.name, ())
        if not self._bound(link) - {"receive"}:
            return Fitness.DOWN
        return Fitness.BROKEN if any(isinstance(fact, Broken) for fact in facts) else Fitness.READY

    def hears(self, link: Link) -> bool:
        """Whether receipts and replies can come: one of its connections that receive is bound."""
        return bool(self._bound(link) - {"send"})

    def _bound(self, link: Link) -> set[Direction]:
        """What the connections of a link that are bound are logged in for."""
        facts = self.conditions.get(link.name, ())
        return {link.configured.direction(fact.connection) for fact in facts if isinstance(fact, Connected)}

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
