"""Receipts and replies on their way from a carrier into our books: stored first, acknowledged after."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from infrastructure.carriers.dialect import Delivery
from infrastructure.carriers.traffic import Receipt, Reply

__all__ = ["Intake", "Source", "StoreReceipts", "StoreReplies"]

StoreReceipts = Callable[[Sequence[Receipt]], Awaitable[None]]
StoreReplies = Callable[[Sequence[Reply]], Awaitable[None]]

_LARGEST_BATCH = 1_000
_ONE_BY_ONE_SECONDS = 1.0
"""Where the database is away this is in vain, so it is short; where it is not, some hundreds get in."""
_Item = TypeVar("_Item")

_log = logging.getLogger(__name__)


class Source(Protocol):
    """A connection that deliveries come from and answers go to."""

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> None: ...
    def hold_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Intake:
    """Collects what arrives while a batch is being stored, and stores it as the next batch.

    When more than `limit` wait, no source that has joined is read, until half of them are left.
    Where `store_receipts` or `store_replies` raises, each of the batch is tried by itself for a moment, so that one
    that can never be stored keeps no other out. What is not stored then the carrier is asked to send again.
    """

    def __init__(
        self,
        *,
        store_receipts: StoreReceipts,
        store_replies: StoreReplies | None,
        limit: int,
    ) -> None:
        self._store_receipts = store_receipts
        self._store_replies = store_replies
        self._limit = limit
        self._full = False
        self._sources: set[Source] = set()
        self._waiting: deque[tuple[Source, Delivery]] = deque()
        self._arrived = asyncio.Event()
        self._owed: Counter[Source] = Counter()
        self._answered = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, source: Source) -> None:
        """Be held while too much waits, from now until `leave`."""
        self._sources.add(source)
        if self._full:
            source.hold_reading()

    def leave(self, source: Source) -> None:
        self._sources.discard(source)

    def put(self, source: Source, delivery: Delivery) -> None:
        self._waiting.append((source, delivery))
        self._owed[source] += 1
        self._arrived.set()
        if len(self._waiting) > self._limit and not self._full:
            self._full = True
            for each in self._sources:
                each.hold_reading()

    async def drained(self, source: Source) -> None:
        """Return when all that a source brought is answered; to be read no more it has to be held before."""
        while self._owed[source]:
            self._answered.clear()
            await self._answered.wait()

    async def run(self) -> None:
        """Store batch after batch until cancelled; what is then not stored is not acknowledged either."""
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_BATCH))]
            self._make_room()
            receipts = [each.content for _, each in batch if isinstance(each.content, Receipt)]
            replies = [each.content for _, each in batch if isinstance(each.content, Reply)]
            stored = {
                Receipt: iter(await _stored(receipts, self._store_receipts)),
                Reply: iter(await _stored(replies, self._store_replies)),
            }
            for source, delivery in batch:
                source.answer_delivery(delivery, stored=next(stored[type(delivery.content)]))
            self._owed -= Counter(source for source, _ in batch)
            self._answered.set()
            if not self._waiting:
                self._arrived.clear()

    def _make_room(self) -> None:
        if self._full and len(self._waiting) <= self._limit // 2:
            self._full = False
            for source in self._sources:
                source.resume_reading()


async def _stored(
    items: list[_Item], store: Callable[[Sequence[_Item]], Awaitable[None]] | None
) -> Sequence[bool]:
    """Which of them are stored. Without a `store` they are let go: nobody asked for them."""
    if not items or store is None:
        return [True] * len(items)
    failures = [await _failure(items, store)] * len(items)
    if failures[0] and len(items) > 1:
        until = time.monotonic() + _ONE_BY_ONE_SECONDS
        for place, item in enumerate(items):
            if time.monotonic() >= until:
                break
            failures[place] = await _failure([item], store)
    if any(failures):
        _log.warning(
            "%d of %d deliveries of a carrier were not stored: %s",
            sum(map(bool, failures)),
            len(items),
            ", ".join(sorted({*failures} - {""})),
        )
    return [not failure for failure in failures]


async def _failure(items: Sequence[_Item], store: Callable[[Sequence[_Item]], Awaitable[None]]) -> str:
    """Store them; the name of the error where that failed, else empty."""
    try:
        await store(items)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the carrier must send them again
        return type(error).__name__
    return ""
