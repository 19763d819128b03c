"""What the doors of routes take and answer with."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from application.try_routes import Tried
from domain.aggregates.route import Fitness
from domain.events.route import RouteSet, Share
from domain.values import Carrier, Category

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Digits = Annotated[str, Meta(min_length=1, max_length=12)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=1_000)]


class RouteShare(Struct, kw_only=True, forbid_unknown_fields=True):
    """A link of a route; `weight` is its share among those that can take a message."""

    link: Annotated[str, Meta(max_length=32)]
    weight: int = 1


class RouteRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A route as it shall be. An empty condition holds for every message."""

    priority: Annotated[int, Meta(description="The smaller number is asked first.")] = 100
    accounts: _Names = ()
    categories: tuple[Category, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    signatures: _Names = ()
    links: Annotated[tuple[RouteShare, ...], Meta(max_length=100)]
    extension: Annotated[
        str,
        Meta(
            max_length=32, description="Digits behind the link's number, so that replies find their account."
        ),
    ] = ""
    extensions: Annotated[
        tuple[_Digits, ...],
        Meta(
            max_length=1_000, description="What the digits that the sender asked for begin with, one of them."
        ),
    ] = ()


class RouteAnswer(Struct, kw_only=True):
    """A route as it stands."""

    name: str
    priority: int
    accounts: tuple[str, ...]
    categories: tuple[Category, ...]
    carriers: tuple[Carrier, ...]
    signatures: tuple[str, ...]
    links: list[RouteShare]
    extension: str
    extensions: tuple[str, ...]
    by: Annotated[str, Meta(description="Who set it.")]


class RouteList(Struct, kw_only=True):
    """All routes in the order in which they are asked."""

    routes: list[RouteAnswer]


class RouteTry(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a route is chosen by."""

    account: Annotated[str, Meta(min_length=1, max_length=32)]
    category: Category
    carrier: Carrier
    signature: Annotated[str, Meta(max_length=64)] = ""
    extension: Annotated[str, Meta(max_length=12, description="The digits that the sender asks for.")] = ""
    message: Annotated[
        UUID | None, Meta(description="The message's id, which decides among links of equal rank.")
    ] = None


class RouteAmong(Struct, kw_only=True):
    """One of the links among which the weights decide."""

    link: str
    weight: int
    percent: float


class RoutePassed(Struct, kw_only=True):
    """A link that was not taken."""

    link: str
    fitness: Fitness
    why: str


class RouteTried(Struct, kw_only=True):
    """Which link the message would take now, and why. `link` is null where none may take it."""

    link: str | None = None
    route: str | None = None
    extension: Annotated[str, Meta(description="All digits behind the link's number.")]
    fitness: Fitness
    why: str
    among: list[RouteAmong]
    passed_over: list[RoutePassed]


_REASONS = {
    Fitness.READY: "no route of the message names it",
    Fitness.BROKEN: "too much of what it takes is refused or not delivered: its circuit is open",
    Fitness.DOWN: "it is not connected",
    Fitness.UNFILED: "the signature is not filed with its carrier",
    Fitness.UNFIT: "its digits do not fit behind its number, or are another account's there",
    Fitness.NONE: "it is disabled, draining, or not for this carrier",
}


def route_answer(route: RouteSet) -> RouteAnswer:
    """A route as it stands."""
    return RouteAnswer(
        name=route.name,
        priority=route.priority,
        accounts=route.accounts,
        categories=route.categories,
        carriers=route.carriers,
        signatures=route.signatures,
        links=[RouteShare(link=share.link, weight=share.weight) for share in route.shares],
        extension=route.extension,
        extensions=route.extensions,
        by=route.by,
    )


def route_of(name: str, body: RouteRequest, *, by: str) -> RouteSet:
    """The route that a body asks for."""
    return RouteSet(
        name=name,
        priority=body.priority,
        accounts=body.accounts,
        categories=body.categories,
        carriers=body.carriers,
        signatures=body.signatures,
        shares=tuple(Share(link=share.link, weight=share.weight) for share in body.links),
        extension=body.extension,
        extensions=body.extensions,
        by=by,
    )


def tried_answer(tried: Tried) -> RouteTried:
    """What a trial of the network found."""
    choice = tried.choice
    whole = sum(share.weight for share in tried.among)
    return RouteTried(
        link=choice.link if choice else None,
        route=choice.route if choice else None,
        extension=choice.digits if choice else "",
        fitness=choice.fitness if choice else Fitness.NONE,
        why=tried.why,
        among=[
            RouteAmong(link=share.link, weight=share.weight, percent=round(100 * share.weight / whole, 1))
            for share in tried.among
        ],
        passed_over=[
            RoutePassed(link=link, fitness=fitness, why=_REASONS[fitness])
            for link, fitness in tried.passed_over
        ],
    )
