"""Somebody reads replies: opened, masked unless the caller may see more, and recorded before it is answered.

Refusals: invalid_phone, reason_required.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from application.look_up_history import indexes_of
from application.ports import Store, Vault
from application.record_replies import text_and_octets
from domain import numbering
from domain.values import Sealed

_MOST_OF_A_PHONE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedWords:
    """Where number and words of a reply, or of a part of one, are sealed; `kept`: with their octets."""

    id: UUID
    account: str
    sealed: Sealed
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Number and text as the caller may see them; `octets` in hexadecimal where not all could be read."""

    phone: str = ""
    text: str = ""
    octets: str = ""


async def ids_of_phone(store: Store, vault: Vault, *, account: str, phone: str) -> Sequence[UUID]:
    """Under which ids an account's replies from a number are sealed. Refuses invalid_phone."""
    number = numbering.normalise(phone)
    indexes: Mapping[date, bytes] = await asyncio.to_thread(indexes_of, vault, number)
    return await store.replies_by_phone(account, indexes, limit=_MOST_OF_A_PHONE)


async def open_words(
    store: Store, vault: Vault, wanted: Sequence[SealedWords], *, unmasked: bool
) -> list[Words]:
    """Number and words of each, both empty where their day is destroyed. Masked: the middle of the number, all
    of the words."""
    rows = await store.sealed_replies([(one.sealed.day, one.id) for one in wanted])
    return [_words(vault, one, rows.get(one.id), unmasked=unmasked) for one in wanted]


def _words(vault: Vault, one: SealedWords, ciphertext: bytes | None, *, unmasked: bool) -> Words:
    if ciphertext is None:
        return Words()
    opened = vault.open(account=one.account, message=one.id, sealed=one.sealed, ciphertext=ciphertext)
    if opened is None:
        return Words()
    phone, written = opened
    if not unmasked:
        return Words(phone=_masked(phone))
    text, octets = text_and_octets(written, kept=one.kept)
    return Words(phone=phone, text=text, octets=octets)


def _masked(phone: str) -> str:
    """A number of another form than a mobile's shows its length only."""
    return numbering.mask(phone) if phone.startswith("+86") else "*" * len(phone)
