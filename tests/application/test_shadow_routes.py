"""A shadow run takes recorded messages through a table: an unchanged one decides again what was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.choose_route import Filings, Network, wanted_of
from application.shadow_routes import NO_WAY, Shadow, shadow, table_of
from domain.aggregates.link import Link
from domain.aggregates.route import RouteTable
from domain.aggregates.signature import Filing, FilingState
from domain.errors import BadInput
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.events.message import SubmissionStarted
from domain.events.route import RouteSet, Share
from domain.recorded import Context, Recorded
from domain.values import Carrier, Category
from tests.application.office import configured
from tests.domain.facts import NOW, accepted
from tests.domain.test_route import made, table, wanted

LINKS = tuple(
    Link(configured=replace(configured(name, *carriers), source_address=number), enabled=True)
    for name, number, carriers in (
        ("one", "1069", (Carrier.MOBILE,)),
        ("two", "1" * 16, (Carrier.MOBILE,)),
        ("both", "1" * 17, (Carrier.MOBILE, Carrier.UNICOM)),
        ("other", "1069", (Carrier.UNICOM,)),
    )
)
"""Behind their numbers is room for 16, 4, 3 and 16 digits."""
NAMES = tuple(link.name for link in LINKS)
CONDITIONS: dict[str, tuple[ConditionEvent, ...]] = {
    "up": (Connected(name="x"),),
    "down": (Lost(name="x", reason="kicked"),),
    "broken": (Connected(name="x"), Broken(name="x", reason="refusals")),
}


def message(number: int, **changes: object) -> Recorded:
    """A message that was accepted."""
    event = accepted(account="acme", signature="示例科技", carrier=Carrier.MOBILE, **changes)
    return Recorded(
        stream=wanted(number).message, version=1, at=NOW, context=Context(actor="test"), event=event
    )


def network(routes: RouteTable, filings: Filings = (), **states: str) -> Network:
    """The links, connected but for what `states` says."""
    return Network(
        links=LINKS,
        conditions={name: CONDITIONS[states.get(name, "up")] for name in NAMES},
        table=routes,
        filings=lambda account, signature: filings,  # noqa: ARG005
    )


def decided(standing: Network, messages: Sequence[Recorded]) -> dict[UUID, SubmissionStarted]:
    """What the network decides about messages, as it is recorded."""
    found = {}
    for each in messages:
        choice = standing.choose(wanted_of(each.stream, each.event))  # type: ignore[arg-type]
        if choice is not None:
            found[each.stream] = SubmissionStarted(
                attempt=1,
                link=choice.link,
                route=choice.route,
                passed_over=tuple(f"{link}:{fitness}" for link, fitness in choice.passed_over),
                extension=choice.digits,
            )
    return found


def run(
    then: Mapping[UUID, SubmissionStarted],
    messages: Sequence[Recorded],
    *,
    standing: RouteTable,
    changed: RouteTable,
) -> Shadow:
    """Any time later, with every link up again."""
    return shadow(
        [messages],
        network(standing).all_ready(),
        changed,
        decisions=lambda ids: {id_: then[id_] for id_ in ids if id_ in then},
    )


SHARES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(1, 9)),
    min_size=1,
    max_size=4,
    unique_by=lambda share: share[0],
)
ROUTES = st.lists(
    st.builds(
        lambda shares, **fields: made("", *shares, **fields),
        SHARES,
        priority=st.integers(0, 3),
        categories=st.sampled_from([(), (Category.OTP,), (Category.NOTICE,)]),
        accounts=st.sampled_from([(), ("acme",), ("bolt",)]),
        extension=st.sampled_from(["", "12", "7"]),
        extensions=st.sampled_from([(), ("1",), ("2", "12")]),
    ),
    max_size=4,
)


@given(
    routes=ROUTES,
    states=st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["down", "broken"]))),
    asked=st.lists(st.sampled_from(["", "1", "12", "2000"]), min_size=3, max_size=3),
)
def test_an_unchanged_table_decides_again_whatever_was_down_and_whatever_digits_were_asked_for(
    routes: list[RouteSet], states: list[dict[str, str]], asked: list[str]
):
    standing = table(*(replace(route, name=f"r{number}") for number, route in enumerate(routes)))
    messages, then = [], {}
    for moment, faults in enumerate(states or [{}]):
        some = [
            message(
                100 * moment + number,
                category=category,
                extension=asked[number],
            )
            for number, category in enumerate((Category.OTP, Category.NOTICE, Category.NOTICE))
        ]
        messages += some
        then |= decided(network(standing, **faults), some)
    found = run(then, messages, standing=standing, changed=standing)
    assert (found.messages, found.decided, found.elsewhere) == (len(messages), len(then), 0)
    assert not found.unlike
    assert found.before == found.after


def test_who_goes_elsewhere_is_counted_with_samples_and_the_rest_stays():
    standing = table(made("all", "one", "two"))
    messages = [message(number) for number in range(200)]
    then = decided(network(standing), messages)
    found = run(then, messages, standing=standing, changed=table(made("all", "one")))
    moved = sum(event.link == "two" for event in then.values())
    assert dict(found.moved) == {(("two", ""), ("one", "")): moved}
    assert (found.before["two"], found.after["two"], found.after["one"]) == (moved, 0, 200)
    assert found.share(found.after, "one") == 100.0
    samples = found.samples[("two", ""), ("one", "")]
    assert len(samples) == 5
    assert all(then[id_].link == "two" for id_ in samples)


def test_other_digits_are_another_way():
    standing = table(made("all", "one"))
    messages = [message(number) for number in range(3)]
    then = decided(network(standing), messages)
    found = run(then, messages, standing=standing, changed=table(made("all", "one", extension="12")))
    assert dict(found.moved) == {(("one", ""), ("one", "12")): 3}


def test_a_link_that_was_down_then_takes_nothing_in_the_changed_table_either():
    standing = table(made("all", "one", "two"))
    messages = [message(number) for number in range(20)]
    then = decided(network(standing, two="down"), messages)
    found = run(then, messages, standing=standing, changed=table(made("all", "two", "both")))
    assert dict(found.after) == {"both": 20}


def test_decisions_that_the_table_as_it_stands_would_not_take_are_listed_with_both_routes():
    messages = [message(number) for number in range(4)]
    then = decided(network(table(made("before", "one"))), messages)
    standing = table(made("since", "two"))
    found = run(then, messages, standing=standing, changed=standing)
    assert dict(found.unlike) == {("before", ("one", ""), "since", ("two", "")): 4}
    assert dict(found.before) == {"one": 4}
    assert found.elsewhere == 4


def test_a_decision_before_there_were_digits_in_a_filing_is_unlike():
    standing = table(made("all", "one"))
    messages = [message(1)]
    then = decided(network(standing), messages)
    filing = Filing(carrier=Carrier.MOBILE, link="", state=FilingState.FILED, extension="34")
    later = network(standing, filings=(filing,)).all_ready()
    found = shadow([messages], later, standing, decisions=lambda _: then)
    assert dict(found.unlike) == {("all", ("one", ""), "all", ("one", "34")): 1}


def test_a_link_that_is_off_by_now_took_what_it_took():
    standing = table(made("all", "one", "two"))
    messages = [message(number) for number in range(20)]
    then = decided(network(standing), messages)
    off = [replace(link, enabled=link.name != "two") for link in LINKS]
    later = replace(network(standing), links=off, _standing={}).all_ready()
    found = shadow([messages], later, standing, decisions=lambda _: then)
    assert not found.unlike
    assert found.after["two"] == sum(event.link == "two" for event in then.values())


def test_what_was_never_sent_is_compared_with_the_table_as_it_stands():
    messages = [message(1), message(2)]
    standing, changed = table(made("all", "one")), table(made("all", "two"))
    found = run({}, messages, standing=standing, changed=changed)
    assert (found.messages, found.decided) == (2, 0)
    assert dict(found.moved) == {(("one", ""), ("two", "")): 2}


def test_messages_that_no_link_would_take_are_counted_so():
    standing = table(made("all", "one"))
    messages = [message(1)]
    then = decided(network(standing), messages)
    found = run(then, messages, standing=standing, changed=table(made("all", "other")))
    assert dict(found.moved) == {(("one", ""), NO_WAY): 1}
    assert found.after[""] == 1


def test_the_links_are_asked_as_they_do_where_that_is_wanted():
    standing, changed = table(made("all", "one")), table(made("all", "one", "two"))
    found = shadow([[message(n) for n in range(20)]], network(standing, two="down"), changed)
    assert (found.after["one"], found.decided, found.elsewhere) == (20, 0, 0)


WRONG: dict[str, tuple[RouteSet, ...]] = {
    "link_unknown": (made("all", "nobody"),),
    "route_name": (made("All", "one"),),
    "extension_unfit": (made("all", "one", extension="1" * 17),),
    "route_invalid": (made("all", "one"), made("all", "two")),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_table_that_could_not_be_set_is_refused(code: str):
    with pytest.raises(BadInput) as refused:
        table_of(WRONG[code], links=LINKS)
    assert refused.value.code == code


def test_a_table_is_what_the_same_routes_make_when_they_are_set():
    routes = [made("b", "one", priority=20), made("a", Share(link="two", weight=3).link, priority=5)]
    assert table_of(routes, links=LINKS) == table(*routes)


def test_a_link_that_had_no_room_then_is_taken_by_a_table_that_puts_fewer_digits_before_the_sender_s():
    messages = [message(1, extension="2000")]
    long, short = (made("all", "two", priority=1, extension=digits) for digits in ("7", ""))
    rest = made("rest", "one", priority=2)
    then = decided(network(table(long, rest)), messages)
    assert [event.passed_over for event in then.values()] == [("two:unfit",)]
    found = run(then, messages, standing=table(long, rest), changed=table(short, rest))
    assert dict(found.moved) == {(("one", "2000"), ("two", "2000")): 1}


def test_a_route_that_comes_to_be_for_digits_moves_the_messages_with_such_digits_only():
    messages = [message(number, extension=digits) for number, digits in enumerate(("", "12", "2000"))]
    standing = table(made("all", "one"))
    then = decided(network(standing), messages)
    changed = table(made("all", "one"), made("desk", "two", priority=1, extensions=("2",)))
    found = run(then, messages, standing=standing, changed=changed)
    assert dict(found.moved) == {(("one", "2000"), ("two", "2000")): 1}
