"""POST /v1/messages/bulk: one outcome each in order, replayed message by message, never one at another's cost."""

from collections.abc import Iterable
from typing import Any

from tests.api.test_refusals import require_problem
from tests.support.door import Door
from tests.support.read_models import catch_up
from tests.support.sample import NOTICE_TEMPLATE, SIGNATURE

PATH = "/v1/messages/bulk"


def phones(count: int, start: int = 0) -> list[str]:
    return [f"1380013{number:04d}" for number in range(start, start + count)]


def call(items: Iterable[dict[str, Any]], **others: object) -> dict[str, Any]:
    return {"signature": SIGNATURE, "text": "您好", "messages": list(items), **others}


def codes(body: dict[str, Any]) -> list[str]:
    return [outcome["error"]["code"] if "error" in outcome else "accepted" for outcome in body["outcomes"]]


def test_a_thousand_messages_have_a_thousand_outcomes_in_their_order(door: Door):
    answer = door.client.post(PATH, json=call({"phone": phone} for phone in phones(1_000)))
    body = answer.json()
    assert answer.status_code == 200
    assert [outcome["index"] for outcome in body["outcomes"]] == list(range(1_000))
    assert len({outcome["id"] for outcome in body["outcomes"]}) == 1_000
    expected = {"accepted": 1_000, "refused": 0, "replayed": 0, "segments": 1_000}
    assert body["totals"] == expected | {"included": 1_000, "overage": 0}


def test_a_thousand_and_one_are_refused_as_a_whole(door: Door):
    before = door.events()
    answer = door.client.post(PATH, json=call({"phone": phone} for phone in phones(1_001)))
    require_problem(answer, status=422, code="bulk_too_many")
    assert door.events() == before


def test_none_are_refused(door: Door):
    require_problem(door.client.post(PATH, json=call([])), status=422, code="bulk_empty")


def test_digits_of_the_call_are_for_those_of_its_messages_that_name_none(door: Door):
    items: list[dict[str, Any]] = [
        {"phone": "13800138000"},
        {"phone": "13800138001", "extension": "99"},
        {"phone": "13800138002", "extension": ""},
        {"phone": "13800138003", "extension": "9x"},
    ]
    body = door.client.post(PATH, json=call(items, extension="2048")).json()
    assert codes(body) == ["accepted", "accepted", "accepted", "extension_unfit"]
    sent = [door.client.get(f"/v1/messages/{one['id']}").json() for one in body["outcomes"][:3]]
    assert [one["extension"] for one in sent] == ["2048", "99", ""]


def test_each_wrong_message_has_its_own_reason_and_the_others_go(door: Door):
    items: list[dict[str, Any]] = [
        {"phone": "13800138000"},
        {"phone": "nobody"},
        {"phone": 13_800_138_000},
        {"phone": "13800138001", "text": ""},
        {"phone": "13800138002", "client_reference": "a\x00"},
        {"phone": "13800138003", "id": "13800138000"},
        {"phone": "13800138004", "colour": "red"},
        {"phone": "13800138005", "text": None, "variables": {"name": "x"}},
        {"phone": "13800138000"},
        {"text": "x"},
        {"phone": "13000138000"},
    ]
    body = door.client.post(PATH, json=call(items)).json()
    assert codes(body) == [
        "accepted",
        "invalid_phone",
        "wrong_type",
        "text_empty",
        "reference_invalid",
        "idempotency_key_invalid",
        "unknown_field",
        "variables_without_template",
        "duplicate_recipient",
        "missing_field",
        "accepted",
    ]
    assert body["totals"]["accepted"] == 2
    assert body["totals"]["refused"] == 9


def test_what_a_message_leaves_out_the_call_says(door: Door):
    shared = {"template": NOTICE_TEMPLATE, "text": None, "batch": "defaults"}
    items = [
        {"phone": "13800138000", "variables": {"name": "王女士", "amount": "128.50"}},
        {"phone": "13000138000", "text": "自己的"},
        {"phone": "18900189000", "signature": "别人", "text": "x"},
    ]
    body = door.client.post(PATH, json=call(items, **shared)).json()
    assert codes(body) == ["accepted", "accepted", "signature_not_approved"]
    first, second = (door.client.get(f"/v1/messages/{o['id']}").json() for o in body["outcomes"][:2])
    assert (first["template"], second["template"]) == (NOTICE_TEMPLATE, "")
    assert (first["lane"], first["batch"]) == ("batch", "defaults")


