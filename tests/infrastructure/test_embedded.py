"""The embedded servers survive the death of anything around them, and never outlive their owner."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from infrastructure import embedded
from infrastructure.embedded import EmbeddedServers, EmbeddedServersError
from infrastructure.embedded_folder import processes_of, take_lock

CHECKOUT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30.0
AS_ROOT = os.geteuid() == 0

OWNER = """
import json, os, sys
from pathlib import Path
from infrastructure import embedded
def answer(**told):
    # One write a line: two processes share the pipe, and unbuffered printing would write the line's end apart.
    os.write(1, (json.dumps(told) + "\\n").encode())
servers = embedded.start(Path(sys.argv[1]))
if sys.argv[2] == "forks" and os.fork() == 0:
    answer(child=os.getpid())
    sys.stdin.read()
    os._exit(0)
answer(guard=servers.guard_pid, url=servers.database_url)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A temporary folder that the servers' user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="smsledger-embedded-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module")
def home(open_folder: Path) -> Path:
    """A data folder on which servers have run before, so that the tests start warm."""
    folder = open_folder / "home"
    with embedded.start(folder) as servers, psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept (number bigint PRIMARY KEY)")
    return folder


@pytest.fixture
def servers(home: Path) -> Iterator[EmbeddedServers]:
    """Servers that run on the warm data folder for one test."""
    with embedded.start(home) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the deadline is far beyond what it takes."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def commit(servers: EmbeddedServers, number: int) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", (number,))


def is_kept(servers: EmbeddedServers, number: int) -> bool:
    with psycopg.connect(servers.database_url) as connection:
        return connection.execute("SELECT 1 FROM kept WHERE number = %s", (number,)).fetchone() is not None


def setting(servers: EmbeddedServers, name: str) -> str:
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def nothing_runs(home: Path) -> bool:
    return not processes_of(home / "postgres") and not processes_of(home / "valkey")


def is_gone(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


def spawn_owner(home: Path, *, forks: bool = False) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home), "forks" if forks else "alone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )


def next_answer(owner: "subprocess.Popen[str]") -> dict[str, str | int]:
    assert owner.stdout is not None
    answer: dict[str, str | int] = json.loads(owner.stdout.readline())
    return answer


def close_pipes(owner: "subprocess.Popen[str]") -> None:
    for pipe in (owner.stdin, owner.stdout):
        assert pipe is not None
        pipe.close()


def test_a_cold_start_gives_servers_that_answer(open_folder: Path):
    with embedded.start(open_folder / "cold") as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()
        assert servers.alive()


def test_a_commit_is_on_disk_and_nothing_listens_on_the_network(servers: EmbeddedServers):
    assert (setting(servers, "fsync"), setting(servers, "synchronous_commit")) == ("on", "on")
    assert setting(servers, "listen_addresses") == ""
    with redis.Redis.from_url(servers.redis_url) as client:
        found = client.config_get("port", "appendonly", "maxmemory-policy")
    assert found == {"port": "0", "appendonly": "yes", "maxmemory-policy": "noeviction"}


def test_options_of_the_caller_go_above_ours(home: Path):
    with embedded.start(home, postgres_options={"synchronous_commit": "off"}) as servers:
        assert setting(servers, "synchronous_commit") == "off"


def test_a_warm_start_finds_what_was_there(home: Path):
    with embedded.start(home) as before:
        commit(before, 1)
        with redis.Redis.from_url(before.redis_url) as client:
            client.set("kept", "yes")
    with embedded.start(home) as after:
        assert is_kept(after, 1)
        with redis.Redis.from_url(after.redis_url) as client:
            assert client.get("kept") == b"yes"


def test_closing_twice_leaves_no_process_and_no_lock(home: Path):
    servers = embedded.start(home)
    servers.close()
    servers.close()
    assert not servers.alive()
    assert nothing_runs(home)
    os.close(take_lock(home))


@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a fork that holds the pipe"])
def test_a_killed_owner_leaves_no_process_and_no_lock(home: Path, forks: bool):
    owner = spawn_owner(home, forks=forks)
    answers = [next_answer(owner) for _ in range(2 if forks else 1)]
    guard = next(int(answer["guard"]) for answer in answers if "guard" in answer)

    owner.kill()
    owner.wait()
    until(lambda: is_gone(guard))

    assert nothing_runs(home)
    os.close(take_lock(home))
    close_pipes(owner)


def test_a_start_right_after_a_killed_owner_waits_for_its_servers(home: Path):
    owner = spawn_owner(home)
    with psycopg.connect(str(next_answer(owner)["url"])) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")

    owner.kill()
    with embedded.start(home) as servers:
        assert is_kept(servers, 2)

    owner.wait()
    close_pipes(owner)


def test_a_killed_guard_takes_its_servers_with_it(home: Path):
    with embedded.start(home) as servers:
        commit(servers, 3)
        os.kill(servers.guard_pid, signal.SIGKILL)
        until(lambda: not servers.alive())
        until(lambda: nothing_runs(home))
    with embedded.start(home) as servers:
        assert is_kept(servers, 3)


def test_a_start_right_after_a_killed_guard_waits_for_its_servers(home: Path):
    first = embedded.start(home)
    os.kill(first.guard_pid, signal.SIGKILL)
    with embedded.start(home) as second:
        commit(second, 4)
        assert is_kept(second, 4)
    first.close()


