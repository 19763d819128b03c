"""Where signatures stand with carriers, over HTTP: noted as facts, counted for routing where that is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.filings import REQUEST
from tests.api.network import SMPP, Network, open_network
from tests.api.test_refusals import require_problem
from tests.support.sample import ACCOUNT, LINK, SIGNATURE

FILED: dict[str, Any] = REQUEST | {"account": ACCOUNT, "extension": ""}
PATH = "signatures/filings"


@pytest.fixture
def network(database_url: str, tmp_path: Path) -> Iterator[Network]:
    with open_network(database_url, tmp_path) as opened:
        yield opened


def file(network: Network, **changes: str) -> httpx.Response:
    return network.put(PATH, FILED | changes)


def filings(network: Network) -> list[dict[str, str]]:
    found: list[dict[str, str]] = network.get(f"{PATH}?account={ACCOUNT}&signature={SIGNATURE}")["filings"]
    return found


def shown(**changes: str) -> dict[str, str]:
    return {"carrier": "mobile", "link": "", "state": "filed", "extension": "", "reason": ""} | changes


def test_a_filing_goes_from_asked_to_filed_and_is_shown(network: Network):
    assert filings(network) == []
    assert file(network, state="pending").json()["filings"] == [shown(state="pending")]
    answer = file(network, extension="12")
    assert answer.json() == {"account": ACCOUNT, "signature": SIGNATURE, "filings": [shown(extension="12")]}
    assert filings(network) == [shown(extension="12")]
    before = network.door.events()
    file(network, extension="12")
    assert network.door.events() == before


def test_a_filing_of_one_link_stands_beside_that_of_all(network: Network):
    file(network)
    file(network, link=LINK, state="rejected", reason="no licence")
    assert filings(network) == [shown(), shown(link=LINK, state="rejected", reason="no licence")]


WRONG: dict[str, tuple[dict[str, str], int, str]] = {
    "nobody's signature": ({"signature": "无名"}, 404, "not_found"),
    "another account": ({"account": "nobody"}, 404, "not_found"),
    "a link that is not there": ({"link": "nobody"}, 422, "link_unknown"),
    "letters behind a number": ({"extension": "1a"}, 422, "filing_invalid"),
    "digits of what is not filed": ({"extension": "12", "state": "pending"}, 422, "filing_invalid"),
    "a reason of what is filed": ({"reason": "x"}, 422, "filing_invalid"),
    "a rejection without a reason": ({"state": "rejected"}, 422, "filing_invalid"),
    "a number in a reason": ({"state": "rejected", "reason": "13800138000"}, 422, "reason_required"),
    "a strange carrier": ({"carrier": "nobody"}, 422, "invalid_value"),
    "a strange state": ({"state": "lost"}, 422, "invalid_value"),
    "a misspelt field": ({"links": LINK}, 422, "unknown_field"),
}


def test_a_filing_that_cannot_be_is_refused_and_leaves_nothing(network: Network):
    before = network.door.events()
    for what, (changes, status, code) in WRONG.items():
        assert require_problem(file(network, **changes), status=status, code=code), what
    unsaid = network.door.client.get(f"/v1/{PATH}?account={ACCOUNT}", headers=network.operator)
    require_problem(unsaid, status=422, code="missing_field")
    assert network.door.events() == before


def test_digits_have_to_fit_behind_every_link_that_they_are_for(network: Network):
    network.put("links/long", SMPP | {"source_address": "1" * 19})
    problem = require_problem(file(network, extension="12"), status=422, code="extension_unfit")
    assert "long" in problem["detail"]
    assert file(network, extension="12", link=LINK).status_code == 200
    assert file(network, extension="12", carrier="unicom").status_code == 200


def test_where_filing_is_asked_for_a_trial_passes_over_links_without_it(database_url: str, tmp_path: Path):
    tried = {"account": ACCOUNT, "category": "otp", "carrier": "mobile", "signature": SIGNATURE}
    with open_network(database_url, tmp_path, require_filing=True) as network:
        refused = network.post("routes/try", tried).json()
        assert refused.get("link") is None
        assert (refused["passed_over"][0]["fitness"], "filed" in refused["why"]) == ("unfiled", True)
        network.put("links/second", SMPP)
        file(network, link="second", extension="34")
        filed = network.post("routes/try", tried).json()
    assert (filed["link"], filed["extension"]) == ("second", "34")
    assert filed["passed_over"] == [
        {"link": LINK, "fitness": "unfiled", "why": "the signature is not filed with its carrier"}
    ]


def test_an_account_s_key_does_not_open_these_doors(network: Network):
    client = network.door.client
    require_problem(client.put(f"/v1/{PATH}", json=FILED), status=403, code="missing_scope")
    asked = client.get(f"/v1/{PATH}?account={ACCOUNT}&signature={SIGNATURE}")
    require_problem(asked, status=403, code="missing_scope")
