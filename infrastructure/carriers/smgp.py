"""The octets of SMGP 3.0: bytes to PDU values and back ("中国电信 短消息网关协议 SMGP V3.0.3")."""

import hashlib
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from infrastructure.carriers.fixed_fields import fixed, text_of
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.smgp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Login,
    LoginResp,
    Pdu,
    Submit,
    SubmitResp,
    Tlvs,
)

__all__ = [
    "ACCOUNT_OCTETS",
    "BAD_STRUCTURE",
    "HEADER_OCTETS",
    "LAST_SEQUENCE",
    "LONGEST_PDU",
    "MESSAGE_ID_OCTETS",
    "UNKNOWN_COMMAND",
    "client_authenticator",
    "decode",
    "encode",
    "server_authenticator",
]

HEADER_OCTETS = 12
ACCOUNT_OCTETS = 8
LONGEST_PDU = 8_192
LAST_SEQUENCE = 0xFFFF_FFFF
MESSAGE_ID_OCTETS = 10
BAD_STRUCTURE, UNKNOWN_COMMAND = 10, 11
"""What `ProtocolError.status` says: status codes of the specification."""

_MOST_DESTINATIONS = 100
_RESPONSE = 0x8000_0000
_LOGIN, _SUBMIT, _DELIVER, _ACTIVE_TEST, _EXIT = 1, 2, 3, 4, 6

_HEADER = struct.Struct(">III")
_LOGIN_BODY = struct.Struct(">8s16sBIB")
_LOGIN_ANSWER = struct.Struct(">I16sB")
_SUBMIT_HEAD = struct.Struct(">BBB10s2s6s6sB17s17s21s21sB")
_DELIVER_HEAD = struct.Struct(">10sBB14s21s21sB")
_MESSAGE_ANSWER = struct.Struct(">10sI")
_PHONE_OCTETS = 21
_RESERVE_OCTETS = 8
_TLV = struct.Struct(">HH")


def client_authenticator(client_id: str, secret: str, timestamp: int) -> bytes:
    """Return the MD5 of client id, 7 zero octets, secret and the timestamp in ten digits.

    Raises ProtocolError for what cannot be written in octets.
    """
    return _md5(_octets(client_id) + bytes(7) + _octets(secret) + b"%010d" % timestamp)


def server_authenticator(status: int, authenticator: bytes, secret: str) -> bytes:
    """Return the MD5 of the status in 4 octets, the client's authenticator and the secret."""
    return _md5(status.to_bytes(4, "big") + authenticator + _octets(secret))


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        # Its text would quote the secret.
        raise ProtocolError("a client id or secret has characters that cannot be written") from None


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


def encode(pdu: Pdu) -> bytes:
    """Return the octets of `pdu`; raises ProtocolError where a value does not fit: nothing is cut."""
    try:
        return _WRITERS[type(pdu)](pdu)
    except (ValueError, OverflowError, struct.error) as error:
        raise ProtocolError(f"{type(pdu).__name__}: a value does not fit", sequence=pdu.sequence) from error


def decode(frame: bytes) -> Pdu:
    """Return the PDU of one whole frame; raises ProtocolError, and nothing else, for any other octets."""
    if len(frame) < HEADER_OCTETS:
        raise ProtocolError("shorter than a header", status=BAD_STRUCTURE)
    length, command, sequence = _HEADER.unpack_from(frame)
    reader = _READERS.get(command)
    if reader is None:
        raise ProtocolError("unknown command", status=UNKNOWN_COMMAND, sequence=sequence)
    try:
        if length != len(frame):
            raise ValueError("length")
        return reader(frame, sequence)
    except (ValueError, IndexError, struct.error) as error:
        raise ProtocolError("broken PDU", status=BAD_STRUCTURE, sequence=sequence) from error


# Writing.


def _frame(command: int, sequence: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(HEADER_OCTETS + len(body), command, sequence) + body


def _exactly(octets: bytes, size: int) -> bytes:
    if len(octets) != size:
        raise ValueError("octets")
    return octets


def _tail(content: bytes, reserve: str, tlvs: Tlvs) -> bytes:
    options = b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs])
    return content + fixed(reserve, _RESERVE_OCTETS) + options


