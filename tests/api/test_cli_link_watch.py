"""`smsledger link watch`: what it shows of links, what it says is away, and that it ends when it is told to."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.events.link import Connected
from infrastructure.bootstrap import Platform, platform
from infrastructure.link_board import Board
from infrastructure.network import condition_stream
from tests.api.test_link_standing import FIGURES
from tests.support.door import run
from tests.support.networked import record
from tests.support.read_models import catch_up
from tests.support.sample import LINK, make_sample, settings_for
from tests.support.stand import environment_of
from tests.support.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A terminal beside a platform whose one link is connected, as far as the log knows."""

    terminal: Terminal
    platform: Platform

    def tell(self) -> None:
        """What a worker does."""
        settings = self.platform.settings
        board = Board(settings.redis_url, schema=settings.db_schema)
        board.write([FIGURES])
        board.close()


@pytest.fixture
def scene(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    database_url: str,
    redis_url: str,
) -> Iterator[Scene]:
    folder = str(tmp_path)
    terminal = Terminal(monkeypatch, capfd, database_url=database_url, redis_url=redis_url, data_dir=folder)
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as made:
        run(make_sample(made))
        run(record(made, condition_stream(LINK), Connected(name=LINK)))
        catch_up(made)
        yield Scene(terminal=terminal, platform=made)


def test_one_look_is_one_line_that_says_what_monitoring_says(scene: Scene):
    scene.tell()
    said = scene.terminal("link", "watch", "--once", "--json")
    assert (said.code, said.out.count("\n")) == (0, 1), said.err
    document = said.document
    (link,) = document["links"]
    assert (document["live"], link["name"], link["condition"]) == (True, LINK, "ready")
    assert (link["figures"]["tps"], link["figures"]["refusals"]) == (12.0, {"5": 5, "8": 4})
    assert link["connections"][0]["worker"] == "gateway:4711"


def test_a_table_has_a_row_a_link_and_its_connections_where_they_are_asked_for(scene: Scene):
    scene.tell()
    plain = scene.terminal("link", "watch", "--once")
    rows = [line for line in plain.out.splitlines() if line.startswith("│")]
    assert len(rows) == 1
    for shown in (LINK, "ready", "1/1", "12", "5/32", "0+0", "77.8", "5: 5  8: 4", "refused with 5"):
        assert shown in rows[0]
    with_connections = scene.terminal("link", "watch", LINK, "--once", "--connections")
    assert "bound" in with_connections.out


def test_a_link_that_sends_and_hears_nothing_is_said_to_and_each_connection_says_what_it_is_for(scene: Scene):
    scene.terminal("link", "add", LINK, "--connections", "2", "--receivers", "1")
    catch_up(scene.platform)
    scene.tell()
    deaf = scene.terminal("link", "watch", "--once", "--connections")
    assert "ready" in deaf.out
    assert f"no receipts can come over {LINK}" in deaf.out
    assert all(f"  {each} " in deaf.out for each in ("1 sends", "2 receives"))
    (link,) = scene.terminal("link", "watch", "--once", "--json").document["links"]
    assert (link["connected"], link["hears"]) == (True, False)
    listed = scene.terminal("link", "list")
    assert "ready, no receipts" in " ".join(listed.out.split())
    run(record(scene.platform, condition_stream(LINK, 2), Connected(name=LINK, connection=2)))
    assert scene.terminal("link", "list", "--json").document["links"][0]["hears"]
    assert "no receipts" not in scene.terminal("link", "list").out


def test_a_link_that_no_worker_runs_is_said_to_be(scene: Scene):
    said = scene.terminal("link", "watch", "--once")
    assert said.code == 0
    assert "down" in said.out
    assert f"no worker runs {LINK}" in said.out


def test_without_redis_it_shows_what_the_log_knows_and_says_so(scene: Scene, tmp_path: Path):
    scene.terminal.set("SMSLEDGER_REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    said = scene.terminal("link", "watch", "--once")
    assert said.code == 0
    assert "Redis does not answer" in said.out
    assert "ready" in said.out


def test_a_link_that_there_is_not_is_refused(scene: Scene):
    said = scene.terminal("link", "watch", "nothing", "--once")
    assert (said.code, said.err.partition(":")[0]) == (2, "not_found")


def test_it_looks_again_until_ctrl_c_and_ends_cleanly(scene: Scene):
    scene.tell()
    command = [sys.executable, "-m", "api.cli", "link", "watch", "--json", "--every", "0.2"]
    environment = environment_of(scene.platform.settings)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        looks = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
        assert watching.stderr.read() == ""
    assert len({look["at"] for look in looks}) == 3
