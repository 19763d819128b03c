"""The octets of SMPP 3.4: bytes to PDU values and back ("SMPP Protocol Specification v3.4 Issue 1.2").

smpplib builds the rare PDUs; the ones that go by the thousand are written here, and all reading is done
here: smpplib takes many times as long, cuts the last character of an unterminated receipted_message_id
and fails on optional parameters that it does not expect.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from smpplib import command_codes, consts, smpp

from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.smpp_pdus import (
    Bind,
    BindResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Mode,
    Pdu,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Tlvs,
    Unbind,
    UnbindResp,
)

__all__ = [
    "HEADER_OCTETS",
    "LAST_SEQUENCE",
    "LONGEST_PDU",
    "decode",
    "encode",
    "is_request",
]

HEADER_OCTETS = 16
LONGEST_PDU = 70_000
LAST_SEQUENCE = 0x7FFF_FFFF

_RESPONSE_OCTET = 0x80
_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_ID: dict[str, int] = command_codes.commands
_MODES: tuple[Mode, ...] = ("receiver", "transmitter", "transceiver")


def encode(pdu: Pdu) -> bytes:
    """Return the octets of `pdu`; raises ProtocolError where a value does not fit: nothing is cut."""
    try:
        return _WRITERS[type(pdu)](pdu)
    except (ValueError, struct.error) as error:
        raise ProtocolError(f"{type(pdu).__name__}: a value does not fit", sequence=pdu.sequence) from error


def decode(frame: bytes) -> Pdu:
    """Return the PDU of one whole frame; raises ProtocolError, and nothing else, for any other octets.

    The error's `status` is what a generic_nack should say: 2 for a broken PDU, 3 for an unknown command.
    """
    if len(frame) < HEADER_OCTETS:
        raise ProtocolError("shorter than a header", status=consts.SMPP_ESME_RINVCMDLEN)
    length, command, status, sequence = _HEADER.unpack_from(frame)
    reader = _READERS.get(command)
    if reader is None:
        raise ProtocolError("unknown command", status=consts.SMPP_ESME_RINVCMDID, sequence=sequence)
    try:
        if length != len(frame):
            raise ValueError("length")
        return reader(frame, status, sequence)
    except (ValueError, IndexError, struct.error) as error:
        raise ProtocolError("broken PDU", status=consts.SMPP_ESME_RINVCMDLEN, sequence=sequence) from error


def is_request(frame: bytes) -> bool:
    """Tell whether a frame that could not be read asks for an answer; two commands have none (4.1.7, 4.12)."""
    if len(frame) < HEADER_OCTETS or frame[4] >= _RESPONSE_OCTET:
        return False
    return int.from_bytes(frame[4:8], "big") not in (_ID["outbind"], _ID["alert_notification"])


# Writing.


def _frame(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(HEADER_OCTETS + len(body), command, status, sequence) + body


def _c_string(text: str, size: int) -> bytes:
    """`size` counts the NUL, as the specification's tables do."""
    if not text:
        return b"\0"
    octets = text.encode("latin-1") + b"\0"
    if len(octets) > size or octets.index(0) != len(octets) - 1:
        raise ValueError("string")
    return octets


def _tlv_octets(tlvs: Tlvs) -> bytes:
    return b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs])


def _addresses(pdu: SubmitSm | DeliverSm | DataSm) -> bytes:
    return b"".join(
        (
            _c_string(pdu.service_type, 6),
            bytes((pdu.source_ton, pdu.source_npi)),
            _c_string(pdu.source, 21),
            bytes((pdu.destination_ton, pdu.destination_npi)),
            _c_string(pdu.destination, 21),
        )
    )


def _short_message(command: int, pdu: SubmitSm | DeliverSm) -> bytes:
    text = pdu.short_message
    if len(text) > 254:
        raise ValueError("short_message")
    body = b"".join(
        (
            _addresses(pdu),
            bytes((pdu.esm_class, pdu.protocol_id, pdu.priority)),
            _c_string(pdu.schedule_delivery_time, 17),
            _c_string(pdu.validity_period, 17),
            bytes((pdu.registered_delivery, pdu.replace_if_present, pdu.data_coding)),
            bytes((pdu.default_message_id, len(text))),
            text,
            _tlv_octets(pdu.tlvs),
        )
    )
    return _frame(command, 0, pdu.sequence, body)


def _data_sm(pdu: DataSm) -> bytes:
    flags = bytes((pdu.esm_class, pdu.registered_delivery, pdu.data_coding))
    return _frame(_ID["data_sm"], 0, pdu.sequence, _addresses(pdu) + flags + _tlv_octets(pdu.tlvs))


def _message_answer(command: int, pdu: SubmitSmResp | DeliverSmResp | DataSmResp) -> bytes:
    body = b"" if pdu.message_id is None else _c_string(pdu.message_id, 65) + _tlv_octets(pdu.tlvs)
    return _frame(command, pdu.status, pdu.sequence, body)


def _bind_resp(pdu: BindResp) -> bytes:
    body = b"" if pdu.system_id is None else _c_string(pdu.system_id, 16) + _tlv_octets(pdu.tlvs)
    return _frame(_ID[f"bind_{pdu.mode}_resp"], pdu.status, pdu.sequence, body)


