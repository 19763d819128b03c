"""The data folder of the embedded servers and the system user they run as.

Standard library only: the guard, which imports this, runs without the installed packages.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LONGEST_SOCKET_PATH_BYTES = 107
LARGEST_LOG_BYTES = 16 * 1024 * 1024
LOCK_WAIT_SECONDS = 1.5
CLOSING_LOCK_WAIT_SECONDS = 60.0

_MARKER = "smsledger-embedded"
_LOCK = "guard.lock"
_LOG = "guard.log"
_KEYS = "keys"  # the vault's key store, which may have been made here before the first embedded start
_PROGRAMS = frozenset({"postgres", "initdb", "valkey-server"})
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class EmbeddedServersError(Exception):
    """The embedded servers cannot start or cannot go on; the text is meant for a person."""


@dataclass(frozen=True, kw_only=True)
class ServerUser:
    """The system user the servers run as, because PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    switched: bool

    @classmethod
    def choose(cls) -> "ServerUser":
        """`nobody` when the guard runs as root, else the guard's own user."""
        if os.geteuid() != 0:
            return cls(uid=os.geteuid(), gid=os.getegid(), switched=False)
        nobody = pwd.getpwnam("nobody")
        return cls(uid=nobody.pw_uid, gid=nobody.pw_gid, switched=True)

    def own(self, path: Path, *, mode: int) -> None:
        """Hand `path` to this user."""
        path.chmod(mode)
        os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether `folder` and every folder above it lets this user through."""
        return not self.switched or all(_others_may(each, stat.S_IXOTH) for each in (folder, *folder.parents))

    def can_run(self, program: Path) -> bool:
        """Whether this user may read and execute `program`."""
        return self.can_enter(program.parent) and (
            not self.switched or _others_may(program, stat.S_IROTH | stat.S_IXOTH)
        )

    def spawn(
        self, command: Sequence[str], *, folder: Path, death_signal: int, output: int, given: int
    ) -> "subprocess.Popen[bytes]":
        """Start `command` in `folder`, `given` as its stdin; when the guard dies it gets `death_signal`."""
        guard = os.getpid()

        def tie_to_guard() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != guard:
                os._exit(1)

        return subprocess.Popen(  # noqa: S603 - the command is made of our own paths
            command,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=given,
            stdout=output,
            stderr=output,
            user=self.uid if self.switched else None,
            group=self.gid if self.switched else None,
            extra_groups=[] if self.switched else None,
            umask=0o077,
            preexec_fn=tie_to_guard,  # runs after the change of user; the guard has one thread
        )


def _others_may(path: Path, rights: int) -> bool:
    return path.stat().st_mode & rights == rights


class DataFolder:
    """Marker, lock, log, password and sub-folders of one pair of servers."""

    def __init__(self, root: Path, *, user: ServerUser) -> None:
        self.root = root.resolve()
        self.user = user
        self.status = self.root / "status.json"
        self._lock = -1

    def claim(self) -> None:
        """Make the folder ours and hold its lock until this process ends; stderr then goes to its log."""
        os.umask(0o022)
        claim_marker(self.root)
        self.root.chmod(0o711 if self.user.switched else 0o700)
        if not self.user.can_enter(self.root):
            raise EmbeddedServersError(
                f"started by root, the servers run as the user nobody, who may not enter {self.root}; "
                "choose a data folder that every user can reach"
            )
        self._lock = take_lock(self.root)
        os.dup2(self.open_log(_LOG), sys.stderr.fileno())

    def say_closing(self) -> None:
        """Tell the next guard that waiting for the lock is worth it."""
        if self._lock >= 0:
            os.pwrite(self._lock, b"closing", 0)

    def note(self, text: str) -> None:
        """Write a line to the guard's log; a full disk must not end what the line is about."""
        with contextlib.suppress(OSError):
            print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=sys.stderr, flush=True)  # noqa: T201

    def open_log(self, name: str) -> int:
        """A file descriptor that appends to a log; one that grew large is put aside first."""
        log = self.root / name
        if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def make(self, name: str) -> Path:
        """A sub-folder that only the servers' user may enter."""
        return self._make(self.root / name)

    def _make(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        self.user.own(folder, mode=0o700)
        return folder

    def password_file(self) -> Path:
        """The file with the superuser's random password, made once; only the servers' user may read it."""
        file = self.root / "password"
        if not file.exists():
            write_whole(file, secrets.token_urlsafe(24))
        self.user.own(file, mode=0o600)
        return file

    def sockets(self) -> Path:
        """A folder whose sockets have paths that are short enough for the kernel."""
        for folder in (self.root / "run", *temporary_sockets(self.root)):
            longest = len(bytes(folder / ".s.PGSQL.5432.lock"))
            if longest <= LONGEST_SOCKET_PATH_BYTES and self.user.can_enter(folder.parent):
                self._refuse_strangers(folder)
                return self._make(folder)
        raise EmbeddedServersError(
            "no folder has a path short enough for a socket; set TMPDIR to a short one"
        )

    def _refuse_strangers(self, folder: Path) -> None:
        """In a temporary directory anybody may have made a folder of this name before us."""
        if not os.path.lexists(folder):
            return
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self.user.uid):
            raise EmbeddedServersError(f"{folder} belongs to someone else; remove it or set TMPDIR")

    def reachable(self, packages: Path, *, names: Sequence[Path], programs: Sequence[Path]) -> Path:
        """The folder from which the servers' user may run `programs`, paths relative to `packages`.

        Usually `packages` itself; where that user cannot reach it, `names` are linked into the data folder.
        """
        if all(self.user.can_run(packages / program) for program in programs):
            return packages
        found = "".join(f"{each}{(packages / each).stat().st_mtime_ns}" for each in programs)
        linked = self.root / f"binaries-{hashlib.sha256(found.encode()).hexdigest()[:12]}"
        if not linked.exists():
            for old in self.root.glob("binaries-*"):
                shutil.rmtree(old)
            draft = self.root / "binaries-draft"
            for name in names:
                _link_tree(packages / name, draft / name)
            draft.rename(linked)
        return linked


