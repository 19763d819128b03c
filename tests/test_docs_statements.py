"""The worked example of docs/statements.md is what is issued, and its hash is computed as the page says."""

import hashlib
import json
import re
from datetime import date
from pathlib import Path

from domain.aggregates.statement import half_up
from domain.events.statement import Line, LineKind
from infrastructure.statement_files import to_json
from infrastructure.statement_texts import Document
from tests.support.billed import Billed

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "statements.md").read_text(encoding="utf-8")


def example() -> Billed:
    """The story of the page."""
    billed = Billed()
    billed.debit(8)
    second = billed.debit(4)
    billed.go_to(date(2026, 2, 10))
    billed.refund(second, 4)
    billed.debit(3)
    billed.go_to(date(2026, 3, 2))
    return billed


def row(statement: str, line: Line, running: int) -> str:
    figures = (line.segments, line.included, line.overage, line.amount_micros, running)
    cells = (statement, f"`{line.kind}`", line.period, *figures, line.amount_fen, line.difference_micros)
    return f"| {' | '.join(map(str, cells))} |"


def test_the_worked_example_is_what_is_issued():
    billed, running, rows = example(), 0, []
    for month in ("2026-01", "2026-02"):
        for line in billed.issue(month).content.lines:
            running += line.amount_micros
            rows.append(row(month, line, running))
    assert rows == re.findall(r"^\| 2026-0\d \|.*$", PAGE, re.MULTILINE)
    assert half_up(running) == 4


def test_the_hash_is_that_of_the_canonical_json_of_the_download():
    issued = example().issue("2026-01")
    document = json.loads(to_json(Document(issued.content, issued)))
    octets = json.dumps(document["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(octets.encode()).hexdigest() == document["hash"] == issued.hash


def test_every_kind_of_line_is_explained():
    assert set(re.findall(r"^\| `([a-z]+)` \| [a-z]", PAGE, re.MULTILINE)) >= set(LineKind)
