"""Routes: which messages take which links, in which order and shares. One table for the platform."""

from dataclasses import dataclass
from typing import ClassVar

from domain.values import Carrier, Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link of a route; `weight` is its share among the links of the route that can take a message."""

    link: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSet:
    """A route is made, or made anew. An empty condition holds for every message."""

    TOPIC: ClassVar = "route.set"
    name: str
    priority: int
    """The smaller number is asked first."""
    accounts: tuple[str, ...]
    categories: tuple[Category, ...]
    carriers: tuple[Carrier, ...]
    signatures: tuple[str, ...]
    shares: tuple[Share, ...]
    extension: str
    """Digits behind the link's access number, so that replies find their account; may be empty."""
    by: str
    extensions: tuple[str, ...] = ()
    """A condition: the digits that the sender asked for begin with one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRemoved:
    """A route is asked no more."""

    TOPIC: ClassVar = "route.removed"
    name: str
    reason: str
    by: str


RouteEvent = RouteSet | RouteRemoved
