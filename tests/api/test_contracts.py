"""Finance over HTTP: who may write, how amendments come to hold, what they do to the bill, and the fee's stages."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from application.ports import Entry
from domain.events.contract import StageInvoiced, Terms
from domain.values import local_day, local_year, stream_id
from infrastructure.bootstrap import utc_now
from tests.api.finance import TEXT, Desk, code, open_desk, shared_desk
from tests.support.door import run
from tests.support.sample import ACCOUNT, BY

ALLOWANCE = 2
TERMS = Terms(allowance_segments=ALLOWANCE, fixed_fee_micros=98_000 * 10**6)
PAID = {"paid_on": "2026-03-01", "reference": "银行回单 4711"}


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


def today(desk: Desk) -> date:
    return local_day(run(desk.door.platform.store.now()))


def price(micros: int, **others: object) -> dict[str, Any]:
    return {"terms": {"overage_price_micros": micros}, "reason": "x", **others}


# Who may.


def test_a_customer_s_key_reads_its_contract_and_writes_nothing(shared: Desk):
    before = shared.door.events()
    mine = shared.door.client.get("/v1/billing/contract").json()
    assert (mine["account"], mine["state"]) == (ACCOUNT, "live")
    for path in (
        "contract/suspend",
        "contract/resume",
        "amendments",
        "amendments/1/approve",
        "amendments/1/withdraw",
        "stages/1/invoice",
        "stages/1/pay",
    ):
        answer = shared.door.client.post(f"/v1/billing/{path}", json={"account": ACCOUNT})
        assert (answer.status_code, code(answer)) == (403, "missing_scope"), path
    assert shared.door.events() == before


def test_a_key_of_no_account_has_to_name_one_that_there_is(shared: Desk):
    before = shared.door.events()
    client = shared.door.client
    unnamed = [
        client.get("/v1/billing/contract", headers=shared.ann),
        client.post("/v1/billing/contract/suspend", json={"reason": "x"}, headers=shared.ann),
    ]
    assert [(answer.status_code, code(answer)) for answer in unnamed] == [(422, "account_missing")] * 2
    nobody = [
        client.get("/v1/billing/contract", params={"account": "nobody"}, headers=shared.ann),
        shared.post("contract/suspend", {"reason": "x", "account": "nobody"}),
        shared.post("amendments", price(1, effective_from="2099-01-01", account="nobody")),
    ]
    assert [(answer.status_code, code(answer)) for answer in nobody] == [(404, "not_found")] * 3
    assert shared.door.events() == before


# Amendments.


def test_two_different_keys_make_an_amendment_hold_and_the_same_key_twice_does_not(desk: Desk):
    assert desk.amend(overage_price_micros=30_000).json()["number"] == 1
    for _ in range(2):
        one = desk.post("amendments/1/approve").json()
        assert (one["state"], len(one["approved_by"])) == ("proposed", 1)
    two = desk.post("amendments/1/approve", who=desk.bob).json()
    assert (two["state"], len(set(two["approved_by"]))) == ("agreed", 2)
    contract = desk.get("contract")
    assert contract["terms"]["overage_price_micros"] == 30_000
    assert contract["terms"]["allowance_segments"] == ALLOWANCE
    third = desk.post("amendments/1/approve")
    assert (third.status_code, code(third)) == (409, "amendment_decided")


def test_a_retroactive_price_changes_the_bill_by_exactly_the_difference_once(desk: Desk):
    assert desk.send(5) == ["sent"] * 5
    assert desk.totals()["payable"]["micros"] == 3 * 38_000
    desk.amend(overage_price_micros=30_000)
    assert desk.both("amendments/1/approve").status_code == 200
    totals = desk.totals()
    assert totals["adjusted"]["micros"] == -3 * 8_000
    assert totals["payable"]["micros"] == 3 * 30_000
    (listed,) = desk.get("adjustments")["adjustments"]
    assert (listed["state"], listed["amount"]["micros"], listed["segments"]) == ("posted", -24_000, 0)
    assert listed["reference"] == "amendment 1"
    desk.send()
    assert desk.totals()["payable"]["micros"] == 4 * 30_000


def test_a_larger_allowance_is_included_at_once(desk: Desk):
    desk.send(5)
    desk.amend(allowance_segments=4)
    desk.both("amendments/1/approve")
    totals = desk.totals()
    assert (totals["allowance"], totals["overage"], totals["payable"]["micros"]) == (4, 1, 38_000)


def test_the_notice_is_kept_unless_both_waive_it(desk: Desk):
    soon = str(today(desk) + timedelta(days=29))
    early = desk.post("amendments", price(1, effective_from=soon))
    assert (early.status_code, code(early), early.json()["field"]) == (
        409,
        "amendment_notice",
        "effective_from",
    )
    assert desk.post("amendments", price(1, effective_from=soon, notice_waived=True)).status_code == 201


def test_the_past_is_closed_to_what_is_not_retroactive(shared: Desk):
    yesterday = str(today(shared) - timedelta(days=1))
    assert code(shared.post("amendments", price(1, effective_from=yesterday))) == "amendment_in_the_past"
    far = price(1, effective_from=f"{shared.year - 1}-12-31", retroactive=True)
    assert code(shared.post("amendments", far)) == "amendment_too_far_back"


def test_a_withdrawn_amendment_is_off_for_good(desk: Desk):
    desk.amend(overage_price_micros=30_000)
    assert desk.post("amendments/1/withdraw", {"reason": "a slip"}).json()["state"] == "withdrawn"
    assert code(desk.post("amendments/1/approve")) == "amendment_decided"
    assert desk.amend(overage_price_micros=31_000).json()["number"] == 2


@pytest.mark.parametrize("number", ["0", "2", "-1", "99999999999999999999999"])
def test_an_amendment_that_is_not_there_is_not_found(desk: Desk, number: str):
    desk.amend(overage_price_micros=30_000)
    answer = desk.post(f"amendments/{number}/approve")
    assert (answer.status_code, code(answer)) == (404, "not_found")


# What the sender is told.


def test_suspended_for_non_payment_nothing_is_accepted_until_it_is_resumed(desk: Desk):
    assert desk.post("contract/suspend", {"reason": "发票逾期未付"}).json()["state"] == "suspended"
    answer = desk.door.client.post("/v1/messages", json=TEXT)
    assert (answer.status_code, code(answer)) == (403, "contract_suspended")
    assert desk.post("contract/resume", {"reason": "paid"}).json()["state"] == "live"
    assert desk.send() == ["sent"]
    (facts,) = run(desk.door.platform.store.load([stream_id("contract", ACCOUNT)])).values()
    assert [recorded.event.TOPIC for recorded in facts[2:]] == ["contract.suspended", "contract.resumed"]
    assert all(recorded.context.actor.startswith("key:") for recorded in facts[2:])
    assert all(recorded.context.correlation for recorded in facts[2:])


def test_the_spending_cap_reaches_the_sender_with_its_code_and_is_raised_by_an_amendment(desk: Desk):
    desk.amend(spending_cap_micros=38_000)
    desk.both("amendments/1/approve")
    assert desk.send(4) == ["sent", "sent", "sent", "spending_cap_reached"]
    assert desk.door.client.post("/v1/messages", json=TEXT).status_code == 403
    desk.amend(spending_cap_micros=None)
    desk.both("amendments/2/approve")
    assert desk.send() == ["sent"]


def test_after_the_term_its_code_is_the_answer_until_an_amendment_brings_a_price(
    database_url: str, tmp_path: Path
):
    year = local_year(utc_now())
    with open_desk(database_url, tmp_path, terms=TERMS, live_on=date(year - 2, 1, 1)) as desk:
        before = desk.door.events()
        assert desk.send() == ["contract_term_over"]
        assert desk.door.events() == before
        assert desk.get("contract")["state"] == "over"
        desk.amend(term_years=4, overage_price_micros=45_000)
        desk.both("amendments/1/approve")
        contract = desk.get("contract")
        assert (contract["state"], contract["term_ends_on"]) == ("live", f"{year + 2}-01-01")
        assert desk.send(3) == ["sent"] * 3
        assert desk.totals()["amount"]["micros"] == 45_000


# The stages of the fixed fee.


def stages(desk: Desk) -> list[tuple[str, int]]:
    return [(one["state"], one["amount"]["micros"] // 10**6) for one in desk.get("contract")["stages"]]


def test_a_stage_is_invoiced_and_paid(desk: Desk):
    assert stages(desk) == [("due", 49_000), ("due", 39_200), ("pending", 9_800)]
    invoice = {"invoice": "INV-1", "due_on": str(today(desk))}
    for _ in range(2):
        assert desk.post("stages/1/invoice", invoice).status_code == 200
    assert stages(desk)[0] == ("invoiced", 49_000)
    again = desk.post("stages/1/invoice", invoice | {"invoice": "INV-2"})
    assert (again.status_code, code(again)) == (409, "stage_invoiced")
    for _ in range(2):
        assert desk.post("stages/1/pay", PAID).status_code == 200
    assert stages(desk)[0] == ("paid", 49_000)


def test_a_stage_that_is_not_paid_in_time_is_overdue_until_it_is(desk: Desk):
    due = today(desk) - timedelta(days=1)
    fact = StageInvoiced(stage=1, amount_micros=49_000 * 10**6, invoice="INV-1", invoiced_on=due, due_on=due)
    entry = Entry(stream=stream_id("contract", ACCOUNT), version=2, context=BY, events=(fact,))
    run(desk.door.platform.store.commit([entry]))
    assert stages(desk)[0][0] == "overdue"
    desk.post("stages/1/pay", PAID)
    assert stages(desk)[0][0] == "paid"


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("stages/3/invoice", {"invoice": "INV", "due_on": "2099-01-01"}, (409, "stage_not_due")),
        ("stages/1/invoice", {"invoice": "INV", "due_on": "2020-01-01"}, (422, "due_in_the_past")),
        ("stages/1/invoice", {"invoice": " ", "due_on": "2099-01-01"}, (422, "reference_missing")),
        ("stages/1/pay", PAID, (409, "stage_not_invoiced")),
        ("stages/4/pay", PAID, (404, "not_found")),
        ("stages/0/invoice", {"invoice": "INV", "due_on": "2099-01-01"}, (404, "not_found")),
    ],
)
def test_a_stage_out_of_turn_is_refused(
    shared: Desk, path: str, body: dict[str, object], refusal: tuple[int, str]
):
    before = shared.door.events()
    answer = shared.post(path, body)
    assert (answer.status_code, code(answer)) == refusal
    assert shared.door.events() == before


# Bodies that nobody can mean.


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("amendments", price(1, effective_from="2099-01-01", price=2), "unknown_field"),
        ("amendments", {"effective_from": "2099-01-01", "terms": {"cap": 1}, "reason": "x"}, "unknown_field"),
        ("amendments", price(1), "missing_field"),
        ("amendments", price(1, effective_from="2099-02-30"), "invalid_value"),
        ("amendments", price(1, effective_from="tomorrow"), "invalid_value"),
        ("amendments", price(1, effective_from=7), "wrong_type"),
        ("amendments", price(1, effective_from="2099-01-01", reason=""), "invalid_value"),
        ("amendments", price(1, effective_from="2099-01-01", reason="x" * 201), "invalid_value"),
        ("amendments", price(-1, effective_from="2099-01-01"), "terms_invalid"),
        ("amendments", price(10**9 + 1, effective_from="2099-01-01"), "terms_invalid"),
        ("amendments", price(10**40, effective_from="2099-01-01"), "terms_invalid"),
        ("contract/suspend", {"reason": "x", "until": "2099-01-01"}, "unknown_field"),
        ("contract/suspend", {}, "missing_field"),
        ("stages/1/invoice", {"invoice": "INV", "due_on": "2099-13-01"}, "invalid_value"),
        ("stages/1/pay", {"paid_on": "2026-01-01", "reference": "x" * 201}, "invalid_value"),
        ("stages/one/pay", PAID, "invalid_value"),
    ],
)
def test_what_nobody_can_mean_has_a_stable_code_and_is_recorded_nowhere(
    shared: Desk, path: str, body: dict[str, object], refusal: str
):
    before = shared.door.events()
    answer = shared.post(path, body)
    assert (answer.status_code, code(answer)) == (422, refusal), answer.text
    assert shared.door.events() == before


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("allowance_segments", 10**12 + 1),
        ("allowance_segments", -1),
        ("term_years", 0),
        ("term_years", 51),
        ("retention_months", 4),
        ("dispute_days", -1),
        ("notice_days", 367),
        ("fixed_fee_micros", 9_999),
        ("spending_cap_micros", -1),
        ("stage_shares", []),
        ("stage_shares", [5, 0]),
        ("alarm_percents", [95, 80]),
        ("alarm_percents", [0]),
    ],
)
def test_terms_out_of_their_bounds_are_refused_by_name(shared: Desk, term: str, value: object):
    before = shared.door.events()
    body = {"effective_from": "2099-01-01", "terms": {term: value}, "reason": "x"}
    answer = shared.post("amendments", body)
    assert (answer.status_code, code(answer), answer.json()["field"]) == (422, "terms_invalid", term)
    assert shared.door.events() == before
