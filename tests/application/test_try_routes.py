"""A trial of the routes names the link, those among which weights decide, and each that was passed over."""

from dataclasses import replace

import pytest

from application.choose_route import Network
from application.try_routes import ANY_MESSAGE, Tried, try_route
from domain.aggregates.link import Link
from domain.aggregates.route import Fitness, RouteTable, Wanted
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.events.route import RouteSet, Share
from domain.values import Carrier, Category
from tests.application.office import configured

OTP = Wanted(
    message=ANY_MESSAGE, account="acme", category=Category.OTP, carrier=Carrier.MOBILE, signature="示例科技"
)
UP = {name: (Connected(name=name),) for name in ("one", "two", "three")}


def route(*shares: Share, name: str = "codes", priority: int = 10) -> RouteSet:
    return RouteSet(
        name=name,
        priority=priority,
        accounts=(),
        categories=(Category.OTP,),
        carriers=(),
        signatures=(),
        shares=shares,
        extension="7",
        by="cli:one",
    )


def network(*routes: RouteSet, **conditions: tuple[ConditionEvent, ...]) -> Network:
    """Three links that take mobile's numbers and are connected, but for what `conditions` says."""
    links = [
        Link(configured=replace(configured(name), carriers=(Carrier.MOBILE,)), enabled=True) for name in UP
    ]
    return Network(links=links, conditions=UP | conditions, table=RouteTable(routes=routes))


def linked(tried: Tried) -> tuple[str, str]:
    assert tried.choice is not None
    return tried.choice.link, tried.choice.route


def test_the_route_and_the_weights_are_named():
    tried = try_route(network(route(Share(link="one", weight=7), Share(link="two", weight=3))), OTP)
    assert linked(tried) == ("one", "codes")
    assert [(share.link, share.weight) for share in tried.among] == [("one", 7), ("two", 3)]
    assert tried.passed_over == ()
    assert tried.why == (
        "Route codes is for it; one, two are ready, and the message's id decides among them by weight."
    )


@pytest.mark.parametrize(
    ("facts", "fitness"),
    [
        ((Lost(name="one", reason="x"),), Fitness.DOWN),
        ((Connected(name="one"), Broken(name="one", reason="x")), Fitness.BROKEN),
    ],
)
def test_a_link_that_does_not_do_well_is_passed_over(facts: tuple[ConditionEvent, ...], fitness: Fitness):
    tried = try_route(network(route(Share(link="one"), Share(link="two")), one=facts), OTP)
    assert linked(tried) == ("two", "codes")
    assert tried.among == (Share(link="two"),)
    assert tried.passed_over == (("one", fitness),)
    assert tried.why == "Route codes is for it; two is ready."


def test_where_everything_is_down_it_waits_for_the_first_route_s_links():
    lost = {name: (Lost(name=name, reason="x"),) for name in UP}
    tried = try_route(network(route(Share(link="two")), route(Share(link="one"), name="z"), **lost), OTP)
    assert linked(tried) == ("two", "codes")
    assert tried.choice is not None
    assert tried.choice.fitness is Fitness.DOWN
    assert "would wait" in tried.why


def test_what_no_route_is_for_takes_any_link_of_its_carrier():
    tried = try_route(network(route(Share(link="two"))), replace(OTP, category=Category.NOTICE))
    assert linked(tried)[1] == "default"
    assert [share.link for share in tried.among] == ["one", "three", "two"]


def test_where_no_link_may_take_it_every_link_says_why():
    tried = try_route(network(), replace(OTP, carrier=Carrier.UNICOM))
    assert tried.choice is None
    assert tried.passed_over == (("one", Fitness.NONE), ("three", Fitness.NONE), ("two", Fitness.NONE))
