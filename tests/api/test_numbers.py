"""Whose a ported number is, over HTTP: said, looked up, forgotten and imported, by keys of the platform only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.numbers import LISTED
from domain.events.access import Scope
from infrastructure import portability
from tests.api.network import Network, open_network
from tests.api.test_refusals import require_problem
from tests.support.door import run
from tests.support.networked import accepted_of
from tests.support.sample import SIGNATURE, key_with

PHONE, OTHER = "13800138000", "13000130000"
WHY = "CS-2041"


@pytest.fixture
def network(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)
    with open_network(database_url, tmp_path) as opened:
        yield opened


def say(network: Network, carrier: str = "unicom", phone: str = PHONE) -> None:
    answer = network.put("numbers", {"phone": phone, "carrier": carrier, "reason": WHY})
    assert (answer.status_code, answer.json()) == (200, {"done": True})


def look(network: Network, phone: str = PHONE) -> dict[str, Any]:
    answer = network.post("numbers/look-up", {"phone": phone, "reason": WHY})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_number_is_its_segment_s_until_a_person_says_otherwise_and_again_once_that_is_forgotten(
    network: Network,
):
    of_segment = look(network)
    assert of_segment == {
        "carrier": "mobile",
        "found_by": "segments",
        "segment_carrier": "mobile",
        "said_carrier": None,
        "said_by": None,
        "not_of": [],
    }
    say(network)
    assert look(network) == of_segment | {
        "carrier": "unicom",
        "found_by": "override",
        "said_carrier": "unicom",
        "said_by": "override",
    }
    assert network.post("numbers/forget", {"phone": PHONE, "reason": WHY}).json() == {"done": True}
    assert look(network) == of_segment


def test_the_next_message_goes_by_what_was_said_and_says_so(network: Network):
    say(network)
    sent = network.door.client.post(
        "/v1/messages", json={"phone": PHONE, "signature": SIGNATURE, "text": "您的订单已发货。"}
    )
    id_ = sent.json()["id"]
    accepted = run(accepted_of(network.door.platform, UUID(id_)))
    assert (accepted.carrier, accepted.carrier_by) == ("unicom", "override")
    told = network.door.client.get(f"/v1/messages/{id_}/route").json()
    assert (told["carrier"], told["found_by"], told["segment_carrier"]) == ("unicom", "override", "mobile")


def test_a_list_is_taken_in_and_its_bad_rows_are_named_by_their_place(network: Network):
    rows = [
        {"phone": PHONE, "carrier": "联通"},
        {"phone": "1380013800", "carrier": "unicom"},
        {"phone": OTHER, "carrier": "nobody"},
    ]
    answer = network.post("numbers/import", {"numbers": rows, "reason": "list of November"})
    assert answer.json() == {
        "taken": 1,
        "refused": [{"row": 2, "code": "invalid_phone"}, {"row": 3, "code": "carrier_unknown"}],
    }
    assert (look(network)["carrier"], look(network)["found_by"]) == ("unicom", "list")
    assert look(network, OTHER)["said_by"] is None


def test_the_example_of_the_description_is_taken_as_it_is(network: Network):
    assert network.post("numbers/import", LISTED).status_code == 200


def test_every_look_is_in_the_access_log_before_it_is_answered(network: Network):
    look(network)
    assert network.log().count(WHY) == 1


WRONG: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no number": ("PUT", "numbers", {"phone": "1380013800"}, "invalid_phone"),
    "no reason": ("PUT", "numbers", {"reason": " "}, "reason_required"),
    "a number in the reason": ("PUT", "numbers", {"reason": f"{PHONE} called"}, "reason_required"),
    "a strange carrier": ("PUT", "numbers", {"carrier": "nobody"}, "invalid_value"),
    "a misspelt field": ("PUT", "numbers", {"number": PHONE}, "unknown_field"),
    "nothing to forget": ("POST", "numbers/forget", {"phone": "x"}, "invalid_phone"),
    "no reason to forget": ("POST", "numbers/forget", {"reason": ""}, "reason_required"),
    "nobody to look up": ("POST", "numbers/look-up", {"phone": ""}, "invalid_phone"),
    "no reason to look": ("POST", "numbers/look-up", {"reason": ""}, "reason_required"),
    "an empty list": ("POST", "numbers/import", {"numbers": []}, "invalid_value"),
    "too long a list": ("POST", "numbers/import", {"numbers": LISTED["numbers"] * 2_501}, "invalid_value"),
    "a list for no reason": ("POST", "numbers/import", {"reason": ""}, "reason_required"),
}


def test_what_cannot_be_is_refused_leaves_nothing_and_repeats_no_number(network: Network):
    bodies: dict[str, dict[str, Any]] = {
        "numbers": {"phone": PHONE, "carrier": "unicom", "reason": WHY},
        "numbers/forget": {"phone": PHONE, "reason": WHY},
        "numbers/look-up": {"phone": PHONE, "reason": WHY},
        "numbers/import": {"numbers": LISTED["numbers"], "reason": WHY},
    }
    before = network.door.events()
    for what, (method, path, changes, code) in WRONG.items():
        send = network.put if method == "PUT" else network.post
        answer = send(path, bodies[path] | changes)
        assert require_problem(answer, status=422, code=code), what
        assert PHONE not in answer.text, what
    assert network.door.events() == before
    rows = network.door.platform.store.recorder.rows("SELECT count(*) FROM smsledger.known_numbers")
    assert rows == [(0,)]


def test_no_fact_and_no_row_has_a_number_in_it(network: Network):
    say(network)
    network.post("numbers/import", LISTED)
    look(network)
    network.post("numbers/forget", {"phone": OTHER, "reason": WHY})
    assert "138001380" not in network.log()
    assert OTHER not in network.log()


def test_neither_an_account_s_key_nor_one_that_may_only_look_opens_these_doors(network: Network):
    client = network.door.client
    body = {"phone": PHONE, "carrier": "unicom", "reason": WHY}
    require_problem(client.put("/v1/numbers", json=body), status=403, code="missing_scope")
    watcher = run(key_with(network.door.platform, (Scope.MONITORING,), account=""))
    answer = client.post("/v1/numbers/look-up", json=body, headers=network.door.as_key(watcher))
    require_problem(answer, status=403, code="missing_scope")
