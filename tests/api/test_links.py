"""Links over HTTP: for the platform's keys alone, changed as a whole, tried on the wire, and never a password out."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.network_examples import LINK_REQUESTS
from domain.events.access import Scope
from tests.api.network import SECRET, SMPP, Network, open_network, simulated
from tests.api.test_refusals import require_problem
from tests.support.door import run
from tests.support.networked import break_link, connect_link
from tests.support.sample import LINK, key_with
from tests.support.stand import free_port

OTHER = "hush-456"
PROTOCOLS = ("smpp34", "cmpp20", "cmpp30", "sgip12", "smgp30")


@pytest.fixture
def network(database_url: str, tmp_path: Path) -> Iterator[Network]:
    with open_network(database_url, tmp_path) as opened:
        yield opened


def in_protocol(protocol: str, **changes: object) -> dict[str, Any]:
    """A link of that protocol to an account of the simulated carrier."""
    more: dict[str, Any] = {}
    if protocol == "sgip12":
        inbound = {"host": "127.0.0.1", "port": 8801, "login": "smg", "password": OTHER}
        more = {"tariff": {"node_id": 3_010_012_345}, "inbound": inbound}
    return SMPP | {"protocol": protocol, "response_timeout_seconds": 2} | more | changes


# Who may.


def test_a_customer_s_key_sees_no_link_and_changes_none(network: Network):
    client, before = network.door.client, network.door.events()
    for method, path in (
        ("PUT", "/v1/links/mobile"),
        ("POST", f"/v1/links/{LINK}/enable"),
        ("POST", f"/v1/links/{LINK}/disable"),
        ("POST", f"/v1/links/{LINK}/drain"),
        ("POST", f"/v1/links/{LINK}/mend"),
        ("POST", f"/v1/links/{LINK}/test"),
        ("PUT", "/v1/routes/codes"),
        ("DELETE", "/v1/routes/codes?reason=x"),
    ):
        require_problem(client.request(method, path, json=SMPP), status=403, code="missing_scope")
    for path in ("/v1/links", f"/v1/links/{LINK}", "/v1/routes"):
        require_problem(client.get(path), status=403, code="platform_key_needed")
    tried = client.post("/v1/routes/try", json={})
    require_problem(tried, status=403, code="platform_key_needed")
    assert network.door.events() == before


def test_the_scope_is_no_account_s(network: Network):
    with pytest.raises(Exception, match="scope_not_possible"):
        run(key_with(network.door.platform, (Scope.NETWORK,)))


# Configure.


@pytest.mark.parametrize("name", list(LINK_REQUESTS))
def test_the_examples_of_the_description_are_taken_as_they_are(network: Network, name: str):
    answer = network.put("links/example", LINK_REQUESTS[name])
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["state"] == "enabled"
    assert shown == network.get("links/example")
    given = {key: value for key, value in LINK_REQUESTS[name].items() if key not in ("password", "inbound")}
    for key, value in given.items():
        partly = {of: shown[key][of] for of in value} if isinstance(value, dict) else shown[key]
        assert partly == value, key


def test_a_password_goes_in_and_never_out(network: Network, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    said = [network.put("links/unicom", in_protocol("sgip12")).text]
    said += [json.dumps(network.get(path)) for path in ("links", "links/unicom")]
    said.append(network.put("links/unicom", in_protocol("sgip12", system_id="x" * 17)).text)
    said.append(network.put("links/unicom", in_protocol("sgip12", password=["hush-123"])).text)
    said.append(network.put("links/unicom", in_protocol("sgip12") | {"hush-123": 1}).text)
    said += [network.post("links/unicom/disable", {"reason": "x"}).text]
    for text in (*said, network.log(), caplog.text):
        assert SECRET not in text
        assert OTHER not in text


def test_a_link_is_changed_as_a_whole_but_for_its_passwords(network: Network):
    network.put("links/unicom", in_protocol("sgip12", window=7, connections=3))
    before = network.log().count("link.configured")
    body = in_protocol("sgip12")
    del body["password"], body["inbound"]["password"]
    changed = network.put("links/unicom", body).json()
    assert (changed["window"], changed["connections"]) == (32, 1)
    assert network.put("links/unicom", in_protocol("sgip12")).json() == changed
    events = network.door.events()
    network.put("links/unicom", body)
    assert network.door.events() == events
    assert network.log().count("link.configured") == before


def test_a_new_link_without_a_password_is_refused(network: Network):
    body = {key: value for key, value in SMPP.items() if key != "password"}
    require_problem(network.put("links/mobile", body), status=422, code="password_missing")
    require_problem(
        network.door.client.get("/v1/links/mobile", headers=network.operator), status=404, code="not_found"
    )


WRONG: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "an account too long": ({"system_id": "s" * 16}, "link_account", "system_id"),
    "a password too long": ({"password": "p" * 9}, "link_password", "password"),
    "a port beyond": ({"port": 65_536}, "link_address", "port"),
    "no window": ({"window": 0}, "link_invalid", "window"),
    "an endless window": ({"window": 10**30}, "link_invalid", "window"),
    "inbound where there is none": (
        {"inbound": {"host": "h", "port": 1, "login": "l", "password": "p"}},
        "link_inbound",
        "inbound",
    ),
    "a tariff of others": ({"tariff": {"service_id": "X"}}, "link_tariff", "tariff.service_id"),
    "no carriers": ({"carriers": []}, "link_invalid", "carriers"),
    "no certificate": ({"encryption": {"authority": "x"}}, "link_encryption", "encryption.authority"),
    "another protocol": ({"protocol": "smpp50"}, "invalid_value", "protocol"),
    "a strange carrier": ({"carriers": ["nobody"]}, "invalid_value", "carriers[0]"),
    "a misspelt field": ({"pasword": "x"}, "unknown_field", None),
    "a misspelt fee": ({"tariff": {"fee": "x"}}, "unknown_field", "tariff"),
    "a number as a host": ({"host": 1}, "wrong_type", "host"),
    "CMPP with SMPP's account": ({"protocol": "cmpp20", "system_id": "sevenl7"}, "link_account", "system_id"),
    "CMPP with TLS": ({"protocol": "cmpp20", "encryption": {}}, "link_encryption", "encryption"),
    "SGIP without a node": ({"protocol": "sgip12"}, "link_tariff", "tariff.node_id"),
    "SGIP without a way back": (
        {"protocol": "sgip12", "tariff": {"node_id": 1}},
        "link_inbound",
        "inbound",
    ),
    "SMGP with a long account": ({"protocol": "smgp30", "system_id": "s" * 9}, "link_account", "system_id"),
}


def test_what_cannot_work_is_refused_with_its_code_and_field_and_leaves_nothing(network: Network):
    before = network.door.events()
    for what, (changes, code, field) in WRONG.items():
        answer = network.put("links/wrong", SMPP | changes)
        problem = require_problem(answer, status=422, code=code)
        assert problem.get("field") == field, what
    require_problem(network.put("links/Wrong", SMPP), status=422, code="link_name")
    assert network.door.events() == before


# Switch.


def test_a_link_is_disabled_enabled_and_drained(network: Network):
    states = [
        network.post(f"links/{LINK}/drain", {"reason": "maintenance"}).json()["state"],
        network.post(f"links/{LINK}/disable", {"reason": "maintenance"}).json()["state"],
        network.post(f"links/{LINK}/enable").json()["state"],
    ]
    assert states == ["draining", "disabled", "enabled"]
    before = network.door.events()
    assert network.post(f"links/{LINK}/enable").json()["state"] == "enabled"
    assert network.door.events() == before
    for path in ("enable", "disable", "drain", "mend", "test"):
        require_problem(network.post(f"links/nobody/{path}", {"reason": "x"}), status=404, code="not_found")
    require_problem(network.post(f"links/{LINK}/drain", {}), status=422, code="missing_field")


def test_a_circuit_is_closed_by_hand_and_one_that_is_closed_is_nothing_to_do(network: Network):
    run(connect_link(network.door.platform, LINK))
    run(break_link(network.door.platform, LINK, "9 of 9 refused"))
    broken = network.get(f"links/{LINK}")
    assert (broken["condition"], broken["reason"]) == ("broken", "9 of 9 refused")
    mended = network.post(f"links/{LINK}/mend", {"reason": "repaired"})
    assert (mended.status_code, mended.json()["condition"], mended.json()["reason"]) == (200, "ready", "")
    assert "repaired" in network.log()
    before = network.door.events()
    assert network.post(f"links/{LINK}/mend", {"reason": "again"}).status_code == 200
    assert network.door.events() == before


# Try.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_trial_says_what_the_carrier_answered(network: Network, protocol: str):
    with simulated(protocol) as port:
        system = {"port": port}
        network.put("links/tried", in_protocol(protocol, **system))
        events = network.door.events()
        bound = network.post("links/tried/test").json()
        assert network.door.events() == events
        network.put("links/tried", in_protocol(protocol, **system, password=OTHER))
        refused = network.post("links/tried/test").json()
    assert (bound["outcome"], bound["code"], bound["steps"][1]["outcome"]) == ("bound", "", "done")
    assert refused["outcome"] == "refused"
    assert refused["code"] in refused["said"]
    network.put("links/tried", in_protocol(protocol, port=free_port()))
    nobody = network.post("links/tried/test")
    assert (nobody.status_code, nobody.json()["outcome"]) == (200, "cannot_connect")
    assert OTHER not in json.dumps([bound, refused, nobody.json()])
    assert network.get("links/tried")["condition"] == "down"
