"""What a connection's owner writes of how it does: in order, and never after what the next owner wrote.

A process that is frozen or cut off may write long after it has lost the connection. Who asks how the connection does
looks at the last fact, so that one has to be the true owner's.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from application.ports import Committed, Entry
from domain.events import Event
from domain.recorded import Context
from infrastructure.background import Background
from infrastructure.event_store import EventStore

_PAUSE_SECONDS = 0.2
_CONTEXT = Context(actor="worker")
_log = logging.getLogger(__name__)


class ConditionLog:
    """One stream, for as long as its owner has the connection: until `let_go`.

    Every write builds on a version that was the last one while the connection was surely owned. Where another stands
    there by then, the true owner looks again and writes after it; one that has let go writes nothing more.
    """

    def __init__(
        self, store: EventStore, *, stream: UUID, owned: Callable[[], bool], background: Background
    ) -> None:
        self._store = store
        self._stream = stream
        self._owned = owned
        self._background = background
        self._version: int | None = None
        self._waiting: list[Event] = []
        self._writing = False
        self._gone = False

    def note(self, fact: Event) -> None:
        """Write it, after those before it; nobody waits."""
        self._waiting.append(fact)
        if not self._writing:
            self._writing = True
            self._background.spawn(self._write)

    def let_go(self) -> None:
        """The connection may be another owner's from now on: what that one wrote stays last."""
        self._gone = True

    async def _write(self) -> None:
        try:
            while self._waiting:
                facts = tuple(self._waiting)
                if await self._written(facts) or self._gone:
                    del self._waiting[: len(facts)]
                else:
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._writing = False

    async def _written(self, facts: tuple[Event, ...]) -> bool:
        try:
            if self._version is None:
                self._version = await self._look()
            return self._version is not None and await self._commit(facts, self._version)
        except Exception as error:  # noqa: BLE001  (the database is away: the owner tries again)
            _log.warning("how a connection does cannot be written: %s", type(error).__name__)
            return False

    async def _look(self) -> int | None:
        """The last version, None for who may no longer be the owner by the time it is known."""
        last = await self._store.in_thread(lambda: self._store.last_events([self._stream]))
        version = last[self._stream].version if self._stream in last else 0
        return version if self._owned() and not self._gone else None

    async def _commit(self, facts: tuple[Event, ...], version: int) -> bool:
        entry = Entry(stream=self._stream, version=version, context=_CONTEXT, events=facts)
        (outcome,) = await self._store.commit([entry])
        done = isinstance(outcome, Committed)
        self._version = version + len(facts) if done else None
        return done
