"""The daily seal: once a day is over, one signed root over all ledgers as they stood when it ended.

Idempotent by day, and every day that was missed is sealed when somebody looks again. Refuses day_not_over.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from application.ports import Committed, Entry, Store
from domain.aggregates.seal import Seals, key_stream, seals_stream
from domain.errors import BadInput
from domain.events.seal import KeyCreated, Leaf, Sealed
from domain.periods import day_start
from domain.recorded import Context, Recorded
from domain.values import local_day

SETTLED_AFTER = timedelta(minutes=2)
"""After midnight: what was stamped before it is committed by then, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Ledgers as they stood at a moment, and the last position of the log among them."""

    leaves: Sequence[Leaf]
    position: int


class Signer(Protocol):
    """The sealing key; its private half never leaves it."""

    @property
    def key(self) -> str: ...
    @property
    def public_key(self) -> str: ...
    def sign(self, octets: bytes) -> str:
        """Ed25519 over octets, 128 hexadecimal digits."""
        ...


class Book(Protocol):
    """What sealing reads of the log; blocking."""

    def last(self) -> Recorded | None:
        """The newest seal."""
        ...

    def opened(self, after: int) -> Sequence[tuple[str, int]]:
        """Ledgers opened after a position."""
        ...

    def first_posting(self, ledgers: Collection[tuple[str, int]]) -> datetime | None:
        """When the oldest of some ledgers began."""
        ...

    def heads(self, ledgers: Mapping[tuple[str, int], int], before: datetime) -> Heads:
        """Ledgers as they stood at a moment, given versions known to be before it."""
        ...

    def digest(self, after: int, upto: int) -> str:
        """Digest of all rows with `after < position <= upto`."""
        ...


async def seal_ledgers(
    store: Store,
    book: Book,
    signer: Signer,
    *,
    until: date | None = None,
    context: Context,
) -> Sequence[Sealed]:
    """Seal every day that is over and not sealed, the last of them `until`; returns the new seals."""
    now = await store.now()
    over = local_day(now - SETTLED_AFTER) - timedelta(days=1)
    if until is not None and until > over:
        raise BadInput("day_not_over", f"The last day that can be sealed is {over}.", field="until")
    return await _Sealing(store, book, signer, context).run(until or over)


@dataclass(slots=True)
class _Sealing:
    """One run; `ledgers` are all there are, each with a version that is sealed already."""

    store: Store
    book: Book
    signer: Signer
    context: Context
    seals: Seals = field(default_factory=Seals)
    version: int = 0
    ledgers: dict[tuple[str, int], int] = field(default_factory=dict)

    async def run(self, until: date) -> Sequence[Sealed]:
        """Day after day; stops where somebody else seals at the same time: he does what is left."""
        made: list[Sealed] = []
        day = await asyncio.to_thread(self._begin)
        if day is not None and day <= until:
            await self._publish()
        while day is not None and day <= until:
            events = await asyncio.to_thread(self._seal, day)
            entry = Entry(stream=seals_stream(), version=self.version, context=self.context, events=events)
            (outcome,) = await self.store.commit([entry])
            if not isinstance(outcome, Committed):
                break
            self.seals, self.version = Seals(last=events[0]), self.version + 1
            made += events
            day = self.seals.next_day(day)
        return made

    def _begin(self) -> date | None:
        """The day to begin with: after the newest seal, or with the first posting; None where there is none."""
        newest = self.book.last()
        if newest is not None:
            assert isinstance(newest.event, Sealed)
            self.seals, self.version = Seals(last=newest.event), newest.version
            self.ledgers = _versions(newest.event)
        self.ledgers = {**dict.fromkeys(self.book.opened(self._position), 0), **self.ledgers}
        first = self.book.first_posting(self.ledgers) if newest is None else day_start(date(2000, 1, 1))
        return None if first is None else self.seals.next_day(local_day(first))

    @property
    def _position(self) -> int:
        return 0 if self.seals.last is None else self.seals.last.position

    def _seal(self, day: date) -> tuple[Sealed, ...]:
        found = self.book.heads(self.ledgers, day_start(day + timedelta(days=1)))
        position = max(found.position, self._position)
        events = self.seals.seal(
            day=day,
            position=position,
            leaves=found.leaves,
            log=self.book.digest(self._position, position),
            key=self.signer.key,
            sign=self.signer.sign,
        )
        self.ledgers |= _versions(events[0])
        return events

    async def _publish(self) -> None:
        """The public half of the key, before anything is signed with it; nothing to do where it is published."""
        made = KeyCreated(key=self.signer.key, public_key=self.signer.public_key)
        await self.store.commit(
            [Entry(stream=key_stream(made.key), version=0, context=self.context, events=(made,))]
        )


def _versions(sealed: Sealed) -> dict[tuple[str, int], int]:
    return {(leaf.account, leaf.year): leaf.version for leaf in sealed.leaves}