def _query_sm_resp(pdu: QuerySmResp) -> bytes:
    body = b""
    if pdu.message_id is not None:
        state = bytes((pdu.message_state, pdu.error_code))
        body = _c_string(pdu.message_id, 65) + _c_string(pdu.final_date, 17) + state
    return _frame(_ID["query_sm_resp"], pdu.status, pdu.sequence, body)


def _by_smpplib(
    command: str, sequence: int, strings: dict[str, tuple[str, int]], octets: dict[str, int]
) -> bytes:
    """smpplib cuts a string that is too long without a word, so the lengths are checked before."""
    for text, size in strings.values():
        _c_string(text, size)
    if any(not 0 <= value <= 255 for value in octets.values()):
        raise ValueError("octet")
    pdu = smpp.make_pdu(command, sequence=sequence)
    pdu.sequence = sequence
    for name, value in {**{name: text for name, (text, _) in strings.items()}, **octets}.items():
        setattr(pdu, name, value)
    built: bytes = pdu.generate()
    return built


def _bind(pdu: Bind) -> bytes:
    strings = {
        "system_id": (pdu.system_id, 16),
        "password": (pdu.password, 9),
        "system_type": (pdu.system_type, 13),
        "address_range": (pdu.address_range, 41),
    }
    octets = {"interface_version": pdu.interface_version, "addr_ton": pdu.addr_ton, "addr_npi": pdu.addr_npi}
    return _by_smpplib(f"bind_{pdu.mode}", pdu.sequence, strings, octets)


def _query_sm(pdu: QuerySm) -> bytes:
    strings = {"message_id": (pdu.message_id, 65), "source_addr": (pdu.source, 21)}
    octets = {"source_addr_ton": pdu.source_ton, "source_addr_npi": pdu.source_npi}
    return _by_smpplib("query_sm", pdu.sequence, strings, octets)


def _bare(command: int, pdu: Any) -> bytes:  # noqa: ANN401 - any PDU that is nothing but a header
    return _frame(command, pdu.status, pdu.sequence)


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Bind: _bind,
    BindResp: _bind_resp,
    SubmitSm: partial(_short_message, _ID["submit_sm"]),
    SubmitSmResp: partial(_message_answer, _ID["submit_sm_resp"]),
    DeliverSm: partial(_short_message, _ID["deliver_sm"]),
    DeliverSmResp: partial(_message_answer, _ID["deliver_sm_resp"]),
    DataSm: _data_sm,
    DataSmResp: partial(_message_answer, _ID["data_sm_resp"]),
    QuerySm: _query_sm,
    QuerySmResp: _query_sm_resp,
    EnquireLink: partial(_bare, _ID["enquire_link"]),
    EnquireLinkResp: partial(_bare, _ID["enquire_link_resp"]),
    Unbind: partial(_bare, _ID["unbind"]),
    UnbindResp: partial(_bare, _ID["unbind_resp"]),
    GenericNack: partial(_bare, _ID["generic_nack"]),
}


# Reading.


def _text(frame: bytes, start: int) -> tuple[str, int]:
    """Return the C-octet string at `start` and the place after its NUL."""
    end = frame.index(0, start)
    return frame[start:end].decode("latin-1"), end + 1


def _tlvs(frame: bytes, at: int, *, lenient: bool = False) -> Tlvs:
    """Read the optional parameters from `at` to the end, the unknown ones too; `lenient` drops a broken end."""
    found: list[tuple[int, bytes]] = []
    while at < len(frame):
        value_at = at + _TLV.size
        tag, length = _TLV.unpack_from(frame, at) if value_at <= len(frame) else (0, len(frame))
        at = value_at + length
        if at > len(frame):
            if lenient:
                break
            raise ValueError("optional parameter")
        found.append((tag, frame[value_at:at]))
    return tuple(found)


def _answer_body(frame: bytes) -> tuple[str, Tlvs]:
    """Return string and parameters of an answer, which counts without its NUL or with other octets behind it too."""
    if 0 not in frame[HEADER_OCTETS:]:
        return frame[HEADER_OCTETS:].decode("latin-1"), ()
    text, at = _text(frame, HEADER_OCTETS)
    return text, _tlvs(frame, at, lenient=True)


def _read_short_message(
    kind: type[SubmitSm] | type[DeliverSm], frame: bytes, _status: int, sequence: int
) -> SubmitSm | DeliverSm:
    """Behind a text, parameters that break off are dropped: to refuse them for ever would lose the receipt."""
    service_type, at = _text(frame, HEADER_OCTETS)
    source, after_source = _text(frame, at + 2)
    destination, flags = _text(frame, after_source + 2)
    schedule, validity_at = _text(frame, flags + 3)
    validity, rest = _text(frame, validity_at)
    registered, replace, coding, default_id, length = frame[rest : rest + 5]
    end = rest + 5 + length
    if end > len(frame):
        raise ValueError("sm_length")
    return kind(
        sequence=sequence,
        service_type=service_type,
        source_ton=frame[at],
        source_npi=frame[at + 1],
        source=source,
        destination_ton=frame[after_source],
        destination_npi=frame[after_source + 1],
        destination=destination,
        esm_class=frame[flags],
        protocol_id=frame[flags + 1],
        priority=frame[flags + 2],
        schedule_delivery_time=schedule,
        validity_period=validity,
        registered_delivery=registered,
        replace_if_present=replace,
        data_coding=coding,
        default_message_id=default_id,
        short_message=frame[rest + 5 : end],
        tlvs=_tlvs(frame, end, lenient=length > 0) if end < len(frame) else (),
    )


