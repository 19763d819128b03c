"""The route table, and the choice it makes: pure, repeatable for a message, and able to say why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from domain.errors import BadInput, NotFound
from domain.events.link import Configured
from domain.events.route import RouteEvent, RouteRemoved, RouteSet, Share
from domain.values import Carrier, Category, is_extension

DEFAULT = "default"
"""The route of messages that no other route is for: every link that serves their carrier, in equal shares."""
_MOST_SHARES = 32
_MOST_WEIGHT = 10_000
_MOST_PREFIXES = 1_000
_LONGEST_NUMBER = 21
_LONGEST_IN_SMPP = 20


class Fitness(StrEnum):
    """Whether a link can take a message of a carrier now; the first one that is there is taken."""

    READY = "ready"
    """Connected, and its circuit is closed."""
    BROKEN = "broken"
    """Connected, but its circuit breaker is open: too many are refused or not delivered."""
    DOWN = "down"
    """Enabled, not connected."""
    UNFILED = "unfiled"
    """It would take the number, but the signature is not filed with its carrier."""
    UNFIT = "unfit"
    """It would take the number, but not all digits fit behind its own, or the sender's make it another account's."""
    NONE = "none"
    """Not there, disabled, draining, or not for this carrier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a route is chosen by."""

    message: UUID
    account: str
    category: Category
    carrier: Carrier
    signature: str
    extension: str = ""
    """The digits that its sender asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """What can stand behind the number of each link."""

    room: Mapping[str, int] = field(default_factory=dict)
    """How many digits; a link that is not named takes all."""
    filed: Mapping[str, str] = field(default_factory=dict)
    """Those under which the signature is filed for it: in the place of the route's."""

    def before(self, link: str, route: RouteSet) -> str:
        """The digits of the route or the filing; those of the sender come behind them."""
        return self.filed.get(link, route.extension)