def test_a_killed_postgresql_comes_back_with_every_acknowledged_commit(servers: EmbeddedServers):
    commit(servers, 5)
    killed = servers.postgres_pid

    os.kill(killed, signal.SIGKILL)
    until(lambda: servers.postgres_restarts == 1)

    assert is_kept(servers, 5)
    assert servers.postgres_pid != killed
    assert servers.redis_restarts == 0


def test_a_backend_that_outlives_a_killed_postgresql_is_ended(servers: EmbeddedServers, home: Path):
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("INSERT INTO kept VALUES (6)")
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        os.kill(servers.postgres_pid, signal.SIGKILL)
        until(lambda: servers.postgres_restarts == 1)
        assert backend not in processes_of(home / "postgres")
        connection.close()
    assert not is_kept(servers, 6)


def test_a_killed_valkey_comes_back_with_its_keys(servers: EmbeddedServers):
    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("queue", "job")
    os.kill(servers.redis_pid, signal.SIGKILL)
    until(lambda: servers.redis_restarts == 1)
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.get("queue") == b"job"


def test_both_servers_and_their_guard_killed_at_once_lose_nothing(home: Path):
    with embedded.start(home) as servers:
        commit(servers, 7)
        for pid in (servers.guard_pid, servers.postgres_pid, servers.redis_pid):
            os.kill(pid, signal.SIGKILL)
    with embedded.start(home) as servers:
        assert is_kept(servers, 7)


def test_a_server_that_cannot_be_kept_up_ends_everything_with_a_word(open_folder: Path):
    home = open_folder / "broken"
    with embedded.start(home) as servers:
        with (home / "postgres" / "postgresql.auto.conf").open("a") as configuration:
            configuration.write("no_such_setting = 1\n")
        os.kill(servers.postgres_pid, signal.SIGKILL)
        until(lambda: not servers.alive())
        assert nothing_runs(home)
        assert "postgres ended 20 times within a minute" in (home / "guard.log").read_text()


def test_a_server_that_does_not_start_is_reported_with_its_own_words(open_folder: Path):
    with pytest.raises(EmbeddedServersError, match="no_such_setting"):
        embedded.start(open_folder / "refused", postgres_options={"no_such_setting": "1"})


def test_a_second_owner_of_the_folder_is_refused(servers: EmbeddedServers, home: Path):
    with pytest.raises(EmbeddedServersError, match="in use"):
        embedded.start(home)
    assert servers.alive()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(home: Path):
    user = (home / "postgres").stat().st_uid
    with subprocess.Popen(["cat"], user=user, stdin=subprocess.PIPE) as stranger:  # noqa: S607
        (home / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{home / 'postgres'}\n")
        with embedded.start(home) as servers:
            assert servers.alive()
        assert stranger.poll() is None


def test_a_process_of_a_person_in_the_data_folder_is_left_alone(home: Path):
    with subprocess.Popen(["cat"], cwd=home / "postgres", stdin=subprocess.PIPE) as visitor:  # noqa: S607
        with embedded.start(home):
            assert visitor.poll() is None
        assert visitor.poll() is None


def test_an_interrupted_first_start_is_begun_again(open_folder: Path):
    folder = open_folder / "interrupted"
    owner = spawn_owner(folder)
    until(lambda: bool(processes_of(folder / "postgres")))
    owner.kill()

    with embedded.start(folder) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    owner.wait()
    close_pipes(owner)


def test_a_path_too_long_for_a_socket_gets_a_short_folder_that_goes_away(open_folder: Path):
    folder = open_folder / ("long" * 30) / ("path" * 30)
    with embedded.start(folder) as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        sockets = Path(servers.redis_url.removeprefix("unix://").partition("?")[0]).parent
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()


def test_the_password_is_for_one_user_only_and_is_asked_for(servers: EmbeddedServers, home: Path):
    password = home / "password"
    assert password.stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(servers.database_url.replace(password.read_text(), "guessed"))
    assert password.read_text() not in repr(servers)


@pytest.mark.skipif(not AS_ROOT, reason="only root changes the user of the servers")
def test_root_runs_the_servers_as_nobody(servers: EmbeddedServers):
    for pid in (servers.postgres_pid, servers.redis_pid):
        assert (Path("/proc") / str(pid)).stat().st_uid == 65534


@pytest.mark.skipif(not AS_ROOT, reason="only root changes the user of the servers")
def test_root_is_told_when_nobody_cannot_reach_the_folder(tmp_path: Path):
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedServersError, match="may not enter"):
        embedded.start(tmp_path / "data")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("two years of work")
    before = tmp_path.stat().st_mode
    with pytest.raises(EmbeddedServersError, match="other things"):
        embedded.start(tmp_path)
    with pytest.raises(EmbeddedServersError, match="left alone"):
        embedded.wipe(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode == before


def test_wiping_refuses_a_folder_in_use_and_removes_one_that_is_not(open_folder: Path):
    folder = open_folder / "wiped"
    with embedded.start(folder), pytest.raises(EmbeddedServersError, match="in use"):
        embedded.wipe(folder)
    embedded.wipe(folder)
    assert not folder.exists()
