"""A process that can be killed or frozen at any await: what it does outside passes through doors that are shut then."""

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
    """All tasks started under it die with it, and nothing they do while dying reaches the world.

    At the step `ends_at` it dies. One that `freezes` stands still instead until it is thawed; of that one only
    the steps to and from carriers count.
    """

    def __init__(
        self, random: Random, *, ends_at: int | None = None, freezes: bool = False, losses: float = 0.0
    ) -> None:
        self._random = random
        self._ends_at = ends_at
        self._freezes = freezes
        self._losses = losses
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """In order: a set's order changes from run to run, and with it what a seed means."""
        self.steps = 0
        self.dead, self.gone = asyncio.Event(), asyncio.Event()
        """It is gone when it is dead or frozen: others see no difference."""
        self._awake = asyncio.Event()
        self._awake.set()

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
        self.gone.set()
        for task in list(self._tasks):
            task.cancel()

    def freeze(self) -> None:
        """It stops in the middle of whatever it does; carriers and store keep what they have for it."""
        self._awake.clear()
        self.gone.set()

    def thaw(self) -> None:
        """It goes on, and knows nothing of the time between."""
        self._awake.set()

    async def awake(self) -> None:
        """The frozen wait, the dead do nothing."""
        await self._awake.wait()
        self.check()

    async def step(self, *, to_carrier: bool = False) -> None:
        """A door to the world: the place where the process may end, and where time passes."""
        await self.awake()
        self.steps += to_carrier or not self._freezes
        if self.steps == self._ends_at:
            self._ends_at = None
            (self.freeze if self._freezes else self.kill)()
            await self.awake()
        await asyncio.sleep(self._random.choice((0.0, 0.0, 0.001, 0.004)))
        await self.awake()

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
