"""The supervisor with real children: simulated carriers, which start fast and need no server."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from infrastructure import supervisor as module
from infrastructure.running import Running, announce, find
from infrastructure.supervisor import NotReady, ProcessSpec, Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 60.0


def carrier(name: str, **others: object) -> ProcessSpec:
    """A child that listens on a free port."""
    return ProcessSpec(name=name, arguments=("simulator", "--port", "0"), **others)  # type: ignore[arg-type]


def clean_environment() -> dict[str, str]:
    """The environment without anybody's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SMSLEDGER_")}


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def listening(logs: Path, name: str, times: int = 1) -> Callable[[], bool]:
    """Whether a carrier has said so many times that it listens."""
    return lambda: (
        (logs / f"{name}.log").exists()
        and (logs / f"{name}.log").read_text().count("Ctrl-C ends it") >= times
    )


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """Two children, looked after."""
    specs = [
        carrier(name, ready=listening(tmp_path / "logs", name), nice=nice)
        for name, nice in (("first", 0), ("second", 5))
    ]
    made = Supervisor(specs, environment=clean_environment(), logs=tmp_path / "logs")
    with made:
        made.wait_ready(DEADLINE_SECONDS)
        yield made


def test_every_child_runs_with_its_priority(supervisor: Supervisor):
    pids = supervisor.pids()
    assert list(pids) == ["first", "second"]
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids.values()] == [
        os.getpriority(os.PRIO_PROCESS, 0),
        5,
    ]


def test_a_killed_child_is_brought_back_and_its_neighbour_left_alone(supervisor: Supervisor):
    before = supervisor.pids()
    os.kill(before["first"], signal.SIGKILL)
    until(lambda: supervisor.restarts()["first"] == 1 and "first" in supervisor.pids(), "no restart")
    after = supervisor.pids()
    assert after["first"] != before["first"]
    assert after["second"] == before["second"]


def test_a_child_that_keeps_dying_is_not_ready_and_its_last_words_are_told(tmp_path: Path):
    spec = ProcessSpec(name="broken", arguments=("simulator", "--port", "nonsense"), ready=lambda: False)
    made = Supervisor([spec], environment=clean_environment(), logs=tmp_path / "logs")
    with made, pytest.raises(NotReady, match=r"broken did not become ready; .*port"):
        made.wait_ready(DEADLINE_SECONDS)
    assert made.pids() == {}


def asked_to_end(process: psutil.Process) -> bool:
    """Whether SIGTERM waits for a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    pending = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(pending.split()[1], 16) & 1 << (signal.SIGTERM - 1))


def test_stopping_ends_the_children_one_by_one_the_last_first(supervisor: Supervisor):
    first, second = (psutil.Process(pid) for pid in supervisor.pids().values())
    second.suspend()
    until(lambda: second.status() == psutil.STATUS_STOPPED, "the last child is not suspended")
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    until(lambda: asked_to_end(second), "the last child is not asked to end")
    assert not asked_to_end(first)
    assert first.is_running()
    second.resume()
    stopping.join()
    assert not first.is_running()
    assert supervisor.pids() == {}


def test_hurrying_kills_a_child_that_does_not_listen(supervisor: Supervisor):
    pids = supervisor.pids()
    for child in map(psutil.Process, pids.values()):
        child.suspend()
        until(lambda child=child: child.status() == psutil.STATUS_STOPPED, "a child is not suspended")
    supervisor.hurry()
    supervisor.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_a_log_that_grew_large_is_put_aside(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "LARGEST_LOG_BYTES", 10)
    log = tmp_path / "logs" / "first.log"
    until(lambda: log.with_suffix(".log.1").exists() and log.stat().st_size == 0, "the log only grows")
    assert "Ctrl-C ends it" in log.with_suffix(".log.1").read_text()


def test_an_interrupt_while_it_begins_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Supervisor([carrier("one")], environment=clean_environment(), logs=tmp_path / "logs")
    start = made._thread.start

    def interrupted() -> None:
        start()
        raise KeyboardInterrupt

    monkeypatch.setattr(made._thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), made:
        pytest.fail("it begins")
    assert not made._thread.is_alive()
    assert made.pids() == {}


OWNER = """
import os, sys, time
from pathlib import Path
from infrastructure.supervisor import ProcessSpec, Supervisor
logs = Path(sys.argv[1])
ready = lambda: (logs / "carrier.log").exists() and "Ctrl-C ends it" in (logs / "carrier.log").read_text()
spec = ProcessSpec(name="carrier", arguments=("simulator", "--port", "0"), ready=ready)
with Supervisor([spec], environment=dict(os.environ), logs=logs) as made:
    made.wait_ready(60)
    print(made.pids()["carrier"], flush=True)
    time.sleep(600)
"""


def test_a_supervisor_that_is_killed_leaves_no_child(tmp_path: Path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "logs")],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    with closing(owner.stdout):
        child = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
        owner.wait()
        until(lambda: not child.is_running(), "the child outlived its supervisor")


def write_running(folder: Path) -> Path:
    """The file of this process."""
    return announce(
        data_dir=folder,
        keys_dir=folder / "keys",
        db_schema="smsledger",
        http_url="http://127.0.0.1:8080",
        database_url="postgresql://user:hush@/db",
        redis_url="unix:///none",
    )


def test_what_runs_is_found_by_a_file_that_only_its_user_can_read(tmp_path: Path):
    file = write_running(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    found = find(tmp_path / "elsewhere", tmp_path)
    assert isinstance(found, Running)
    assert (found.pid, found.http_url) == (os.getpid(), "http://127.0.0.1:8080")
    assert "hush" not in repr(found)


def test_the_file_of_a_process_that_is_gone_is_nothing(tmp_path: Path):
    file = write_running(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    file.write_text(file.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {gone.pid}'))
    assert find(tmp_path) is None


def test_a_process_that_only_has_the_same_number_is_not_taken_for_it(tmp_path: Path):
    file = write_running(tmp_path)
    began = psutil.Process().create_time()
    file.write_text(file.read_text().replace(str(began), str(began - 100)))
    assert find(tmp_path) is None


def test_a_damaged_file_is_nothing(tmp_path: Path):
    write_running(tmp_path).write_text("{")
    assert find(tmp_path) is None
