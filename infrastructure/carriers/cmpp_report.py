"""The body of a CMPP status report, which a deliver has in the place of a text."""

import re
import struct

from infrastructure.carriers.cmpp_layout import EITHER, LAYOUTS
from infrastructure.carriers.cmpp_pdus import Report, Version
from infrastructure.carriers.fixed_fields import fixed, text_of
from infrastructure.carriers.framing import ProtocolError

__all__ = ["decode_report", "encode_report"]

_HEAD = struct.Struct(">Q7s10s10s")
_SMSC_SEQUENCE_OCTETS = 4
_LEAST_OCTETS = 15
_LONGEST_PHONE = 32
_STATUS = re.compile(r"[A-Za-z0-9:_-]{3,7}")
_BAD_STRUCTURE = 1
_PHONES = {_HEAD.size + layout.phone + _SMSC_SEQUENCE_OCTETS: layout.phone for layout in EITHER}


def encode_report(report: Report, version: Version) -> bytes:
    """Return the body of a report; raises ProtocolError where a value does not fit."""
    try:
        head = _HEAD.pack(
            report.message_id,
            fixed(report.status, 7),
            fixed(report.submit_time, 10),
            fixed(report.done_time, 10),
        )
        phone = fixed(report.destination, LAYOUTS[version].phone)
        return head + phone + report.smsc_sequence.to_bytes(_SMSC_SEQUENCE_OCTETS, "big")
    except (ValueError, OverflowError, struct.error) as error:
        raise ProtocolError("Report: a value does not fit") from error


def decode_report(content: bytes) -> Report:
    """Return the report of a deliver's content; raises ProtocolError for what cannot be one.

    The length tells the version: some gateways put a body of 3.0 into a deliver of 2.0. A body of another
    length is read as far as it goes, if there is a status where it should be.
    """
    phone = _PHONES.get(len(content))
    if phone is None:
        return _odd_report(content)
    message_id, status, submitted, done = _HEAD.unpack_from(content)
    end = _HEAD.size + phone
    return Report(
        message_id=message_id,
        status=text_of(status),
        submit_time=text_of(submitted),
        done_time=text_of(done),
        destination=text_of(content[_HEAD.size : end]),
        smsc_sequence=int.from_bytes(content[end:], "big"),
    )


def _odd_report(content: bytes) -> Report:
    """Without the number of the message centre, cut short or with something behind."""
    message_id, status, submitted, done = _HEAD.unpack_from(content.ljust(_HEAD.size, b"\0"))
    if len(content) < _LEAST_OCTETS or not _STATUS.fullmatch(text_of(status)):
        raise ProtocolError("no report has this length", status=_BAD_STRUCTURE)
    return Report(
        message_id=message_id,
        status=text_of(status),
        submit_time=text_of(submitted),
        done_time=text_of(done),
        destination=text_of(content[_HEAD.size : _HEAD.size + _LONGEST_PHONE]),
    )
