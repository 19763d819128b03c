"""What this process submitted a moment ago, so that receipts need not look for it in the log.

A receipt that overtakes the record of its submission waits a little, instead of being held and matched
later; and the state of a message whose receipt comes soon is still at hand. Both are for speed only: every
write is guarded by the version, so what is stale here is noticed there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from domain.aggregates.message import Message

_LONGEST_SECONDS = 0.5
_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A message as this process wrote it last."""

    state: Message
    version: int


class Settling:
    """Shared by the submitter and the receipt recorder of one process; lives in one event loop."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[None]] = {}
        self._messages: OrderedDict[UUID, Remembered] = OrderedDict()
        self._parts: dict[str, tuple[UUID, int]] = {}

    def begin(self, carrier_id: str) -> None:
        """The carrier gave this id; the fact is not durable yet."""
        if carrier_id not in self._open:
            self._open[carrier_id] = asyncio.get_running_loop().create_future()

    def end(self, carrier_ids: Iterable[str]) -> None:
        """The fact is durable, or will not become so by itself."""
        for carrier_id in carrier_ids:
            waiter = self._open.pop(carrier_id, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    async def settled(self, carrier_ids: Iterable[str]) -> None:
        """Wait for those of the ids that are being recorded, but not for long."""
        waiters = [self._open[carrier_id] for carrier_id in carrier_ids if carrier_id in self._open]
        if waiters:
            await asyncio.wait(waiters, timeout=_LONGEST_SECONDS)

    def remember(self, id_: UUID, state: Message, version: int) -> None:
        """This is how the message stands now; the oldest is forgotten for it."""
        self.forget(id_)
        self._messages[id_] = Remembered(state, version)
        for part in state.taken:
            self._parts[part.carrier_id] = (id_, part.number)
        if len(self._messages) > _MOST:
            self.forget(next(iter(self._messages)))

    def forget(self, id_: UUID) -> None:
        """Look in the log the next time."""
        known = self._messages.pop(id_, None)
        if known is not None:
            for part in known.state.taken:
                self._parts.pop(part.carrier_id, None)

    def part(self, link: str, carrier_id: str) -> tuple[UUID, int] | None:
        """Message and part of a carrier's id, where this process submitted it over this link not long ago."""
        found = self._parts.get(carrier_id)
        return found if found is not None and self._messages[found[0]].state.link == link else None

    def message(self, id_: UUID) -> Remembered | None:
        """The message as this process wrote it last."""
        return self._messages.get(id_)
