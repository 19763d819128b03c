"""The route table: the first fitting route with a ready link decides, shares hold, and the choice can say why."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest

from domain.aggregates import route
from domain.aggregates.route import DEFAULT, Digits, Fitness, RouteTable, Wanted
from domain.errors import BadInput, NotFound
from domain.events.route import RouteSet, Share
from domain.values import NAMESPACE, Carrier, Category

AT = datetime(2026, 11, 1, tzinfo=UTC)
READY, BROKEN, DOWN, NONE, UNFIT = Fitness.READY, Fitness.BROKEN, Fitness.DOWN, Fitness.NONE, Fitness.UNFIT


def wanted(number: int = 1, **changes: object) -> Wanted:
    fields: dict[str, object] = {
        "message": uuid5(NAMESPACE, str(number)),
        "account": "acme",
        "category": Category.NOTICE,
        "carrier": Carrier.MOBILE,
        "signature": "示例科技",
    }
    return Wanted(**(fields | changes))  # type: ignore[arg-type]


def made(name: str, *links: str | tuple[str, int], priority: int = 10, **conditions: object) -> RouteSet:
    shares = tuple(
        Share(link=one) if isinstance(one, str) else Share(link=one[0], weight=one[1]) for one in links
    )
    fields: dict[str, object] = {
        "accounts": (),
        "categories": (),
        "carriers": (),
        "signatures": (),
        "extension": "",
        "by": "cli:one",
    }
    return RouteSet(name=name, priority=priority, shares=shares, **(fields | conditions))  # type: ignore[arg-type]


def table(*routes: RouteSet) -> RouteTable:
    state: RouteTable | None = None
    for each in routes:
        for event in (state or RouteTable()).set_route(each):
            state = route.evolve(state, event, AT)
    return state or RouteTable()


def test_without_routes_every_link_of_the_carrier_takes_its_share():
    fitness = {"one": READY, "two": READY, "three": NONE}
    choices = [RouteTable().choose(wanted(number), fitness) for number in range(1_000)]
    counts = Counter(choice.link for choice in choices if choice)
    assert set(counts) == {"one", "two"}
    assert all(count > 400 for count in counts.values())
    assert {choice.route for choice in choices if choice} == {DEFAULT}


def test_the_smaller_priority_is_asked_first_whatever_the_order_of_making():
    routes = table(made("late", "b", priority=20), made("first", "a", priority=5))
    choice = routes.choose(wanted(), {"a": READY, "b": READY})
    assert choice is not None
    assert (choice.link, choice.route) == ("a", "first")


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ({"accounts": ("acme",)}, {"account": "else"}),
        ({"categories": (Category.OTP,)}, {"category": Category.NOTICE}),
        ({"carriers": (Carrier.MOBILE,)}, {"carrier": Carrier.TELECOM}),
        ({"signatures": ("示例科技",)}, {"signature": "别家"}),
    ],
)
def test_a_route_is_for_the_messages_its_conditions_name(
    condition: dict[str, object], other: dict[str, object]
):
    routes = table(made("special", "a", priority=1, **condition), made("rest", "b"))
    fits = {"accounts": {}, "categories": {"category": Category.OTP}, "carriers": {}, "signatures": {}}
    inside = routes.choose(wanted(**fits[next(iter(condition))]), {"a": READY, "b": READY})
    outside = routes.choose(wanted(**other), {"a": READY, "b": READY})
    assert inside is not None
    assert outside is not None
    assert (inside.link, outside.link) == ("a", "b")


def test_weights_are_kept_over_many_messages():
    routes = table(made("split", ("a", 3), ("b", 1)))
    counts = Counter(
        choice.link
        for number in range(4_000)
        if (choice := routes.choose(wanted(number), {"a": READY, "b": READY}))
    )
    assert 2_850 < counts["a"] < 3_150


def test_the_same_message_takes_the_same_link_every_time():
    routes = table(made("split", ("a", 3), ("b", 2), ("c", 5)))
    fitness = {"a": READY, "b": READY, "c": READY}
    assert len({routes.choose(wanted(7), fitness) for _ in range(20)}) == 1


def test_a_link_that_is_down_is_passed_over_and_the_choice_says_so():
    routes = table(made("pair", "a", "b"))
    choice = routes.choose(wanted(), {"a": DOWN, "b": READY})
    assert choice is not None
    assert (choice.link, choice.passed_over) == ("b", (("a", DOWN),))


def test_a_route_without_a_ready_link_gives_way_to_the_next():
    routes = table(made("first", "a", priority=1), made("second", "b", priority=2))
    choice = routes.choose(wanted(), {"a": BROKEN, "b": READY})
    assert choice is not None
    assert (choice.link, choice.route, choice.passed_over) == ("b", "second", (("a", BROKEN),))


def test_where_nothing_is_ready_a_message_waits_at_the_fittest_link_of_the_first_route():
    routes = table(made("first", "a", priority=1), made("second", "b", "c", priority=2))
    broken = routes.choose(wanted(), {"a": DOWN, "b": BROKEN, "c": NONE})
    down = routes.choose(wanted(), {"a": DOWN, "b": DOWN, "c": NONE})
    assert broken is not None
    assert down is not None
    assert (broken.link, broken.fitness) == ("b", BROKEN)
    assert (down.link, down.fitness) == ("a", DOWN)


def test_where_no_link_may_take_it_there_is_no_choice():
    assert table(made("first", "a")).choose(wanted(), {"a": NONE}) is None
    assert RouteTable().choose(wanted(), {}) is None


def test_a_route_set_again_as_it_is_changes_nothing():
    routes = table(made("one", "a"))
    assert routes.set_route(made("one", "a", by="cli:two")) == ()
    assert len(routes.set_route(made("one", "b"))) == 1


def test_a_removed_route_is_asked_no_more():
    routes = table(made("one", "a", priority=1), made("two", "b"))
    (event,) = routes.remove(name="one", reason="gone", by="cli:one")
    after = route.evolve(routes, event, AT)
    assert [each.name for each in after.routes] == ["two"]
    with pytest.raises(NotFound):
        after.remove(name="one", reason="gone", by="cli:one")


@pytest.mark.parametrize(
    "wrong",
    [
        made("x"),
        made("x", "a", "a"),
        made("x", ("a", 0)),
        made("x", "a", priority=-1),
        made("x", "a", extension="12a"),
        made("x", "a", extension="1" * 13),
        made(DEFAULT, "a"),
    ],
)
def test_a_route_nobody_can_mean_is_refused(wrong: RouteSet):
    with pytest.raises(BadInput, match="route_invalid"):
        RouteTable().set_route(wrong)


def test_the_id_decides_within_the_line_of_weights():
    routes = table(made("split", ("a", 1), ("b", 1)))
    links = [routes.choose(wanted(message=UUID(int=n)), {"a": READY, "b": READY}) for n in (0, 1, 2, 3)]
    assert [choice.link for choice in links if choice] == ["a", "b", "a", "b"]


# The sender's digits.


def test_a_route_for_digits_takes_the_messages_whose_sender_asks_for_digits_that_begin_so():
    routes = table(made("desk", "a", priority=1, extensions=("12", "3")), made("rest", "b"))
    links = [
        choice.link
        for digits in ("12", "1299", "30", "1", "21", "")
        if (choice := routes.choose(wanted(extension=digits), {"a": READY, "b": READY}))
    ]
    assert links == ["a", "a", "a", "b", "b", "b"]


def test_the_sender_s_digits_stand_behind_those_of_the_route():
    choice = table(made("codes", "a", extension="12")).choose(wanted(extension="34"), {"a": READY})
    assert choice is not None
    assert (choice.extension, choice.asked, choice.digits) == ("12", "34", "1234")


def test_the_digits_of_a_filing_stand_in_the_place_of_the_route_s_and_before_the_sender_s():
    routes, digits = table(made("codes", "a", extension="12")), Digits(filed={"a": "9"})
    choice = routes.choose(wanted(extension="34"), {"a": READY}, None, digits)
    assert choice is not None
    assert choice.digits == "934"


@pytest.mark.parametrize(("asked", "link"), [("123", "a"), ("1234", "b"), ("12345", None)])
def test_a_link_is_passed_over_where_not_all_digits_fit_behind_its_number(asked: str, link: str | None):
    routes = table(made("first", "a", priority=1, extension="77"), made("second", "b", priority=2))
    digits = Digits(room={"a": 5, "b": 4})
    choice = routes.choose(wanted(extension=asked), {"a": READY, "b": READY}, None, digits)
    assert (choice and choice.link) == link
    if choice and link == "b":
        assert choice.passed_over == (("a", UNFIT),)


def test_a_ready_link_that_digits_do_not_fit_gives_way_to_one_that_is_down():
    digits = Digits(room={"a": 3, "b": 4})
    choice = table(made("pair", "a", "b")).choose(
        wanted(extension="1234"), {"a": READY, "b": DOWN}, None, digits
    )
    assert choice is not None
    assert (choice.link, choice.fitness, choice.passed_over) == ("b", DOWN, (("a", UNFIT),))


def test_weights_decide_only_among_links_that_the_digits_fit():
    routes, digits = table(made("split", "a", "b", "c")), Digits(room={"a": 3, "b": 4, "c": 4})
    fitness = {"a": READY, "b": READY, "c": READY}
    choices = [routes.choose(wanted(n, extension="1234"), fitness, None, digits) for n in range(50)]
    assert {choice.link for choice in choices if choice} == {"b", "c"}
    assert {tuple(share.link for share in choice.among) for choice in choices if choice} == {("b", "c")}


def test_nobody_may_ask_for_what_makes_the_number_of_another_account_s_route():
    routes = table(made("bolt", "a", accounts=("bolt",), extension="12"), made("rest", "a", "b", priority=99))
    fitness = {"a": READY, "b": NONE}
    assert routes.choose(wanted(extension="123"), fitness) is None
    assert routes.choose(wanted(extension="1"), fitness) is not None
    own = routes.choose(wanted(account="bolt", extension="123"), fitness)
    assert own is not None
    assert (own.route, own.digits) == ("bolt", "12123")


def test_how_fit_links_are_counts_the_route_under_which_digits_fit():
    routes = table(made("long", "a", priority=1, extension="77"), made("short", "a", "b", priority=2))
    fitness, digits = {"a": READY, "b": READY, "c": DOWN}, Digits(room={"a": 3, "b": 2, "c": 0})
    found = routes.fitness_for(wanted(extension="123"), fitness, route.default_route(fitness), digits)
    assert found == {"a": READY, "b": UNFIT, "c": DOWN}


@pytest.mark.parametrize("extensions", [("",), ("1a",), ("1" * 13,), ("1",) * 1_001])
def test_a_condition_on_digits_that_nobody_can_ask_for_is_refused(extensions: tuple[str, ...]):
    with pytest.raises(BadInput, match="route_invalid"):
        RouteTable().set_route(made("x", "a", extensions=extensions))
