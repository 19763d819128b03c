"""`smsledger route shadow`: recorded messages through a changed table, and not a fact more in the log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from application.manage_routes import set_route
from domain.events.message import SubmissionStarted
from domain.values import Carrier
from infrastructure.bootstrap import Platform, platform
from tests.domain.test_route import made
from tests.support.door import run
from tests.support.networked import MOBILE, UNICOM, add_link, make_network, record, send
from tests.support.sample import BY, settings_for
from tests.support.terminal import Said, Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Two links to China Mobile, one of them named by a route, and messages that were sent."""

    terminal: Terminal
    platform: Platform
    table: Path
    sent: tuple[UUID, ...]

    def change(self, **changes: Any) -> None:  # noqa: ANN401  (fields of a route)
        """Write the table as it stands, with its only route changed."""
        document = self.terminal("route", "list", "--json").document
        document["routes"] = [document["routes"][0] | changes]
        self.table.write_text(json.dumps(document), encoding="utf-8")

    def shadow(self, *options: str) -> Said:
        return self.terminal("route", "shadow", "--table", self.table, *options)

    def facts(self) -> int:
        rows = self.platform.store.recorder.rows("SELECT count(*) FROM smsledger.stored_events")
        return int(rows[0][0])


@pytest.fixture
def scene(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Iterator[Scene]:
    terminal = Terminal(monkeypatch, capfd, database_url=database_url, data_dir=str(tmp_path))
    with platform(settings_for(database_url, tmp_path)) as opened:
        run(make_network(opened))
        run(add_link(opened, "mobile-2", Carrier.MOBILE))
        route = made("all", "mobile-1", carriers=(Carrier.MOBILE,), extension="12")
        run(set_route(opened.store, wanted=route, context=BY))
        sent = [run(send(opened, MOBILE, text=f"第{number}条"))[0] for number in range(4)]
        for id_ in sent[:3]:
            start = SubmissionStarted(attempt=1, link="mobile-1", route="all", extension="12")
            run(record(opened, id_, start))
        unicom, _ = run(send(opened, UNICOM))
        run(record(opened, unicom, SubmissionStarted(attempt=1, link="unicom-1", route="default")))
        yield Scene(terminal=terminal, platform=opened, table=tmp_path / "table.json", sent=tuple(sent))


def test_the_table_as_it_is_written_decides_again_what_was_decided(scene: Scene):
    scene.change()
    before = scene.facts()
    found = scene.shadow("--json").document
    assert (found["messages"], found["decided"], found["elsewhere"], found["unlike"]) == (5, 4, 0, [])
    assert found["links"] == [
        {"link": "mobile-1", "before": 4, "before_percent": 80.0, "after": 4, "after_percent": 80.0},
        {"link": "unicom-1", "before": 1, "before_percent": 20.0, "after": 1, "after_percent": 20.0},
    ]
    assert scene.facts() == before


def test_a_changed_table_says_who_would_go_where_and_changes_nothing(scene: Scene):
    scene.change(links=["mobile-2:3"], extension="")
    before = scene.facts()
    said = scene.shadow()
    assert said.code == 0
    assert said.out.startswith("5 messages; 4 would go another way, 0 none\n")
    (moved,) = scene.shadow("--json").document["moved"]
    assert (moved["from"], moved["to"], moved["messages"]) == ("mobile-1+12", "mobile-2", 4)
    assert set(moved["samples"]) == set(map(str, scene.sent))
    assert scene.facts() == before
    assert scene.terminal("route", "list", "--json").document["routes"][0]["links"][0]["link"] == "mobile-1"


def test_a_table_may_name_digits_as_a_condition(scene: Scene):
    scene.change(extensions=["20"])
    found = scene.shadow("--json").document
    assert {moved["from"] for moved in found["moved"]} == {"mobile-1+12"}


def test_what_was_decided_by_another_table_is_listed_apart(scene: Scene):
    scene.terminal("route", "set", "since", "--link", "mobile-2", "--priority", "1", "--carrier", "mobile")
    table = scene.terminal("route", "list", "--json").document
    scene.table.write_text(json.dumps(table), encoding="utf-8")
    (unlike,) = scene.shadow("--json").document["unlike"]
    assert unlike == {
        "route_then": "all",
        "then": "mobile-1+12",
        "route_now": "since",
        "now": "mobile-2",
        "messages": 3,
    }
    assert "would not decide again" in scene.shadow().out


def test_messages_that_would_have_no_link_are_counted(scene: Scene):
    scene.change(links=["unicom-1"])
    found = scene.shadow("--json").document
    assert (found["without_link"], found["moved"][0]["to"]) == (4, "(no link)")


def test_links_may_be_asked_as_they_do_now(scene: Scene):
    scene.terminal("link", "disable", "mobile-1", "--reason", "maintenance")
    scene.change()
    then = scene.shadow("--json").document
    assert (then["elsewhere"], then["without_link"]) == (0, 1)
    for links in ("now", "ready"):
        found = scene.shadow("--links", links, "--json").document
        assert (found["links_as"], found["decided"], found["without_link"]) == (links, 0, 4)


@pytest.mark.parametrize(
    ("since", "until", "messages"), [("1h", "0s", 5), ("2h", "1h", 0), ("2020-01-01", "0s", 5)]
)
def test_only_messages_of_the_span_count(scene: Scene, since: str, until: str, messages: int):
    scene.change()
    found = scene.shadow("--since", since, "--until", until, "--json").document
    assert found["messages"] == messages


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "a link that is not there": ({"links": ["nobody"]}, (), "link_unknown"),
    "no links": ({"links": []}, (), "route_invalid"),
    "a weight of words": ({"links": ["mobile-1:x"]}, (), "route_invalid"),
    "digits that do not fit": ({"extension": "1" * 13}, (), "route_invalid"),
    "a wrong name": ({"name": "All"}, (), "route_name"),
    "a strange category": ({"categories": ["spam"]}, (), "table_invalid"),
    "a misspelt field": ({"prio": 1}, (), "table_invalid"),
    "a time that is none": ({}, ("--since", "yesterday"), "since_invalid"),
    "a span that ends before it begins": ({}, ("--since", "1h", "--until", "2h"), "since_invalid"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_tried_is_refused_in_one_line(scene: Scene, what: str):
    changes, options, code = WRONG[what]
    scene.change(**changes)
    said = scene.shadow(*options)
    assert (said.code, said.err.partition(":")[0]) == (2, code)
    assert said.err.count("\n") == 1


def test_a_file_that_is_no_table_is_refused(scene: Scene):
    for octets in (b"", b"\xff", b"[]", b'{"routes": 1}'):
        scene.table.write_bytes(octets)
        assert scene.shadow().err.startswith("table_invalid: ")
