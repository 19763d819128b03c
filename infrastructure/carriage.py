"""A link as the submitting use case sees it: places handed out fairly, real-time before batch."""

import asyncio
import contextlib
from collections import deque
from uuid import UUID

from application.carriage import Answer, NotSent, Part, PartKey
from domain.values import Lane
from infrastructure.carriers.link import CarrierLink, LinkClosedError

_GATHER_SECONDS = 0.01
"""How long a batch waits for more free places, so that its starts are committed in groups."""


class LinkCarriage:
    """Gives out as many places as the link's window has. Everything runs in one event loop.

    No place is given while the link is not surely `owned`.
    """

    def __init__(self, link: CarrierLink, *, name: str, window: int) -> None:
        self._link = link
        self._name = name
        self._places = window
        self._used = 0
        self._submitting: set[UUID] = set()
        self._turns: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}
        self._taken = False
        self._closing = False
        self._changed = asyncio.Event()

    @property
    def name(self) -> str:
        """The link's name."""
        return self._name

    async def reserve(self, lane: Lane, wanted: int) -> int:
        """Wait for free places; one caller at a time, real-time callers first. None on a link that closes."""
        await self._take_turn(lane)
        try:
            least = 1 if lane is Lane.REALTIME else min(wanted, max(1, self._places // 4))
            free = await self._wait_for(least)
            given = min(free, wanted)
            self._used += given
            return given
        except LinkClosedError:
            return 0
        finally:
            self._pass_turn()

    def release(self, places: int) -> None:
        """Give places back."""
        self._used -= places
        self._changed.set()

    async def finish(self, seconds: float) -> None:
        """Hand out no more places, and wait (for so long at most) until those in use are given back.

        The link has to stay open meanwhile: a long message of which only some parts went out is in doubt.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._used:
                    self._changed.clear()
                    await self._changed.wait()

    async def submit(self, part: Part, key: PartKey) -> Answer:
        """Hand a part over and wait for what becomes of it."""
        self._submitting.add(key.message)
        try:
            answer = await self._link.submit(part, key=key)
        finally:
            self._submitting.discard(key.message)
        # A link that is finished because it is somebody else's takes the part no more, though it is open still.
        lost = self._closing and not self._link.owned()
        return NotSent(answer.reason, ended=True) if lost and isinstance(answer, NotSent) else answer

    def _free(self) -> int:
        """Places nobody has, bounded by what the link can take beyond what is promised already."""
        if not self._link.owned():
            return 0
        promised = self._used - len(self._submitting)
        return min(self._places - self._used, self._link.capacity() - promised)

    async def _wait_for(self, least: int) -> int:
        """At least one free place, and `least` of them unless that takes too long."""
        gathered = False
        while not self._closing:
            free = self._free()
            if free >= least or (free > 0 and (gathered or self._turns[Lane.REALTIME])):
                return free
            if free > 0:
                await asyncio.sleep(_GATHER_SECONDS)
                gathered = True
            else:
                await self._link.ready()
                await self._any_change()
        raise LinkClosedError(self._name)

    async def _any_change(self) -> None:
        if self._free() > 0:
            return
        self._changed.clear()
        try:
            async with asyncio.timeout(_GATHER_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _take_turn(self, lane: Lane) -> None:
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_turn()
            raise

    def _pass_turn(self) -> None:
        for lane in (Lane.REALTIME, Lane.BATCH):
            while self._turns[lane]:
                turn = self._turns[lane].popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False
