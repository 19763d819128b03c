"""Rows of carriers' files as offices make them: encodings, separators, money, times, and what cannot be read."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from domain.events.reconciliation import Columns, MappingSaved
from infrastructure.carrier_files import read_cells
from infrastructure.carrier_rows import RowReader, find_places, is_sum, micros, moment_reader

HEADER = ["消息ID", "提交时间", "条数", "金额"]
MAPPING = MappingSaved(
    name="m", columns=Columns(carrier_id="消息ID", time="提交时间", segments="条数", amount="金额")
)


def read(cells: list[str], mapping: MappingSaved = MAPPING) -> list[str]:
    """The columns of a row: problem, id, time, day, segments, …"""
    reader = RowReader(
        mapping=mapping, places=find_places(mapping.columns, HEADER), statement="s", vault=None
    )
    return reader.line(2, cells).rstrip("\n").split("\t")[2:]


@pytest.mark.parametrize(
    ("octets", "rows"),
    [
        ("a,b\n1,二\n".encode(), [["a", "b"], ["1", "二"]]),
        ("a,b\n1,二\n".encode("utf-8-sig"), [["a", "b"], ["1", "二"]]),
        ("a,b\n1,二\n".encode("gb18030"), [["a", "b"], ["1", "二"]]),
        ("a\tb\n1\t二\n".encode("utf-16"), [["a", "b"], ["1", "二"]]),
        (b'a;b\n"1;x";"2 ""y"""\n', [["a", "b"], ["1;x", '2 "y"']]),
        (b"a,b\r\n\r\n,\r\n1,2\r\n", [["a", "b"], ["1", "2"]]),
        (b'a,b\n"one\ntwo",2\n', [["a", "b"], ["one\ntwo", "2"]]),
    ],
)
def test_a_csv_is_read_however_an_office_writes_it(tmp_path: Path, octets: bytes, rows: list[list[str]]):
    (tmp_path / "f.csv").write_bytes(octets)
    assert [cells for _, cells in read_cells(tmp_path / "f.csv")] == rows


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path):
    (tmp_path / "f.xlsx").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(BadInput) as refused:
        list(read_cells(tmp_path / "f.xlsx"))
    assert refused.value.code == "file_unreadable"


def test_an_empty_file_has_no_rows(tmp_path: Path):
    (tmp_path / "f.csv").write_bytes(b"")
    assert list(read_cells(tmp_path / "f.csv")) == []


def test_a_good_row_is_read_exactly():
    problem, id_, at, day, segments, *_, amount, _phone, test = read(
        ["0A1B", "2025-11-03 10:00:07", "2", "0.062"]
    )
    assert (problem, id_, at, day, segments) == ("", "0A1B", "2025-11-03 10:00:07+08", "2025-11-03", "2")
    assert (amount, test) == ("62000", "f")


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["", "2025-11-03", "1", "0"], "id_missing"),
        (["a b", "2025-11-03", "1", "0"], "id_unreadable"),
        (["1.23457E+18", "2025-11-03", "1", "0"], "id_rounded"),
        (["13800138000", "2025-11-03", "1", "0"], "id_is_a_phone"),
        (["+8613800138000", "2025-11-03", "1", "0"], "id_is_a_phone"),
        (["A", "last week", "1", "0"], "time_unreadable"),
        (["A", "", "1", "0"], "time_unreadable"),
        (["A", "2025-02-30", "1", "0"], "time_unreadable"),
        (["A", "2025-11-03", "-1", "0"], "segments_unreadable"),
        (["A", "2025-11-03", "1.5", "0"], "segments_unreadable"),
        (["A", "2025-11-03", "1", "-0.1"], "amount_unreadable"),
        (["A", "2025-11-03", "1", "0.0000001"], "amount_unreadable"),
        (["A", "2025-11-03", "1", "NaN"], "amount_unreadable"),
        (["A"], "time_unreadable"),
    ],
)
def test_a_row_that_cannot_be_read_says_why_and_keeps_no_number(cells: list[str], problem: str):
    found = read(cells)
    assert found[0] == problem
    assert "13800138000" not in "".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-03 09:05:07",
        "2025-11-03T09:05:07",
        "2025-11-03T01:05:07Z",
        "2025/11/3 9:05:07",
        "2025年11月3日 09:05:07",
        "20251103090507",
        "20251103T090507",
        "2025-11-03 09:05:07+08:00",
    ],
)
def test_the_usual_forms_of_a_time_are_read(text: str):
    assert moment_reader("")(text).isoformat() == "2025-11-03T09:05:07"


def test_a_form_of_its_own_is_read_by_its_format():
    assert moment_reader("%d.%m.%y %H:%M")("03.11.25 09:05").isoformat() == "2025-11-03T09:05:00"


@pytest.mark.parametrize(
    ("text", "unit", "exact"),
    [
        ("0.031", 1_000_000, "31000"),
        ("¥1,234.56", 1_000_000, "1234560000"),
        ("3.1", 10_000, "31000"),
        ("31", 1_000, "31000"),
        ("3.1E-2", 1_000_000, "31000"),
        ("", 1_000_000, "\\N"),
        ("free", 1_000_000, None),
        ("1e400", 1_000_000, None),
    ],
)
def test_money_is_exact(text: str, unit: int, exact: str | None):
    assert micros(text, unit) == exact


def test_sums_of_the_file_are_no_rows():
    assert is_sum(["合计", "", "99"])
    assert is_sum(["", "Total", "99"])
    assert not is_sum(["0A1B", "合计"])


def test_a_column_is_found_by_its_heading_or_its_letter_and_else_refused():
    places = find_places(Columns(carrier_id="B", amount="金额"), HEADER)
    assert (places.carrier_id, places.amount, places.time) == (1, 3, None)
    with pytest.raises(BadInput) as refused:
        find_places(Columns(carrier_id="编号"), HEADER)
    assert refused.value.code == "column_missing"


def test_the_digest_of_the_content_does_not_depend_on_the_order():
    rows = [["A", "2025-11-03", "1", "0.031"], ["B", "2025-11-04", "1", "0.031"], ["C", "x", "1", "0"]]

    def digest(order: list[list[str]]) -> str:
        reader = RowReader(
            mapping=MAPPING, places=find_places(MAPPING.columns, HEADER), statement="s", vault=None
        )
        for number, cells in enumerate(order):
            reader.line(number, cells)
        return reader.content_digest

    assert digest(rows) == digest(rows[::-1])
    assert digest(rows) != digest(rows[:2])
