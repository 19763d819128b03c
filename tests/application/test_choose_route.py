"""The laws of routing on a whole network: shares, repeatability, failover, links passed over for want of a filing."""

from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest

from application.choose_route import Filings, Network
from domain.aggregates.link import Link
from domain.aggregates.route import Fitness, RouteTable
from domain.aggregates.signature import Filing, FilingState
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.values import Carrier
from tests.application.office import configured
from tests.domain.test_route import made, table, wanted

ONE, TWO, THREE = (
    Link(configured=configured(name, Carrier.MOBILE), enabled=True) for name in ("one", "two", "three")
)
MANY = 6_000
MOBILE = Carrier.MOBILE


def network(
    routes: RouteTable, *, filings: Filings = (), require_filing: bool = False, **conditions: ConditionEvent
) -> Network:
    """Three links of one carrier, connected unless it is said otherwise."""
    facts = {link.name: (Connected(name=link.name),) for link in (ONE, TWO, THREE)}
    return Network(
        links=(ONE, TWO, THREE),
        conditions=facts
        | {name: (Connected(name=name), fact) for name, fact in conditions.items()}
        | {name: (fact,) for name, fact in conditions.items() if isinstance(fact, Lost)},
        table=routes,
        filings=lambda account, signature: filings if (account, signature) == ("acme", "示例科技") else (),
        require_filing=require_filing,
    )


def links_of(standing: Network, messages: int = MANY) -> list[str]:
    return [choice.link for number in range(messages) if (choice := standing.choose(wanted(number)))]


def filed(link: str = "", *, state: FilingState = FilingState.FILED, extension: str = "") -> Filing:
    return Filing(carrier=MOBILE, link=link, state=state, extension=extension)


@pytest.mark.parametrize("weights", [(1, 1, 1), (7, 2, 1), (100, 1, 1)])
def test_weights_are_shares_within_four_standard_deviations(weights: tuple[int, int, int]):
    shares = dict(zip(("one", "two", "three"), weights, strict=True))
    counts = Counter(links_of(network(table(made("all", *shares.items())))))
    for link, weight in shares.items():
        share = weight / sum(weights)
        assert abs(counts[link] - MANY * share) <= 4 * sqrt(MANY * share * (1 - share))


def test_the_same_message_takes_the_same_link_whoever_asks_and_however_often():
    routes = table(made("all", ("one", 3), ("two", 2), ("three", 1)))
    assert links_of(network(routes)) == links_of(network(routes))


def test_when_a_link_goes_down_only_its_own_messages_move():
    routes = table(made("all", "one", "two", "three"))
    before = links_of(network(routes))
    after = links_of(network(routes, two=Lost(name="two", reason="a test")))
    assert Counter(after)["two"] == 0
    assert len(after) == len(before)
    moved = sum(b != a for b, a in zip(before, after, strict=True))
    assert moved >= Counter(before)["two"]


def test_failover_goes_by_priority_then_by_fitness():
    routes = table(made("first", "one", priority=1), made("second", "two", priority=2))
    down, broken = Lost(name="one", reason="a test"), Broken(name="one", reason="a test")
    assert set(links_of(network(routes), 50)) == {"one"}
    assert set(links_of(network(routes, one=down), 50)) == {"two"}
    assert set(links_of(network(routes, one=broken), 50)) == {"two"}
    assert set(links_of(network(routes, one=broken, two=Lost(name="two", reason="a test")), 50)) == {"one"}
    both_down = network(routes, one=down, two=Lost(name="two", reason="a test"))
    assert set(links_of(both_down, 50)) == {"one"}


def test_without_the_demand_for_filing_nothing_is_passed_over_for_want_of_it():
    assert set(links_of(network(RouteTable()), 200)) == {"one", "two", "three"}


def test_with_the_demand_only_links_where_the_signature_is_filed_are_taken_and_the_rest_says_why():
    standing = network(RouteTable(), filings=(filed("two"),), require_filing=True)
    choice = standing.choose(wanted())
    assert choice is not None
    assert choice.link == "two"
    assert dict(choice.passed_over) == {"one": Fitness.UNFILED, "three": Fitness.UNFILED}


@pytest.mark.parametrize(
    ("filings", "taken"),
    [
        ((filed(),), {"one", "two", "three"}),
        ((filed(), filed("two", state=FilingState.REJECTED)), {"one", "three"}),
        ((filed(state=FilingState.PENDING), filed("three")), {"three"}),
        ((Filing(carrier=Carrier.UNICOM, link="", state=FilingState.FILED),), set()),
        ((), set()),
    ],
)
def test_what_is_said_of_a_link_goes_before_what_is_said_of_its_carrier(filings: Filings, taken: set[str]):
    assert set(links_of(network(RouteTable(), filings=filings, require_filing=True), 200)) == taken


def test_a_ready_link_without_a_filing_does_not_go_before_one_that_is_down_with_it():
    standing = network(
        RouteTable(), filings=(filed("two"),), require_filing=True, two=Lost(name="two", reason="a test")
    )
    choice = standing.choose(wanted())
    assert choice is not None
    assert (choice.link, choice.fitness) == ("two", Fitness.DOWN)


def test_the_digits_of_the_filing_stand_in_the_place_of_the_routes():
    routes = table(made("codes", "one", extension="77"))
    assert [
        choice.extension
        for filings in ((), (filed("two", extension="9"),), (filed(extension="12"),))
        if (choice := network(routes, filings=filings).choose(wanted()))
    ] == ["77", "77", "12"]


def test_the_sender_s_digits_have_to_fit_behind_the_number_and_the_digits_of_route_or_filing():
    routes = table(made("codes", "one", extension="77"))
    room = 20 - len("1069")
    for filings, before in (((), "77"), ((filed(extension="123456"),), "123456")):
        standing, fits = network(routes, filings=filings), "1" * min(12, room - len(before))
        choice = standing.choose(wanted(extension=fits))
        assert choice is not None
        assert choice.digits == before + fits
    longer = network(routes, filings=(filed(extension="1234567"),))
    assert longer.choose(wanted(extension="1" * 10)) is None
    assert longer.fitness_for(wanted(extension="1" * 10))["one"] is Fitness.UNFIT


def test_another_accounts_filing_counts_for_nobody_else():
    standing = network(RouteTable(), filings=(filed(),), require_filing=True)
    assert standing.choose(wanted(account="other")) is None
    assert standing.choose(wanted(signature="别家")) is None


def test_a_link_of_which_only_receivers_are_bound_is_down_and_one_without_hears_nothing():
    link = replace(ONE, configured=replace(ONE.configured, protocol="smpp34", connections=2, receivers=1))

    def standing(*bound: int) -> tuple[Fitness, bool]:
        facts = tuple(Connected(name="one", connection=number) for number in bound)
        of = replace(network(table()), links=(link,), conditions={"one": facts}, _standing={})
        return of.condition(link), of.hears(link)

    assert standing(1, 2) == (Fitness.READY, True)
    assert standing(1) == (Fitness.READY, False)
    assert standing(2) == (Fitness.DOWN, True)
    assert standing() == (Fitness.DOWN, False)
