"""SMPP 3.4 for the simulator, written from the specification's tables and on its own.

Deliberately shares nothing with infrastructure.carriers and does not use smpplib: a mistake in one codec
must not be hidden by the same mistake in the other. Fields have the names of the specification.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from infrastructure.simulator import stream
from infrastructure.simulator.stream import WireError

__all__ = ["Fields", "Pdu", "WireError", "body", "build", "headed", "parse", "split"]

Fields = Mapping[str, str | int | bytes]

_HEADER = struct.Struct("!LLLL")
_OPTION = struct.Struct("!HH")
_LONGEST = 70_000

_BIND = "system_id:s password:s system_type:s interface_version:1 addr_ton:1 addr_npi:1 address_range:s"
_ADDRESSES = (
    "service_type:s source_addr_ton:1 source_addr_npi:1 source_addr:s "
    "dest_addr_ton:1 dest_addr_npi:1 destination_addr:s esm_class:1 "
)
_SHORT_MESSAGE = (
    _ADDRESSES + "protocol_id:1 priority_flag:1 schedule_delivery_time:s validity_period:s "
    "registered_delivery:1 replace_if_present_flag:1 data_coding:1 sm_default_msg_id:1 short_message:n"
)
_TABLES = {
    0x00000001: ("bind_receiver", _BIND),
    0x00000002: ("bind_transmitter", _BIND),
    0x00000009: ("bind_transceiver", _BIND),
    0x80000001: ("bind_receiver_resp", "system_id:s"),
    0x80000002: ("bind_transmitter_resp", "system_id:s"),
    0x80000009: ("bind_transceiver_resp", "system_id:s"),
    0x00000003: ("query_sm", "message_id:s source_addr_ton:1 source_addr_npi:1 source_addr:s"),
    0x80000003: ("query_sm_resp", "message_id:s final_date:s message_state:1 error_code:1"),
    0x00000004: ("submit_sm", _SHORT_MESSAGE),
    0x80000004: ("submit_sm_resp", "message_id:s"),
    0x00000005: ("deliver_sm", _SHORT_MESSAGE),
    0x80000005: ("deliver_sm_resp", "message_id:s"),
    0x00000103: ("data_sm", _ADDRESSES + "registered_delivery:1 data_coding:1"),
    0x80000103: ("data_sm_resp", "message_id:s"),
    0x00000006: ("unbind", ""),
    0x80000006: ("unbind_resp", ""),
    0x00000015: ("enquire_link", ""),
    0x80000015: ("enquire_link_resp", ""),
    0x80000000: ("generic_nack", ""),
}
_LAYOUTS = {
    code: (name, tuple((each[:-2], each[-1]) for each in table.split()))
    for code, (name, table) in _TABLES.items()
}
_CODES = {name: code for code, (name, _) in _TABLES.items()}


@dataclass(frozen=True, slots=True)
class Pdu:
    """`fields` None = no body at all, as in error answers; `options` = the optional parameters."""

    command: str
    sequence: int
    status: int = 0
    fields: Fields | None = field(default=None, repr=False)
    options: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)


def split(buffer: bytearray) -> list[bytes]:
    """Take all whole frames out of `buffer`; raises WireError at a length that cannot be."""
    return stream.split(buffer, shortest=_HEADER.size, longest=_LONGEST)


def parse(frame: bytes) -> Pdu:
    """Return the PDU of one frame; raises WireError."""
    _, code, status, sequence = _HEADER.unpack_from(frame)
    if code not in _LAYOUTS:
        raise WireError("unknown command", status=3, sequence=sequence)
    name, layout = _LAYOUTS[code]
    if len(frame) == _HEADER.size:
        return Pdu(name, sequence, status)
    try:
        fields, at = _read_fields(frame, layout)
        options = _read_options(frame, at)
    except (ValueError, IndexError, struct.error) as error:
        raise WireError("broken body", sequence=sequence) from error
    return Pdu(name, sequence, status, fields, options)


def _read_fields(frame: bytes, layout: tuple[tuple[str, str], ...]) -> tuple[Fields, int]:
    found: dict[str, str | int | bytes] = {}
    at = _HEADER.size
    for name, kind in layout:
        if kind == "1":
            found[name] = frame[at]
            at += 1
        elif kind == "s":
            end = frame.index(b"\0", at)
            found[name] = str(frame[at:end], "latin-1")
            at = end + 1
        else:
            end = at + 1 + frame[at]
            found[name] = frame[at + 1 : end]
            at = end
    if at > len(frame):
        raise ValueError("cut short")
    return found, at


def _read_options(frame: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    options = []
    while at < len(frame):
        tag, length = _OPTION.unpack_from(frame, at)
        at += _OPTION.size
        if at + length > len(frame):
            raise ValueError("cut short")
        options.append((tag, frame[at : at + length]))
        at += length
    return tuple(options)


def build(pdu: Pdu) -> bytes:
    """Return the octets; a field that is not named is 0 or empty. Trusts its caller with the lengths."""
    return headed(pdu.command, pdu.sequence, pdu.status, body(pdu))


def body(pdu: Pdu) -> bytes:
    """Return what follows the header."""
    octets = b"" if pdu.fields is None else _write_fields(pdu.fields, _LAYOUTS[_CODES[pdu.command]][1])
    for tag, value in pdu.options:
        octets += _OPTION.pack(tag, len(value)) + value
    return octets


def headed(command: str, sequence: int, status: int, octets: bytes) -> bytes:
    """Return the PDU that has these octets behind its header."""
    return _HEADER.pack(_HEADER.size + len(octets), _CODES[command], status, sequence) + octets


def _write_fields(fields: Fields, layout: tuple[tuple[str, str], ...]) -> bytes:
    body = bytearray()
    for name, kind in layout:
        value = fields.get(name)
        if kind == "1":
            body.append(value if isinstance(value, int) else 0)
        elif kind == "s":
            body += value.encode("latin-1") if isinstance(value, str) else b""
            body.append(0)
        else:
            octets = value if isinstance(value, bytes) else b""
            body.append(len(octets))
            body += octets
    return bytes(body)
