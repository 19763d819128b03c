"""Routes over HTTP: set as a whole, removed with a reason, and asked which link a message would take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.network_examples import ROUTE_REQUESTS
from tests.api.network import SMPP, Network, open_network
from tests.api.test_refusals import require_problem
from tests.support.sample import ACCOUNT, LINK

CODES: dict[str, Any] = {"priority": 10, "categories": ["otp"], "links": [{"link": LINK}], "extension": "12"}
OTP = {"account": ACCOUNT, "category": "otp", "carrier": "mobile"}


@pytest.fixture
def network(database_url: str, tmp_path: Path) -> Iterator[Network]:
    with open_network(database_url, tmp_path) as opened:
        yield opened


def test_a_route_is_set_shown_and_removed(network: Network):
    answer = network.put("routes/codes", CODES)
    assert answer.status_code == 200, answer.text
    (shown,) = network.get("routes")["routes"]
    assert shown == answer.json()
    assert {key: shown[key] for key in ("name", "priority", "categories", "extension")} == {
        "name": "codes",
        "priority": 10,
        "categories": ["otp"],
        "extension": "12",
    }
    assert shown["links"] == [{"link": LINK, "weight": 1}]
    assert shown["by"].startswith("key:")
    before = network.door.events()
    assert network.put("routes/codes", CODES).json() == shown
    assert network.door.events() == before
    gone = network.door.client.delete(
        "/v1/routes/codes", params={"reason": "one link is enough"}, headers=network.operator
    )
    assert (gone.status_code, gone.json()) == (200, {"routes": []})
    assert "one link is enough" in network.log()


def test_the_example_of_the_description_is_taken_as_it_is(network: Network):
    for name in ("mobile-1", "mobile-2"):
        network.put(f"links/{name}", SMPP)
    for body in ROUTE_REQUESTS.values():
        answer = network.put("routes/codes", body)
        assert answer.status_code == 200, answer.text
        assert {key: answer.json()[key] for key in body} == body


def test_a_route_for_digits_is_tried_with_digits(network: Network):
    network.put("routes/desk", {"priority": 1, "links": [{"link": LINK}], "extensions": ["20"]})
    tried = [network.post("routes/try", OTP | {"extension": digits}).json() for digits in ("2048", "3", "")]
    assert [(one["route"], one["extension"]) for one in tried] == [
        ("desk", "2048"),
        ("default", "3"),
        ("default", ""),
    ]


def test_a_trial_says_that_digits_do_not_fit(network: Network):
    network.put("links/other", SMPP | {"source_address": "1" * 17})
    network.put("routes/all", {"links": [{"link": "other"}]})
    tried = network.post("routes/try", OTP | {"extension": "2048"}).json()
    assert tried["link"] is None
    assert {one["link"]: one["fitness"] for one in tried["passed_over"]}["other"] == "unfit"
    assert "with room for its digits" in tried["why"]


WRONG: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "no links": ({"links": []}, "route_invalid", "links"),
    "a link twice": ({"links": [{"link": LINK}, {"link": LINK}]}, "route_invalid", "links"),
    "a link that is not there": ({"links": [{"link": "nobody"}]}, "link_unknown", "links"),
    "a weight of nothing": ({"links": [{"link": LINK, "weight": 0}]}, "route_invalid", "links"),
    "a priority beyond": ({"priority": 10_001}, "route_invalid", "priority"),
    "letters as an extension": ({"extension": "12a"}, "route_invalid", "extension"),
    "digits that fit nowhere": ({"extension": "1" * 13}, "route_invalid", "extension"),
    "letters as a condition": ({"extensions": ["1a"]}, "route_invalid", "extensions"),
    "a strange category": ({"categories": ["spam"]}, "invalid_value", "categories[0]"),
    "a misspelt field": ({"prio": 1}, "unknown_field", None),
}


def test_a_route_that_cannot_be_is_refused_and_leaves_nothing(network: Network):
    before = network.door.events()
    for what, (changes, code, field) in WRONG.items():
        problem = require_problem(network.put("routes/codes", CODES | changes), status=422, code=code)
        assert problem.get("field") == field, what
    require_problem(network.put("routes/Codes", CODES), status=422, code="route_name")
    require_problem(network.put("routes/default", CODES), status=422, code="route_invalid")
    client = network.door.client
    unsaid = client.delete("/v1/routes/codes", headers=network.operator)
    require_problem(unsaid, status=422, code="missing_field")
    unknown = client.delete("/v1/routes/codes?reason=x", headers=network.operator)
    require_problem(unknown, status=404, code="not_found")
    assert network.door.events() == before


def test_a_trial_says_which_link_and_why(network: Network):
    network.put("links/other", SMPP)
    network.put("routes/codes", CODES | {"links": [{"link": LINK, "weight": 3}, {"link": "other"}]})
    before = network.door.events()
    tried = network.post("routes/try", OTP).json()
    assert (tried["link"], tried["route"], tried["extension"], tried["fitness"]) == (
        LINK,
        "codes",
        "12",
        "down",
    )
    assert [(one["link"], one["percent"]) for one in tried["among"]] == [(LINK, 75.0), ("other", 25.0)]
    assert "codes" in tried["why"]
    network.post(f"links/{LINK}/disable", {"reason": "x"})
    moved = network.post("routes/try", OTP).json()
    assert (moved["link"], moved["passed_over"][0]["link"]) == ("other", LINK)
    assert moved["passed_over"][0]["fitness"] == "none"
    default = network.post("routes/try", OTP | {"category": "notice"}).json()
    assert (default["link"], default["route"]) == ("other", "default")
    nobody = network.post("routes/try", OTP | {"category": "notice", "carrier": "unicom"}).json()
    assert "link" not in nobody or nobody["link"] is None
    assert {one["link"] for one in nobody["passed_over"]} == {LINK, "other"}
    assert network.door.events() == before + 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"account": "nobody"}, 404, "not_found"),
        ({"carrier": "x"}, 422, "invalid_value"),
        ({"extension": "1x"}, 422, "extension_unfit"),
        ({"message": "no id"}, 422, "invalid_value"),
        ({"phone": "13800138000"}, 422, "unknown_field"),
    ],
)
def test_a_trial_of_what_cannot_be_is_refused(
    network: Network, change: dict[str, Any], status: int, code: str
):
    require_problem(network.post("routes/try", OTP | change), status=status, code=code)
