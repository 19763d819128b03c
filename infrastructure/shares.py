"""How the connections of all links are shared out over the workers that live.

Every worker sees the same: who owns what, and who could. It decides by that alone, so all of them have one plan without
talking to each other: what is free goes where least is, and only then is something given up, by who has too much of it.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What has one owner as a whole: a connection of a link, or the first ones of all links at one port."""

    name: str
    """The lease that decides who owns it."""
    links: tuple[str, ...]
    """The link of each of its connections; those that send and those that receive are counted apart."""
    owner: int | None
    able: frozenset[int]
    """The workers that are there and could own it."""


Owned: TypeAlias = tuple[Portion, int]
"""With its owner, who is one of those that are able."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Names of what a worker takes now, and of what it gives up."""

    take: tuple[str, ...] = ()
    give: tuple[str, ...] = ()


def decide(portions: Collection[Portion], me: int) -> Decision:
    """What this worker does about what all workers see.

    Nothing is given up while anything is free. Of each link one connection at most is on its way to another worker, and
    while links are uneven nothing moves for the sake of the sums. Every move makes the differences smaller, so it ends.
    """
    owned = [(each, each.owner) for each in portions if each.owner is not None and each.owner in each.able]
    load = _Load()
    for each, owner in owned:
        load.add(each, owner)
    free = [each for each in portions if each.owner is None and each.able]
    if free:
        free.sort(key=lambda each: (-len(each.links), each.name))
        takers = [(each.name, load.allot(each)) for each in free]
        return Decision(take=tuple(name for name, taker in takers if taker == me))
    leaving = _evening(owned, load) or _levelling(owned, load)
    return Decision(give=tuple(each.name for each, owner in leaving if owner == me))


@dataclass(frozen=True, slots=True)
class _Load:
    """How many connections each worker has: of each link, and together."""

    of_link: Counter[tuple[str, int]] = field(default_factory=Counter)
    total: Counter[int] = field(default_factory=Counter)

    def add(self, portion: Portion, worker: int) -> None:
        self.of_link.update((link, worker) for link in portion.links)
        self.total[worker] += len(portion.links)

    def allot(self, portion: Portion) -> int:
        """Give it to who has least of its links, and least of all among those; returns who that is."""
        taker = min(portion.able, key=lambda worker: self.rank(portion, worker))
        self.add(portion, taker)
        return taker

    def rank(self, portion: Portion, worker: int) -> tuple[int, int, int]:
        """Less is who needs it more; no two are equal."""
        return sum(self.of_link[link, worker] for link in portion.links), self.total[worker], worker


def _evening(owned: Iterable[Owned], load: _Load) -> list[Owned]:
    """Of each link that one worker has two connections more of than another: one of the former's.

    Those that are bound to a port stay: who has two of a link has another one.
    """
    fullest: dict[str, Owned] = {}
    for each, owner in sorted(owned, key=lambda pair: pair[0].name):
        if len(each.links) == 1:
            known = fullest.get(each.links[0])
            if known is None or load.rank(each, owner) >= load.rank(*known):
                fullest[each.links[0]] = each, owner
    return [
        (each, owner)
        for each, owner in fullest.values()
        if load.rank(each, owner)[0] - min(load.rank(each, worker)[0] for worker in each.able) > 1
    ]


def _levelling(owned: Iterable[Owned], load: _Load) -> list[Owned]:
    """Where no link is uneven: one portion that brings the sums of two workers nearer, and leaves every link even.

    Of those whose sums are furthest apart, and the lightest portion. Where both could run every link there is one as
    soon as two sums are two apart: of some link one of them has one connection more than the other.
    """
    moves = [
        (load.total[worker] - load.total[owner], len(each.links), owner, worker, each, owner)
        for each, owner in sorted(owned, key=lambda pair: pair[0].name, reverse=True)
        for worker in each.able
        if load.total[owner] - load.total[worker] > len(each.links)
        and all(load.of_link[link, owner] > load.of_link[link, worker] for link in each.links)
    ]
    return [min(moves, key=lambda move: move[:4])[4:]] if moves else []
