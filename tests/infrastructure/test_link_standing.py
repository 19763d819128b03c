"""How a link does, from what the log knows and what workers tell: who is believed where they differ."""

from datetime import UTC, datetime, timedelta

import pytest

from infrastructure.carriers.traffic import LinkPhase
from infrastructure.link_figures import ConnectionFigures
from infrastructure.link_standing import NO_WORKER, LinkStanding
from projections.links import ConnectionLine, LinkLine

THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)


def line(**changes: object) -> LinkLine:
    known = {
        **dict.fromkeys(LinkLine._fields, 0),
        "name": "mobile",
        "protocol": "cmpp30",
        "carriers": ["mobile"],
        "connections": 2,
        "enabled": True,
        "draining": False,
        "broken_since": None,
        "broken_reason": "",
        "connected": True,
        "since": THEN,
        "reason": "",
        "lines": (),
    }
    return LinkLine(**(known | changes))  # type: ignore[arg-type]


def told(connection: int = 1, phase: LinkPhase = LinkPhase.BOUND, **changes: object) -> ConnectionFigures:
    known: dict[str, object] = {"worker": "w:1", "at": NOW.timestamp(), "since": NOW.timestamp()}
    return ConnectionFigures(
        link="mobile",
        connection=connection,
        phase=phase,
        window_size=16,
        **(known | changes),  # type: ignore[arg-type]
    )


def test_a_link_is_ready_while_one_of_its_connections_is_bound():
    of = LinkStanding(line=line(), told=[told(), told(2, LinkPhase.LOST)])
    assert (of.condition, of.since, of.reason, of.bound) == ("ready", NOW, "", 1)


def test_a_link_of_which_only_receivers_are_bound_is_down_and_one_without_hears_nothing():
    one_way = line(receivers=1)
    deaf = LinkStanding(line=one_way, told=[told(), told(2, LinkPhase.LOST)])
    mute = LinkStanding(line=one_way, told=[told(phase=LinkPhase.LOST, reason="reset"), told(2)])
    assert (deaf.condition, deaf.hears, deaf.bound) == ("ready", False, 1)
    assert (mute.condition, mute.hears, mute.bound, mute.reason) == ("down", True, 1, "reset")
    assert [each.direction for each in deaf.connections] == ["send", "receive"]
    lost_later = told(2, LinkPhase.LOST, reason="garbage", since=NOW.timestamp() + 5)
    down = LinkStanding(line=one_way, told=[told(phase=LinkPhase.LOST, reason="reset"), lost_later])
    assert (down.reason, down.hears) == ("reset", False)
    assert LinkStanding(line=line(), told=[told()]).hears


def test_a_link_whose_carrier_cannot_come_to_us_hears_nothing_and_says_why():
    of = LinkStanding(line=line(), told=[told(deaf="another program has port 8801"), told(2)])
    assert (of.condition, of.hears, of.reason) == ("ready", False, "another program has port 8801")


def test_a_link_is_ready_since_its_oldest_connection_stands():
    older = NOW - timedelta(minutes=5)
    of = LinkStanding(line=line(), told=[told(), told(2, since=older.timestamp())])
    assert of.since == older


def test_a_link_that_the_log_has_as_connected_is_down_where_no_worker_runs_it():
    of = LinkStanding(line=line(), told=())
    assert (of.condition, of.since, of.reason, of.figures) == ("down", None, NO_WORKER, None)
    assert [(each.phase, each.reason) for each in of.connections] == [("unknown", NO_WORKER)] * 2


def test_workers_know_it_before_the_log_does():
    bound = LinkStanding(line=line(connected=False, reason="reset"), told=[told()])
    assert (bound.condition, bound.since, bound.reason) == ("ready", NOW, "")
    lost = LinkStanding(line=line(), told=[told(phase=LinkPhase.REFUSED, reason="bind refused: 3")])
    assert (lost.condition, lost.since, lost.reason, lost.refused) == ("down", NOW, "bind refused: 3", 1)


def test_without_redis_a_link_stands_as_the_log_knows_it():
    lines = (ConnectionLine(1, True, THEN, ""), ConnectionLine(2, False, NOW, "reset"))
    of = LinkStanding(line=line(lines=lines), told=None)
    assert (of.condition, of.bound, of.figures, of.queued) == ("ready", 1, None, None)
    assert [(each.phase, each.since, each.reason) for each in of.connections] == [
        ("bound", THEN, ""),
        ("lost", NOW, "reset"),
    ]


def test_a_connected_link_whose_circuit_is_open_is_broken_since_then():
    broken = line(broken_since=NOW, broken_reason="60 percent refused")
    of = LinkStanding(line=broken, told=[told()])
    assert (of.condition, of.since, of.reason) == ("broken", NOW, "60 percent refused")
    assert LinkStanding(line=broken, told=()).condition == "down"


@pytest.mark.parametrize(
    ("enabled", "draining", "state"),
    [(True, False, "enabled"), (True, True, "draining"), (False, False, "disabled")],
)
def test_a_link_is_enabled_draining_or_disabled(enabled: bool, draining: bool, state: str):
    assert LinkStanding(line=line(enabled=enabled, draining=draining), told=None).state == state


def test_nobody_is_missed_on_a_disabled_link():
    of = LinkStanding(line=line(enabled=False, connected=False, reason="closed"), told=())
    assert (of.condition, of.reason) == ("down", "closed")
