"""A line between a process and its database or Redis that can fall silent: it stays open at both ends, and carries
nothing, or only what the process says.

So it looks to both ends when a machine vanishes, or when something in between forgets the connection.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import redis
from psycopg.conninfo import conninfo_to_dict

_OCTETS = 65_536


class SilentLine:
    """Use `silent_line`. `port` is where it takes connections."""

    def __init__(self, reach: Callable[[], socket.socket]) -> None:
        self._reach = reach
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._carries = threading.Event()
        self._carries.set()
        self._questions, self._answers = threading.Event(), threading.Event()
        self._questions.set()
        self._answers.set()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def fall_silent(self) -> None:
        """Carry nothing from now on, in neither direction; who comes now is not answered either."""
        self._carries.clear()

    def hold_back(self) -> None:
        """Keep what a process says for later; answers arrive."""
        self._questions.clear()

    def lose_answers(self) -> None:
        """What a process says arrives, what was held back first; no answer does any more."""
        self._answers.clear()
        self._questions.set()

    def cut(self) -> None:
        """Hang up on everybody, and carry again what comes from now on."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for way in (self._carries, self._questions, self._answers):
            way.set()

    def close(self) -> None:
        """Hang up, and take nobody more."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._door.accept()
                there = self._reach()
                self._ends += [here, there]
                for work, *ends in ((self._ask, here, there), (self._answer, there, here)):
                    threading.Thread(target=self._carry, args=(work, *ends), daemon=True).start()

    def _ask(self, octets: bytes, there: socket.socket) -> None:
        self._questions.wait()
        there.sendall(octets)

    def _answer(self, octets: bytes, here: socket.socket) -> None:
        if self._answers.is_set():
            here.sendall(octets)

    def _carry(
        self, work: Callable[[bytes, socket.socket], None], source: socket.socket, target: socket.socket
    ) -> None:
        with suppress(OSError):
            while octets := source.recv(_OCTETS):
                self._carries.wait()
                work(octets, target)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        # Closed by the thread that reads it: nobody else can be in the middle of a call.
        source.close()


@contextmanager
def silent_line(database_url: str) -> Iterator[tuple[SilentLine, str]]:
    """A line to the PostgreSQL of this URL, and the URL over it; it carries until it is told not to."""
    info = conninfo_to_dict(database_url)
    line = SilentLine(lambda: _reach(str(info["host"]), int(info.get("port") or 5432)))
    try:
        yield line, f"postgresql://{info['user']}:{info['password']}@127.0.0.1:{line.port}/{info['dbname']}"
    finally:
        line.close()


@contextmanager
def silent_redis_line(redis_url: str) -> Iterator[tuple[SilentLine, str]]:
    """The same to a Redis; who uses the URL waits half a second for an answer."""
    with redis.Redis.from_url(redis_url) as client:
        given = client.connection_pool.connection_kwargs
    line = SilentLine(lambda: _reach_redis(given))
    try:
        yield line, f"redis://127.0.0.1:{line.port}/{given.get('db') or 0}?socket_timeout=0.5"
    finally:
        line.close()


def _reach_redis(given: Mapping[str, Any]) -> socket.socket:
    if "path" not in given:
        return socket.create_connection((given["host"], given.get("port", 6379)))
    reached = socket.socket(socket.AF_UNIX)
    reached.connect(given["path"])
    return reached


def _reach(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    reached = socket.socket(socket.AF_UNIX)
    reached.connect(f"{host}/.s.PGSQL.{port}")
    return reached
