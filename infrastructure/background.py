"""Work that nobody waits for, on an event loop: a failure is a line in the log, nothing outlives its owner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


class Background:
    """Belongs to the loop that runs when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        """Begin it now."""

        async def guarded() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  (nobody waits for it; the log line is all it is worth)
                _log.warning("background work failed: %s", type(error).__name__)

        task = self._loop.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
