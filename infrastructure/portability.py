"""What is known about ported numbers, in the memory of a process: 9 octets a number, read again by what changed.

The table is asked once a second for rows with a higher number of change, never for a message. Why it is so is in
docs/decisions/0017-ported-numbers.md.
"""

import asyncio
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from sys import byteorder

from psycopg.sql import SQL, Identifier

from domain.numbering import Known
from infrastructure.event_store import EventStore
from infrastructure.number_rows import STATE, known

_AGE_SECONDS = 1.0
_LONGEST_SILENCE_SECONDS = 600.0
"""Who has not asked for so long reads everything again: what was forgotten leaves its row soon after."""
_PIECE = 500_000
_CHANGES = 20_000
_MOST_CHANGES = 200_000
"""Changes kept beside the sorted numbers, before everything is read again."""


@dataclass(slots=True)
class NumberBook:
    """Digests in order, with one octet for each, and what changed since they were read."""

    digest: Callable[[str], int]
    digests: "array[int]" = field(default_factory=lambda: array("q"))
    states: bytearray = field(default_factory=bytearray)
    changed: dict[int, int] = field(default_factory=dict)
    upto: int = 0

    def find(self, phone: str) -> Known | None:
        """What is known about a normalised number."""
        if not (self.digests or self.changed):
            return None
        wanted = self.digest(phone)
        state = self.changed.get(wanted)
        if state is None:
            place = bisect_left(self.digests, wanted)
            there = place < len(self.digests) and self.digests[place] == wanted
            state = self.states[place] if there else 0
        return known(state)

    def __len__(self) -> int:
        return len(self.digests) + len(self.changed)


class KnownNumbers:
    """Implements `application.manage_portability.Numbers` on the table. `digest` is the vault's."""

    def __init__(self, store: EventStore, digest: Callable[[str], int]) -> None:
        self._store = store
        self._digest = digest
        self._book: NumberBook | None = None
        self._asked = 0.0
        self._asking: asyncio.Task[NumberBook] | None = None
        table = Identifier(store.datastore.schema, "known_numbers")
        self._head = SQL("SELECT coalesce(max(change), 0) FROM {}").format(table).as_bytes()
        self._changes = (
            SQL(f"SELECT change, digest, {STATE} FROM {{}} WHERE change > %s ORDER BY change LIMIT %s")
            .format(table)
            .as_bytes()
        )
        # The database packs and orders them: no object is made here for any number.
        self._piece = (
            SQL(
                "SELECT count(*), max(digest), string_agg(int8send(digest), ''::bytea ORDER BY digest),"
                " string_agg(substring(int2send(state::int2) FROM 2), ''::bytea ORDER BY digest)"
                f" FROM (SELECT digest, {STATE} AS state FROM {{}}"
                " WHERE digest > %s ORDER BY digest LIMIT %s) AS p"
            )
            .format(table)
            .as_bytes()
        )

    async def book(self) -> NumberBook:
        """The book, at most a second old; one caller a second reads, the others take what is there meanwhile."""
        if self._book is not None and time.monotonic() < self._asked + _AGE_SECONDS:
            return self._book
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked_now)
        elif self._book is not None:
            return self._book
        return await asyncio.shield(self._asking)

    def _asked_now(self, _: asyncio.Task[NumberBook]) -> None:
        self._asking = None

    async def _ask(self) -> NumberBook:
        book = self._book
        stale = time.monotonic() - self._asked > _LONGEST_SILENCE_SECONDS
        if book is None or stale or not await self._store.in_thread(partial(self._follow, book)):
            book = await self._store.in_thread(self._read)
        self._book, self._asked = book, time.monotonic()
        return book

    def _follow(self, book: NumberBook) -> bool:
        """Take in what changed; False where it is too much."""
        while True:
            rows = self._store.recorder.rows(self._changes, (book.upto, _CHANGES))
            for change, digest, state in rows:
                book.changed[digest] = state
                book.upto = change
            if len(book.changed) > _MOST_CHANGES:
                return False
            if len(rows) < _CHANGES:
                return True

    def _read(self) -> NumberBook:
        """Everything, in pieces. Where changes begin is read first, so that none is missed."""
        book = NumberBook(digest=self._digest, upto=self._store.recorder.rows(self._head)[0][0])
        last, count = -(2**63), _PIECE
        while count == _PIECE:
            count, end, digests, states = self._store.recorder.rows(self._piece, (last, _PIECE))[0]
            if count:
                piece = array("q", digests)
                if byteorder == "little":
                    piece.byteswap()
                book.digests += piece
                book.states += states
                last = end
        return book
