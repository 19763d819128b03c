"""`smsledger statement`, over months that are over."""

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from infrastructure.bootstrap import Platform, platform
from tests.support.poured import last_months, ready
from tests.support.sample import ACCOUNT, settings_for
from tests.support.terminal import Terminal

FIRST, SECOND = map(str, last_months())


@pytest.fixture
def made(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    with platform(settings_for(database_url, tmp_path)) as opened:
        ready(opened)
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made: Platform) -> Terminal:
    settings = made.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def issue(terminal: Terminal, period: str = FIRST) -> dict[str, object]:
    said = terminal("statement", "issue", "--period", period, "--all", "--by", "lin", "--json")
    (row,) = said.document["statements"]
    return {**row, "code": said.code}


def test_a_month_is_issued_for_every_account_and_again_changes_nothing(terminal: Terminal):
    first, second = issue(terminal), issue(terminal)
    assert (first["result"], second["result"]) == ("issued", "was issued before")
    assert (first["hash"], first["code"]) == (second["hash"], second["code"])
    (row,) = terminal("statement", "list", ACCOUNT, "--json").document["statements"]
    assert (row["period"], row["amount"]["yuan"]) == (FIRST, "0.08")


def test_a_month_out_of_order_is_told_with_its_code(terminal: Terminal):
    said = issue(terminal, SECOND)
    assert (said["result"], said["code"]) == ("statement_out_of_order", 1)
    alone = terminal("statement", "issue", "--period", SECOND, "--account", ACCOUNT)
    assert (alone.code, alone.err.partition(":")[0]) == (2, "statement_out_of_order")


def test_neither_an_account_nor_all_is_refused(terminal: Terminal):
    assert terminal("statement", "issue", "--period", FIRST).code == 2


def test_a_statement_is_shown_with_its_lines(terminal: Terminal):
    issue(terminal)
    said = terminal("statement", "show", ACCOUNT, FIRST)
    assert "示例科技有限公司" in said.out
    assert "debits" in said.out
    document = terminal("statement", "show", ACCOUNT, FIRST, "--json").document
    assert document["amount"]["micros"] == 80_000


def test_what_is_not_issued_is_not_found_but_previewed(terminal: Terminal):
    assert terminal("statement", "show", ACCOUNT, FIRST).code == 2
    assert terminal("statement", "preview", ACCOUNT, FIRST, "--json").document["state"] == "preview"


def test_a_download_is_written_where_it_is_wanted(terminal: Terminal, tmp_path: Path):
    issue(terminal)
    for format_, begins in (("json", b"{"), ("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF")):
        file = tmp_path / f"it.{format_}"
        said = terminal("statement", "download", ACCOUNT, FIRST, "--format", format_, "--output", file)
        assert said.code == 0, said.err
        assert file.read_bytes().startswith(begins)
    assert openpyxl.load_workbook(tmp_path / "it.xlsx").sheetnames[0] == "账单 Statement"


def test_a_form_that_is_not_known_is_refused(terminal: Terminal):
    said = terminal("statement", "download", ACCOUNT, FIRST, "--format", "docx")
    assert (said.code, said.err.partition(":")[0]) == (2, "format_unknown")


def test_a_dispute_is_noted_resolved_and_then_accepted_by_name(terminal: Terminal):
    issue(terminal)
    states = [
        terminal("statement", *words, "--by", "lin", "--json").document
        for words in (
            ("dispute", ACCOUNT, FIRST, "--reason", "太多"),
            ("resolve", ACCOUNT, FIRST, "--reason", "已调整", "--adjustment", "adj-1"),
            ("accept", ACCOUNT, FIRST),
        )
    ]
    assert [(row["state"], row["said_by"]) for row in states] == [
        ("disputed", "cli:lin"),
        ("resolved", "cli:lin"),
        ("accepted", "cli:lin"),
    ]


def test_the_forecast_names_its_method(terminal: Terminal):
    assert terminal("statement", "forecast", ACCOUNT, "--json").document["method"].startswith("net_of_")
