"""Corrections of a ledger over HTTP: asked for, approved by different people, posted once; ledgers and alarms."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from application.raise_alarms import raise_alarms
from domain.errors import BadInput
from domain.events.access import Scope
from domain.events.contract import Terms
from tests.api.finance import Desk, code, open_desk, shared_desk
from tests.support.door import run
from tests.support.sample import ACCOUNT, BY, key_with

TERMS = Terms(allowance_segments=2)


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(database_url, tmp_path, terms=TERMS) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with shared_desk(server_url, template_database, folder, terms=TERMS) as opened:
        yield opened


def wanted(desk: Desk, **changes: object) -> dict[str, Any]:
    return {"period": str(desk.year), "segments": -1, "reason": "运营商重复计费", **changes}


def ask(desk: Desk, **changes: object) -> str:
    made = desk.post("adjustments", wanted(desk, **changes))
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_


LARGE = {"segments": 0, "amount_micros": 100 * 10**6 + 1}
"""A fen's ten-thousandth beyond what one person may approve."""


def test_a_customer_s_key_reads_adjustments_and_writes_none(shared: Desk):
    before = shared.door.events()
    id_ = uuid4()
    for path in ("adjustments", f"adjustments/{id_}/approve", f"adjustments/{id_}/reject"):
        answer = shared.door.client.post(f"/v1/billing/{path}", json=wanted(shared))
        assert (answer.status_code, code(answer)) == (403, "missing_scope")
    assert shared.door.client.get("/v1/billing/adjustments").json() == {"adjustments": []}
    assert shared.door.events() == before


def test_a_key_of_no_account_has_to_name_one(shared: Desk):
    unnamed = shared.post("adjustments", wanted(shared, account=""))
    assert (unnamed.status_code, code(unnamed)) == (422, "account_missing")
    nobody = shared.post("adjustments", wanted(shared, account="nobody"))
    assert (nobody.status_code, code(nobody)) == (404, "not_found")


def test_a_small_one_is_posted_by_one_person(desk: Desk):
    desk.send(4)
    done = desk.post(f"adjustments/{ask(desk)}/approve").json()
    assert (done["state"], done["approvals_needed"], len(done["approved_by"])) == ("posted", 1, 1)
    totals = desk.totals()
    assert (totals["net"], totals["overage"], totals["amount"]["micros"]) == (3, 1, 38_000)


def test_a_large_one_takes_two_different_people(desk: Desk):
    desk.send()
    id_ = ask(desk, **LARGE)
    for _ in range(2):
        assert desk.post(f"adjustments/{id_}/approve").json()["state"] == "requested"
    assert desk.totals()["adjusted"]["micros"] == 0
    done = desk.post(f"adjustments/{id_}/approve", who=desk.bob).json()
    assert (done["state"], len(set(done["approved_by"]))) == ("posted", 2)
    assert desk.totals()["payable"]["micros"] == LARGE["amount_micros"]


def test_many_approvals_at_once_post_it_once(desk: Desk):
    desk.send()
    id_ = ask(desk, **LARGE)
    with ThreadPoolExecutor(8) as people:
        keys = [desk.ann, desk.bob] * 4
        answers = list(people.map(lambda who: desk.post(f"adjustments/{id_}/approve", who=who), keys))
    assert {answer.status_code for answer in answers} == {200}
    assert desk.totals()["adjusted"]["micros"] == LARGE["amount_micros"]
    (ledger,) = desk.get("ledgers")["ledgers"]
    assert ledger["postings"] == 3


def test_the_same_call_again_asks_once(desk: Desk):
    id_ = str(uuid4())
    first = desk.post("adjustments", wanted(desk, id=id_))
    assert desk.post("adjustments", wanted(desk, id=id_)).json() == first.json()
    other = desk.post("adjustments", wanted(desk, id=id_, segments=-2))
    assert (other.status_code, code(other)) == (409, "adjustment_exists")
    assert len(desk.get("adjustments")["adjustments"]) == 1


def test_a_rejected_one_is_never_posted(desk: Desk):
    id_ = ask(desk, **LARGE)
    desk.post(f"adjustments/{id_}/approve")
    assert desk.post(f"adjustments/{id_}/reject", {"reason": "no"}).json()["state"] == "rejected"
    answer = desk.post(f"adjustments/{id_}/approve", who=desk.bob)
    assert (answer.status_code, code(answer)) == (409, "adjustment_rejected")
    assert [one["state"] for one in desk.get("adjustments", state="rejected")["adjustments"]] == ["rejected"]
    assert desk.get("adjustments", state="posted") == {"adjustments": []}