def _read_data_sm(frame: bytes, _status: int, sequence: int) -> DataSm:
    service_type, at = _text(frame, HEADER_OCTETS)
    source, after_source = _text(frame, at + 2)
    destination, flags = _text(frame, after_source + 2)
    esm_class, registered, coding = frame[flags : flags + 3]
    return DataSm(
        sequence=sequence,
        service_type=service_type,
        source_ton=frame[at],
        source_npi=frame[at + 1],
        source=source,
        destination_ton=frame[after_source],
        destination_npi=frame[after_source + 1],
        destination=destination,
        esm_class=esm_class,
        registered_delivery=registered,
        data_coding=coding,
        tlvs=_tlvs(frame, flags + 3),
    )


def _read_message_answer(
    kind: type[SubmitSmResp] | type[DeliverSmResp] | type[DataSmResp],
    frame: bytes,
    status: int,
    sequence: int,
) -> SubmitSmResp | DeliverSmResp | DataSmResp:
    if len(frame) == HEADER_OCTETS:
        return kind(sequence=sequence, status=status)
    message_id, tlvs = _answer_body(frame)
    return kind(sequence=sequence, status=status, message_id=message_id, tlvs=tlvs)


def _read_bind(mode: Mode, frame: bytes, _status: int, sequence: int) -> Bind:
    system_id, at = _text(frame, HEADER_OCTETS)
    password, at = _text(frame, at)
    system_type, at = _text(frame, at)
    version, ton, npi = frame[at : at + 3]
    address_range, end = _text(frame, at + 3)
    if end != len(frame):
        raise ValueError("octets after the end")
    return Bind(
        sequence=sequence,
        mode=mode,
        system_id=system_id,
        password=password,
        system_type=system_type,
        interface_version=version,
        addr_ton=ton,
        addr_npi=npi,
        address_range=address_range,
    )


def _read_bind_resp(mode: Mode, frame: bytes, status: int, sequence: int) -> BindResp:
    if len(frame) == HEADER_OCTETS:
        return BindResp(sequence=sequence, mode=mode, status=status)
    system_id, tlvs = _answer_body(frame)
    return BindResp(sequence=sequence, mode=mode, status=status, system_id=system_id, tlvs=tlvs)


def _read_query_sm(frame: bytes, _status: int, sequence: int) -> QuerySm:
    message_id, at = _text(frame, HEADER_OCTETS)
    source, _ = _text(frame, at + 2)
    return QuerySm(
        sequence=sequence,
        message_id=message_id,
        source_ton=frame[at],
        source_npi=frame[at + 1],
        source=source,
    )


def _read_query_sm_resp(frame: bytes, status: int, sequence: int) -> QuerySmResp:
    if len(frame) == HEADER_OCTETS:
        return QuerySmResp(sequence=sequence, status=status)
    message_id, at = _text(frame, HEADER_OCTETS)
    final_date, at = _text(frame, at)
    return QuerySmResp(
        sequence=sequence,
        status=status,
        message_id=message_id,
        final_date=final_date,
        message_state=frame[at],
        error_code=frame[at + 1],
    )


def _read_bare(kind: Callable[..., Pdu], _frame: bytes, status: int, sequence: int) -> Pdu:
    """A body where none belongs is passed over: the header says all."""
    return kind(sequence=sequence, status=status)


_READERS: dict[int, Callable[[bytes, int, int], Pdu]] = {
    **{_ID[f"bind_{mode}"]: partial(_read_bind, mode) for mode in _MODES},
    **{_ID[f"bind_{mode}_resp"]: partial(_read_bind_resp, mode) for mode in _MODES},
    _ID["submit_sm"]: partial(_read_short_message, SubmitSm),
    _ID["submit_sm_resp"]: partial(_read_message_answer, SubmitSmResp),
    _ID["deliver_sm"]: partial(_read_short_message, DeliverSm),
    _ID["deliver_sm_resp"]: partial(_read_message_answer, DeliverSmResp),
    _ID["data_sm"]: _read_data_sm,
    _ID["data_sm_resp"]: partial(_read_message_answer, DataSmResp),
    _ID["query_sm"]: _read_query_sm,
    _ID["query_sm_resp"]: _read_query_sm_resp,
    _ID["enquire_link"]: partial(_read_bare, EnquireLink),
    _ID["enquire_link_resp"]: partial(_read_bare, EnquireLinkResp),
    _ID["unbind"]: partial(_read_bare, Unbind),
    _ID["unbind_resp"]: partial(_read_bare, UnbindResp),
    _ID["generic_nack"]: partial(_read_bare, GenericNack),
}
