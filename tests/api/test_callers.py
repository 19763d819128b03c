"""Who may call: keys, scopes, and the contract that lets an account send."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from application.manage_access import issue_key, revoke_key
from application.manage_contracts import end, resume, suspend
from application.manage_links import disable_link
from domain.events.access import OF_ACCOUNTS, Scope
from domain.events.contract import Terms
from domain.values import local_day
from infrastructure.bootstrap import platform
from tests.api.test_refusals import require_problem
from tests.support.door import Door, open_door, run
from tests.support.sample import BY, LINK, SIGNATURE, key_with, make_sample, settings_for

GOOD = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}
SECONDS = 30


def eventually(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    """Ask until the answer has a status: what a process knows of keys and links may be a second old."""
    deadline = monotonic() + SECONDS
    while (answer := ask()).status_code != status:
        assert monotonic() < deadline, answer.text
        sleep(0.05)
    return answer


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic ZGVtbzpkZW1v",
        "Bearer sl_nobody_0000000000000000",
        "Bearer sl__",
        "Bearer sl_" + "x" * 5_000,
        "Bearer 13800138000",
        "Bearer {public}_wrong",
        "Bearer {token}x",
        "{token}",
    ],
)
def test_a_wrong_key_opens_nothing_and_is_not_repeated(door: Door, header: str | None):
    before = door.events()
    token = door.sample.token
    public = token.rpartition("_")[0]
    given = None if header is None else header.format(token=token, public=public)
    with httpx.Client(base_url=door.client.base_url, trust_env=False) as client:
        headers = {} if given is None else {"Authorization": given}
        for answer in (
            client.post("/v1/messages", json=GOOD, headers=headers),
            client.post("/v1/messages/bulk", json={"messages": [GOOD]}, headers=headers),
            client.get("/v1/billing/ledger", headers=headers),
        ):
            require_problem(answer, status=401, code="invalid_key")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert token not in answer.text
    assert door.events() == before


def test_a_wrong_key_is_refused_before_the_body_is_read(door: Door):
    answer = door.client.post("/v1/messages", content=b"not JSON", headers={"Authorization": "Bearer sl_a_b"})
    require_problem(answer, status=401, code="invalid_key")


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/messages", Scope.READ),
        ("/v1/messages/0e0f1a2b-0000-4000-8000-000000000000", Scope.READ),
        ("/v1/history?phone=13800138000&reason=a", Scope.HISTORY),
        ("/v1/billing/ledger", Scope.BILLING),
        ("/v1/billing/ledger/postings", Scope.BILLING),
        ("/v1/statistics", Scope.STATISTICS),
        ("/v1/monitoring", Scope.MONITORING),
    ],
)
def test_each_door_needs_its_scope_and_no_other(door: Door, path: str, scope: Scope):
    others = [other for other in OF_ACCOUNTS if other is not scope]
    without, only = run(key_with(door.platform, others)), run(key_with(door.platform, [scope]))
    before = door.events()
    require_problem(door.client.get(path, headers=door.as_key(without)), status=403, code="missing_scope")
    assert door.events() == before
    assert door.client.get(path, headers=door.as_key(only)).status_code in (200, 404)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/bulk"])
def test_sending_needs_its_scope(door: Door, path: str):
    key = run(key_with(door.platform, [scope for scope in OF_ACCOUNTS if scope is not Scope.SEND]))
    before = door.events()
    answer = door.client.post(path, json=GOOD, headers=door.as_key(key))
    require_problem(answer, status=403, code="missing_scope")
    assert door.events() == before


def test_a_revoked_key_opens_nothing(door: Door):
    token = run(key_with(door.platform, [Scope.SEND]))
    assert door.client.post("/v1/messages", json=GOOD, headers=door.as_key(token)).status_code == 202
    run(revoke_key(door.platform.store, key=token.split("_")[1], reason="lost", context=BY))
    answer = eventually(lambda: door.client.post("/v1/messages", json=GOOD, headers=door.as_key(token)), 401)
    before = door.events()
    require_problem(answer, status=401, code="invalid_key")
    require_problem(
        door.client.post("/v1/messages", json=GOOD, headers=door.as_key(token)),
        status=401,
        code="invalid_key",
    )
    assert door.events() == before


def test_a_suspended_contract_accepts_nothing_from_the_next_message_on(own_door: Door):
    store = own_door.platform.store
    assert own_door.client.post("/v1/messages", json=GOOD).status_code == 202
    run(suspend(store, account="demo", reason="unpaid", context=BY))
    before = own_door.events()
    require_problem(own_door.client.post("/v1/messages", json=GOOD), status=403, code="contract_suspended")
    answer = own_door.client.post("/v1/messages/bulk", json={"messages": [GOOD]})
    assert answer.json()["outcomes"][0]["error"]["code"] == "contract_suspended"
    assert own_door.events() == before + 1  # The refused call is noted in its batch; nothing is accepted.
    run(resume(store, account="demo", reason="paid", context=BY))
    eventually(lambda: own_door.client.post("/v1/messages", json=GOOD), 202)


def test_an_ended_contract_accepts_nothing(own_door: Door):
    run(end(own_door.platform.store, account="demo", reason="over", context=BY))
    before = own_door.events()
    require_problem(own_door.client.post("/v1/messages", json=GOOD), status=403, code="contract_ended")
    assert own_door.events() == before


@pytest.mark.parametrize(("days", "code"), [(-366, "contract_term_over"), (1, "contract_not_live")])
def test_nothing_is_accepted_outside_the_term(database_url: str, tmp_path: Path, days: int, code: str):
    with platform(settings_for(database_url, tmp_path)) as made:
        live_on = local_day(made.now()) + timedelta(days=days)
        sample = run(make_sample(made, terms=Terms(term_years=1), live_on=live_on))
        with open_door(made, sample) as door:
            before = door.events()
            require_problem(door.client.post("/v1/messages", json=GOOD), status=403, code=code)
            assert door.events() == before


def test_without_a_link_there_is_no_route(own_door: Door):
    run(disable_link(own_door.platform.store, name=LINK, reason="maintenance", context=BY))
    answer = eventually(lambda: own_door.client.post("/v1/messages", json=GOOD), 409)
    before = own_door.events()
    require_problem(answer, status=409, code="no_route")
    assert own_door.events() == before


def test_no_message_of_another_account_is_seen(own_door: Door):
    store = own_door.platform.store
    sent = own_door.client.post("/v1/messages", json=GOOD).json()["id"]
    other = run(make_sample(own_door.platform, account="other")).token
    unmasked = run(
        issue_key(
            store,
            account="other",
            name="all",
            scopes=tuple(OF_ACCOUNTS),
            public="otherkey",
            secret="0" * 64,
            context=BY,
        )
    )
    before = own_door.events()
    for token in (other, unmasked):
        answer = own_door.client.get(f"/v1/messages/{sent}", headers=own_door.as_key(token))
        require_problem(answer, status=404, code="not_found")
        asked = f"/v1/messages/{sent}?unmasked=true&reason=curious"
        answer = own_door.client.get(asked, headers=own_door.as_key(token))
        require_problem(answer, status=404, code="not_found")
    assert own_door.events() == before
    found = own_door.client.get(
        "/v1/history?phone=13800138000&reason=a", headers=own_door.as_key(unmasked)
    ).json()
    assert found["messages"] == []
    totals = own_door.client.get("/v1/billing/ledger", headers=own_door.as_key(other)).json()["totals"]
    assert totals["net"] == 0
