"""GET /v1/history and opened messages: masked unless the key may see more, and never seen without a record."""

from time import monotonic, sleep

import pytest

from domain.events.access import HistoryLookedUp, Scope
from domain.recorded import Recorded
from domain.values import local_day, stream_id
from tests.api.test_refusals import require_problem
from tests.support.door import Door, run
from tests.support.sample import SIGNATURE, key_with

PHONE = "13800138000"


@pytest.fixture
def history(own_door: Door) -> Door:
    """Three messages to one number, one to another."""
    for text in ("第一条", "第二条", "第三条"):
        own_door.client.post("/v1/messages", json={"phone": PHONE, "signature": SIGNATURE, "text": text})
    other = {"phone": "13000138000", "signature": SIGNATURE, "text": "别人的"}
    own_door.client.post("/v1/messages", json=other)
    return own_door


def looked_up(door: Door) -> list[Recorded]:
    day = local_day(run(door.platform.store.now()))
    stream = stream_id("access", "demo", day.isoformat())
    return list(run(door.platform.store.load([stream])).get(stream, ()))


def test_a_number_finds_its_messages_masked(history: Door):
    body = history.client.get("/v1/history", params={"phone": "+86 138-0013-8000", "reason": "CS-1"}).json()
    assert [line["phone"] for line in body["messages"]] == ["+86138****8000"] * 3
    assert {line["text"] for line in body["messages"]} == {f"【{SIGNATURE}】…"}
    assert (body["unmasked"], body["more"]) == (False, False)


def test_a_key_that_may_see_more_sees_number_and_text_newest_first(history: Door):
    token = run(key_with(history.platform, [Scope.HISTORY, Scope.UNMASKED]))
    answer = history.client.get(
        "/v1/history", params={"phone": PHONE, "reason": "CS-2"}, headers=history.as_key(token)
    )
    body = answer.json()
    assert [line["text"] for line in body["messages"]] == [
        f"【{SIGNATURE}】{text}" for text in ("第三条", "第二条", "第一条")
    ]
    assert {line["phone"] for line in body["messages"]} == {"+86" + PHONE}
    assert body["unmasked"]


def test_every_look_is_recorded_with_its_reason_and_without_the_number(history: Door):
    for phone in (PHONE, "18900189000"):
        history.client.get("/v1/history", params={"phone": phone, "reason": "工单 20260301000001"})
    first, second = looked_up(history)
    assert isinstance(first.event, HistoryLookedUp)
    assert isinstance(second.event, HistoryLookedUp)
    assert (first.event.why, first.event.hits, first.event.unmasked) == ("工单 20260301000001", 3, False)
    assert (second.event.hits, second.event.account) == (0, "demo")
    assert first.event.key == history.sample.token.split("_")[1]
    assert first.event.subject
    assert first.event.subject != second.event.subject
    stored = history.platform.store.recorder.rows("SELECT state FROM smsledger.stored_events")
    assert not any(number in bytes(row[0]).decode() for row in stored for number in (PHONE, "18900189000"))


def test_a_limit_says_that_there_are_more(history: Door):
    body = history.client.get("/v1/history", params={"phone": PHONE, "reason": "a", "limit": 2}).json()
    assert (len(body["messages"]), body["more"]) == (2, True)


def test_a_single_message_is_opened_with_scope_and_reason_and_recorded(history: Door):
    found = history.client.get("/v1/history", params={"phone": PHONE, "reason": "a"}).json()
    path = f"/v1/messages/{found['messages'][0]['id']}?unmasked=true"
    token = run(key_with(history.platform, [Scope.READ, Scope.UNMASKED]))
    before = history.events()
    require_problem(history.client.get(path + "&reason=CS-3"), status=403, code="missing_scope")
    without = history.client.get(path, headers=history.as_key(token))
    require_problem(without, status=422, code="reason_required")
    assert history.events() == before
    body = history.client.get(path + "&reason=CS-3", headers=history.as_key(token)).json()
    assert (body["phone"], body["text"]) == ("+86" + PHONE, f"【{SIGNATURE}】第三条")
    last = looked_up(history)[-1].event
    assert isinstance(last, HistoryLookedUp)
    assert (last.why, last.hits, last.unmasked) == ("CS-3", 1, True)


def test_what_was_destroyed_is_not_found_by_its_number_and_opens_empty(history: Door):
    found = history.client.get("/v1/history", params={"phone": PHONE, "reason": "a"}).json()
    for key in (history.platform.settings.keys_dir or history.platform.settings.data_dir).glob("day-*"):
        key.unlink()
    assert history.client.get("/v1/history", params={"phone": PHONE, "reason": "a"}).json()["messages"] == []
    token = run(key_with(history.platform, [Scope.READ, Scope.UNMASKED]))
    path = f"/v1/messages/{found['messages'][0]['id']}?unmasked=true&reason=CS-4"
    deadline = monotonic() + 30
    while (body := history.client.get(path, headers=history.as_key(token)).json())["phone"]:
        assert monotonic() < deadline, "a destroyed key still opens"
        sleep(0.05)
    assert (body["phone"], body["text"], body["status"]) == ("", "", "accepted")
