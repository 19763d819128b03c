"""The PDF of a statement, fit to be sent: A4, in Chinese with English beside, the font embedded in part."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from domain.periods import parse
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
)

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT = "noto"
_INK, _PALE, _GREY, _BLUE = (25, 32, 44), (232, 238, 245), (110, 118, 130), (31, 58, 95)
_MARGIN = 14
_OF_A_MONTH = (
    (0, 7),
    (1, 26),
    (3, 17),
    (4, 13),
    (5, 18),
    (6, 17),
    (7, 18),
    (8, 17),
    (9, 17),
    (10, 15),
    (11, 17),
)
"""The columns of a line that fit a page, and their widths in millimetres."""
_OF_A_YEAR = (
    (0, 7),
    (1, 27),
    (2, 15),
    (3, 15),
    (4, 12),
    (5, 17),
    (6, 15),
    (7, 15),
    (8, 15),
    (9, 14),
    (10, 14),
    (11, 16),
)
_OF_A_LEDGER = ((0, 16), (1, 20), (2, 20), (3, 20), (4, 20), (5, 20), (6, 20), (7, 20), (8, 26))
_OF_MONTHS = ((0, 16), (1, 34), (2, 24), (3, 108))


def to_pdf(document: Document) -> bytes:
    """The pages. The same statement gives the same octets."""
    pdf = _paper(document)
    _head(pdf, document)
    _facts(pdf, document)
    content = document.content
    shown = _OF_A_YEAR if parse(content.period).yearly else _OF_A_MONTH
    _table(pdf, ("账单明细", "Lines"), COLUMNS, [*rows(content), total(content)], shown, sum_last=True)
    if content.rests_on:
        title = ("所依据的月度账单", "Monthly statements it rests on")
        _table(pdf, title, MONTH_COLUMNS, [*months(content)], _OF_MONTHS)
    _table(pdf, ("条数账本", "Quota ledgers"), LEDGER_COLUMNS, [*ledgers(content)], _OF_A_LEDGER)
    _foot(pdf, document)
    return bytes(pdf.output())


def _paper(document: Document) -> "FPDF":
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(_FONT, size=7)
            self.set_text_color(*_GREY)
            number = document.content.number
            page = f"第 {self.page_no()} 页，共 {{nb}} 页    Page {self.page_no()} of {{nb}}"
            self.cell(0, 5, f"{number}    {page}", align="C")

    pdf = Paper(format="A4")
    with as_file(files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf") as font:
        pdf.add_font(_FONT, fname=font)
    pdf.set_margins(_MARGIN, _MARGIN, _MARGIN)
    pdf.set_auto_page_break(True, margin=16)
    pdf.set_title(document.file_name)
    pdf.set_lang("zh-CN")
    pdf.set_creator("smsledger")
    if document.statement:
        pdf.set_creation_date(document.statement.issued_at)
    pdf.add_page()
    return pdf


def _head(pdf: "FPDF", document: Document) -> None:
    chinese, english = document.title
    pdf.set_text_color(*_BLUE)
    pdf.set_font(_FONT, size=19)
    pdf.cell(0, 10, chinese, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FONT, size=9)
    pdf.set_text_color(*_GREY)
    pdf.cell(0, 5, f"{english}  ·  {document.content.period}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_draw_color(*_BLUE)
    pdf.set_line_width(0.6)
    pdf.line(_MARGIN, pdf.get_y() + 2, pdf.w - _MARGIN, pdf.get_y() + 2)
    pdf.ln(6)


def _facts(pdf: "FPDF", document: Document) -> None:
    """The head's pairs, one a row; the amount stands out."""
    for chinese, english, value in summary(document):
        important = english.startswith("Amount")
        pdf.set_font(_FONT, size=9)
        pdf.set_text_color(*_INK)
        pdf.cell(38, 6.2, chinese)
        pdf.set_font(_FONT, size=7)
        pdf.set_text_color(*_GREY)
        pdf.cell(44, 6.2, english)
        pdf.set_font(_FONT, size=13 if important else 9 if english != "SHA-256" else 7)
        pdf.set_text_color(*(_BLUE if important else _INK))
        pdf.multi_cell(0, 6.2, _said(value), new_x="LMARGIN", new_y="NEXT", align="L")
    pdf.ln(3)


def _table(
    pdf: "FPDF",
    title: tuple[str, str],
    columns: Sequence[tuple[str, str]],
    lines: Sequence[Sequence[Cell]],
    shown: Sequence[tuple[int, int]],
    *,
    sum_last: bool = False,
) -> None:
    """A table of some columns, each with its width; numbers stand on the right."""
    from fpdf.fonts import FontFace

    pdf.set_text_color(*_BLUE)
    pdf.set_font(_FONT, size=11)
    pdf.cell(0, 8, "  ".join(title), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FONT, size=7)
    pdf.set_text_color(*_INK)
    pdf.set_draw_color(*_PALE)
    pdf.set_line_width(0.2)
    widths = tuple(width for _, width in shown)
    numbers = {
        place for line in lines for place, value in enumerate(line) if not isinstance(value, str | Year)
    }
    with pdf.table(
        col_widths=widths,
        width=sum(widths),
        align="LEFT",
        line_height=4.2,
        padding=(0.8, 1),
        headings_style=FontFace(color=(255, 255, 255), fill_color=_BLUE),
        text_align=tuple("RIGHT" if place in numbers else "LEFT" for place, _ in shown),
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        table.row(["\n".join(columns[place]) for place, _ in shown])
        for number, line in enumerate(lines, 1):
            last = sum_last and number == len(lines)
            table.row(
                [_said(line[place]) for place, _ in shown], style=FontFace(fill_color=_PALE) if last else None
            )
    pdf.ln(4)


def _foot(pdf: "FPDF", document: Document) -> None:
    pdf.set_font(_FONT, size=7)
    for section in document.content.sections:
        if section.chain:
            pdf.set_text_color(*_GREY)
            words = f"{section.year} 年账本第 {section.upto:,} 条分录的链哈希 chain hash of posting {section.upto:,}: "
            pdf.multi_cell(0, 4, words + section.chain, new_x="LMARGIN", new_y="NEXT", align="L")
    pdf.ln(1)
    pdf.set_text_color(*_INK)
    for chinese, english in document.notes:
        pdf.multi_cell(0, 4.4, f"※ {chinese} {english}", new_x="LMARGIN", new_y="NEXT", align="L")


def _said(value: Cell) -> str:
    """A value as people read it."""
    match value:
        case str() | Year():
            return str(value)
        case Decimal() | int():
            return f"{value:,}"
        case date():
            return value.isoformat()
