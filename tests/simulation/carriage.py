"""A link of the simulated world as the submitting use case sees it: places in a window, and a scripted carrier.

Like the real one it gives no places and sends nothing once it is somebody else's.
"""

import asyncio
from collections.abc import Callable

from application.carriage import Answer, NotSent, Part, PartKey
from domain.values import Lane
from tests.simulation.carrier import Carrier
from tests.simulation.process import Process


class SimulatedCarriage:
    """Belongs to one process; counts its places so that a lost one is seen."""

    def __init__(
        self, carrier: Carrier, process: Process, *, window: int, late: Callable[[PartKey, Answer], None]
    ) -> None:
        self._carrier = carrier
        self._process = process
        self._window = window
        self._late = late
        self.used = 0
        self.owned = True

    @property
    def name(self) -> str:
        return self._carrier.name

    async def reserve(self, lane: Lane, wanted: int) -> int:  # noqa: ARG002
        await self._process.step()
        while self.owned and (self.used >= self._window or not self._carrier.connected()):
            await asyncio.sleep(0.1)
            await self._process.awake()
        if not self.owned:
            return 0
        given = min(wanted, self._window - self.used)
        self.used += given
        return given

    def release(self, places: int) -> None:
        self.used -= places
        assert self.used >= 0, "more places were given back than taken"

    async def submit(self, part: Part, key: PartKey) -> Answer:
        await self._process.step(to_carrier=True)
        if not self.owned:
            return NotSent("not owned", ended=True)
        answer = await self._carrier.submit(part, key, self._late)
        await self._process.step(to_carrier=True)
        return answer
