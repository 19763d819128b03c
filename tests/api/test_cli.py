"""The command line as a whole: what it says where nothing works, and that help costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from api.cli import app
from tests.support.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("pydantic", "psycopg", "fastapi", "sqlalchemy", "httpx", "dramatiq", "eventsourcing", "uvicorn")


def commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command by the words that call it."""
    inner = getattr(group, "commands", None)
    if inner is None:
        return [path]
    return [found for name, command in inner.items() for found in commands(command, (*path, name))]


ALL_COMMANDS = commands(typer.main.get_command(app))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Terminal:
    """A terminal with a data folder in which nothing runs."""
    return Terminal(monkeypatch, capfd, data_dir=str(tmp_path / "data"))


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=" ".join)
def test_the_help_of_every_command_gives_an_example(terminal: Terminal, command: tuple[str, ...]):
    said = terminal(*command, "--help")
    assert said.code == 0
    assert "Example" in said.out


def test_help_loads_nothing_heavy():
    program = (
        "import sys; sys.argv = ['smsledger', '--help']\n"
        "from api.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


def test_an_unknown_command_is_refused(terminal: Terminal):
    assert terminal("sell").code == 2


def test_without_anything_running_the_way_out_is_named(terminal: Terminal):
    said = terminal("account", "list")
    assert said.code == 1
    assert said.err == "nothing runs here: start `smsledger up`, or set SMSLEDGER_DATABASE_URL\n"


def test_an_unknown_setting_is_named(terminal: Terminal):
    terminal.set("SMSLEDGER_DATABSE_URL", "postgresql://nowhere")
    said = terminal("account", "list")
    assert said.code == 1
    assert "SMSLEDGER_DATABSE_URL" in said.err
    assert "Traceback" not in said.err


def test_a_wrong_setting_is_told_without_a_traceback(terminal: Terminal):
    terminal.set("SMSLEDGER_POOL_SIZE", "many")
    said = terminal("account", "list")
    assert said.code == 1
    assert said.err.startswith("SMSLEDGER_POOL_SIZE: ")
    assert "Traceback" not in said.err


def test_a_database_that_is_down_is_one_clear_line(terminal: Terminal):
    terminal.set("SMSLEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    said = terminal("projections", "lag")
    assert said.code == 1
    assert said.err == "the database does not answer: is it running where SMSLEDGER_DATABASE_URL says?\n"


def test_a_database_without_tables_is_told_to_migrate(terminal: Terminal, empty_database_url: str):
    terminal.set("SMSLEDGER_DATABASE_URL", empty_database_url)
    said = terminal("account", "list")
    assert said.code == 1
    assert "smsledger migrate" in said.err
    assert "Traceback" not in said.err


def test_migrate_makes_the_tables_and_may_be_repeated(terminal: Terminal, empty_database_url: str):
    terminal.set("SMSLEDGER_DATABASE_URL", empty_database_url)
    assert [terminal("migrate").code, terminal("migrate").code] == [0, 0]
    assert terminal("account", "list", "--json").document == {"accounts": []}
