"""What is refused says why in a stable form, echoes nothing of the request, and leaves nothing behind."""

import json
from typing import Any

import httpx
import pytest

from api.errors import CATALOGUE
from tests.support.door import Door
from tests.support.sample import CODE_TEMPLATE, DRAFT_TEMPLATE, SIGNATURE

GOOD = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}
BY_TEMPLATE = {"phone": "13800138000", "signature": SIGNATURE, "template": CODE_TEMPLATE}
VALUES = {"code": "482913", "minutes": "5"}
NOBODYS_NUMBER = "1400" + "0138000"

WRONG_MESSAGES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "letters as a phone": (GOOD | {"phone": "call me"}, "invalid_phone", "phone"),
    "a landline": (GOOD | {"phone": "01088880000"}, "invalid_phone", "phone"),
    "a phone too short": (GOOD | {"phone": "1380013800"}, "invalid_phone", "phone"),
    "a phone too long": (GOOD | {"phone": "138001380001"}, "invalid_phone", "phone"),
    "digits of another script": (GOOD | {"phone": "１３８００１３８０００"}, "invalid_phone", "phone"),
    "a phone with a line break": (GOOD | {"phone": "13800138000\n"}, "invalid_phone", "phone"),
    "a prefix of nobody": (GOOD | {"phone": NOBODYS_NUMBER}, "unassigned_phone", "phone"),
    "no text": ({k: v for k, v in GOOD.items() if k != "text"}, "text_or_template", "text"),
    "text and template": (GOOD | {"template": CODE_TEMPLATE}, "text_or_template", "text"),
    "an empty text": (GOOD | {"text": ""}, "text_empty", "text"),
    "a blank text": (GOOD | {"text": " \n　"}, "text_empty", "text"),
    "10,000 characters": (GOOD | {"text": "字" * 10_000}, "text_too_long", "text"),
    "one too many with its signature": (GOOD | {"text": "字" * 995}, "text_too_long", "text"),
    "a NUL": (GOOD | {"text": "a\x00b"}, "text_control_character", "text"),
    "an escape": (GOOD | {"text": "a\x1b[31m"}, "text_control_character", "text"),
    "a signature of its own": (GOOD | {"text": "【别人】您好"}, "signature_in_text", "text"),
    "a strange signature": (GOOD | {"signature": "别人"}, "signature_not_approved", "signature"),
    "no such template": (BY_TEMPLATE | {"template": "none"}, "template_not_found", "template"),
    "a draft": (BY_TEMPLATE | {"template": DRAFT_TEMPLATE}, "template_not_approved", "template"),
    "no values": (BY_TEMPLATE, "template_variable_missing", "variables"),
    "an unknown variable": (
        BY_TEMPLATE | {"variables": VALUES | {"13800138000": "x"}},
        "template_variable_unknown",
        "variables",
    ),
    "a value too long": (
        BY_TEMPLATE | {"variables": VALUES | {"code": "9" * 36}},
        "template_variable_length",
        "variables.code",
    ),
    "a link in a value": (
        BY_TEMPLATE | {"variables": VALUES | {"code": "https://x.example"}},
        "template_variable_url",
        "variables.code",
    ),
    "a control character in a value": (
        BY_TEMPLATE | {"variables": VALUES | {"code": "1\x002"}},
        "text_control_character",
        "text",
    ),
    "values without a template": (GOOD | {"variables": VALUES}, "variables_without_template", "variables"),
    "a validity of a moment": (GOOD | {"validity_seconds": 9}, "validity_invalid", "validity_seconds"),
    "a validity of a week": (GOOD | {"validity_seconds": 604_800}, "validity_invalid", "validity_seconds"),
    "an endless validity": (GOOD | {"validity_seconds": 10**30}, "validity_invalid", "validity_seconds"),
    "letters as digits": (GOOD | {"extension": "12a"}, "extension_unfit", "extension"),
    "too many digits": (GOOD | {"extension": "1" * 13}, "extension_unfit", "extension"),
    "a number as digits": (GOOD | {"extension": 12}, "wrong_type", "extension"),
    "a reference too long": (GOOD | {"client_reference": "r" * 129}, "reference_invalid", "client_reference"),
    "a NUL in a reference": (GOOD | {"client_reference": "a\x00"}, "reference_invalid", "client_reference"),
    "a phone as a reference": (
        GOOD | {"client_reference": "user 138-0013-8000"},
        "reference_invalid",
        "client_reference",
    ),
    "a number as a phone": (GOOD | {"phone": 13_800_138_000}, "wrong_type", "phone"),
    "a list as a text": (GOOD | {"text": ["您好"]}, "wrong_type", "text"),
    "a number as a value": (BY_TEMPLATE | {"variables": {"code": 5}}, "wrong_type", "variables[...]"),
    "a fraction of a second": (GOOD | {"validity_seconds": 60.5}, "wrong_type", "validity_seconds"),
    "a truth as seconds": (GOOD | {"validity_seconds": True}, "wrong_type", "validity_seconds"),
    "an unknown category": (GOOD | {"category": "13800138000"}, "invalid_value", "category"),
    "a misspelt field": (GOOD | {"txet": "x"}, "unknown_field", None),
    "a phone as a field": (GOOD | {"13800138000": "x"}, "unknown_field", None),
    "no phone": ({"signature": SIGNATURE, "text": "x"}, "missing_field", "phone"),
}

