"""Exclusive ownership while a connection lives: a session-level advisory lock of PostgreSQL.

When the owner dies its connection goes, and with it the lock: somebody else takes over by trying again.
"""

from contextlib import suppress

import psycopg

_NOTICED_THERE = """
SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
    set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '5000', false)
"""
"""A machine that vanishes says no farewell: after five seconds of silence both sides know that the lease is lost."""


class Leases:
    """The leases of one process, on a connection of their own. Not for use from two threads at once."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._held: set[str] = set()

    def acquire(self, name: str) -> bool:
        """Whether this process owns the name now; taken if nobody else does. A lost database is a no."""
        if name in self._held:
            return True
        try:
            row = (
                self._open()
                .execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 7))", (name,))
                .fetchone()
            )
        except psycopg.Error:
            self.close()
            return False
        if row is not None and row[0]:
            self._held.add(name)
        return name in self._held

    def release(self, name: str) -> None:
        """Let somebody else own the name."""
        if name in self._held:
            self._held.discard(name)
            with suppress(psycopg.Error):
                self._open().execute("SELECT pg_advisory_unlock(hashtextextended(%s, 7))", (name,))

    def check(self) -> bool:
        """Whether everything acquired is still owned; after a no nothing is."""
        if not self._held:
            return True
        try:
            self._open().execute("SELECT 1")
        except psycopg.Error:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Give everything up."""
        self._held.clear()
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._held.clear()
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                keepalives_idle=2,
                keepalives_interval=1,
                keepalives_count=3,
                tcp_user_timeout=5_000,
            )
            self._connection.execute(_NOTICED_THERE)
        return self._connection
