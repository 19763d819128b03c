"""What became of messages, the bill and the counts, as the API shows them after real use cases changed them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from application.ports import Entry
from domain.aggregates import fold, message
from domain.events.contract import Terms
from domain.events.message import SubmittedPart
from domain.values import stream_id
from infrastructure.bootstrap import platform
from tests.api.test_refusals import require_problem
from tests.support.door import Door, open_door, run
from tests.support.read_models import catch_up
from tests.support.sample import BY, LINK, NOTICE_TEMPLATE, SIGNATURE, make_sample, settings_for

GOOD = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}


async def change(door: Door, sent: str, *commands: str) -> None:
    """Move a message on as a worker does."""
    store, stream = door.platform.store, UUID(sent)
    for command in commands:
        history = (await store.load([stream]))[stream]
        state = fold(message.evolve, history)
        assert state is not None
        match command:
            case "start":
                events = state.start_submission(link=LINK, now=datetime.now(UTC))
            case "submit":
                part = SubmittedPart(number=1, carrier_id="0A1B")
                events = state.record_submitted(parts=(part,))
            case "refuse":
                events = state.record_refused(code="ESME_RINVDSTADR", retryable=False)
            case status:
                events = state.record_receipt(
                    part=1, carrier_id="0A1B", status=status, error="000", carrier_time="2603020930"
                )
        entry = Entry(
            stream=stream,
            version=history[-1].version,
            context=BY,
            events=events,
            charge=state.charge_due(events),
        )
        await store.commit([entry])


def send(door: Door, **others: object) -> str:
    return str(door.client.post("/v1/messages", json=GOOD | others).json()["id"])


def test_a_message_shows_its_state_and_its_whole_timeline(door: Door):
    sent = send(door)
    run(change(door, sent, "start", "submit", "DELIVRD"))
    body = door.client.get(f"/v1/messages/{sent}").json()
    assert body["status"] == "delivered"
    assert [event["kind"] for event in body["timeline"]] == [
        "accepted",
        "submission_started",
        "submitted",
        "receipt_recorded",
        "delivered",
    ]
    assert body["timeline"][2]["parts"] == [{"part": 1, "carrier_id": "0A1B"}]
    assert body["timeline"][3]["code"] == "DELIVRD"
    assert body["charge"]["segments"] == 1
    assert not body["charge"]["refunded"]
    assert "phone" not in body
    assert "text" not in body


def test_a_refused_submission_shows_the_refund(door: Door):
    sent = send(door)
    run(change(door, sent, "start", "refuse"))
    body = door.client.get(f"/v1/messages/{sent}").json()
    assert (body["status"], body["charge"]["refunded"]) == ("failed", True)
    assert (body["timeline"][-1]["cause"], body["timeline"][-1]["code"]) == ("refused", "ESME_RINVDSTADR")


@pytest.mark.parametrize("name", ["nothing", "0e0f1a2b-0000-4000-8000-000000000000", "%00", "{}"])
def test_an_unknown_message_is_not_found(door: Door, name: str):
    require_problem(door.client.get(f"/v1/messages/{name}"), status=404, code="not_found")


def test_other_facts_are_no_messages(door: Door):
    for stream in (stream_id("contract", "demo"), stream_id("link", LINK)):
        require_problem(door.client.get(f"/v1/messages/{stream}"), status=404, code="not_found")


def test_messages_are_listed_newest_first_page_by_page(own_door: Door):
    sent = [send(own_door) for _ in range(5)]
    run(change(own_door, sent[0], "start", "submit", "DELIVRD"))
    stale = own_door.client.get("/v1/messages").json()
    assert stale["messages"] == []
    assert stale["as_of"]["position"] < stale["as_of"]["head"]
    catch_up(own_door.platform)
    first = own_door.client.get("/v1/messages?limit=2").json()
    second = own_door.client.get(f"/v1/messages?limit=3&cursor={first['next_cursor']}").json()
    listed = [line["id"] for line in first["messages"] + second["messages"]]
    assert listed == list(reversed(sent))
    assert second["next_cursor"] == ""
    assert first["as_of"]["position"] == first["as_of"]["head"]
    delivered = own_door.client.get("/v1/messages?status=delivered").json()["messages"]
    assert [line["id"] for line in delivered] == [sent[0]]
    assert own_door.client.get("/v1/messages", params={"to": "2020-01-01"}).json()["messages"] == []
    since = {"from": "2020-01-01T00:00:00+08:00"}
    assert len(own_door.client.get("/v1/messages", params=since).json()["messages"]) == 5


def test_the_bill_is_exact_across_the_allowance_and_each_posting_is_shown(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
):
    with platform(settings_for(database_url, tmp_path_factory.mktemp("bill"))) as made:
        sample = run(make_sample(made, terms=Terms(allowance_segments=3)))
        with open_door(made, sample) as door:
            sent = [send(door, text="字" * 100) for _ in range(2)]
            run(change(door, sent[0], "start", "refuse"))
            catch_up(made)
            bill = door.client.get("/v1/billing/ledger").json()
            page = door.client.get("/v1/billing/ledger/postings?limit=2").json()
            rest = door.client.get(f"/v1/billing/ledger/postings?cursor={page['next_cursor']}").json()
            other_year = door.client.get("/v1/billing/ledger?year=2001").json()
    totals = bill["totals"]
    assert (totals["net"], totals["included"], totals["overage"], totals["remaining"]) == (2, 2, 0, 1)
    assert (totals["amount"], bill["postings"]) == ({"yuan": "0.00", "micros": 0}, 4)
    postings = page["postings"] + rest["postings"]
    assert [posting["kind"] for posting in postings] == ["opened", "debited", "debited", "refunded"]
    assert [posting["posting"] for posting in postings] == [1, 2, 3, 4]
    assert (postings[2]["included"], postings[2]["overage"]) == (1, 1)
    assert postings[2]["amount"] == {"yuan": "0.038", "micros": 38_000}
    assert (postings[3]["takes_back"], postings[3]["message"]) == (2, sent[0])
    assert postings[3]["amount"]["micros"] == -38_000
    assert postings[3]["chain"] == bill["chain"]
    assert (rest["next_cursor"], postings[3]["after"]) == ("", totals)
    (month,), (day,) = bill["months"], bill["days"]
    assert (month["debited"], month["refunded"], month["included"], month["overage"]) == (4, 2, 2, 0)
    assert month["amount"] == day["amount"] == totals["amount"]
    assert (other_year["opened"], other_year["totals"]["allowance"]) == (False, 0)


def test_counts_add_up_in_every_group(own_door: Door):
    sent = [send(own_door, phone=phone) for phone in ("13800138000", "13000138000", "18900189000")]
    template = {"template": NOTICE_TEMPLATE, "variables": {"name": "a", "amount": "1"}, "text": None}
    send(own_door, **template)
    run(change(own_door, sent[0], "start", "submit", "DELIVRD"))
    run(change(own_door, sent[1], "start", "submit", "UNDELIV"))
    catch_up(own_door.platform)
    for group_by in ("day", "carrier", "template", "day,carrier,template", ""):
        body = own_door.client.get(f"/v1/statistics?group_by={group_by}").json()
        total = body["total"]
        assert (total["total"], total["delivered"], total["failed"], total["not_yet_reported"]) == (
            4,
            1,
            1,
            2,
        )
        for name in ("total", "delivered", "failed", "not_yet_reported", "segments"):
            assert sum(row[name] for row in body["rows"]) == total[name]
    rows = own_door.client.get("/v1/statistics?group_by=carrier").json()["rows"]
    assert {row["carrier"]: row["total"] for row in rows} == {"mobile": 2, "unicom": 1, "telecom": 1}
    nothing = own_door.client.get("/v1/statistics?from=2020-01-01&to=2020-01-31").json()
    assert (nothing["rows"], nothing["total"]["total"]) == ([], 0)
