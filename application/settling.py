"""Carrier ids whose submission is being recorded this moment: a receipt that overtakes it waits a little.

Without this every fast carrier's receipt would be held and matched later; with it that is the exception.
"""

import asyncio
from collections.abc import Iterable

_LONGEST_SECONDS = 0.5


class Settling:
    """Shared by the submitter and the receipt recorder of one process; lives in one event loop."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[None]] = {}

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