def test_more_than_was_sent_cannot_be_credited(desk: Desk):
    desk.send(2)
    id_ = ask(desk, segments=-3)
    before = desk.door.events()
    answer = desk.post(f"adjustments/{id_}/approve")
    assert (answer.status_code, code(answer)) == (409, "adjustment_too_large")
    assert desk.door.events() == before
    desk.send()
    assert desk.post(f"adjustments/{id_}/approve").json()["state"] == "posted"


def test_another_account_s_adjustment_is_not_found(desk: Desk):
    id_ = ask(desk)
    answer = desk.post(f"adjustments/{id_}/approve", {"account": "nobody"})
    assert (answer.status_code, code(answer)) == (404, "not_found")
    assert desk.post(f"adjustments/{uuid4()}/approve").status_code == 404


def test_a_revoked_or_unknown_key_approves_nothing(desk: Desk):
    id_ = ask(desk)
    answer = desk.post(f"adjustments/{id_}/approve", who=desk.door.as_key("sl_ab12cd34_no"))
    assert (answer.status_code, code(answer)) == (401, "invalid_key")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"segments": 0}, "adjustment_empty"),
        ({"period": "2026-13"}, "period_invalid"),
        ({"period": "2199-01"}, "period_invalid"),
        ({"period": "2000"}, "period_invalid"),
        ({"period": ""}, "period_invalid"),
        ({"period": "x" * 10_000}, "period_invalid"),
        ({"period": 2026}, "wrong_type"),
        ({"segments": 10**15 + 1}, "adjustment_too_large"),
        ({"segments": -(10**40)}, "adjustment_too_large"),
        ({"amount_micros": 10**40}, "adjustment_too_large"),
        ({"segments": 1.5}, "wrong_type"),
        ({"segments": "1"}, "wrong_type"),
        ({"segments": True}, "wrong_type"),
        ({"reason": ""}, "invalid_value"),
        ({"reason": "   "}, "reference_missing"),
        ({"reason": "a\nb"}, "reference_too_long"),
        ({"reference": "x" * 201}, "invalid_value"),
        ({"id": "7"}, "invalid_value"),
        ({"year": 2026}, "unknown_field"),
        ({"approvals": 1}, "unknown_field"),
        ({"approved_by": ["key:ann"]}, "unknown_field"),
    ],
)
def test_what_nobody_can_mean_has_a_stable_code_and_is_recorded_nowhere(
    shared: Desk, changes: dict[str, object], refusal: str
):
    before = shared.door.events()
    answer = shared.post("adjustments", wanted(shared, **changes))
    status = 409 if refusal == "adjustment_too_large" else 422
    assert (answer.status_code, code(answer)) == (status, refusal), answer.text
    assert shared.door.events() == before


def test_numbers_no_json_integer_can_be_are_refused(shared: Desk):
    before = shared.door.events()
    for number in ("1e999", "9" * 5_000, "-0.0", "NaN"):
        body = f'{{"account":"{ACCOUNT}","period":"{shared.year}","reason":"x","segments":{number}}}'
        answer = shared.door.client.post(
            "/v1/billing/adjustments",
            content=body,
            headers=shared.ann | {"Content-Type": "application/json"},
        )
        assert answer.status_code in (400, 422), (number, answer.text)
        assert code(answer)
    assert shared.door.events() == before


def test_the_ledgers_of_an_account_are_listed_newest_first(desk: Desk):
    desk.send(3)
    (line,) = desk.get("ledgers")["ledgers"]
    assert (line["year"], line["postings"], len(line["chain"])) == (desk.year, 4, 64)
    assert line["totals"]["included"] == 2


def test_alarms_are_listed_with_the_posting_that_raised_them(desk: Desk):
    desk.send(2)
    platform = desk.door.platform
    run(raise_alarms(platform.store, platform.directory, context=BY))
    alarms = desk.get("alarms")["alarms"]
    assert [(one["percent"], one["net"], one["posting"]) for one in alarms] == [
        (80, 2, 3),
        (95, 2, 3),
        (100, 2, 3),
    ]
    assert desk.get("alarms", year=desk.year - 1)["alarms"] == []


def test_who_asked_and_who_approved_is_in_every_fact(desk: Desk):
    desk.send()
    desk.post(f"adjustments/{ask(desk)}/approve")
    (one,) = desk.get("adjustments")["adjustments"]
    assert one["requested_by"] == one["approved_by"][0]
    assert one["requested_by"].startswith("key:")
    last = run(desk.door.platform.store.last_posting(ACCOUNT, desk.year))
    assert last is not None
    assert last.context.actor == one["requested_by"]


def test_a_customer_s_key_never_gets_the_scope(desk: Desk):
    with pytest.raises(BadInput, match="scope_not_possible"):
        run(key_with(desk.door.platform, (Scope.FINANCE,)))
