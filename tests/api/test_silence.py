"""Whatever is sent and wherever a number, a text or a key is put: no log line and no refusal repeats it."""

import io
import json
import logging
from collections.abc import Iterator
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.events.access import Scope
from infrastructure import log_lines
from infrastructure.log_lines import JsonLines, clean
from tests.support.door import Door, run
from tests.support.sample import CODE_TEMPLATE, SIGNATURE, key_with

PHONE, TEXT, CODE = "13800138000", "尾号八八的余额", "code-482913-secret"
WRITTEN = (PHONE, "138-0013-8000", "138 0013 8000", "+8613800138000", TEXT, "余额", CODE)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged meanwhile, down to the last detail."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    levels = {
        name: (logger.handlers[:], logger.propagate, logger.level)
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    stream = io.StringIO()
    log_lines.configure("DEBUG", stream)
    try:
        yield stream
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = before
        root.setLevel(level)
        for name, (handlers, propagate, old) in levels.items():
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(old)


def odd_requests(door: Door) -> Iterator[httpx.Response]:
    """Requests with a number, a text or a key in every place that somebody might think of."""
    post, get = door.client.post, door.client.get
    good = {"phone": PHONE, "signature": SIGNATURE, "text": TEXT}
    by_template = {"phone": PHONE, "signature": SIGNATURE, "template": CODE_TEMPLATE}
    json_headers = {"Content-Type": "application/json"}
    for wrong in (
        {"phone": PHONE + "1"},
        {"phone": [PHONE]},
        {"phone": {PHONE: TEXT}},
        {PHONE: TEXT},
        {TEXT: PHONE},
        {"signature": PHONE},
        {"signature": TEXT},
        {"text": TEXT + "\x00"},
        {"text": "【" + TEXT},
        {"text": [TEXT]},
        {"category": TEXT},
        {"category": PHONE},
        {"validity_seconds": int(PHONE)},
        {"validity_seconds": PHONE},
        {"client_reference": PHONE},
        {"extension": PHONE},
        {"client_reference": TEXT * 20},
        {"template": PHONE, "text": None},
        {"template": TEXT, "text": None},
    ):
        yield post("/v1/messages", json=good | wrong)
        yield post("/v1/messages/bulk", json={"messages": [good | wrong]})
        yield post("/v1/messages/bulk", json={"messages": [good], **wrong})
    for variables in ({PHONE: TEXT}, {"code": TEXT, PHONE: "1"}, {"code": TEXT * 9, "minutes": PHONE}):
        yield post("/v1/messages", json=by_template | {"variables": variables})
    for body in (f'{{"phone": "{PHONE}", "text": "{TEXT}', f"{PHONE} {TEXT}", f'"{PHONE}"', f"[{PHONE}]"):
        yield post("/v1/messages", content=body, headers=json_headers)
        yield post("/v1/messages", content=body, headers={"Content-Type": f"text/{PHONE}"})
    for key in (PHONE, CODE, "k" * 300):
        yield post("/v1/messages", json=good | {"text": ""}, headers={"Idempotency-Key": key})
    for value in (PHONE, TEXT, CODE):
        for path in ("/{}", "/v1/messages/{}", "/v1/messages?cursor={}", "/v1/messages?status={}"):
            yield get(path.format(value))
        for path in ("/v1/messages?limit={}", "/v1/messages?from={}", "/v1/billing/ledger?year={}"):
            yield get(path.format(value))
        for path in ("/v1/statistics?group_by={}", "/problems/{}", "/v1/history?phone={}", "/metrics?{}"):
            yield get(path.format(value))
        yield get("/v1/history", params={"phone": value + "1", "reason": value})
        yield get("/v1/history", params={"phone": PHONE, "reason": f"{PHONE} {value}"})
        yield get("/v1/statistics", headers={"Authorization": f"Bearer sl_{CODE}"})
        yield get("/v1/statistics", headers={"User-Agent": CODE, "X-Request-Id": PHONE, "Cookie": CODE})
        yield door.client.request("PATCH", f"/v1/messages/{value}")
    yield door.client.request(PHONE, "/v1/messages")


