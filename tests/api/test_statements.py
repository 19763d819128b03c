"""Statements and the forecast over HTTP: read, downloaded, followed down, issued, accepted and disputed."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pypdf
import pytest

from application.manage_contracts import sign_contract
from domain.events.access import Scope
from domain.events.contract import Terms
from domain.periods import month_at
from infrastructure.bootstrap import platform
from tests.api.test_refusals import require_problem
from tests.support.door import Door, open_door, run
from tests.support.poured import last_months, ready
from tests.support.sample import ACCOUNT, BY, key_with, settings_for

FIRST, SECOND = map(str, last_months())
NOW = str(month_at(datetime.now(UTC)))


@pytest.fixture
def billed(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """An API over an account with two months that are over."""
    with platform(settings_for(database_url, tmp_path)) as made, open_door(made, ready(made)) as opened:
        yield opened


@pytest.fixture
def finance(billed: Door) -> dict[str, str]:
    """The header of a key of the platform's own people."""
    scopes = [Scope.FINANCE, Scope.BILLING]
    return billed.as_key(run(key_with(billed.platform, scopes, account="")))


def issue(door: Door, finance: dict[str, str], period: str = FIRST) -> dict[str, object]:
    answer = door.client.post(
        f"/v1/billing/statements/{period}/issue", json={"account": ACCOUNT}, headers=finance
    )
    assert answer.status_code == 200, answer.text
    made: dict[str, object] = answer.json()
    return made


def test_an_issued_statement_is_listed_and_read(billed: Door, finance: dict[str, str]):
    made = issue(billed, finance)
    (row,) = billed.client.get("/v1/billing/statements").json()["statements"]
    assert (row["period"], row["state"], row["amount"]["yuan"]) == (FIRST, "issued", "0.08")
    read = billed.client.get(f"/v1/billing/statements/{FIRST}").json()
    assert read == made
    assert read["in_words"] == "捌分"
    assert [(line["kind"], line["segments"]) for line in read["lines"]] == [("allowance", 0), ("debits", 12)]


