"""The body of an SMGP status report: a text with fixed places in which the id is ten raw octets.

Three spellings of the keys exist and all have the same places; a few gateways write the id in hexadecimal.
"""

import re
from typing import NamedTuple

from infrastructure.carriers.fixed_fields import fixed
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import usual_state

__all__ = ["SmgpReport", "encode_report", "read_report"]

_ID, _ID_OCTETS, _HEX_DIGITS = 3, 10, 20
_KEYS_FROM = _ID + _ID_OCTETS
_DONE, _STAT, _ERR = slice(65, 75), slice(81, 88), slice(93, 96)
_TEXT, _TEXT_OCTETS = 102, 20
_STAT_KEY = b"stat:"
_HEX = re.compile(rb"[0-9A-Fa-f]{20}")
_WORD = re.compile(rb"[A-Za-z][!-~]{1,6}")


class SmgpReport(NamedTuple):
    """What a report's body says; an empty string where it says nothing."""

    carrier_id: str
    status: str
    error_code: str
    done_text: str


def encode_report(report: SmgpReport, *, submit_text: str, text: str) -> bytes:
    """Return the 122 octets of a body, its keys spelled as the specification does.

    `text` is how the message begins. Raises ProtocolError where a value does not fit.
    """
    delivered = "001" if report.status == "DELIVRD" else "000"
    fields = (
        f" sub:001 dlvrd:{delivered} Submit date:{submit_text:<10} done date:{report.done_text:<10}"
        f" stat:{report.status:<7} err:{report.error_code:<3} Text:"
    )
    try:
        placed = b"id:" + bytes.fromhex(report.carrier_id) + fields.encode("ascii")
        if len(placed) != _TEXT:
            raise ValueError("length")
        return placed + fixed(text, _TEXT_OCTETS)
    except ValueError as error:
        raise ProtocolError("report: a value does not fit") from error


def read_report(body: bytes) -> SmgpReport:
    """Return the fields of a body, whatever its length; the id as 20 hexadecimal digits in capital letters.

    Places come first, then keys are looked for behind the id: its raw octets may spell anything.
    """
    octets, shift = _id(body)
    carrier_id = octets.hex().upper() if any(octets) else ""
    fields = body[shift:]
    placed = fields[_STAT.start - len(_STAT_KEY) : _STAT.start].lower() == _STAT_KEY
    found = None if placed else _value(body, rb"stat", shift)
    if found is None:
        status = _text(fields[_STAT])
        plausible = placed or _WORD.fullmatch(status.encode("latin-1"))
        return SmgpReport(
            carrier_id,
            usual_state(status) if plausible else "",
            _text(fields[_ERR]) if plausible else "",
            _text(fields[_DONE]) if plausible else "",
        )
    return SmgpReport(
        carrier_id,
        usual_state(found),
        _value(body, rb"err", shift) or "",
        _value(body, rb"done[ _s]?date", shift) or "",
    )


def _id(body: bytes) -> tuple[bytes, int]:
    """Return the ten octets of the id, none without one, and how far what follows is behind its usual place."""
    if body[:_ID].lower() != b"id:" or len(body) < _KEYS_FROM:
        return b"", 0
    hexadecimal = _HEX.match(body, _ID)
    usual = body[_KEYS_FROM + 1 : _KEYS_FROM + 5].lower() == b"sub:"
    if hexadecimal and not usual:
        return bytes.fromhex(hexadecimal[0].decode("ascii")), _HEX_DIGITS - _ID_OCTETS
    return body[_ID : _ID + _ID_OCTETS], 0


def _value(body: bytes, key: bytes, shift: int) -> str | None:
    """Return what stands behind a key, None where it is not there."""
    found = re.compile(rb"(?i)" + key + rb": ?([!-~]*)").search(body, _KEYS_FROM + shift)
    return found[1].decode("ascii") if found else None


def _text(octets: bytes) -> str:
    return octets.partition(b"\0")[0].decode("latin-1").strip()
