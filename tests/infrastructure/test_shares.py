"""Connections are shared out evenly, of each link and together, and once they are nothing moves any more."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from infrastructure.shares import Decision, Portion, decide

A, B, C = 1, 2, 3
GONE = 99
"""A worker that is not there any more, or does not want anything: it stops."""


def link(name: str, *owners: int | None, able: Collection[int] = (A, B)) -> list[Portion]:
    """A link with so many connections."""
    return [
        Portion(name=f"{name}:{number}", links=(name,), owner=owner, able=frozenset(able))
        for number, owner in enumerate(owners, 1)
    ]


def port(name: str, *links: str, owner: int | None, able: Collection[int] = (A, B)) -> Portion:
    """A port with the first connections of these links."""
    return Portion(name=name, links=links, owner=owner, able=frozenset(able))


def decisions(portions: Collection[Portion], *workers: int) -> list[Decision]:
    return [decide(portions, worker) for worker in workers]


def test_one_alone_takes_everything_that_is_free_and_gives_nothing_up():
    alone = link("x", A, None, A, able=[A]) + link("y", None, able=[A])
    assert decide(alone, A) == Decision(take=("x:2", "y:1"))
    assert decide(link("x", A, A, A, able=[A]), A) == Decision()


def test_what_is_free_is_shared_out_by_two_that_start_together():
    assert decisions(link("x", None, None, None), A, B) == [
        Decision(take=("x:1", "x:3")),
        Decision(take=("x:2",)),
    ]


def test_links_of_one_connection_each_are_shared_out_too():
    free = [each for name in "vwxyz" for each in link(name, None)]
    assert [len(each.take) for each in decisions(free, A, B)] == [3, 2]


def test_what_somebody_stops_with_is_left_to_it_and_to_nobody_else():
    assert decisions(link("x", GONE, GONE, A), A, B) == [Decision(), Decision()]


def test_who_has_too_much_of_a_link_gives_up_its_last_connection_and_one_at_a_time():
    assert decisions(link("x", A, A, A, A), A, B) == [Decision(give=("x:4",)), Decision()]


def test_of_different_links_several_go_at_once():
    assert decide(link("x", A, A) + link("y", A, A), A).give == ("x:2", "y:2")


def test_of_those_who_have_too_much_one_gives():
    gives = [each.give for each in decisions(link("x", A, A, B, B, able=[A, B, C]), A, B, C)]
    assert sorted(map(len, gives)) == [0, 0, 1]


def test_a_difference_of_one_is_settled():
    assert decisions(link("x", A, B, A), A, B) == [Decision(), Decision()]


def test_nothing_is_given_up_while_anything_is_free():
    assert decide(link("x", A, A, A) + link("y", None, able=[B]), A) == Decision()


def test_sums_are_levelled_where_every_link_is_even():
    both = link("x", A, A, B) + link("y", A, A, B)
    assert decisions(both, A, B) == [Decision(give=("y:2",)), Decision()]
    five = [each for name in "vwxyz" for each in link(name, A)]
    assert decisions(five, A, B) == [Decision(give=("z:1",)), Decision()]
    assert decisions([*five[:3], *(replace(each, owner=B) for each in five[3:])], A, B) == [Decision()] * 2


def test_a_connection_goes_to_those_only_that_can_run_it():
    assert decide(link("x", None, able=[B]), A) == Decision()
    assert decide([*link("x", A, able=[A]), *link("y", A, able=[A])], A) == Decision()


def test_a_link_that_nobody_can_run_keeps_no_other_from_moving():
    assert decide(link("x", A, A) + link("y", None, able=[]), A).give == ("x:2",)


def test_a_port_goes_with_all_its_links_and_counts_for_each_of_them():
    at_one_port = [port("p", "x", "y", owner=None), *link("x", None), *link("y", None)]
    assert decisions(at_one_port, A, B) == [Decision(take=("p",)), Decision(take=("x:1", "y:1"))]


def test_a_port_moves_only_where_that_makes_the_sums_more_even():
    pair = [port("p", "v", "w", owner=A)]
    assert decide(pair, A) == Decision()
    assert decide([*pair, port("q", "x", "y", owner=A)], A) == Decision(give=("q",))
    assert decide([*pair, *link("z", A)], A) == Decision(give=("z:1",)), "the lightest goes first"


# Whatever the start, and however their looks fall.


@dataclass
class World:
    """Workers that look in turn; what one gives up is its own until it has ended."""

    portions: dict[str, Portion]
    workers: Collection[int]
    random: Random
    stale: bool
    ending: dict[str, int] = field(default_factory=dict)
    given: int = 0

    def round(self) -> None:
        """Every worker looks once: all at what stood when the round began, or each at what stands."""
        before = list(self.portions.values())
        for worker in self.random.sample(sorted(self.workers), len(self.workers)):
            seen = before if self.stale else list(self.portions.values())
            self._apply(decide(seen, worker), worker)
        for name in list(self.ending):
            self.ending[name] -= 1
            if self.ending[name] < 0:
                del self.ending[name]
                self._own(name, None)

    def _apply(self, decision: Decision, worker: int) -> None:
        taken: Counter[tuple[str, ...]] = Counter()
        for name in decision.take:
            links = self.portions[name].links
            if self.portions[name].owner is None and taken[links] < 2:
                taken[links] += 1
                self._own(name, worker)
        for name in decision.give:
            assert self.portions[name].owner == worker, "nobody gives what is not its own"
            if name not in self.ending:
                self.ending[name] = self.random.randrange(3)
                self.given += 1

    def _own(self, name: str, owner: int | None) -> None:
        self.portions[name] = replace(self.portions[name], owner=owner)

    def settled(self) -> bool:
        seen = list(self.portions.values())
        return all(decide(seen, worker) == Decision() for worker in self.workers)

    def of_links(self) -> Mapping[str, Counter[int]]:
        counts: dict[str, Counter[int]] = {}
        for each in self.portions.values():
            for name in each.links:
                counts.setdefault(name, Counter())[each.owner or 0] += 1
        return counts

    def spread(self, counts: Mapping[int, int]) -> int:
        """How far the workers are apart."""
        return max(counts.get(worker, 0) for worker in self.workers) - min(
            counts.get(worker, 0) for worker in self.workers
        )

    def sums(self) -> Counter[int]:
        return sum(self.of_links().values(), Counter[int]())


@st.composite
def worlds(draw: st.DrawFn, *, ports: int) -> World:
    workers = frozenset(range(1, draw(st.integers(1, 6)) + 1))
    owner = st.sampled_from([None, *workers])
    made: list[Portion] = []
    for number in range(draw(st.integers(1, 6))):
        owners = draw(st.lists(owner, min_size=1, max_size=8))
        made += link(f"link-{number}", *owners, able=workers)
    for number in range(draw(st.integers(0, ports))):
        called = [f"called-{number}-{each}" for each in range(draw(st.integers(1, 3)))]
        made.append(port(f"port-{number}", *called, owner=draw(owner), able=workers))
        for name in called:
            made += link(name, *draw(st.lists(owner, max_size=3)), able=workers)
    return World(
        portions={each.name: each for each in made},
        workers=workers,
        random=Random(draw(st.integers(0, 2**32))),
        stale=draw(st.booleans()),
    )


def settle(world: World) -> None:
    """Fails where that takes longer than one move after the other of everything there is."""
    rounds = 0
    while not world.settled():
        world.round()
        rounds += 1
        assert rounds <= 5 * (len(world.portions) + 2), "it does not come to rest"
    assert world.given <= 2 * len(world.portions)


@given(worlds(ports=0))
def test_from_any_start_links_and_sums_become_even_and_stay_so(world: World):
    settle(world)
    assert all(world.spread(counts) <= 1 for counts in world.of_links().values())
    assert world.spread(world.sums()) <= 1
    stands = dict(world.portions)
    for _ in range(5):
        world.round()
    assert world.portions == stands


@given(worlds(ports=3))
def test_with_ports_too_links_become_even_and_nothing_stays_free(world: World):
    settle(world)
    assert all(world.spread(counts) <= 1 for counts in world.of_links().values())
    assert all(each.owner is not None for each in world.portions.values())


@given(worlds(ports=3), st.data())
def test_when_a_worker_dies_or_comes_the_others_share_out_anew(world: World, data: st.DataObject):
    settle(world)
    gone = data.draw(st.sampled_from([0, *sorted(world.workers)]))
    world.workers = ({*world.workers} - {gone} if gone else {*world.workers, 7}) or {7}
    world.ending.clear()
    for each in list(world.portions.values()):
        owner = each.owner if each.owner in world.workers else None
        world.portions[each.name] = replace(each, owner=owner, able=frozenset(world.workers))
    settle(world)
    assert all(world.spread(counts) <= 1 for counts in world.of_links().values())


@given(worlds(ports=3))
def test_while_shares_move_a_link_never_misses_more_than_one_connection(world: World):
    for each in list(world.portions.values()):
        world.portions[each.name] = replace(each, owner=1)
    rounds = 0
    while not world.settled():
        world.round()
        rounds += 1
        assert all(
            sum(name in each.links for each in world.portions.values() if each.owner is None) <= 1
            for name in world.of_links()
        )
        assert rounds <= 5 * (len(world.portions) + 2)
