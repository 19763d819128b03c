"""Seals, exports and the proof from the command line, over a ledger whose days are past."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.bootstrap import Platform, platform
from tests.support.past import ACCOUNT, FIRST_DAY, past, write
from tests.support.sample import settings_for
from tests.support.terminal import Terminal

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "verify_ledger.py"
UNTIL = "2026-01-05"


@pytest.fixture
def made(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose account sent and was billed long ago."""
    write(database_url, past().log())
    with platform(settings_for(database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made: Platform) -> Terminal:
    """A terminal on that platform."""
    settings = made.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def test_days_are_sealed_once_and_listed(terminal: Terminal):
    rows = terminal("seal", "run", "--until", UNTIL, "--json").document["seals"]
    assert (rows[0]["day"], rows[-1]["day"], rows[-1]["ledgers"]) == (str(FIRST_DAY), UNTIL, 2)
    assert terminal("seal", "run", "--until", UNTIL, "--json").document["seals"] == []
    listed = terminal("seal", "list", "--limit", "2", "--json").document["seals"]
    assert [row["day"] for row in listed] == ["2026-01-04", UNTIL]


def test_a_seal_is_shown_with_its_ledgers(terminal: Terminal):
    terminal("seal", "run", "--until", UNTIL)
    shown = terminal("seal", "show", "--day", "2025-12-31", "--json").document
    assert [(row["account"], row["year"], row["version"]) for row in shown["ledgers"]] == [
        (ACCOUNT, "2025", 20)
    ]
    assert shown["key"] in terminal("seal", "show").out


def test_a_ledger_is_proved_to_be_under_a_seal(terminal: Terminal):
    terminal("seal", "run", "--until", UNTIL)
    shown = terminal("seal", "prove", ACCOUNT, "2025").document
    assert shown["leaf"].startswith(f"{ACCOUNT}|2025|22|")
    assert (len(shown["path"]), shown["leaves"]) == (1, 2)
    assert terminal("seal", "prove", "nobody", "2025").code == 2
    assert terminal("seal", "prove", ACCOUNT, "2026", "--day", "2025-12-30").code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "--until", "2999-01-01"), "day_not_over"),
        (("run", "--until", "tomorrow"), "day_invalid"),
        (("show",), "not_found"),
        (("show", "--day", "2025-12-30"), "not_found"),
    ],
)
def test_what_cannot_be_sealed_or_shown_is_refused(terminal: Terminal, arguments: tuple[str, ...], code: str):
    said = terminal("seal", *arguments)
    assert (said.code, said.err.partition(":")[0]) == (2, code)


def test_verify_tells_of_the_seals(terminal: Terminal):
    terminal("seal", "run", "--until", UNTIL)
    found = terminal("verify", "--no-read-models", "--json").document
    assert (found["clean"], found["seals"], found["sealed_until"]) == (True, 47, UNTIL)
    assert len(found["sealing_key"]) == 16


def test_an_export_is_true_to_the_standalone_verifier(terminal: Terminal, tmp_path: Path):
    terminal("seal", "run", "--until", UNTIL)
    file = tmp_path / "acme.jsonl"
    assert terminal("ledger", "export", ACCOUNT, "2025", "--out", file).code == 0
    key = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])["seal"]["public_key"]
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(file), "--key", key], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "true")


def test_an_export_to_the_standard_output_is_nothing_but_the_lines(terminal: Terminal):
    lines = terminal("ledger", "export", ACCOUNT, "2025").out.splitlines()
    assert (len(lines), json.loads(lines[0])["account"], json.loads(lines[-1])["seal"]) == (24, ACCOUNT, None)


def test_double_entry_has_a_transaction_a_day_or_a_posting(terminal: Terminal):
    day, each = (
        terminal("ledger", "export", ACCOUNT, "2025", "--format", "beancount", *more).out.count(" * ")
        for more in ((), ("--each",))
    )
    assert (day, each) == (13, 22)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((ACCOUNT, "2020"), "not_found"), ((ACCOUNT, "2025", "--each"), "each_needs_beancount")],
)
def test_what_cannot_be_exported_is_refused_and_writes_no_file(
    terminal: Terminal, tmp_path: Path, arguments: tuple[str, ...], code: str
):
    file = tmp_path / "no.jsonl"
    said = terminal("ledger", "export", *arguments, "--out", file)
    assert (said.code, said.err.partition(":")[0], file.exists()) == (2, code, False)
