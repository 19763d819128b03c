"""Reads the text of a delivery receipt (SMPP 3.4 Appendix B), which every vendor writes a little differently.

Tolerant: any case, any order, keys may be missing, states may be spelled out, dates of 10, 12 or 14 digits.
"""

import functools
import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

__all__ = ["CHINA", "LONGEST_VALUE", "ReceiptText", "carrier_time", "read_receipt_text", "usual_state"]

CHINA = timezone(timedelta(hours=8))

_KEYS = r"id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text"
_SPELLED_OUT = {
    "DELIVERED": "DELIVRD",
    "DELIVERD": "DELIVRD",
    "DELIVER": "DELIVRD",
    "DELIVED": "DELIVRD",
    "UNDELIVERED": "UNDELIV",
    "UNDELIVERABLE": "UNDELIV",
    "ACCEPTED": "ACCEPTD",
    "ACCEPTE": "ACCEPTD",
    "REJECTED": "REJECTD",
    "REJECTE": "REJECTD",
}
"""Words for the states, and what is left of them in seven octets."""
LONGEST_VALUE = 255
"""The document allows ids of 65 octets (4.4.2) and some carriers write longer ones. What is longer than this is
nobody's id, and no index of the database takes it without an end."""
_FIELD = re.compile(rf"(?<!\S)({_KEYS}):(?: {{0,4}}(?!(?:{_KEYS}):)(\S+))?", re.IGNORECASE)


class ReceiptText(NamedTuple):
    """What a receipt's text says; an empty string where it says nothing."""

    carrier_id: str
    status: str
    error_code: str
    done_text: str


def usual_state(text: str) -> str:
    """A state in the letters of the documents, in capitals; one that is none of theirs is left as it is."""
    state = text.strip().upper()
    return _SPELLED_OUT.get(state, state)


def read_receipt_text(text: str) -> ReceiptText:
    """Return the fields of `text`; the first mention of a key counts.

    Reading ends at `text:`: what follows is the message itself, and could say `stat:` too.
    """
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        key = match[1].lower()
        if key == "text":
            break
        found.setdefault(key[:4], (match[2] or "")[:LONGEST_VALUE])
    return ReceiptText(
        found.get("id", ""), usual_state(found.get("stat", "")), found.get("err", ""), found.get("done", "")
    )


@functools.lru_cache(4_096)
def carrier_time(text: str) -> datetime | None:
    """Return a carrier's time of China, None where it is no time.

    YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm or YYYYMMDDhhmmss; twelve digits are read with a short year
    where that gives a date, which holds for no long year after 2012. Many receipts name the same minute.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    for long_year in (False, True):
        year_digits = 4 if long_year else 2
        if len(text) - year_digits not in (8, 10):
            continue
        moment = _moment(text[:year_digits], text[year_digits:])
        if moment is not None:
            return moment
    return None


def _moment(year: str, rest: str) -> datetime | None:
    fields = [int(rest[at : at + 2]) for at in range(0, len(rest), 2)]
    try:
        return datetime(int(year) + (2000 if len(year) == 2 else 0), *fields, tzinfo=CHINA)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
