"""A number as the side tables know it: its blind index under the key of a day, and which day that was.

Two tokens are of one number exactly where they are equal; nothing can be told of it once the day's key is gone.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from application.ports import Vault
from domain.errors import BadInput
from domain.numbering import normalise

_DAY_OCTETS, _INDEX_OCTETS = 4, 16
_OCTETS = _DAY_OCTETS + _INDEX_OCTETS


def number_of(text: str) -> str:
    """The number in normal form, empty where it is none of the mainland's."""
    try:
        return normalise(text)
    except BadInput:
        return ""


def token(vault: Vault, phone: str, day: date) -> bytes:
    """The token of a normalised number on a day; empty where there is no number, or the day has no key."""
    index = vault.phone_index(phone, day) if phone else None
    return b"" if index is None else packed(day, index)


def packed(day: date, index: bytes) -> bytes:
    """The token of a blind index of a day."""
    return day.toordinal().to_bytes(_DAY_OCTETS) + index


def is_of(vault: Vault, known: bytes, phone: str) -> bool:
    """Whether a token may be of a normalised number; what nothing is known of may be anybody's."""
    if not (known and phone):
        return True
    return token(vault, phone, day_of(known)) in (known, b"")


def is_among(known: bytes, some: bytes) -> bool:
    """Whether a token may be of the number that some tokens of it are of; those of other days say nothing."""
    same_day = known[:_DAY_OCTETS]
    return (
        not known
        or known in some
        or all(some[at : at + _DAY_OCTETS] != same_day for at in range(0, len(some), _OCTETS))
    )


def day_of(known: bytes) -> date:
    """The day of a token."""
    return date.fromordinal(int.from_bytes(known[:_DAY_OCTETS]))


def tokens(vault: Vault, phone: str, today: date, *, days_back: int) -> bytes:
    """The tokens of a number on a day and the days before, one after the other."""
    return b"".join(token(vault, phone, today - timedelta(days=back)) for back in range(days_back + 1))


def each(some: bytes) -> Iterator[tuple[date, bytes]]:
    """The days and blind indexes that `tokens` put one after the other."""
    for start in range(0, len(some), _OCTETS):
        piece = some[start : start + _OCTETS]
        yield day_of(piece), piece[_DAY_OCTETS:]