def test_anybody_can_hash_what_was_issued_again(billed: Door, finance: dict[str, str]):
    made = issue(billed, finance)
    octets = json.dumps(made["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(octets).hexdigest() == made["hash"]


def test_issuing_again_answers_with_the_one_there_is(billed: Door, finance: dict[str, str]):
    assert issue(billed, finance) == issue(billed, finance)
    assert len(billed.client.get("/v1/billing/statements").json()["statements"]) == 1


def test_a_customer_issues_nothing_itself(billed: Door):
    answer = billed.client.post(f"/v1/billing/statements/{FIRST}/issue", json={})
    require_problem(answer, status=403, code="missing_scope")


@pytest.mark.parametrize(
    ("period", "status", "code"),
    [
        (SECOND, 409, "statement_out_of_order"),
        (NOW, 409, "period_not_over"),
        ("2026-13", 422, "period_invalid"),
        ("2001-01", 409, "period_before_contract"),
    ],
)
def test_what_cannot_be_issued_is_refused(
    billed: Door, finance: dict[str, str], period: str, status: int, code: str
):
    answer = billed.client.post(
        f"/v1/billing/statements/{period}/issue", json={"account": ACCOUNT}, headers=finance
    )
    require_problem(answer, status=status, code=code)


def test_what_is_not_issued_is_not_found_and_can_be_previewed(billed: Door):
    require_problem(billed.client.get(f"/v1/billing/statements/{FIRST}"), status=404, code="not_found")
    preview = billed.client.get(f"/v1/billing/statements/{FIRST}/preview").json()
    assert (preview["state"], preview["hash"], preview["amount"]["yuan"]) == ("preview", "", "0.08")
    running = billed.client.get(f"/v1/billing/statements/{NOW}/preview").json()
    assert running["forecast"]["as_of"] >= f"{NOW}-01"
    later = billed.client.get("/v1/billing/statements/2099-01/preview")
    require_problem(later, status=409, code="period_not_begun")


def test_a_line_is_followed_down_to_its_postings_by_cursor(billed: Door, finance: dict[str, str]):
    made = issue(billed, finance)
    lines = made["lines"]
    assert isinstance(lines, list)
    address = f"/v1/billing/statements/{FIRST}/lines/2/postings"
    first = billed.client.get(address, params={"limit": 1}).json()
    rest = billed.client.get(address, params={"cursor": first["next_cursor"]}).json()
    found = first["postings"] + rest["postings"]
    assert rest["next_cursor"] == ""
    assert [posting["posting"] for posting in found] == [2, 3]
    assert sum(posting["segments"] for posting in found) == lines[1]["segments"]
    assert sum(posting["amount"]["micros"] for posting in found) == lines[1]["amount"]["micros"]
    assert found[0]["message"]


def test_a_line_that_is_not_there_and_a_cursor_of_another_kind_are_refused(
    billed: Door, finance: dict[str, str]
):
    issue(billed, finance)
    address = f"/v1/billing/statements/{FIRST}/lines/%d/postings"
    require_problem(billed.client.get(address % 9), status=404, code="not_found")
    wrong = billed.client.get(address % 1, params={"cursor": "x"})
    require_problem(wrong, status=422, code="invalid_cursor")


def test_the_customer_accepts_once(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    for _ in range(2):
        answer = billed.client.post(f"/v1/billing/statements/{FIRST}/accept", json={"note": "已核对"})
        assert (answer.json()["state"], answer.json()["said"]) == ("accepted", "已核对")
    refused = billed.client.post(f"/v1/billing/statements/{FIRST}/dispute", json={"reason": "no"})
    require_problem(refused, status=409, code="statement_accepted")


def test_a_dispute_is_resolved_by_finance(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    address = f"/v1/billing/statements/{FIRST}"
    assert billed.client.post(f"{address}/dispute", json={"reason": "太多"}).json()["state"] == "disputed"
    require_problem(billed.client.post(f"{address}/accept", json={}), status=409, code="statement_disputed")
    body = {"account": ACCOUNT, "reason": "已调整", "adjustment": "adj-1"}
    answer = billed.client.post(f"{address}/resolve", json=body, headers=finance).json()
    assert (answer["state"], answer["adjustment"]) == ("resolved", "adj-1")
    assert answer["said_by"].startswith("key:")


def test_a_statement_nobody_disputes_is_not_resolved(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    body = {"account": ACCOUNT, "reason": "已调整"}
    answer = billed.client.post(f"/v1/billing/statements/{FIRST}/resolve", json=body, headers=finance)
    require_problem(answer, status=409, code="statement_not_disputed")


def test_a_blank_reason_is_no_reason(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    answer = billed.client.post(f"/v1/billing/statements/{FIRST}/dispute", json={"reason": "  "})
    require_problem(answer, status=422, code="statement_reason")


def test_a_key_of_another_account_sees_nothing(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    store = billed.platform.store
    run(sign_contract(store, account="other", name="另一家", terms=Terms(), context=BY))
    other = billed.as_key(run(key_with(billed.platform, [Scope.BILLING], account="other")))
    answer = billed.client.get(f"/v1/billing/statements/{FIRST}", headers=other)
    require_problem(answer, status=404, code="not_found")
    named = billed.client.get(f"/v1/billing/statements/{FIRST}", params={"account": ACCOUNT}, headers=other)
    require_problem(named, status=404, code="not_found")


def test_a_key_of_the_platform_names_the_account(billed: Door, finance: dict[str, str]):
    answer = billed.client.get("/v1/billing/statements", headers=finance)
    require_problem(answer, status=422, code="account_missing")


def test_the_forecast_of_the_running_year_is_answered(billed: Door):
    answer = billed.client.get("/v1/billing/forecast").json()
    assert answer["method"] in ("net_of_last_28_days", "net_of_year_so_far")
    assert answer["as_of"][:7] == NOW


# Downloads, read by the libraries that others read them with.


def test_a_csv_opens_in_excel_and_adds_up(billed: Door, finance: dict[str, str]):
    made = issue(billed, finance)
    answer = billed.client.get(f"/v1/billing/statements/{FIRST}", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="statement-demo-{FIRST}.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *rows, last = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert head[0] == "账单号 Statement"
    amount = head.index("金额（元） Amount")
    lines = made["lines"]
    assert isinstance(lines, list)
    assert [row[amount] for row in rows] == ["0.00", "0.08"]
    assert (len(rows), last[amount]) == (len(lines), "0.08")


def test_a_workbook_has_chinese_headings_and_numbers_that_are_numbers(billed: Door, finance: dict[str, str]):
    issue(billed, finance)
    media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    answer = billed.client.get(f"/v1/billing/statements/{FIRST}", headers={"Accept": media})
    assert answer.headers["content-type"] == media
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["账单 Statement", "明细 Lines", "账本 Ledgers"]
    head, *rows = book["明细 Lines"].iter_rows(values_only=True)
    assert head[1] == "项目\nItem"
    debits = dict(zip(head, rows[1], strict=True))
    assert (debits["条数\nSegments"], debits["超出\nOverage"], debits["金额（元）\nAmount"]) == (12, 2, 0.08)
    assert debits["精确金额（元）\nExact amount"] == 0.076
    summary = {row[0]: row[2] for row in book["账单 Statement"].iter_rows(min_row=3, values_only=True)}
    assert (summary["客户"], summary["应付金额（元）"]) == ("示例科技有限公司", 0.08)


def test_a_pdf_says_the_same_with_its_font_within(billed: Door, finance: dict[str, str]):
    made = issue(billed, finance)
    answer = billed.client.get(f"/v1/billing/statements/{FIRST}", headers={"Accept": "application/pdf, */*"})
    assert answer.headers["content-type"] == "application/pdf"
    paper = pypdf.PdfReader(io.BytesIO(answer.content))
    text = words_of(paper)
    for words in ("短信服务月度账单", "示例科技有限公司", "捌分", str(made["number"]), str(made["hash"])):
        assert words in text
    (font,) = paper.pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]
    described = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
    assert "/FontFile3" in described


def words_of(paper: pypdf.PdfReader) -> str:
    """All text without what stands between the characters."""
    return "".join(re.sub(r"[\x00\s]", "", page.extract_text()) for page in paper.pages)


def test_a_form_that_is_not_known_is_refused(billed: Door):
    answer = billed.client.get(f"/v1/billing/statements/{FIRST}", params={"format": "docx"})
    require_problem(answer, status=422, code="invalid_value")


def test_a_preview_is_downloaded_as_one(billed: Door):
    answer = billed.client.get(f"/v1/billing/statements/{NOW}/preview", params={"format": "pdf"})
    assert answer.headers["content-disposition"].endswith(f'{NOW}-preview.pdf"')