def _login(pdu: Login) -> bytes:
    body = _LOGIN_BODY.pack(
        fixed(pdu.client_id, ACCOUNT_OCTETS),
        _exactly(pdu.authenticator, 16),
        pdu.mode,
        pdu.timestamp,
        pdu.version,
    )
    return _frame(_LOGIN, pdu.sequence, body)


def _login_resp(pdu: LoginResp) -> bytes:
    body = _LOGIN_ANSWER.pack(pdu.status, _exactly(pdu.authenticator, 16), pdu.version)
    return _frame(_LOGIN | _RESPONSE, pdu.sequence, body)


def _submit(pdu: Submit) -> bytes:
    if not 0 < len(pdu.destinations) <= _MOST_DESTINATIONS:
        raise ValueError("destinations")
    head = _SUBMIT_HEAD.pack(
        pdu.message_type,
        pdu.need_report,
        pdu.priority,
        fixed(pdu.service_id, 10),
        fixed(pdu.fee_type, 2),
        fixed(pdu.fee_code, 6),
        fixed(pdu.fixed_fee, 6),
        pdu.coding,
        fixed(pdu.valid_time, 17),
        fixed(pdu.at_time, 17),
        fixed(pdu.source, _PHONE_OCTETS),
        fixed(pdu.charge, _PHONE_OCTETS),
        len(pdu.destinations),
    )
    phones = b"".join([fixed(each, _PHONE_OCTETS) for each in pdu.destinations])
    length = bytes((len(pdu.content),))
    return _frame(_SUBMIT, pdu.sequence, head + phones + length + _tail(pdu.content, pdu.reserve, pdu.tlvs))


def _deliver(pdu: Deliver) -> bytes:
    head = _DELIVER_HEAD.pack(
        _exactly(pdu.message_id, MESSAGE_ID_OCTETS),
        pdu.is_report,
        pdu.coding,
        fixed(pdu.received, 14),
        fixed(pdu.source, _PHONE_OCTETS),
        fixed(pdu.destination, _PHONE_OCTETS),
        len(pdu.content),
    )
    return _frame(_DELIVER, pdu.sequence, head + _tail(pdu.content, pdu.reserve, pdu.tlvs))


def _message_answer(command: int, pdu: SubmitResp | DeliverResp) -> bytes:
    body = _MESSAGE_ANSWER.pack(_exactly(pdu.message_id, MESSAGE_ID_OCTETS), pdu.status)
    return _frame(command | _RESPONSE, pdu.sequence, body)


def _bare(command: int, pdu: Any) -> bytes:  # noqa: ANN401 - any PDU that is nothing but a header
    return _frame(command, pdu.sequence)


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Login: _login,
    LoginResp: _login_resp,
    Submit: _submit,
    SubmitResp: partial(_message_answer, _SUBMIT),
    Deliver: _deliver,
    DeliverResp: partial(_message_answer, _DELIVER),
    ActiveTest: partial(_bare, _ACTIVE_TEST),
    ActiveTestResp: partial(_bare, _ACTIVE_TEST | _RESPONSE),
    Exit: partial(_bare, _EXIT),
    ExitResp: partial(_bare, _EXIT | _RESPONSE),
}


# Reading.


def _content(frame: bytes, at: int, length: int) -> tuple[bytes, str, Tlvs]:
    """Return content, reserve and optional parameters, which begin at `at` and end with the frame.

    A PDU that ends with its content is read too: the reserve says nothing.
    """
    end = at + length
    options = end + _RESERVE_OCTETS
    if options > len(frame) != end:
        raise ValueError("content")
    tlvs = _tlvs(frame, options) if options < len(frame) else ()
    return frame[at:end], text_of(frame[end:options]), tlvs