def _link_tree(source: Path, target: Path) -> None:
    """Hard-link a tree; what others may not read, or what is on another file system, is copied instead."""
    target.mkdir(parents=True)
    for each in source.iterdir():
        if not each.is_dir():
            _link_or_copy(each, target / each.name)
        elif each.name not in ("include", "doc"):
            _link_tree(each, target / each.name)


def _link_or_copy(source: Path, target: Path) -> None:
    if _others_may(source, stat.S_IROTH) and not source.is_symlink():
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copy(source, target)
    target.chmod(0o755)


def temporary_sockets(root: Path) -> tuple[Path, ...]:
    """Where the sockets of the data folder `root` go when its own path is too long for them."""
    name = f"smsledger-{hashlib.sha256(bytes(root)).hexdigest()[:12]}"
    return Path(tempfile.gettempdir(), name), Path("/tmp", name)  # noqa: S108 - ownership is checked


def claim_marker(root: Path) -> None:
    """Make `root` ours: find the marker or, in a new or empty folder, write it; refuse any other folder."""
    root.mkdir(parents=True, exist_ok=True)
    if is_ours(root):
        return
    if any(each.name != _KEYS for each in root.iterdir()):
        raise EmbeddedServersError(f"{root} holds other things; give the embedded servers an empty folder")
    write_whole(root / _MARKER, "This folder belongs to the embedded servers of smsledger.\n")


def is_ours(root: Path) -> bool:
    """Whether `root` was made by the embedded servers."""
    return (root / _MARKER).is_file()


def take_lock(root: Path) -> int:
    """Lock the folder; a guard that is closing is waited for, a running one is a refusal."""
    lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    started = time.monotonic()
    while not _locked(lock):
        holder = os.pread(lock, 100, 0).decode().strip()
        patience = CLOSING_LOCK_WAIT_SECONDS if holder.startswith("closing") else LOCK_WAIT_SECONDS
        if time.monotonic() - started > patience:
            os.close(lock)
            raise EmbeddedServersError(f"{root} is in use by other embedded servers ({holder})")
        time.sleep(_POLL_SECONDS)
    if not (root / _LOCK).exists() or not os.path.samestat(os.fstat(lock), (root / _LOCK).stat()):
        os.close(lock)
        raise EmbeddedServersError(f"{root} was removed while its lock was waited for; start again")
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"running, guard {os.getpid()}\n".encode(), 0)
    return lock


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def processes_of(folder: Path) -> list[int]:
    """Process ids of the servers at work in `folder`, known by their working folder and their program."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            at, program = (entry / "cwd").readlink(), (entry / "exe").readlink()
        except OSError:
            continue
        if _without_deleted(at) == str(folder) and Path(_without_deleted(program)).name in _PROGRAMS:
            found.append(int(entry.name))
    return found


def _without_deleted(link: Path) -> str:
    return str(link).removesuffix(" (deleted)")


def end_processes_of(folder: Path, *, patience_seconds: float) -> None:
    """Give the servers in `folder` time to end by themselves, then kill what is left; none is left after."""
    deadline = time.monotonic() + patience_seconds
    while left := processes_of(folder):
        if time.monotonic() >= deadline:
            for pid in left:
                kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def write_whole(file: Path, text: str) -> None:
    """Write a private file so that a reader, or a crash, finds the old text or the new one, never a part."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    with draft.open("w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
