"""Follows the event log from outside a transaction: pages by position, and a wait for what comes next.

One listening connection serves all threads of a process. It polls as well, because a notification can be
missed (the connection was down, or LISTEN came into force after the commit).
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg_pool import PoolTimeout

from domain.recorded import Recorded
from infrastructure.mapper import decode_row
from infrastructure.recorder import LedgerRecorder
from projections.log import Window

_EVENT = "originator_id, originator_version, topic, state, notification_id"
_REST_SECONDS = 0.005
"""Between two looks at the head: a burst of small commits costs one look, not one each."""
_CLOSING_SECONDS = 0.2
"""How long a listening thread may take to see that it is to end."""
_FIRST_DELAY_SECONDS = 0.05
_LONGEST_DELAY_SECONDS = 2.0

logger = logging.getLogger(__name__)


class LogReader:
    """Reads the log by position. Safe to share between threads; `close` ends its listening thread."""

    def __init__(self, recorder: LedgerRecorder, *, poll_seconds: float = 0.1) -> None:
        self._recorder = recorder
        self._poll_seconds = poll_seconds
        table = SQL("{}.{}").format(
            Identifier(recorder.datastore.schema), Identifier(recorder.events_table_name)
        )
        self._head = SQL("SELECT coalesce(max(notification_id), 0) FROM {}").format(table).as_bytes()
        self._window = (
            SQL(
                f"SELECT {_EVENT} FROM {{}} WHERE notification_id > %s AND notification_id <= %s"
                " AND (%s OR topic = ANY(%s)) ORDER BY notification_id"
            )
            .format(table)
            .as_bytes()
        )
        self._page = (
            SQL(
                f"SELECT {_EVENT} FROM {{}} WHERE notification_id > %s AND (%s OR topic = ANY(%s))"
                " ORDER BY notification_id LIMIT %s"
            )
            .format(table)
            .as_bytes()
        )
        self._listen = SQL("LISTEN {}").format(Identifier(recorder.channel_name)).as_bytes()
        self._changed = threading.Condition()
        self._known = 0
        self._closing = threading.Event()
        self._listener: threading.Thread | None = None

    def head(self) -> int:
        """The last position in the log, 0 for an empty log."""
        head: int = self._rows(self._head)[0][0]
        return head

    def page(self, after: int, limit: int, topics: Sequence[str] = ()) -> list[Recorded]:
        """The next `limit` events after a position, oldest first; of some topics, or of all.

        A lost connection is replaced at once; eventsourcing's OperationalError says that there is no server.
        """
        rows = self._rows(self._page, (after, not topics, list(topics), limit))
        return [_recorded(row) for row in rows]

    def window(self, after: int, limit: int, topics: Sequence[str] = ()) -> Window:
        """The events of some topics among the next `limit` positions, and how far was looked.

        Positions have holes (a rolled-back transaction leaves its numbers unused), so a window can be
        empty before the end of the log; `end` grows all the same. Errors as in `page`.
        """
        end = after + limit
        if end > self._known:
            # The head is read first: what commits later than this look is left for the next window.
            end = min(end, self.head())
        if end <= after:
            return Window(events=(), end=after)
        rows = self._rows(self._window, (after, end, not topics, list(topics)))
        return Window(events=[_recorded(row) for row in rows], end=end)

    def wait(self, after: int, timeout_seconds: float) -> bool:
        """Wait until the log goes beyond a position, at most so long; whether it does."""
        with self._changed:
            self._start_listening()
            self._changed.wait_for(lambda: self._known > after or self._closing.is_set(), timeout_seconds)
            return self._known > after

    def close(self) -> None:
        """End the listening; waiting threads return at once."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
            listener = self._listener
        if listener is not None:
            listener.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: bytes, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a read. A restart of the server leaves dead connections in the pool: none is met twice."""
        for _ in range(self._recorder.datastore.pool.max_size):
            try:
                return self._read(query, parameters)
            except (InterfaceError, OperationalError) as error:
                if isinstance(error.__cause__, PoolTimeout):
                    raise
        return self._read(query, parameters)

    def _read(self, query: bytes, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._recorder.datastore.get_connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row, binary=True)
            return cursor.execute(query, parameters, prepare=True).fetchall()

    def _start_listening(self) -> None:
        if self._listener is None and not self._closing.is_set():
            self._listener = threading.Thread(target=self._run, name="log-listener", daemon=True)
            self._listener.start()

    def _run(self) -> None:
        delay = _FIRST_DELAY_SECONDS
        while not self._closing.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(self._listen)
                    delay = _FIRST_DELAY_SECONDS
                    self._follow(connection)
            except psycopg.Error as error:
                logger.warning("lost the log (%s), trying again in %.2f s", type(error).__name__, delay)
                self._closing.wait(delay)
                delay = min(delay * 2, _LONGEST_DELAY_SECONDS)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        kwargs = self._recorder.datastore.pool.kwargs
        assert isinstance(kwargs, dict)
        ours = {
            "autocommit": True,
            "row_factory": tuple_row,
            "connect_timeout": 5,
            "tcp_user_timeout": 10_000,
        }
        return psycopg.connect(**{**kwargs, **ours})

    def _follow(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        while not self._closing.is_set():
            row = connection.execute(self._head, prepare=True).fetchone()
            assert row is not None
            self._publish(row[0])
            self._closing.wait(_REST_SECONDS)
            self._await_news(connection)

    def _await_news(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Until a notification, the next poll or the closing."""
        deadline = time.monotonic() + self._poll_seconds
        while not self._closing.is_set() and (left := deadline - time.monotonic()) > 0:
            if any(connection.notifies(timeout=min(left, _CLOSING_SECONDS), stop_after=1)):
                return

    def _publish(self, head: int) -> None:
        with self._changed:
            if head != self._known:
                self._known = head
                self._changed.notify_all()


def _recorded(row: Sequence[Any]) -> Recorded:
    return decode_row(*row)
