"""An event loop whose time jumps to the next timer, so that a simulated hour costs only what happens in it."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stuck(AssertionError):  # noqa: N818  (a state of the world)
    """Nothing can happen any more, and the world is not finished."""


class _Jump(selectors.SelectSelector):
    """Never waits: tells its loop how far to jump instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck("every task waits for something that will never come")
        self.seconds += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is simulated seconds since the world began."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.seconds


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a world to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
