"""POST /v1/messages: what is accepted, what it costs, and that a repeated key never sends twice."""

from uuid import UUID

import pytest

from tests.support.door import Door
from tests.support.sample import CODE_TEMPLATE, SIGNATURE

PHONE = "13800138000"
TEXT = {"phone": PHONE, "signature": SIGNATURE, "text": "您好"}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_a_text_is_accepted_and_debited_in_one_answer(door: Door):
    answer = door.client.post("/v1/messages", json=TEXT)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (202, "accepted")
    assert (body["segments"], body["included"], body["overage"], body["replayed"]) == (1, 1, 0, False)
    assert (body["price"], body["amount"]["micros"]) == ({"yuan": "0.038", "micros": 38_000}, 0)
    assert UUID(body["id"]).version == 5
    assert answer.headers["X-Request-Id"]
    assert "Idempotent-Replayed" not in answer.headers


def test_acceptance_and_debit_are_two_facts_and_each_next_one_a_posting_later(door: Door):
    first = door.client.post("/v1/messages", json=TEXT).json()
    before = door.events()
    second = door.client.post("/v1/messages", json=TEXT).json()
    assert door.events() == before + 2
    assert second["posting"] == first["posting"] + 1
    assert second["id"] != first["id"]


def test_a_template_is_filled_in(door: Door):
    wanted = {
        "phone": "+86 130 0013 8000",
        "signature": SIGNATURE,
        "template": CODE_TEMPLATE,
        "variables": {"code": "482913", "minutes": "5"},
        "client_reference": "login-7",
        "validity_seconds": 120,
    }
    answer = door.client.post("/v1/messages", json=wanted)
    assert answer.status_code == 202
    detail = door.client.get(f"/v1/messages/{answer.json()['id']}").json()
    assert (detail["category"], detail["template"], detail["carrier"]) == ("otp", CODE_TEMPLATE, "unicom")
    assert (detail["lane"], detail["client_reference"]) == ("realtime", "login-7")


def test_digits_that_are_asked_for_are_kept_and_told(door: Door):
    answer = door.client.post("/v1/messages", json=TEXT | {"extension": "0012"})
    assert answer.status_code == 202
    detail = door.client.get(f"/v1/messages/{answer.json()['id']}").json()
    assert detail["extension"] == "0012"


@pytest.mark.parametrize(("length", "segments"), [(64, 1), (65, 2), (128, 2), (129, 3), (994, 15)])
def test_the_signature_counts_and_long_texts_have_more_segments(door: Door, length: int, segments: int):
    answer = door.client.post("/v1/messages", json=TEXT | {"text": "字" * length})
    assert answer.json()["segments"] == segments


def test_the_same_key_and_body_gives_the_first_answer_again(door: Door):
    first = door.client.post("/v1/messages", json=TEXT, headers=keyed("order-1"))
    before = door.events()
    again = door.client.post("/v1/messages", json=TEXT, headers=keyed("order-1"))
    assert again.status_code == 202
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json() | {"replayed": True}
    assert door.events() == before


def test_the_same_number_written_otherwise_is_the_same_body(door: Door):
    first = door.client.post("/v1/messages", json=TEXT, headers=keyed("order-2"))
    again = door.client.post("/v1/messages", json=TEXT | {"phone": "0086" + PHONE}, headers=keyed("order-2"))
    assert again.json()["replayed"]
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "别的"},
        {"phone": "13000138000"},
        {"client_reference": "b"},
        {"validity_seconds": 60},
        {"extension": "2048"},
    ],
)
def test_the_same_key_with_another_body_is_a_conflict(door: Door, other: dict[str, object]):
    key = keyed(f"order-3-{next(iter(other))}")
    door.client.post("/v1/messages", json=TEXT, headers=key)
    before = door.events()
    answer = door.client.post("/v1/messages", json=TEXT | other, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert door.events() == before


def test_a_key_may_be_255_characters_long_and_a_uuid(door: Door):
    for key in ("k" * 255, "0e0f1a2b-1386-4138-8001-380013800013"):
        assert door.client.post("/v1/messages", json=TEXT, headers=keyed(key)).status_code == 202
