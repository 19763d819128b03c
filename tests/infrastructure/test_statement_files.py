"""Downloads cannot be turned against whoever opens them, and say years as well as months."""

import csv
import io
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import openpyxl
import pypdf
import pytest

from domain.events.contract import Terms
from infrastructure import statement_files, statement_pdf
from infrastructure.statement_texts import Document, exact_yuan, unmixed
from tests.support.billed import Billed


def year() -> Document:
    """2026 with two prices, a late refund, an adjustment and what expired."""
    billed = Billed(terms=Terms(allowance_segments=10))
    first = billed.debit(12)
    billed.go_to(date(2026, 3, 3))
    billed.refund(first, 12)
    billed.debit(3, price_micros=36_500)
    billed.adjust(amount_micros=-1_234, period="2026-01")
    billed.go_to(date(2027, 1, 3))
    for month in range(1, 13):
        billed.issue(f"2026-{month:02d}")
    billed.close()
    issued = billed.issue("2026")
    return Document(issued.content, issued)


def month(customer: str) -> Document:
    """A month of a customer with a name of its own choosing."""
    billed = Billed()
    billed.debit(1)
    return Document(replace(billed.preview("2026-01"), customer=customer))


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1"])
def test_no_text_becomes_a_formula(name: str):
    book = openpyxl.load_workbook(io.BytesIO(statement_files.to_xlsx(month(name))))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f"]
    assert unmixed(name) == f"'{name}"


def test_negative_numbers_stay_numbers_in_a_csv():
    text = statement_files.to_csv(year()).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    adjusted = next(row for row in rows if row["项目 Item"].startswith("账务调整"))
    assert Decimal(adjusted["精确金额（元） Exact amount"]) == Decimal("-0.001234")


def test_a_year_names_its_months_and_what_expired():
    document = year()
    book = openpyxl.load_workbook(io.BytesIO(statement_files.to_xlsx(document)))
    rows = list(book["月账单 Months"].iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in rows] == [f"2026-{month:02d}" for month in range(1, 13)]
    summary = {row[0]: row[2] for row in book["账单 Statement"].iter_rows(min_row=3, values_only=True)}
    assert summary["到期失效条数"] == 7
    paper = pypdf.PdfReader(io.BytesIO(statement_pdf.to_pdf(document)))
    text = "".join(re.sub(r"[\x00\s]", "", page.extract_text()) for page in paper.pages)
    assert "短信服务年度账单" in text
    assert "不另行收费" in text


def test_the_same_statement_is_the_same_pdf():
    document = year()
    assert statement_pdf.to_pdf(document) == statement_pdf.to_pdf(document)


def test_amounts_are_exact():
    assert [str(exact_yuan(micros)) for micros in (0, 38_000, -1, 1_500_000, 10**12)] == [
        "0.00",
        "0.038",
        "-0.000001",
        "1.50",
        "1000000.00",
    ]
