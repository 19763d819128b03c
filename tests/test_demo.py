"""The demonstration from end to end, and that it leaves nothing behind however it ends."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 120.0


@contextmanager
def a_place() -> Iterator[Path]:
    """A data folder beside which the demonstration makes its own; its parent lets every user through."""
    with tempfile.TemporaryDirectory(prefix="smsledger-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder, "data")


@pytest.fixture
def place() -> Iterator[Path]:
    """A place for one test."""
    with a_place() as made:
        yield made


def environment(place: Path) -> dict[str, str]:
    """Embedded servers and a free port, whatever this test run was given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMSLEDGER_")}
    return {**kept, "SMSLEDGER_DATA_DIR": str(place), "SMSLEDGER_HTTP_PORT": "0", "PYTHONPATH": str(ROOT)}


@contextmanager
def demo(place: Path, *options: str) -> Iterator["Running"]:
    """A demonstration under way; killed at the end if it still runs."""
    output = place.with_name("demo.out")
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "demo", *options],
            cwd=ROOT,
            env=environment(place),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    running = Running(process, output)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class Running:
    """The process, what it printed, and all processes it has ever had."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._output.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it says so."""
        until(lambda: words in self.said or self.process.poll() is not None, f"never said: {words}")
        assert words in self.said, self.said

    def end(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(DEADLINE_SECONDS)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def processes_at(place: Path) -> list[str]:
    """Command lines of the processes that work on the demonstration's data folder, by their environment,
    arguments or working folder."""
    own = f"{place}-demo"
    found = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            traces = [*arguments, process.cwd(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(own in trace for trace in traces):
            found.append(" ".join(arguments))
    return found


def is_locked(place: Path) -> bool:
    """Whether somebody still holds the lock of the embedded servers."""
    with Path(f"{place}-demo", "guard.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A demonstration that went through."""

    place: Path
    code: int
    said: str
    left: list[str]
    """Processes that were still there when it had ended."""


@pytest.fixture(scope="module")
def finished() -> Iterator[Finished]:
    """One run to the end, for the tests that look at what it said and left."""
    with a_place() as place:
        with demo(place, "--messages", "150", "--seed", "3") as running:
            code = running.end()
            left = processes_at(place)
        yield Finished(place=place, code=code, said=running.said, left=left)


def test_the_demonstration_ends_with_a_clean_proof(finished: Finished):
    assert "everything agrees" in finished.said
    assert "Traceback" not in finished.said
    assert finished.code == 0


def test_the_bill_goes_beyond_the_allowance(finished: Finished):
    assert re.search(r"\d+ segments = 90 included \+ [1-9]\d* overage at 0\.038 yuan", finished.said)


def test_a_message_is_told_by_every_fact_about_it(finished: Finished):
    facts = ("ledger.debited", "message.accepted", "message.submitted", "message.receipt_recorded")
    assert [fact for fact in facts if fact not in finished.said] == []


def test_why_it_took_its_link_is_told_too(finished: Finished):
    assert "The number was taken to be of " in finished.said
    assert re.search(r"Attempt 1 went over (mobile|unicom|telecom), connection", finished.said)


@pytest.mark.parametrize(
    ("link", "protocol"), [("mobile", "CMPP 2.0"), ("unicom", "SGIP 1.2"), ("telecom", "SMGP 3.0")]
)
def test_each_carriers_messages_go_over_its_own_protocol(finished: Finished, link: str, protocol: str):
    row = re.search(rf"^│ {link} +│ {protocol} +│ [a-z, ]+ │ +(\d+) │ +(\d+) │", finished.said, re.MULTILINE)
    assert row is not None, finished.said
    messages, delivered = map(int, row.groups())
    assert 0 < delivered <= messages


def test_refused_lines_are_told_with_their_reasons(finished: Finished):
    assert re.search(r"Refused lines: [1-9]", finished.said)
    assert re.search(r"\d+ +│ [^│]+│ template_variable_missing", finished.said)


def test_nothing_is_left_when_it_has_ended(finished: Finished):
    assert finished.left == []
    assert not is_locked(finished.place)


def test_no_number_of_the_file_is_printed_or_logged(finished: Finished):
    folder = Path(f"{finished.place}-demo")
    phones = re.findall(r"\b1[38]\d{9}\b", (folder / "recipients.csv").read_text())
    logs = "".join(log.read_text() for log in (folder / "logs").glob("*.log"))
    assert len(phones) > 100
    assert [phone for phone in phones if phone in finished.said + logs] == []


def test_ctrl_c_while_it_starts_leaves_nothing(place: Path):
    with demo(place) as running:
        running.wait_for("starting the processes")
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 130
        assert "Traceback" not in running.said
    assert processes_at(place) == []
    assert not is_locked(place)


def test_kept_running_it_is_found_by_other_commands_until_ctrl_c(place: Path):
    with demo(place, "--messages", "30", "--keep") as running:
        running.wait_for("Ctrl-C ends everything")
        listed = subprocess.run(
            [sys.executable, "-m", "api.cli", "account", "list"],
            cwd=ROOT,
            env=environment(place),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "demo" in listed.stdout
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 0
    assert processes_at(place) == []
    assert not is_locked(place)
    assert not Path(f"{place}-demo", "running.json").exists()


def test_killed_in_the_middle_it_leaves_no_process_and_no_lock(place: Path):
    with demo(place) as running:
        running.wait_for("accepted 9")
        assert processes_at(place) != []
        running.process.kill()
        running.process.wait()
        until(lambda: processes_at(place) == [], "something outlived the demonstration")
    # An ending process loses its arguments, by which it is found, a moment before its files are closed.
    until(lambda: not is_locked(place), "the lock outlived every process")


def test_a_second_demonstration_on_the_same_folder_is_refused_in_words(place: Path):
    with demo(place) as first:
        first.wait_for("bringing the database up to date")
        second = subprocess.run(
            [sys.executable, "-m", "api.cli", "demo"],
            cwd=ROOT,
            env=environment(place),
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert "is in use" in second.stderr
    assert "Traceback" not in second.stderr


def given(place: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """An environment that names servers."""
    named = {"SMSLEDGER_DATABASE_URL": database_url, "SMSLEDGER_REDIS_URL": redis_url}
    return {**environment(place), **named}


def on_given_servers(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A short demonstration, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "demo", "--messages", "20"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_given_servers_are_left_as_empty_as_they_were(place: Path, empty_database_url: str, redis_url: str):
    done = on_given_servers(given(place, empty_database_url, redis_url))
    assert done.returncode == 0, done.stderr
    assert "everything agrees" in done.stdout
    with psycopg.connect(empty_database_url) as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'smsledger%'")
        assert left.fetchall() == []
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
    assert not Path(f"{place}-demo").exists()


def test_given_servers_that_hold_something_are_refused_in_words(
    place: Path, database_url: str, redis_url: str
):
    done = on_given_servers(given(place, database_url, redis_url))
    assert done.returncode == 1
    assert "the database of SMSLEDGER_DATABASE_URL is in use" in done.stderr
