"""A statement as a workbook. openpyxl takes long to load, so only who writes one imports this."""

import io
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from domain.values import SHANGHAI
from infrastructure.statement_texts import (
    COLUMNS,
    LEDGER_COLUMNS,
    MONTH_COLUMNS,
    Cell,
    Document,
    Year,
    ledgers,
    months,
    rows,
    summary,
    total,
    unmixed,
)

_HEAD = PatternFill("solid", fgColor="1F3A5F")
_SUM = PatternFill("solid", fgColor="E8EEF5")
_FORMATS = {int: "#,##0", Year: "0", date: "yyyy-mm-dd"}
_WIDEST = 60


def to_xlsx(document: Document) -> bytes:
    """A workbook: the statement, its lines, its ledgers, and the months of a year. Numbers are numbers."""
    content, book = document.content, Workbook()
    first = book.active
    assert isinstance(first, Worksheet)
    _summary(first, document)
    _table(book.create_sheet("明细 Lines"), COLUMNS, [*rows(content)], total(content))
    _table(book.create_sheet("账本 Ledgers"), LEDGER_COLUMNS, [*ledgers(content)])
    if content.rests_on:
        _table(book.create_sheet("月账单 Months"), MONTH_COLUMNS, [*months(content)])
    book.properties.creator = "smsledger"
    book.properties.title = content.number
    if document.statement:
        issued_at = document.statement.issued_at.astimezone(SHANGHAI).replace(tzinfo=None, microsecond=0)
        book.properties.created = book.properties.modified = issued_at
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _summary(sheet: Worksheet, document: Document) -> None:
    sheet.title = "账单 Statement"
    _put(sheet, 1, 1, " ".join(document.title), font=Font(bold=True, size=16))
    pairs = list(summary(document))
    for row, (chinese, english, value) in enumerate(pairs, 3):
        _put(sheet, row, 1, chinese, font=Font(bold=True))
        _put(sheet, row, 2, english, font=Font(color="666666"))
        _put(sheet, row, 3, value)
        sheet.cell(row, 3).alignment = Alignment(horizontal="left")
    for number, note in enumerate(document.notes, len(pairs) + 4):
        _put(sheet, number, 1, " ".join(note), font=Font(color="666666", italic=True))
    for column, width in (("A", 22), ("B", 28), ("C", 70)):
        sheet.column_dimensions[column].width = width
    sheet.sheet_view.showGridLines = False


def _table(
    sheet: Worksheet,
    columns: Sequence[tuple[str, str]],
    lines: Sequence[Sequence[Cell]],
    last: Sequence[Cell] = (),
) -> None:
    for column, names in enumerate(columns, 1):
        _put(sheet, 1, column, "\n".join(names), font=Font(bold=True, color="FFFFFF"))
        sheet.cell(1, column).fill = _HEAD
        sheet.cell(1, column).alignment = Alignment(wrap_text=True, horizontal="center", vertical="center")
    for number, line in enumerate([*lines, *([last] if last else [])], 2):
        for column, value in enumerate(line, 1):
            _put(sheet, number, column, value)
    if last:
        for column in range(1, len(columns) + 1):
            sheet.cell(len(lines) + 2, column).fill = _SUM
            sheet.cell(len(lines) + 2, column).font = Font(bold=True)
    sheet.freeze_panes = "A2"
    _fit(sheet, [[name for pair in columns for name in pair], *lines], len(columns))


def _fit(sheet: Worksheet, lines: Iterable[Sequence[Cell]], count: int) -> None:
    """Columns as wide as what is in them; a Chinese character takes two places."""
    kept = [line for line in lines if len(line) == count]
    for column in range(count):
        widest = max((_width(str(line[column])) for line in kept), default=0)
        sheet.column_dimensions[get_column_letter(column + 1)].width = min(_WIDEST, max(13, widest + 2))


def _width(text: str) -> int:
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)


def _put(sheet: Worksheet, row: int, column: int, value: Cell, *, font: Font | None = None) -> None:
    """A cell with its type said, so that no text is ever taken for a formula."""
    cell = sheet.cell(row, column)
    if isinstance(value, str):
        if value:
            cell.value = value
            cell.data_type = "s"
            cell.quotePrefix = value != unmixed(value)
    else:
        cell.value = value
        cell.number_format = _FORMATS.get(type(value)) or _decimals(value)
    if font:
        cell.font = font


def _decimals(value: Cell) -> str:
    """As many decimals as the amount has."""
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    assert isinstance(exponent, int)
    return f"#,##0.{'0' * max(2, -exponent)}"
