"""Exclusive ownership while a connection lives: a session-level advisory lock of PostgreSQL.

When the owner dies its connection goes, and with it the lock: somebody else takes over by trying again. An owner
that is frozen or cut off still has one, so it must give signs of life: PostgreSQL ends a connection without them.
"""

import logging
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import dup
from typing import Any

import psycopg

BEAT_SECONDS = 1.0
"""How often an owner gives a sign of life."""
SURE_SECONDS = 4.0
"""How long it may be sure of what it owns after one."""
_SILENCE_SECONDS = 5.5
"""How long PostgreSQL waits for one: whoever comes next gets the lease when the owner has long stopped."""
_ANSWER_SECONDS = 3.0
"""With what comes before and after it, an owner without an answer has hung up a second before its silence is over."""
_CONNECT_SECONDS = 2
_STANDING = """
SELECT pg_backend_pid(), coalesce(array_agg(name), '{}'), coalesce(array_agg(pid), '{}')
FROM unnest(%s::text[]) AS name
JOIN pg_locks ON classid::bigint << 32 | objid::bigint = hashtextextended(%s || name, 7)
JOIN pg_database ON pg_database.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 1 AND granted
"""
_APPEAR = """
SELECT array_agg(name) FROM unnest(%s::text[]) AS name
WHERE pg_try_advisory_lock_shared(hashtextextended(%s || name, 7))
"""
_WITHDRAW = """
SELECT bool_and(pg_advisory_unlock_shared(hashtextextended(%s || name, 7))) FROM unnest(%s::text[]) AS name
"""
_SETTINGS = f"SELECT set_config('idle_session_timeout', '{_SILENCE_SECONDS * 1_000:.0f}ms', false)"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who has which names at one moment; processes are told apart by the sessions of their leases."""

    me: int
    holders: Mapping[str, frozenset[int]]
    """Names that nobody has are missing."""

    def of(self, name: str) -> frozenset[int]:
        """All who have it: one at most of a name that is owned, all who appear of one that is shared."""
        return self.holders.get(name, frozenset())


class Leases:
    """The leases of one process, on a connection of their own. `keep` has to be called every BEAT_SECONDS.

    Names are told apart by the `realm`: processes of another one have nothing to do with these.

    No call takes longer than a few seconds, whatever the network does. Not for use from two threads at once, but for
    `holds`, which only looks.
    """

    def __init__(
        self, database_url: str, *, realm: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = database_url
        self._realm = realm
        self._clock = clock
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._line: socket.socket | None = None
        self._held: set[str] = set()
        self._shared: set[str] = set()
        self._sure_until = 0.0

    def acquire(self, name: str) -> bool:
        """Whether this process owns the name now; taken if nobody else does. A lost database is a no."""
        if name in self._held:
            return True
        if self.ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 7))", self._realm + name):
            self._held.add(name)
        return name in self._held

    def appear(self, names: Collection[str]) -> None:
        """Share these names with whoever else does, and no others any more; what fails is left to the next call."""
        wanted = set(names)
        if gone := self._shared - wanted:
            self._shared -= gone
            if not self.ask(_WITHDRAW, self._realm, list(gone)):
                return
        if new := wanted - self._shared:
            row = self._answer(_APPEAR, list(new), self._realm)
            self._shared.update((row[0] or ()) if row is not None else ())

    def standing(self, names: Collection[str]) -> Standing | None:
        """Who has these names now, found with one question; None where PostgreSQL says nothing."""
        row = self._answer(_STANDING, list(names), self._realm)
        if row is None:
            return None
        me, found, sessions = row
        holders: defaultdict[str, set[int]] = defaultdict(set)
        for name, session in zip(found, sessions, strict=True):
            holders[name].add(session)
        return Standing(me=me, holders={name: frozenset(those) for name, those in holders.items()})

    def release(self, name: str) -> None:
        """Let somebody else own the name."""
        if name in self._held:
            self._held.discard(name)
            self.ask("SELECT pg_advisory_unlock(hashtextextended(%s, 7))", self._realm + name)

    def keep(self) -> bool:
        """Give a sign of life; whether everything acquired is still owned. After a no nothing is."""
        return not self._has_any() or (self.ask("SELECT true") and self._has_any())

    def _has_any(self) -> bool:
        return bool(self._held or self._shared)

    def holds(self, name: str) -> bool:
        """Whether this process is sure to own the name at this moment."""
        return name in self._held and self._clock() < self._sure_until

    def ask(self, question: str, *parameters: str | float | list[str]) -> bool:
        """Whether PostgreSQL says yes; where it says nothing in time, everything is given up."""
        row = self._answer(question, *parameters)
        return row is not None and bool(row[0])

    def _answer(self, question: str, *parameters: object) -> tuple[Any, ...] | None:
        """What PostgreSQL says. One that refuses the question is alive too, and so is what is held there."""
        began = self._clock()
        try:
            connection = self._open()
            with self._in_time():
                row = connection.execute(question.encode(), parameters).fetchone()
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            self.close()
            return None
        except psycopg.Error as error:
            _log.error("PostgreSQL refuses a question: %s", type(error).__name__)
            row = None
        self._sure_until = began + SURE_SECONDS
        return row

    def close(self) -> None:
        """Give everything up."""
        self._held.clear()
        self._shared.clear()
        for end in (self._connection, self._line):
            if end is not None:
                with suppress(psycopg.Error, OSError):
                    end.close()
        self._connection = self._line = None

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self.close()
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS)
            self._line = socket.socket(fileno=dup(self._connection.fileno()))
            with self._in_time():
                self._connection.execute(_SETTINGS.encode())
        return self._connection

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Hang up where no answer comes: the driver itself would wait for as long as the network is silent."""
        assert self._line is not None
        patience = threading.Timer(_ANSWER_SECONDS, _hang_up, (self._line,))
        patience.start()
        try:
            yield
        finally:
            patience.cancel()


@contextmanager
def kept(
    leases: Leases, name: str, *, on_lost: Callable[[], object], each_time: Callable[[], object]
) -> Iterator[None]:
    """Signs of life from a thread of its own while the body runs, which leaves the leases alone.

    From that thread `each_time` is called with every one, and `on_lost` when the name is not surely owned any
    more. Afterwards nothing is owned.
    """
    over = threading.Event()

    def beat() -> None:
        try:
            while leases.holds(name) and not over.wait(BEAT_SECONDS):
                if leases.keep():
                    each_time()
        except Exception as error:  # noqa: BLE001  (whatever it is, nobody keeps the lease from now on)
            _log.error("signs of life end: %s", type(error).__name__)
        finally:
            if not over.is_set():
                on_lost()

    thread = threading.Thread(target=beat, name="leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        leases.close()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