def line_of(lines: io.StringIO, request_id: str) -> dict[str, Any]:
    """The line about a request, which may be written a moment after its answer."""
    deadline = monotonic() + 30
    while True:
        for line in lines.getvalue().splitlines():
            if json.loads(line).get("request_id") == request_id:
                found: dict[str, Any] = json.loads(line)
                return found
        assert monotonic() < deadline, "nothing was logged"


def test_no_refusal_and_no_log_line_repeats_what_was_sent(door: Door, lines: io.StringIO):
    answers = list(odd_requests(door))
    assert len(answers) > 100
    refused = [answer for answer in answers if answer.status_code >= 400]
    assert len(refused) > 80
    seen = [answer.text for answer in answers] + [str(answer.headers) for answer in answers]
    seen += [door.client.get("/metrics").text, lines.getvalue()]
    secret = door.sample.token.rpartition("_")[2]
    for text in seen:
        assert not [word for word in (*WRITTEN, secret) if word in text]
    assert all(answer.status_code != 500 for answer in answers)


def test_a_fault_is_logged_by_place_and_answered_with_an_id(
    door: Door, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise RuntimeError(f"{PHONE} {TEXT} {CODE}")

    monkeypatch.setattr(type(door.platform.sender), "__call__", broken)
    monkeypatch.setattr(type(door.platform.store), "load", broken)
    for answer in (
        door.client.post("/v1/messages", json={"phone": PHONE, "signature": SIGNATURE, "text": TEXT}),
        door.client.get(f"/v1/messages/{uuid4()}"),
    ):
        body = answer.json()
        assert (answer.status_code, body["code"]) == (500, "internal_error")
        assert answer.headers["Content-Type"] == "application/problem+json"
        line = line_of(lines, body["request_id"])
        assert line["error"] == "RuntimeError"
        assert any("broken" in frame for frame in line["frames"])
        assert not [word for word in WRITTEN if word in answer.text + lines.getvalue()]


def test_every_line_is_one_json_object(lines: io.StringIO):
    logging.getLogger("somebody").warning("two\nlines of %s", TEXT, extra={"n": 5, "phone": PHONE})
    try:
        raise ValueError(PHONE)
    except ValueError:
        logging.getLogger("somebody").exception("it failed for %s", PHONE)
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["message"], first["n"], first["phone"]) == ("two?lines of ?", 5, "[digits]")
    assert (second["message"], second["error"]) == ("it failed for [digits]", "ValueError")
    assert second["frames"][-1].startswith("test_silence.py:")


@pytest.mark.parametrize(
    "text",
    [
        PHONE,
        f"to {PHONE}.",
        "138-0013-8000",
        "138 0013 8000",
        "(+86) 138 0013 8000",
        f"x{PHONE}y",
        f"/v1/history?phone={PHONE}&reason=a",
        "Authorization: Bearer sl_ab12cd34_" + "f" * 64,
        "sl_ab12cd34_" + "f" * 64,
        TEXT,
    ],
)
def test_what_must_not_be_logged_is_struck_out(text: str):
    cleaned = clean(f"before {text} after")
    assert "0013" not in cleaned
    assert "ffff" not in cleaned
    assert cleaned.isascii()
    assert cleaned.startswith("before ")


def test_ids_of_ours_stay_readable():
    ids = f"{uuid4()} and {uuid4().hex}"
    assert clean(ids) == ids


def test_a_date_stays_readable_where_it_is_one():
    assert clean("sealed 1 days before 2026-11-30") == "sealed 1 days before 2026-11-30"
    assert clean("2026-11-30 13800138000") == "2026-11-30 [digits]"
    for number in ("+2026-11-30", "2026-11-301", "2026-11-30-13800138", "8613800-2026-11-30"):
        assert clean(number) == "[digits]" or clean(number) == "+[digits]", number


def test_a_long_line_is_cut():
    record = logging.makeLogRecord({"msg": "x" * 10_000, "name": "n", "levelname": "INFO"})
    assert len(json.loads(JsonLines().format(record))["message"]) == log_lines.MAX_LENGTH


def test_a_key_is_never_in_an_event(own_door: Door):
    token = run(key_with(own_door.platform, [Scope.READ]))
    rows = own_door.platform.store.recorder.rows("SELECT state FROM smsledger.stored_events")
    assert not any(token.rpartition("_")[2] in bytes(row[0]).decode() for row in rows)