WRONG_BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed_json"),
    "not JSON": (b"phone=13800138000", 400, "malformed_json"),
    "half of it": (b'{"phone": "138001', 400, "malformed_json"),
    "two of them": (json.dumps(GOOD).encode() * 2, 400, "malformed_json"),
    "NaN": (b'{"phone": "1", "signature": "1", "validity_seconds": NaN}', 400, "malformed_json"),
    "infinity": (b'{"phone": "1", "signature": "1", "validity_seconds": -Infinity}', 400, "malformed_json"),
    "a number beyond all": (b'{"phone": "1", "validity_seconds": 1e999}', 422, "invalid_value"),
    "a lone surrogate": (b'{"phone": "1", "signature": "1", "text": "\\ud83d"}', 400, "malformed_json"),
    "a surrogate in UTF-8": (b'{"phone": "\xed\xa0\xbd", "signature": "1"}', 400, "malformed_json"),
    "octets that are no UTF-8": (b'{"phone": "\xff", "signature": "1"}', 400, "malformed_json"),
    "GBK": ('{"signature": "示例科技"}'.encode("gbk"), 400, "malformed_json"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), 400, "malformed_json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, "malformed_json"),
    "a list": (b"[]", 422, "wrong_type"),
    "null": (b"null", 422, "wrong_type"),
    "a deep nest": (b'{"phone": ' + b"[" * 100_000, 422, "wrong_type"),
}


