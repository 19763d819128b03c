"""Group commit: one thread a process collects what is ready and writes it in one transaction after another.

A group is what arrived while the group before was being written, and what comes within the next moment.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from eventsourcing.persistence import InterfaceError, OperationalError

from application.ports import Entry, Outcome

Write = Callable[[Sequence[Entry]], Sequence[Outcome]]
_SMALL = 20
"""Submissions up to this many entries go before larger ones, so that a bulk call delays no single message;
a larger one that found no room goes first the next time, so that it is not passed over for ever."""


class Overloaded(Exception):  # noqa: N818
    """More is waiting for the log than the process may hold; nothing of the call was recorded."""


@dataclass(slots=True)
class Submission:
    """Entries of one caller and the future it waits on."""

    entries: Sequence[Entry]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Sequence[Outcome]]


@dataclass(slots=True)
class _Waiting:
    small: deque[Submission] = field(default_factory=deque)
    large: deque[Submission] = field(default_factory=deque)
    entries: int = 0


class GroupCommit:
    """Collects submissions from any event loop and gives each its outcomes back."""

    def __init__(
        self,
        write: Write,
        *,
        most_entries: int,
        most_waiting: int,
        gather_entries: int = 32,
        gather_seconds: float = 0.003,
    ) -> None:
        self._write = write
        self._most_entries = most_entries
        self._most_waiting = most_waiting
        self._gather_entries = gather_entries
        self._gather_seconds = gather_seconds
        self._waiting = _Waiting()
        self._changed = threading.Condition()
        self._closed = False
        self._large_first = False
        self.wrote: Callable[[int], None] = lambda _: None
        """Told how many entries each group had, from the writing thread."""
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        """Wait until the entries are durable; one outcome an entry. Raises Overloaded before anything is taken."""
        if not entries:
            return []
        loop = asyncio.get_running_loop()
        submission = Submission(entries, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise Overloaded("the process is stopping")
            if self._waiting.entries + len(entries) > self._most_waiting:
                raise Overloaded("too much is waiting for the log")
            self._waiting.entries += len(entries)
            queue = self._waiting.small if len(entries) <= _SMALL else self._waiting.large
            queue.append(submission)
            self._changed.notify()
        return await submission.future

    @property
    def waiting(self) -> int:
        """Entries that wait for the log now."""
        return self._waiting.entries

    def close(self) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        last = 0
        while True:
            with self._changed:
                while not self._waiting.entries and not self._closed:
                    self._changed.wait()
                self._gather(last)
                group = self._take()
            if not group:
                return
            last = sum(len(submission.entries) for submission in group)
            self._write_group(group)

    def _gather(self, last: int) -> None:
        """Wait a moment for the callers of the last group, whose next entries are on their way.

        Half a group costs nearly as much to write as a whole one. Nobody waits who is alone.
        """
        wanted = min(last, self._gather_entries)
        self._changed.wait_for(lambda: self._waiting.entries >= wanted or self._closed, self._gather_seconds)

    def _take(self) -> list[Submission]:
        """The next group: as many submissions as fit, at least one, and large ones every other time at least."""
        group: list[Submission] = []
        room = self._most_entries
        small, large = self._waiting.small, self._waiting.large
        had_large = len(large)
        for queue in (large, small) if self._large_first else (small, large):
            while queue and (not group or len(queue[0].entries) <= room):
                submission = queue.popleft()
                room -= len(submission.entries)
                group.append(submission)
        self._large_first = 0 < len(large) == had_large
        self._waiting.entries -= sum(len(s.entries) for s in group)
        return group

    def _write_group(self, group: Sequence[Submission]) -> None:
        """Write a group; what cannot be written at all is an error of its own caller, not of its neighbours."""
        entries = [entry for submission in group for entry in submission.entries]
        try:
            outcomes = self._write(entries)
        except (InterfaceError, OperationalError) as error:
            _answer(group, error)
        except Exception as error:  # noqa: BLE001  (the callers get it, whatever it is)
            if len(group) == 1:
                _answer(group, error)
            else:
                for submission in group:
                    self._write_group([submission])
        else:
            _answer(group, outcomes)
        self.wrote(len(entries))


def _answer(group: Sequence[Submission], result: Sequence[Outcome] | Exception) -> None:
    """Give every caller its part, with one wake-up for each event loop."""
    start = 0
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Submission, Sequence[Outcome] | Exception]]] = {}
    for submission in group:
        end = start + len(submission.entries)
        share = result if isinstance(result, Exception) else result[start:end]
        by_loop.setdefault(submission.loop, []).append((submission, share))
        start = end
    for loop, answers in by_loop.items():
        # A loop that is closed has nobody left who waits; this thread serves the others.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[tuple[Submission, Sequence[Outcome] | Exception]]) -> None:
    for submission, share in answers:
        if submission.future.done():
            continue
        if isinstance(share, Exception):
            submission.future.set_exception(share)
        else:
            submission.future.set_result(share)
