"""Reads the rows of a carrier's file one by one: CSV as offices make it, or the first sheet of an XLSX.

CSV is UTF-8, UTF-16 or GB18030 with any usual separator. A million rows never stand in memory.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from domain.errors import BadInput

LARGEST_BYTES = 512 * 1024 * 1024
_PIECE = 1 << 20
_SEPARATORS = ",;\t|"
_ZIP = b"PK\x03\x04"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Cells = list[str]


def read_cells(path: Path) -> Iterator[tuple[int, Cells]]:
    """Every row that is not empty, with its number from 1. Refuses file_unreadable."""
    with path.open("rb") as file:
        start = file.read(4)
    rows = _from_xlsx(path) if start == _ZIP else _from_csv(path, start)
    for number, cells in rows:
        if any(cells):
            yield number, cells


def _from_csv(path: Path, start: bytes) -> Iterator[tuple[int, Cells]]:
    encoding = next((name for mark, name in _BOMS if start.startswith(mark)), None) or _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            separator = _separator(file)
            yield from enumerate(csv.reader(file, delimiter=separator), 1)
    except (UnicodeDecodeError, csv.Error) as error:
        raise unreadable(f"The file is no CSV in {encoding}: {type(error).__name__}.") from None


def _encoding(path: Path) -> str:
    """UTF-8 where every octet fits it, else GB18030, which is what Excel writes in China."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _separator(file: io.TextIOWrapper) -> str:
    """What the first lines are separated by."""
    sample = file.read(4_096)
    file.seek(0)
    return max(_SEPARATORS, key=sample.count) if sample else ","


def _from_xlsx(path: Path) -> Iterator[tuple[int, Cells]]:
    import openpyxl

    with path.open("rb") as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except (BadZipFile, KeyError, ValueError, OSError) as error:
            raise unreadable(f"The file is no XLSX: {type(error).__name__}.") from None
        sheet = book.worksheets[0]
        # What a program wrote into the file about its size is often wrong, and then rows are left out.
        sheet.reset_dimensions()
        for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, [_text(value) for value in values]


def _text(value: Any) -> str:  # noqa: ANN401  (whatever a cell holds)
    """A cell as a CSV would have it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def unreadable(detail: str) -> BadInput:
    """The refusal of a file as a whole."""
    return BadInput("file_unreadable", detail, field="file")