NO_DIGITS = Digits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The link of a message and why: the route, how fit the link was, the links `among` which weights and the
    message's id decided, and those that were passed over.

    `extension` are the digits of the route or the filing, `asked` those of the sender behind them.
    """

    link: str
    route: str
    extension: str
    asked: str = ""
    fitness: Fitness
    among: tuple[Share, ...]
    passed_over: tuple[tuple[str, Fitness], ...] = ()

    @property
    def digits(self) -> str:
        """All that stands behind the link's number."""
        return self.extension + self.asked


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All routes in the order in which they are asked."""

    routes: tuple[RouteSet, ...] = ()

    def set_route(self, wanted: RouteSet) -> tuple[RouteEvent, ...]:
        """Make a route, or make it anew; nothing to do where it is so. Refuses route_invalid."""
        _require(wanted)
        known = next((route for route in self.routes if route.name == wanted.name), None)
        return () if known is not None and replace(known, by=wanted.by) == wanted else (wanted,)

    def remove(self, *, name: str, reason: str, by: str) -> tuple[RouteEvent, ...]:
        """Ask a route no more. Refuses not_found."""
        if all(route.name != name for route in self.routes):
            raise NotFound("not_found", f"There is no route {name}.", field="name")
        return (RouteRemoved(name=name, reason=reason, by=by),)

    def choose(
        self,
        wanted: Wanted,
        fitness: Mapping[str, Fitness],
        default: RouteSet | None = None,
        digits: Digits = NO_DIGITS,
    ) -> Choice | None:
        """The link of a message. `fitness` says how fit each link is for the message's carrier; `default` is
        `default_route(fitness)`, for who asks for many messages; `digits` is what stands behind the links' numbers.

        The first route that is for the message and has a ready link decides. Where none has, the fittest
        link of the first route that has any: the message waits there. None where no link may take it.
        """
        passed: list[tuple[str, Fitness]] = []
        best: Choice | None = None
        for route in self._routes_of(wanted) or [default or default_route(fitness)]:
            fit = self._fitness_in(route, wanted, fitness, digits)
            chosen = _pick(route, wanted, fit, digits, tuple(passed))
            if chosen is not None and chosen.fitness is Fitness.READY:
                return chosen
            if chosen is not None and (best is None or _rank(chosen.fitness) < _rank(best.fitness)):
                best = chosen
            passed += fit.items()
        return best

    def fitness_for(
        self,
        wanted: Wanted,
        fitness: Mapping[str, Fitness],
        default: RouteSet,
        digits: Digits,
    ) -> Mapping[str, Fitness]:
        """How fit each link is for a message, its digits included: by the route under which it is fittest."""
        found: dict[str, Fitness] = {}
        for route in self._routes_of(wanted) or [default]:
            for link, fit in self._fitness_in(route, wanted, fitness, digits).items():
                found[link] = min(fit, found.get(link, fit), key=_rank)
        return {**fitness, **found}

    def _routes_of(self, wanted: Wanted) -> list[RouteSet]:
        return [route for route in self.routes if _is_for(route, wanted)]

    def _fitness_in(
        self, route: RouteSet, wanted: Wanted, fitness: Mapping[str, Fitness], digits: Digits
    ) -> dict[str, Fitness]:
        """How fit the links of a route are for a message, its digits included."""
        fit = {share.link: fitness.get(share.link, Fitness.NONE) for share in route.shares}
        if route.extension or wanted.extension or digits.filed:
            for link, state in fit.items():
                if state not in _TAKES_NOTHING and not self._fits(link, route, wanted, digits):
                    fit[link] = Fitness.UNFIT
        return fit

    def _fits(self, link: str, route: RouteSet, wanted: Wanted, digits: Digits) -> bool:
        """Whether all digits fit, and replies to them do not go to others because the sender asked for theirs."""
        before = digits.before(link, route)
        whole = before + wanted.extension
        if whole and len(whole) > digits.room.get(link, _LONGEST_NUMBER):
            return False
        return not wanted.extension or not any(
            len(other.extension) > len(before)
            and whole.startswith(other.extension)
            and other.accounts
            and wanted.account not in other.accounts
            and any(share.link == link for share in other.shares)
            for other in self.routes
        )


def evolve(state: RouteTable | None, event: RouteEvent, at: datetime) -> RouteTable:  # noqa: ARG001
    """The table after one more fact."""
    routes = {route.name: route for route in (state or RouteTable()).routes}
    match event:
        case RouteSet():
            routes[event.name] = event
        case RouteRemoved():
            routes.pop(event.name, None)
        case _:
            assert_never(event)
    ordered = sorted(routes.values(), key=lambda route: (route.priority, route.name))
    return RouteTable(routes=tuple(ordered))


def _is_for(route: RouteSet, wanted: Wanted) -> bool:
    return (
        (not route.accounts or wanted.account in route.accounts)
        and (not route.categories or wanted.category in route.categories)
        and (not route.carriers or wanted.carrier in route.carriers)
        and (not route.signatures or wanted.signature in route.signatures)
        and (not route.extensions or wanted.extension.startswith(route.extensions))
    )


def default_route(fitness: Mapping[str, Fitness]) -> RouteSet:
    """The route of messages that no other one is for: every link in equal shares."""
    return RouteSet(
        name=DEFAULT,
        priority=0,
        accounts=(),
        categories=(),
        carriers=(),
        signatures=(),
        shares=tuple(Share(link=link) for link in sorted(fitness)),
        extension="",
        by="",
    )


def _pick(
    route: RouteSet,
    wanted: Wanted,
    fit: Mapping[str, Fitness],
    digits: Digits,
    passed: tuple[tuple[str, Fitness], ...],
) -> Choice | None:
    """A link of a route: among its fittest ones by weight, the same one for the same message."""
    best = min((_rank(state) for state in fit.values()), default=_rank(Fitness.NONE))
    if best >= _RANKS[Fitness.UNFILED]:
        return None
    candidates = tuple(share for share in route.shares if _rank(fit[share.link]) == best)
    link = _by_weight(candidates, wanted.message)
    others = [(name, state) for name, state in fit.items() if _rank(state) > best]
    return Choice(
        link=link,
        route=route.name,
        extension=digits.before(link, route),
        asked=wanted.extension,
        fitness=fit[link],
        among=candidates,
        passed_over=(*passed, *others),
    )


def _by_weight(candidates: Sequence[Share], message: UUID) -> str:
    """The id of a message is a hash: its place on the line of all weights is as good as a die, and repeatable."""
    place = message.int % sum(share.weight for share in candidates)
    for share in candidates:
        place -= share.weight
        if place < 0:
            return share.link
    raise AssertionError("weights are positive")


def room_behind(link: Configured) -> int:
    """How many digits can stand behind a link's number: none where it sends under letters, or nothing.

    A number has 21 octets in CMPP (Src_Id), SGIP (SPNumber) and SMGP (SrcTermID), and 20 in SMPP (source_addr).
    """
    return max(0, _longest(link) - len(link.source_address)) if _is_number(link.source_address) else 0


def _longest(link: Configured) -> int:
    return _LONGEST_IN_SMPP if link.protocol == "smpp34" else _LONGEST_NUMBER


def _is_number(address: str) -> bool:
    return address.isascii() and address.isdecimal()


def require_room(link: Configured, extension: str) -> None:
    """Refuse extension_unfit: digits that cannot stand behind a link's number, or make it too long on the wire."""
    if len(extension) <= room_behind(link):
        return
    if not _is_number(link.source_address):
        detail = f"Link {link.name} sends under no number, so no digits can stand behind it."
    else:
        longest = _longest(link)
        detail = (
            f"With link {link.name} the number would have more than {longest} digits: shorten the extension."
        )
    raise BadInput("extension_unfit", detail, field="extension")


def is_fitter(one: Fitness, other: Fitness) -> bool:
    """Whether a link so fit is taken before one that is so fit."""
    return _rank(one) < _rank(other)


_RANKS = {fitness: rank for rank, fitness in enumerate(Fitness)}
_TAKES_NOTHING = frozenset({Fitness.UNFILED, Fitness.UNFIT, Fitness.NONE})


def _rank(fitness: Fitness) -> int:
    return _RANKS[fitness]


def _require(route: RouteSet) -> None:
    links = [share.link for share in route.shares]
    wrong = (
        (not route.shares or len(links) > _MOST_SHARES, "shares", "A route has 1 to 32 links."),
        (len(set(links)) < len(links), "shares", "A route names each link once."),
        (
            any(not 1 <= share.weight <= _MOST_WEIGHT for share in route.shares),
            "shares",
            "A weight is 1 to 10000.",
        ),
        (
            not 0 <= route.priority <= 10_000,
            "priority",
            "A priority is 0 to 10000; the smaller is asked first.",
        ),
        (
            not is_extension(route.extension),
            "extension",
            "An extension is up to 12 digits.",
        ),
        (
            len(route.extensions) > _MOST_PREFIXES
            or not all(digits and is_extension(digits) for digits in route.extensions),
            "extensions",
            "A condition on the sender's digits is 1 to 12 digits.",
        ),
        (route.name == DEFAULT, "name", "This name is that of the route there always is."),
    )
    for bad, name, detail in wrong:
        if bad:
            raise BadInput("route_invalid", detail, field=name)
