"""Shows where the messages of a batch stand until every one has come to its end."""

import time
from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from api.read_side import head, positions
from infrastructure.settings import Settings
from projections import tracking
from projections.batches import BatchProgress, progress
from projections.projection import ReadCursor

_LOOK_SECONDS = 0.1
_PLAIN_SECONDS = 1.0
QUIET_SECONDS = 2.0
"""Without any change for so long, what is missing is a receipt that may never come."""
PATIENCE_SECONDS = 120.0
"""Processes that carry let others go first: on a busy machine nothing may move for a while."""


def follow(
    out: Console, settings: Settings, *, account: str, batch: str, check: Callable[[], None]
) -> BatchProgress | None:
    """Until all have an outcome, or only receipts are missing and none comes; where they stand then.

    Every read model knows as much when it returns. `check` is called again and again, and may raise.
    """
    schema = SQL("SET search_path TO {}").format(Identifier(tracking.live_schema(settings.db_schema)))
    show = _Live(out) if out.is_terminal else _Lines(out)
    seen: BatchProgress | None = None
    changed = time.monotonic()
    with psycopg.connect(settings.database_url, autocommit=True) as connection, show:
        connection.execute(schema)
        while True:
            check()
            now = progress(connection.cursor(), account, batch)
            if now != seen:
                seen, changed = now, time.monotonic()
            show.update(now)
            if _done(now, time.monotonic() - changed):
                break
            time.sleep(_LOOK_SECONDS)
        _await_read_models(connection.cursor(), head(connection.cursor(), settings.db_schema), check)
    return now


def _await_read_models(rows: ReadCursor, end: int, check: Callable[[], None]) -> None:
    """Each follows the log by itself: this one may have seen the last receipt and others not yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        check()
        if min(positions(rows).values()) >= end:
            return
        time.sleep(_LOOK_SECONDS)


def _done(now: BatchProgress | None, quiet_seconds: float) -> bool:
    if now is None or now.accepted or now.submitting:
        return quiet_seconds > PATIENCE_SECONDS
    return not (now.submitted or now.in_doubt) or quiet_seconds > QUIET_SECONDS


def words(now: BatchProgress) -> str:
    """A line: what was accepted, how far it came, and what became of it."""
    sent = now.messages - now.accepted - now.submitting - now.expired - now.cancelled
    return (
        f"accepted {now.messages:,}  submitted {sent:,}  delivered {now.delivered:,}  "
        f"failed {now.failed:,}  in doubt {now.in_doubt:,}"
    )


class _Lines:
    """A line a second, for logs and pipes."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._due = 0.0
        self._last = ""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        if self._last:
            self._out.print(f"        {self._last}")

    def update(self, now: BatchProgress | None) -> None:
        """Print it when it is due."""
        if now is None:
            return
        self._last = words(now)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _PLAIN_SECONDS
            self._out.print(f"        {self._last}")


class _Live:
    """One line that changes, with a bar, for a terminal."""

    def __init__(self, out: Console) -> None:
        self._live = Live(console=out, refresh_per_second=10)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, now: BatchProgress | None) -> None:
        """Draw it."""
        if now is not None:
            line = Table.grid(padding=(0, 2))
            done = now.delivered + now.failed + now.expired + now.cancelled
            line.add_row(ProgressBar(total=now.messages, completed=done, width=24), words(now))
            self._live.update(line)
