"""A process that can be killed at any await: what it does outside passes through doors that then stay shut."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from random import Random
from typing import Any

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


def start_outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Run a task of the world, which no process takes with it when it dies."""
    token = _CURRENT.set(None)
    try:
        return asyncio.get_running_loop().create_task(work)
    finally:
        _CURRENT.reset(token)


class LostAnswer(Exception):  # noqa: N818  (something that happens)
    """The store did what it was asked, or did not: whoever asked does not know."""


class Process:
    """All tasks started under it die with it, and nothing they do while dying reaches the world."""

    def __init__(self, random: Random, *, dies_at: int | None = None, losses: float = 0.0) -> None:
        self._random = random
        self._dies_at = dies_at
        self._losses = losses
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """In order: a set's order changes from run to run, and with it what a seed means."""
        self.steps = 0
        self.dead = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a task in this process; the tasks it starts belong to the process too."""
        token = _CURRENT.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            _CURRENT.reset(token)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Remember a task that was started inside."""
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def kill(self) -> None:
        """As SIGKILL does: nothing more is done, nobody is told."""
        self.dead.set()
        for task in list(self._tasks):
            task.cancel()

    async def step(self) -> None:
        """A door to the world: the place where the process may die, and where time passes."""
        self.check()
        self.steps += 1
        if self.steps == self._dies_at:
            self.kill()
            self.check()
        await asyncio.sleep(self._random.choice((0.0, 0.0, 0.001, 0.004)))
        self.check()

    async def store_step(self) -> None:
        """A door to the store, where answers can be lost as well."""
        await self.step()
        if self._random.random() < self._losses:
            raise LostAnswer("the connection to the store broke")

    def check(self) -> None:
        """The dead do nothing."""
        if self.dead.is_set():
            raise asyncio.CancelledError


def adopting_task_factory(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    **options: Any,  # noqa: ANN401
) -> asyncio.Task[Any]:
    """Makes tasks that belong to the process in which they were started."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    process = _CURRENT.get()
    if process is not None:
        process.adopt(task)
    return task
