"""Reads recipients from CSV as offices make them: UTF-8 or GBK, comma or semicolon, headings in either language.

A row that cannot be read is told by its line; it never stops the others. Whether a number or a text is right
is not decided here but by the platform, as for any other caller.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from domain.errors import BadInput

LARGEST_BYTES = 200 * 1024 * 1024

_PHONE = "phone"
_OWN_COLUMNS = ("phone", "text", "template", "client_reference", "extension")
_HEADINGS = {
    "phone": ("phone", "mobile", "phone number", "手机", "手机号", "手机号码", "号码", "电话"),
    "text": ("text", "content", "短信内容", "内容"),
    "template": ("template", "模板", "模板编号"),
    "client_reference": ("client_reference", "reference", "out_id", "流水号", "编号"),
    "extension": ("extension", "扩展码", "扩展号"),
    "name": ("name", "姓名", "客户姓名", "客户"),
    "amount": ("amount", "金额", "账单金额"),
    "date": ("date", "日期"),
    "code": ("code", "验证码"),
}
_COLUMN_BY_HEADING = {heading: column for column, headings in _HEADINGS.items() for heading in headings}
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A row: the line it begins on (the heading is line 1), what it says about the message, its variables."""

    line: int
    phone: str = field(repr=False)
    text: str = field(default="", repr=False)
    template: str = ""
    client_reference: str = ""
    extension: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be read as a row, with a code and a sentence; what it held is not repeated."""

    line: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """A whole file. `digest` names its content, so that reading the same file again can be noticed."""

    rows: Sequence[Recipient] = field(repr=False)
    bad_lines: Sequence[BadLine]
    columns: Sequence[str]
    encoding: str
    digest: str


def read_recipients(path: Path) -> Recipients:
    """All rows of a file. Refuses file_missing, file_too_large, file_encoding, file_empty and file_heading."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise BadInput("file_too_large", f"The file has more than {LARGEST_BYTES:,} octets: split it.")
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            "file_missing", f"The file cannot be read: {error.strerror or type(error).__name__}."
        ) from None
    text, encoding = _decode(raw)
    lines = _lines(text)
    heading = next((cells for _, cells in lines if any(cells)), None)
    if heading is None:
        raise BadInput("file_empty", "The file is empty: the first line names the columns.")
    columns = _columns(heading)
    read = [_row(line, columns, cells) for line, cells in lines if any(cells)]
    return Recipients(
        rows=[row for row in read if isinstance(row, Recipient)],
        bad_lines=[row for row in read if isinstance(row, BadLine)],
        columns=columns,
        encoding=encoding,
        digest=sha256(raw).hexdigest(),
    )


def _decode(raw: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8 with or without mark, UTF-16 with one, else GB 18030 (GBK's superset)."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates: tuple[str, ...] = ("utf-16",)
    else:
        candidates = ("utf-8-sig", "gb18030")
    for encoding in candidates:
        try:
            return raw.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise BadInput("file_encoding", "The file is neither UTF-8 nor GBK: save it as CSV UTF-8.")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row; a quoted cell may span lines, the first one counts."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t，", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise BadInput(
                "file_heading", f"Line {begins} is not CSV: look for a cell that is never closed."
            ) from None
        yield begins, [cell.strip() for cell in cells]
        begins = reader.line_num + 1


def _columns(heading: Sequence[str]) -> list[str]:
    """What each column is: ours, or a variable of templates."""
    columns = [_COLUMN_BY_HEADING.get(cell.lower(), cell) for cell in heading]
    if _PHONE not in columns:
        raise BadInput(
            "file_heading", "The first line names no column of phone numbers: call it phone or 手机号."
        )
    for column in columns:
        if columns.count(column) > 1 or not _VARIABLE.fullmatch(column):
            raise BadInput(
                "file_heading",
                f"The heading of column {columns.index(column) + 1} is missing, doubled or not a variable's "
                "name: letters, digits and _.",
            )
    return columns


def _row(line: int, columns: Sequence[str], cells: Sequence[str]) -> Recipient | BadLine:
    """A row, its empty cells left out; cells beyond the heading are a fault, missing ones are empty."""
    if any(cells[len(columns) :]):
        return BadLine(
            line=line, code="too_many_cells", detail=f"The line has more than {len(columns)} cells."
        )
    filled = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
    own = {column: filled.pop(column) for column in _OWN_COLUMNS if column in filled}
    return Recipient(
        line=line,
        phone=own.get("phone", ""),
        text=own.get("text", ""),
        template=own.get("template", ""),
        client_reference=own.get("client_reference", ""),
        extension=own.get("extension", ""),
        variables=filled,
    )
