"""What this process submitted a moment ago, so that receipts need not look for it in the log.

A receipt that overtakes the record of its submission waits a little, instead of being held and matched
later; and the state of a message whose receipt comes soon is still at hand. Both are for speed only: every
write is guarded by the version, so what is stale here is noticed there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application.ports import KnownPart
from domain.aggregates.message import Message

_LONGEST_SECONDS = 0.5
_REMEMBERED_FOR = timedelta(minutes=1)
"""Receipts that have not come by then may never come."""
_MOST = 5_000
"""Some seconds' worth at full speed: receipts that come later are rare, and the log has what they need."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A message as this process wrote it last."""

    state: Message
    version: int
    at: datetime


class Settling:
    """Shared by the submitter and the receipt recorder of one process; lives in one event loop."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._messages: OrderedDict[UUID, Remembered] = OrderedDict()
        self._parts: dict[tuple[str, str], KnownPart] = {}

    def begin(self, link: str, carrier_id: str) -> None:
        """The carrier gave this id; the fact is not durable yet."""
        if (link, carrier_id) not in self._open:
            self._open[link, carrier_id] = asyncio.get_running_loop().create_future()

    def end(self, link: str, carrier_ids: Iterable[str]) -> None:
        """The fact is durable, or will not become so by itself."""
        for carrier_id in carrier_ids:
            waiter = self._open.pop((link, carrier_id), None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    async def settled(self, link: str, carrier_ids: Iterable[str]) -> None:
        """Wait for those of the ids that are being recorded, but not for long."""
        waiters = [self._open[link, each] for each in carrier_ids if (link, each) in self._open]
        if waiters:
            await asyncio.wait(waiters, timeout=_LONGEST_SECONDS)

    def remember(self, id_: UUID, state: Message, version: int, *, phone: bytes, at: datetime) -> None:
        """This is how the message to a phone (its token) stands since a moment; what is old is forgotten for it."""
        self.forget(id_)
        self._messages[id_] = Remembered(state, version, at)
        for part in state.taken:
            if part.carrier_id:
                known = KnownPart(message=id_, part=part.number, phone=phone, taken_at=at)
                self._parts[state.link, part.carrier_id] = known
        while self._is_too_much(at):
            self.forget(next(iter(self._messages)))

    def _is_too_much(self, at: datetime) -> bool:
        oldest = next(iter(self._messages.values()))
        return len(self._messages) > _MOST or at - oldest.at > _REMEMBERED_FOR

    def forget(self, id_: UUID) -> None:
        """Look in the log the next time."""
        known = self._messages.pop(id_, None)
        if known is not None:
            for part in known.state.taken:
                key = known.state.link, part.carrier_id
                if key in self._parts and self._parts[key].message == id_:
                    del self._parts[key]

    def parts(self, link: str, carrier_id: str, *, since: datetime) -> tuple[KnownPart, ...]:
        """The newest part that this process submitted over this link and that has this id, where its message
        was accepted since a moment."""
        part = self._parts.get((link, carrier_id))
        return (part,) if part and self._messages[part.message].state.accepted_at >= since else ()

    def message(self, id_: UUID) -> Remembered | None:
        """The message as this process wrote it last."""
        return self._messages.get(id_)
