"""POST /v1/messages: what is accepted, what is replayed, what is refused, and that refusals leave nothing behind."""

from tests.support.door import Door
from tests.support.sample import SIGNATURE

PHONE = "13800138000"


def test_a_text_is_accepted_and_debited(door: Door):
    answer = door.client.post("/v1/messages", json={"phone": PHONE, "signature": SIGNATURE, "text": "您好"})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["status"], body["segments"], body["included"], body["overage"]) == ("accepted", 1, 1, 0)
    assert body["price"] == {"yuan": "0.038", "micros": 38_000}
    assert not body["replayed"]
