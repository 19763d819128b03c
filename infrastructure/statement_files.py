"""Downloads of a statement for programs and spreadsheets: JSON, CSV and XLSX."""

import csv
import io

import msgspec

from infrastructure.statement_texts import (
    COLUMNS,
    Cell,
    Document,
    heading,
    rows,
    total,
    unmixed,
)


def to_json(document: Document) -> bytes:
    """The content as it is hashed, with its hash: anybody can hash it again (docs/statements.md)."""
    issued = document.statement
    found = {
        "hash": issued.hash if issued else "",
        "issued_at": issued.issued_at if issued else None,
        "state": issued.state if issued else "preview",
        "content": document.content,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


def to_csv(document: Document) -> bytes:
    """The lines and their sum, in UTF-8 with the mark by which Excel knows it."""
    text = io.StringIO()
    writer = csv.writer(text)
    content = document.content
    writer.writerow([heading(("账单号", "Statement")), *map(heading, COLUMNS)])
    for row in (*rows(content), total(content)):
        writer.writerow([unmixed(content.number), *map(_plain, row)])
    return text.getvalue().encode("utf-8-sig")


def _plain(value: Cell) -> str:
    return unmixed(value) if isinstance(value, str) else str(value)


def to_xlsx(document: Document) -> bytes:
    """A workbook: the statement, its lines, its ledgers, and the months of a year. Numbers are numbers."""
    from infrastructure import statement_workbook

    return statement_workbook.to_xlsx(document)
