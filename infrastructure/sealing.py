"""Sealing wired to the platform: the key of the key folder, the log of the store."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import date

from application.seal_ledgers import seal_ledgers
from domain.events.seal import Sealed
from domain.recorded import Context
from infrastructure import sealing_key
from infrastructure.bootstrap import Platform, keys_dir
from infrastructure.seal_book import SealBook


async def seal_days(platform: Platform, *, until: date | None = None, context: Context) -> Sequence[Sealed]:
    """Seal every day that is over and not sealed. Refuses day_not_over."""
    signer = await asyncio.to_thread(sealing_key.get_or_create, keys_dir(platform.settings))
    book = SealBook(platform.store.recorder)
    return await seal_ledgers(platform.store, book, signer, until=until, context=context)


async def newest_seals(platform: Platform, *, limit: int) -> Sequence[Sealed]:
    """The newest seals, the last one last."""
    return await asyncio.to_thread(_newest, SealBook(platform.store.recorder), limit)


async def find_seal(platform: Platform, day: date | None) -> tuple[Sealed, str] | None:
    """The seal of a day, or the newest one, and the public key of its signature."""
    return await asyncio.to_thread(_find, SealBook(platform.store.recorder), day)


def _newest(book: SealBook, limit: int) -> Sequence[Sealed]:
    found = (recorded.event for recorded in book.seals())
    return list(deque((event for event in found if isinstance(event, Sealed)), maxlen=limit))


def _find(book: SealBook, day: date | None) -> tuple[Sealed, str] | None:
    sealed = book.seal_of(day)
    return None if sealed is None else (sealed, book.public_key(sealed.key) or "")