def require_problem(answer: httpx.Response, *, status: int, code: str) -> dict[str, Any]:
    """The problem document, in the form every refusal has."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status), body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["title"] == CATALOGUE[code].title
    assert body["type"] == f"/problems/{code}"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["detail"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "field", "request_id"}
    return body


@pytest.mark.parametrize("case", WRONG_MESSAGES)
def test_a_wrong_message_is_refused_by_name_and_leaves_nothing(door: Door, case: str):
    wanted, code, field = WRONG_MESSAGES[case]
    before = door.events()
    answer = door.client.post("/v1/messages", json=wanted)
    body = require_problem(answer, status=CATALOGUE[code].status, code=code)
    assert body.get("field") == field
    assert "13800138000" not in answer.text
    assert door.events() == before


@pytest.mark.parametrize("case", WRONG_BODIES)
def test_a_body_that_cannot_be_read_is_refused_and_leaves_nothing(door: Door, case: str):
    body, status, code = WRONG_BODIES[case]
    before = door.events()
    answer = door.client.post("/v1/messages", content=body, headers={"Content-Type": "application/json"})
    require_problem(answer, status=status, code=code)
    assert door.events() == before


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "a\tb", "schlüssel", "13800138000", "user_13800138000", "+86 138-0013-8000"]
)
def test_an_impossible_idempotency_key_is_refused(door: Door, key: str):
    before = door.events()
    answer = door.client.post(
        "/v1/messages", json=GOOD, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )
    body = require_problem(answer, status=422, code="idempotency_key_invalid")
    assert body["field"] == "Idempotency-Key"
    assert door.events() == before


@pytest.mark.parametrize(
    ("media", "encoding"),
    [
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("multipart/form-data; boundary=x", None),
        ("application/json; charset=gbk", None),
        ("application/json", "gzip"),
        ("", None),
    ],
)
def test_a_body_of_another_kind_is_refused(door: Door, media: str, encoding: str | None):
    headers = {"Content-Type": media} | ({"Content-Encoding": encoding} if encoding else {})
    answer = door.client.post("/v1/messages", content=json.dumps(GOOD), headers=headers)
    require_problem(answer, status=415, code="unsupported_media")


@pytest.mark.parametrize("media", ["application/json; charset=UTF-8", "application/vnd.sms+json", None])
def test_json_by_any_of_its_names_is_read(door: Door, media: str | None):
    headers = {"Content-Type": media} if media else {}
    answer = door.client.post("/v1/messages", content=json.dumps(GOOD), headers=headers)
    assert answer.status_code == 202


def test_ten_megabytes_are_refused_before_they_are_read(door: Door):
    before = door.events()
    body = json.dumps(GOOD | {"text": "x" * 10_000_000})
    for path in ("/v1/messages", "/v1/messages/bulk"):
        answer = door.client.post(path, content=body, headers={"Content-Type": "application/json"})
        require_problem(answer, status=413, code="body_too_large")
    assert door.events() == before


def test_ten_megabytes_in_chunks_are_refused_too(door: Door):
    before = door.events()
    chunks = (b"x" * 100_000 for _ in range(100))
    answer = door.client.post("/v1/messages", content=chunks, headers={"Content-Type": "application/json"})
    require_problem(answer, status=413, code="body_too_large")
    assert door.events() == before


def test_a_small_body_in_chunks_is_read(door: Door):
    octets = json.dumps(GOOD).encode()
    chunks = (octets[start : start + 7] for start in range(0, len(octets), 7))
    answer = door.client.post("/v1/messages", content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/message", "/v1/messages/", "/V1/messages", "/v1/history/x"]
)
def test_an_unknown_address_is_a_problem_document_too(door: Door, path: str):
    require_problem(door.client.get(path), status=404, code="unknown_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/messages", {"GET", "POST"}),
        ("POST", "/v1/statistics", {"GET"}),
        ("PUT", "/healthz", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(door: Door, method: str, path: str, allowed: set[str]):
    answer = door.client.request(method, path)
    require_problem(answer, status=405, code="method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) & allowed


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        ("/v1/messages?limit=0", "invalid_value", "limit"),
        ("/v1/messages?limit=x13800138000", "invalid_value", "limit"),
        ("/v1/messages?status=gone", "invalid_value", "status"),
        ("/v1/messages?from=yesterday", "invalid_value", "from"),
        ("/v1/messages?cursor=nonsense", "invalid_cursor", "cursor"),
        ("/v1/messages?batch=%00", "reference_invalid", "batch"),
        ("/v1/billing/ledger?year=1", "invalid_value", "year"),
        ("/v1/billing/ledger/postings?cursor=-1", "invalid_cursor", "cursor"),
        ("/v1/billing/ledger/postings?limit=1001", "invalid_value", "limit"),
        ("/v1/statistics?group_by=phone", "invalid_value", "group_by"),
        ("/v1/statistics?from=2026-02-30", "invalid_value", "from"),
        ("/v1/history", "missing_field", "phone"),
        ("/v1/history?phone=13800138000", "missing_field", "reason"),
        ("/v1/history?phone=138&reason=x", "invalid_phone", "phone"),
        ("/v1/history?phone=13800138000&reason=%20", "reason_required", "reason"),
        ("/v1/history?phone=13800138000&reason=13800138000%20asked", "reason_required", "reason"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(door: Door, path: str, code: str, field: str):
    before = door.events()
    answer = door.client.get(path)
    body = require_problem(answer, status=422, code=code)
    assert body["field"] == field
    assert "13800138000" not in answer.text
    assert door.events() == before