def test_a_call_without_any_signature_says_so(door: Door):
    body = door.client.post(PATH, json={"messages": [{"phone": "13800138000", "text": "x"}]}).json()
    assert body["outcomes"][0]["error"]["code"] == "missing_field"
    assert body["outcomes"][0]["error"]["field"] == "signature"


def test_duplicates_are_sent_where_the_call_allows_them(door: Door):
    items = [{"phone": "13800138000"}, {"phone": "13800138000"}]
    assert codes(door.client.post(PATH, json=call(items)).json()) == ["accepted", "duplicate_recipient"]
    allowed = door.client.post(PATH, json=call(items, allow_duplicates=True)).json()
    assert codes(allowed) == ["accepted", "accepted"]


def test_a_repeated_call_is_replayed_message_by_message(door: Door):
    headers = {"Idempotency-Key": "file-1"}
    wanted = call([{"phone": phone} for phone in [*phones(3), "nobody"]])
    first = door.client.post(PATH, json=wanted, headers=headers).json()
    before = door.events()
    again = door.client.post(PATH, json=wanted, headers=headers).json()
    assert door.events() == before
    assert again["batch"] == first["batch"]
    assert [o["id"] for o in again["outcomes"][:3]] == [o["id"] for o in first["outcomes"][:3]]
    assert again["totals"] == first["totals"] | {"replayed": 3}


def test_a_message_with_an_id_is_known_again_in_any_call(door: Door):
    first = door.client.post(PATH, json=call([{"phone": "13800138000", "id": "line-1"}])).json()
    again = door.client.post(
        PATH,
        json=call([{"phone": "13000138000", "id": "line-2"}, {"phone": "13800138000", "id": "line-1"}]),
    ).json()
    assert again["outcomes"][1]["id"] == first["outcomes"][0]["id"]
    assert [o["replayed"] for o in again["outcomes"]] == [False, True]
    single = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}
    alone = door.client.post("/v1/messages", json=single, headers={"Idempotency-Key": "line-1"})
    assert alone.json()["replayed"]


def test_the_same_id_for_another_message_is_a_conflict_of_that_one_alone(door: Door):
    items = [
        {"phone": "13800138000", "id": "row-1"},
        {"phone": "13000138000", "id": "row-1"},
        {"phone": "18900189000"},
    ]
    body = door.client.post(PATH, json=call(items)).json()
    assert codes(body) == ["accepted", "idempotency_conflict", "accepted"]


def test_a_call_is_noted_in_its_batch_and_adds_up(own_door: Door):
    wanted = call([{"phone": phone} for phone in [*phones(4), "nobody", "x"]], batch="march")
    own_door.client.post(PATH, json=wanted, headers={"Idempotency-Key": "a"})
    own_door.client.post(PATH, json=wanted, headers={"Idempotency-Key": "a"})
    catch_up(own_door.platform)
    rows = own_door.platform.store.recorder.rows(
        "SELECT messages, refused FROM smsledger_read.batches_v1 WHERE account = 'demo' AND batch = 'march'"
    )
    assert [tuple(row) for row in rows] == [(4, 2)]
    page = own_door.client.get("/v1/messages?batch=march").json()
    assert len(page["messages"]) == 4


def test_a_batch_has_a_name_that_can_be_kept(door: Door):
    before = door.events()
    for name in ("", "a b", "x" * 65, "13800138000", "a\x00", "批次"):
        answer = door.client.post(PATH, json=call([{"phone": "13800138000"}], batch=name))
        require_problem(answer, status=422, code="reference_invalid")
    assert door.events() == before


def test_a_wrong_default_refuses_the_call(door: Door):
    answer = door.client.post(PATH, json=call([{"phone": "13800138000"}], allow_duplicates="yes"))
    body = require_problem(answer, status=422, code="wrong_type")
    assert body["field"] == "allow_duplicates"


def test_messages_that_are_no_list_refuse_the_call(door: Door):
    answer = door.client.post(PATH, json={"messages": {"phone": "13800138000"}})
    require_problem(answer, status=422, code="wrong_type")
