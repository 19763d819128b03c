"""Recipients as offices save them."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from infrastructure.files import read_recipients


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its file."""
    return tmp_path / "recipients.csv"


def write(file: Path, text: str, encoding: str = "utf-8") -> Path:
    """Write the text as it is."""
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gbk", "gb18030"), ("utf-16", "utf-16")],
)
def test_every_usual_encoding_is_read(file: Path, encoding: str, told: str):
    read = read_recipients(write(file, "手机号,姓名\n13800138000,王小明\n", encoding))
    assert read.encoding == told
    assert read.rows[0].phone == "13800138000"
    assert read.rows[0].variables == {"name": "王小明"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，"])
def test_the_delimiter_is_seen_from_the_heading(file: Path, delimiter: str):
    read = read_recipients(write(file, f"phone{delimiter}name\n13800138000{delimiter}王小明\n"))
    assert read.rows[0].variables == {"name": "王小明"}


def test_headings_in_chinese_and_english_name_the_same_columns(file: Path):
    read = read_recipients(write(file, "姓名,Mobile,金额,order_no\n王小明,13800138000,1.00,A7\n"))
    assert read.columns == ["name", "phone", "amount", "order_no"]
    assert read.rows[0].variables == {"name": "王小明", "amount": "1.00", "order_no": "A7"}


def test_empty_cells_are_left_out_and_empty_lines_skipped(file: Path):
    read = read_recipients(write(file, "phone,name,amount\n\n13800138000,,1.00\n,,\n13000130000,李\n"))
    assert [(row.line, dict(row.variables)) for row in read.rows] == [
        (3, {"amount": "1.00"}),
        (5, {"name": "李"}),
    ]


def test_a_quoted_cell_over_two_lines_counts_from_its_first(file: Path):
    read = read_recipients(write(file, 'phone,text\n13800138000,"一\n二"\n13000130000,三\n'))
    assert [(row.line, row.text) for row in read.rows] == [(2, "一\n二"), (4, "三")]


def test_own_columns_are_no_variables(file: Path):
    read = read_recipients(write(file, "phone,template,reference,name\n13800138000,due,R-1,王\n"))
    row = read.rows[0]
    assert (row.template, row.client_reference, dict(row.variables)) == ("due", "R-1", {"name": "王"})


@pytest.mark.parametrize("heading", ["extension", "扩展码", "扩展号"])
def test_a_column_of_digits_is_no_variable(file: Path, heading: str):
    (row,) = read_recipients(write(file, f"phone,{heading}\n13800138000,0012\n")).rows
    assert (row.extension, dict(row.variables)) == ("0012", {})


def test_a_line_with_too_many_cells_is_told_and_stops_no_other(file: Path):
    read = read_recipients(write(file, "phone,name\n13800138000,王,5\n13000130000,李\n"))
    assert [(bad.line, bad.code) for bad in read.bad_lines] == [(2, "too_many_cells")]
    assert [row.line for row in read.rows] == [3]


def test_a_row_without_a_number_is_kept_for_the_platform_to_refuse(file: Path):
    read = read_recipients(write(file, "phone,name\n,王\n"))
    assert [(row.line, row.phone) for row in read.rows] == [(2, "")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"\n\n", "file_empty"),
        ("姓名,金额\n王,1\n".encode(), "file_heading"),
        (b"phone,phone\n1,2\n", "file_heading"),
        (b"phone,\n1,2\n", "file_heading"),
        (b"phone,order no\n1,2\n", "file_heading"),
        (b"phone\n\xff\xff\xff\n", "file_encoding"),
    ],
)
def test_what_is_no_file_of_recipients_is_refused(file: Path, content: bytes, code: str):
    file.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        read_recipients(file)
    assert refused.value.code == code


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="file_missing"):
        read_recipients(tmp_path)


def test_numbers_and_texts_are_in_no_repr(file: Path):
    read = read_recipients(write(file, "phone,text\n13800138000,您好\n"))
    assert "13800138000" not in repr(read) + repr(read.rows[0])
    assert "您好" not in repr(read) + repr(read.rows[0])


def test_the_sample_file_has_a_thousand_rows_of_every_kind():
    read = read_recipients(Path(__file__).resolve().parent.parent.parent / "examples" / "recipients.csv")
    assert len(read.rows) == 1_000
    assert read.bad_lines == []
    assert {row.template for row in read.rows} == {"payment-due", "statement-ready", ""}
    assert any(character > "\uffff" for row in read.rows for character in row.text)
