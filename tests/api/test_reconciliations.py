"""Reconciliation over HTTP: a file goes in, a process of its own works it off, finance reads what differs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import openpyxl
import pytest

from application.manage_links import configure_link
from domain.events.access import Scope
from domain.values import Carrier
from infrastructure.bootstrap import platform
from infrastructure.reconciliations import with_tables
from tests.api.test_refusals import require_problem
from tests.support.billed_months import HEADINGS, LINK, NOVEMBER, TEST_PHONE, GoldenMonths, Story
from tests.support.door import Door, open_door, run
from tests.support.sample import ACCOUNT, BY, key_with, link_to, make_sample, settings_for

MAPPING = {
    "columns": {
        "carrier_id": "消息ID",
        "time": "提交时间",
        "phone": "号码",
        "segments": "条数",
        "status": "状态",
        "network": "归属",
        "price": "单价",
        "amount": "金额",
    },
    "billed_on": "delivered",
    "price_micros": 31_000,
    "ported_statuses": ["PORTED"],
    "test_numbers": [TEST_PHONE],
}
AT = f"/v1/billing/statement-mappings/{LINK}"
PLACE = "/v1/billing/reconciliations"


@pytest.fixture
def months(database_url: str, tmp_path: Path) -> Iterator[tuple[Door, GoldenMonths]]:
    """An API over a log with a month of every fault in it; its client has a key of the platform."""
    with platform(settings_for(database_url, tmp_path)) as made:
        months = GoldenMonths(story=Story(platform=made))
        months.clean()
        months.faults()
        months.story.write()
        sample = run(make_sample(made, live_on=date(2025, 1, 1)))
        link = link_to(made, host="127.0.0.1", port=2775, name=LINK)
        run(configure_link(made.store, configured=replace(link, carriers=(Carrier.MOBILE,)), context=BY))
        with open_door(made, sample) as opened:
            token = run(key_with(made, [Scope.FINANCE, Scope.BILLING], account=""))
            opened.client.headers["Authorization"] = f"Bearer {token}"
            yield opened, months


def send(door: Door, file: Path, **asked: str) -> dict:
    """Save the mapping, send the file; the answer."""
    assert door.client.put(AT, json=MAPPING).status_code == 200
    parameters = {"link": LINK, "month": NOVEMBER, **asked}
    answer = door.client.post(PLACE, params=parameters, content=file.read_bytes())
    assert answer.status_code == 202, answer.text
    return answer.json()


def finished(door: Door, id_: str) -> dict:
    """The run once it has ended."""
    deadline = time.monotonic() + 60
    while True:
        found = door.client.get(f"{PLACE}/{id_}").json()
        if found["state"] in ("completed", "failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_file_is_sent_matched_and_read_page_by_page(months, tmp_path):
    door, golden = months
    made = send(door, golden.november.write(tmp_path / "file.csv"))
    assert made["state"] in ("waiting", "importing", "matching")
    done = finished(door, made["id"])
    assert (done["state"], done["bad_rows"]) == ("completed", 5)
    result = done["result"]
    assert result["totals"][0]["reason"] == "UNEXPLAINED"
    assert sum(total["differences"] for total in result["totals"]) == len(golden.truth)
    rows, cursor = [], ""
    while True:
        page = door.client.get(
            f"{PLACE}/{made['id']}/differences", params={"limit": 9, "cursor": cursor}
        ).json()
        rows += page["differences"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert {(row["carrier_id"], row["reason"], row["note"]) for row in rows} == golden.truth
    only = door.client.get(f"{PLACE}/{made['id']}/differences", params={"reason": "PRICE"}).json()
    assert {row["reason"] for row in only["differences"]} == {"PRICE"}
    assert not list((tmp_path / "carrier-statements").glob("*")), "the uploaded file is gone"


def test_a_workbook_is_read_as_well(months, tmp_path):
    door, golden = months
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [list(HEADINGS), *golden.november.rows]:
        sheet.append(row)
    book.save(tmp_path / "file.xlsx")
    done = finished(door, send(door, tmp_path / "file.xlsx")["id"])
    assert done["state"] == "completed"
    assert sum(total["differences"] for total in done["result"]["totals"]) == len(golden.truth)


def test_a_rerun_is_a_new_run_that_supersedes(months, tmp_path):
    door, golden = months
    first = finished(door, send(door, golden.november.write(tmp_path / "file.csv"))["id"])
    again = door.client.post(f"{PLACE}/{first['id']}/rerun", json={"upto": first["result"]["upto"]})
    assert again.status_code == 202
    second = finished(door, again.json()["id"])
    assert second["result"]["result_hash"] == first["result"]["result_hash"]
    assert second["result"]["supersedes"] == first["id"]
    assert door.client.get(f"{PLACE}/{first['id']}").json()["superseded_by"] == second["id"]
    listed = door.client.get(PLACE).json()["reconciliations"]
    assert [row["id"] for row in listed] == [second["id"], first["id"]]


def test_a_difference_is_settled_by_an_adjustment_of_two_approvals(months, tmp_path):
    door, golden = months
    id_ = finished(door, send(door, golden.november.write(tmp_path / "file.csv"))["id"])["id"]
    page = door.client.get(f"{PLACE}/{id_}/differences", params={"reason": "FAILED_BUT_BILLED"}).json()
    difference = page["differences"][0]
    place = f"{PLACE}/{id_}/differences/{difference['id']}/resolve"
    body = {"reason": "the carrier confirmed it", "segments": -1}
    settled = door.client.post(place, json=body)
    assert settled.status_code == 200, settled.text
    adjustment = settled.json()["adjustment"]
    assert door.client.post(place, json=body).json()["adjustment"] == adjustment
    asked = door.client.get("/v1/billing/adjustments", params={"account": ACCOUNT}).json()["adjustments"]
    assert [(one["id"], one["approvals_needed"], one["state"]) for one in asked] == [
        (adjustment, 2, "requested")
    ]
    again = door.client.get(f"{PLACE}/{id_}/differences", params={"reason": "FAILED_BUT_BILLED"}).json()
    assert again["differences"][0]["adjustment"] == adjustment


def test_a_file_that_cannot_be_read_fails_the_run_with_a_code(months, tmp_path):
    door, _ = months
    (tmp_path / "file.csv").write_text("a,b\n1,2\n")
    done = finished(door, send(door, tmp_path / "file.csv")["id"])
    assert (done["state"], done["problem"], done["result"]) == ("failed", "column_missing", None)
    differences = door.client.get(f"{PLACE}/{done['id']}/differences")
    require_problem(differences, status=409, code="reconciliation_not_completed")
    require_problem(
        door.client.post(f"{PLACE}/{done['id']}/rerun", json={}), status=409, code="statement_missing"
    )


def test_a_run_whose_process_died_is_interrupted(months, tmp_path):
    door, golden = months
    done = finished(door, send(door, golden.november.write(tmp_path / "file.csv"))["id"])

    def die_half_way(tables) -> UUID:
        statement, id_ = tables.statement(UUID(done["statement"])), uuid4()
        tables.add_run(id_, of=statement, mapping=LINK, by="test")
        tables.progress(id_, state="matching", phase="rows", done=7)
        return id_

    id_ = run(with_tables(door.platform, die_half_way))
    assert door.client.get(f"{PLACE}/{id_}").json()["state"] == "interrupted"
    again = door.client.post(f"{PLACE}/{id_}/rerun", json={})
    assert finished(door, again.json()["id"])["state"] == "completed"


def test_keys_of_an_account_see_nothing_of_it(months):
    door, _ = months
    key = run(key_with(door.platform, [Scope.BILLING]))
    require_problem(door.client.get(PLACE, headers=door.as_key(key)), status=403, code="platform_key_needed")
    reader = door.as_key(run(key_with(door.platform, [Scope.BILLING], account="")))
    asked = {"link": LINK, "month": NOVEMBER}
    require_problem(
        door.client.post(PLACE, params=asked, content=b"x", headers=reader), status=403, code="missing_scope"
    )
    assert door.client.get(PLACE, headers=reader).status_code == 200


@pytest.mark.parametrize(
    ("asked", "content", "status", "code"),
    [
        ({"link": "nowhere", "month": NOVEMBER}, b"x", 404, "not_found"),
        ({"link": LINK, "month": NOVEMBER, "mapping": "nobody"}, b"x", 404, "not_found"),
        ({"link": LINK, "month": "2025"}, b"x", 422, "period_invalid"),
        ({"link": LINK, "month": NOVEMBER}, b"", 422, "file_empty"),
        ({"month": NOVEMBER}, b"x", 422, "missing_field"),
    ],
)
def test_what_cannot_be_begun_is_refused(months, asked, content, status, code):
    door, _ = months
    require_problem(door.client.post(PLACE, params=asked, content=content), status=status, code=code)


def test_a_mapping_is_kept_and_never_shows_its_test_numbers(months):
    door, _ = months
    first = door.client.put(AT, json=MAPPING).json()
    second = door.client.put(AT, json=MAPPING | {"test_numbers": None}).json()
    assert (first["version"], second["version"]) == (1, 1)
    assert second["has_test_numbers"] is True
    assert door.client.get(AT).json() == second
    assert TEST_PHONE[3:] not in door.client.get(AT).text
    twice = MAPPING | {"columns": {"carrier_id": "A", "time": "A"}}
    require_problem(door.client.put(AT, json=twice), status=422, code="mapping_invalid")


def test_the_platform_is_held_against_itself(months):
    door, _ = months
    days = {"since": "2025-11-01", "until": "2025-11-30"}
    found = door.client.get(f"{PLACE}/self", params=days).json()
    assert not found["agrees"]
    whats = {(row["what"], row["left"], row["right"]) for row in found["differences"]}
    assert ("segments of accepted messages", "ledger", "messages") in whats
    require_problem(
        door.client.get(f"{PLACE}/self", params={"since": "2025-11-02", "until": "2025-11-01"}),
        status=422,
        code="days_invalid",
    )
