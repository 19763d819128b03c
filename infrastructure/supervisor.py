"""Runs the processes of one machine as children: starts them, brings back what died, ends them in order.

No child outlives this process (infrastructure/tether.py), and Ctrl-C in a terminal reaches this process only.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infrastructure.priority import let_others_go_first

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
HEALTHY_SECONDS = 10.0
"""A child that lived so long begins again with the shortest delay."""
STOP_SECONDS = 15.0
PATIENCE = 3
"""Deaths of a child at the start that mean it will not become ready."""
LARGEST_LOG_BYTES = 8 * 1024 * 1024

_TICK_SECONDS = 0.1
_TRIM_SECONDS = 5.0
_ROOT = Path(__file__).resolve().parent.parent
_log = logging.getLogger(__name__)


class NotReady(Exception):  # noqa: N818
    """A process did not become ready; the text says which, and the last it wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One child: `arguments` of the command line of smsledger, `ready` asks whether it does its work."""

    name: str
    arguments: tuple[str, ...]
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], bool] = lambda: True


@dataclass(slots=True, kw_only=True)
class _Child:
    spec: ProcessSpec
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0
    due: float = 0.0
    failures: int = 0
    restarts: int = 0


class Supervisor:
    """Children are started in the order of their specs and stopped in the reverse one.

    `environment` is what all children get. With `logs` each writes to a file of its own there, bounded in size;
    without, to the stderr of this process. Use as a context manager: leaving it stops everything.
    """

    def __init__(
        self, specs: Sequence[ProcessSpec], *, environment: Mapping[str, str], logs: Path | None
    ) -> None:
        self._children = [_Child(spec=spec) for spec in specs]
        self._environment = {**environment, "PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1"}
        self._logs = logs
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def __enter__(self) -> "Supervisor":
        # An interrupt while the thread begins must not leave it behind: it would start everything, and never end.
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every child, and look after them from a thread."""
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread.start()

    def stop(self) -> None:
        """End the children one after the other, politely at first; returns when none is left."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def hurry(self) -> None:
        """Be polite no longer: whoever still runs is killed. Safe in a signal handler."""
        self._hurry.set()

    def wait_ready(self, seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until every child is ready. Raises NotReady; what `meanwhile` raises passes through."""
        deadline = time.monotonic() + seconds
        ready: set[str] = set()
        while waiting := [child for child in self._children if not self._is_ready(child, ready)]:
            meanwhile()
            late = next((child for child in waiting if child.failures >= PATIENCE), None)
            if late or time.monotonic() > deadline or not self._thread.is_alive():
                name = (late or waiting[0]).spec.name
                raise NotReady(f"{name} did not become ready{self._last_words(name)}")
            time.sleep(_TICK_SECONDS / 2)

    def _is_ready(self, child: _Child, known: set[str]) -> bool:
        """Whether it runs, and has said once that it is ready; who dies meanwhile is waited for again."""
        if not self._runs(child):
            return False
        if child.spec.name not in known and child.spec.ready():
            known.add(child.spec.name)
        return child.spec.name in known

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now, by name."""
        return {
            child.spec.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def restarts(self) -> dict[str, int]:
        """How often each child was brought back."""
        return {child.spec.name: child.restarts for child in self._children}

    def log_of(self, name: str) -> Path | None:
        """The log file of a child, None where it writes to stderr."""
        return None if self._logs is None else self._logs / f"{name}.log"

    def _run(self) -> None:
        trim_at = 0.0
        try:
            for child in self._children:
                self._launch(child)
            while not self._stopping.wait(_TICK_SECONDS):
                for child in self._children:
                    self._tend(child)
                if time.monotonic() >= trim_at:
                    trim_at = time.monotonic() + _TRIM_SECONDS
                    self._trim_logs()
        finally:
            for child in reversed(self._children):
                self._end(child)

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                child.restarts += 1
                self._launch(child)
        elif child.process.poll() is not None:
            self._mourn(child, now)

    def _mourn(self, child: _Child, now: float) -> None:
        """Note the death of a child and when it is started again."""
        assert child.process is not None
        if now - child.began >= HEALTHY_SECONDS:
            child.failures = 0
        delay = min(FIRST_DELAY_SECONDS * 2**child.failures, LONGEST_DELAY_SECONDS)
        child.failures += 1
        _log.warning(
            "%s ended (%d), starting it again in %.1f s", child.spec.name, child.process.returncode, delay
        )
        _close_tether(child.process)
        child.process, child.due = None, now + delay

    def _launch(self, child: _Child) -> None:
        spec = child.spec
        log = self._open_log(spec.name)
        try:
            child.process = subprocess.Popen(  # noqa: S603 - our own program and our own arguments
                [sys.executable, "-m", "api.cli", "--tied", *spec.arguments],
                stdin=subprocess.PIPE,
                stdout=log if log is not None else sys.stderr.fileno(),
                stderr=log,
                env={**self._environment, **spec.environment},
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)
        child.began = time.monotonic()
        if spec.nice:
            let_others_go_first(child.process.pid, spec.nice)

    def _end(self, child: _Child) -> None:
        process = child.process
        if process is None:
            return
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            if self._hurry.is_set() or time.monotonic() > deadline:
                process.kill()
                process.wait()
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_TICK_SECONDS)
        _close_tether(process)
        child.process = None

    def _runs(self, child: _Child) -> bool:
        process = child.process
        return process is not None and process.poll() is None

    def _open_log(self, name: str) -> int | None:
        file = self.log_of(name)
        return None if file is None else os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _trim_logs(self) -> None:
        """Put aside the text of a log that grew large; its writer appends, so it goes on at the beginning."""
        for child in self._children:
            file = self.log_of(child.spec.name)
            if file is not None and file.exists() and file.stat().st_size > LARGEST_LOG_BYTES:
                shutil.copyfile(file, file.with_suffix(".log.1"))
                os.truncate(file, 0)

    def _last_words(self, name: str) -> str:
        file = self.log_of(name)
        if file is None or not file.exists():
            return ""
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"; the last it wrote in {file}: {' / '.join(lines[-3:])}" if lines else ""


def _close_tether(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
