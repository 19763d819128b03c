"""The two servers the guard runs: PostgreSQL set for an event log that is fsynced, Valkey for a job queue.

Standard library only, like the guard itself.
"""

import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infrastructure.embedded_folder import DataFolder, end_processes_of

RESTARTS_A_MINUTE = 20

POSTGRES_OPTIONS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_buffers": "16MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_preload_libraries": "pg_stat_statements",
    # Neither a refused statement nor the row it complains about may reach the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(kw_only=True)
class Server:
    """One server: how it is started, cleaned up after, asked whether it is ready, and ended."""

    name: str
    command: list[str]
    folder: Path
    stop_signal: int
    rude_signal: int
    stale_files: tuple[Path, ...]
    answers: Callable[[int], bool]
    process: "subprocess.Popen[bytes] | None" = None
    ready: bool = False
    due: float = 0.0
    restarts: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_A_MINUTE))

    @property
    def log(self) -> str:
        """The name of its log in the data folder."""
        return f"{self.name}.log"

    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def pid(self) -> int:
        """Its process id, 0 while there is none."""
        return self.process.pid if self.process is not None and self.runs() else 0

    def clean(self, *, patience_seconds: float) -> None:
        """End what an earlier start left behind; only then is it safe to remove its lock files."""
        end_processes_of(self.folder, patience_seconds=patience_seconds)
        for file in self.stale_files:
            file.unlink(missing_ok=True)


def postgres_server(
    folder: DataFolder, *, program: Path, sockets: Path, options: Mapping[str, str]
) -> Server:
    """PostgreSQL on a unix socket only, with our settings, `options` above them."""
    data = folder.make("postgres")
    settings = {**POSTGRES_OPTIONS, "shared_buffers": _buffers(), **options, **_reached_by(sockets)}
    command = [str(program), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    pid_file = data / "postmaster.pid"
    return Server(
        name="postgres",
        command=command,
        folder=data,
        stop_signal=signal.SIGINT,
        rude_signal=signal.SIGQUIT,
        stale_files=(pid_file, sockets / ".s.PGSQL.5432", sockets / ".s.PGSQL.5432.lock"),
        answers=lambda pid: _postmaster_is_ready(pid_file, pid=pid),
    )


def _buffers() -> str:
    """An eighth of the memory, 160 MB to 1 GB: the ids of messages lead all over the log's index, and where that
    does not fit, every look at a message costs a read. What is not used is not taken."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"{min(max(megabytes // 8, 160), 1_024)}MB"


def _reached_by(sockets: Path) -> Mapping[str, str]:
    return {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""')),
        "unix_socket_permissions": "0700",
    }


def _postmaster_is_ready(pid_file: Path, *, pid: int) -> bool:
    """PostgreSQL states its pid on the first line of its pid file and its state on the eighth."""
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def valkey_server(folder: DataFolder, *, program: Path, sockets: Path) -> Server:
    """Valkey on a unix socket only, with an append-only file, refusing writes rather than evicting."""
    data, unix_socket = folder.make("valkey"), sockets / "valkey.sock"
    command = [str(program), "--port", "0", "--unixsocket", str(unix_socket), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    command += ["--maxmemory", "256mb", "--maxmemory-policy", "noeviction"]
    return Server(
        name="valkey",
        command=command,
        folder=data,
        stop_signal=signal.SIGTERM,
        rude_signal=signal.SIGKILL,
        stale_files=(unix_socket,),
        answers=lambda _pid: _valkey_answers(unix_socket),
    )


def _valkey_answers(unix_socket: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(unix_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