def _tlvs(frame: bytes, at: int) -> Tlvs:
    """Read the optional parameters from `at` to the end, the unknown ones too; fewer octets than make one are none."""
    found: list[tuple[int, bytes]] = []
    while at + _TLV.size <= len(frame):
        tag, length = _TLV.unpack_from(frame, at)
        at += _TLV.size + length
        if at > len(frame):
            raise ValueError("optional parameter")
        found.append((tag, frame[at - length : at]))
    return tuple(found)


def _read_login(frame: bytes, sequence: int) -> Login:
    client_id, authenticator, mode, timestamp, version = _LOGIN_BODY.unpack_from(frame, HEADER_OCTETS)
    return Login(
        sequence=sequence,
        client_id=text_of(client_id),
        authenticator=authenticator,
        mode=mode,
        timestamp=timestamp,
        version=version,
    )


def _read_login_resp(frame: bytes, sequence: int) -> LoginResp:
    status, authenticator, version = _LOGIN_ANSWER.unpack_from(frame, HEADER_OCTETS)
    return LoginResp(sequence=sequence, status=status, authenticator=authenticator, version=version)


def _read_submit(frame: bytes, sequence: int) -> Submit:
    kind, report, priority, service, fee_type, fee_code, fixed_fee, coding, valid, at_time, *rest = (
        _SUBMIT_HEAD.unpack_from(frame, HEADER_OCTETS)
    )
    source, charge, count = rest
    if not 0 < count <= _MOST_DESTINATIONS:
        raise ValueError("destinations")
    first = HEADER_OCTETS + _SUBMIT_HEAD.size
    length_at = first + count * _PHONE_OCTETS
    content, reserve, tlvs = _content(frame, length_at + 1, frame[length_at])
    return Submit(
        sequence=sequence,
        message_type=kind,
        need_report=report,
        priority=priority,
        service_id=text_of(service),
        fee_type=text_of(fee_type),
        fee_code=text_of(fee_code),
        fixed_fee=text_of(fixed_fee),
        coding=coding,
        valid_time=text_of(valid),
        at_time=text_of(at_time),
        source=text_of(source),
        charge=text_of(charge),
        destinations=tuple(
            [text_of(frame[at : at + _PHONE_OCTETS]) for at in range(first, length_at, _PHONE_OCTETS)]
        ),
        content=content,
        reserve=reserve,
        tlvs=tlvs,
    )


def _read_deliver(frame: bytes, sequence: int) -> Deliver:
    message_id, is_report, coding, received, source, destination, length = _DELIVER_HEAD.unpack_from(
        frame, HEADER_OCTETS
    )
    content, reserve, tlvs = _content(frame, HEADER_OCTETS + _DELIVER_HEAD.size, length)
    return Deliver(
        sequence=sequence,
        message_id=message_id,
        is_report=is_report,
        coding=coding,
        received=text_of(received),
        source=text_of(source),
        destination=text_of(destination),
        content=content,
        reserve=reserve,
        tlvs=tlvs,
    )


def _read_message_answer(
    kind: type[SubmitResp] | type[DeliverResp], frame: bytes, sequence: int
) -> SubmitResp | DeliverResp:
    message_id, status = _MESSAGE_ANSWER.unpack_from(frame, HEADER_OCTETS)
    return kind(sequence=sequence, message_id=message_id, status=status)


def _read_bare(kind: Callable[..., Pdu], _frame: bytes, sequence: int) -> Pdu:
    """A body where none belongs is passed over: the header says all."""
    return kind(sequence=sequence)


_READERS: dict[int, Callable[[bytes, int], Pdu]] = {
    _LOGIN: _read_login,
    _LOGIN | _RESPONSE: _read_login_resp,
    _SUBMIT: _read_submit,
    _SUBMIT | _RESPONSE: partial(_read_message_answer, SubmitResp),
    _DELIVER: _read_deliver,
    _DELIVER | _RESPONSE: partial(_read_message_answer, DeliverResp),
    _ACTIVE_TEST: partial(_read_bare, ActiveTest),
    _ACTIVE_TEST | _RESPONSE: partial(_read_bare, ActiveTestResp),
    _EXIT: partial(_read_bare, Exit),
    _EXIT | _RESPONSE: partial(_read_bare, ExitResp),
}
