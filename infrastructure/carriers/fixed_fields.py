"""What CMPP, SGIP and SMGP write alike: padded texts, times of China, phone numbers with and without 86."""

import functools
import math
from datetime import datetime

from infrastructure.carriers.receipt_text import CHINA

__all__ = [
    "absolute_time",
    "china_now",
    "digits",
    "fixed",
    "month_stamp",
    "text_of",
    "with_country",
    "without_country",
]

_COUNTRY = "86"
_ABROAD = "00"
_MAINLAND_DIGITS = 11
_LONGEST_VALIDITY_SECONDS = 31 * 86_400


def china_now() -> datetime:
    """Return the time of day in China."""
    return datetime.now(CHINA)


def fixed(text: str, size: int) -> bytes:
    """Return `size` octets, padded on the right with NUL; ValueError where the text does not fit: nothing is cut."""
    octets = text.encode("latin-1")
    if len(octets) > size or b"\0" in octets:
        raise ValueError("text")
    return octets.ljust(size, b"\0")


def text_of(octets: bytes) -> str:
    """Return the text before the first NUL; none is required."""
    end = octets.find(0)
    return (octets if end < 0 else octets[:end]).decode("latin-1")


def month_stamp(now: datetime) -> int:
    """Return MMDDHHMMSS of China's time as a number: 301000000 is the 1st of March."""
    there = now.astimezone(CHINA)
    return (((there.month * 100 + there.day) * 100 + there.hour) * 100 + there.minute) * 100 + there.second


def absolute_time(now: datetime, validity_seconds: int | None) -> str:
    """Return "261124120000032+", China's time when the validity ends (SMPP 7.1.1), at most 31 days ahead.

    Without a validity it is empty: the carrier's own holds.
    """
    if validity_seconds is None:
        return ""
    left = min(max(validity_seconds, 1), _LONGEST_VALIDITY_SECONDS)
    return _absolute(math.floor(now.timestamp()) + left)


@functools.lru_cache(1_024)
def _absolute(second: int) -> str:
    """Many parts end in the same second."""
    return f"{datetime.fromtimestamp(second, CHINA):%y%m%d%H%M%S}032+"


def digits(address: str) -> str:
    """Return the digits of an address, which may have a plus or blanks."""
    return address if address.isdecimal() and address.isascii() else "".join(filter(_is_digit, address))


def _is_digit(character: str) -> bool:
    return character in "0123456789"


def with_country(address: str) -> str:
    """Return the digits of a phone number with 86 where it is a mainland mobile number without; 0086 is 86."""
    number = digits(address).removeprefix(_ABROAD)
    return _COUNTRY + number if len(number) == _MAINLAND_DIGITS and number[0] == "1" else number


def without_country(address: str) -> str:
    """Return the digits of a phone number without the 86 of a mainland mobile number."""
    number = digits(address).removeprefix(_ABROAD)
    mainland = len(number) == len(_COUNTRY) + _MAINLAND_DIGITS and number.startswith(_COUNTRY)
    return number[len(_COUNTRY) :] if mainland else number
