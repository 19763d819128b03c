"""The octets of SGIP 1.2: bytes to PDU values and back ("中国联合通信公司短消息网关系统接口协议 (SGIP) 版本 1.2")."""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from infrastructure.carriers.fixed_fields import fixed, text_of
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.sgip_pdus import (
    Bind,
    BindResp,
    Deliver,
    DeliverResp,
    Pdu,
    Report,
    ReportResp,
    Submit,
    SubmitResp,
    Unbind,
    UnbindResp,
    UserReport,
    UserReportResp,
)

__all__ = [
    "BAD_COMMAND",
    "BAD_LENGTH",
    "HEADER_OCTETS",
    "LONGEST_PDU",
    "decode",
    "encode",
    "refusal",
]

HEADER_OCTETS = 20
LONGEST_PDU = 8_192
"""The specification says 2 KB, which its own Submit to 100 phones exceeds."""
BAD_COMMAND, BAD_LENGTH = 7, 8
"""What `ProtocolError.status` says: result codes of the specification."""

_MOST_DESTINATIONS = 100
_RESPONSE = 0x8000_0000
_BIND, _UNBIND, _SUBMIT, _DELIVER, _REPORT, _USER_REPORT = 1, 2, 3, 4, 5, 0x11

_HEADER = struct.Struct(">II")
_SEQUENCE_OCTETS = 12
_BIND_BODY = struct.Struct(">B16s16s8s")
_RESULT = struct.Struct(">B8s")
_SUBMIT_HEAD = struct.Struct(">21s21sB")
_SUBMIT_REST = struct.Struct(">5s10sB6s6sBBB16s16sBBBBBI")
_DELIVER_HEAD = struct.Struct(">21s21sBBBI")
_REPORT_BODY = struct.Struct(">12sB21sBB8s")
_USER_REPORT_BODY = struct.Struct(">21s21sB8s")
_PHONE_OCTETS = 21
_RESERVE_OCTETS = 8

_Answer = BindResp | SubmitResp | DeliverResp | ReportResp | UserReportResp


def encode(pdu: Pdu) -> bytes:
    """Return the octets of `pdu`; raises ProtocolError where a value does not fit: nothing is cut."""
    try:
        return _WRITERS[type(pdu)](pdu)
    except (ValueError, OverflowError, struct.error) as error:
        raise ProtocolError(f"{type(pdu).__name__}: a value does not fit", sequence=pdu.sequence) from error


def decode(frame: bytes) -> Pdu:
    """Return the PDU of one whole frame; raises ProtocolError, and nothing else, for any other octets."""
    if len(frame) < HEADER_OCTETS:
        raise ProtocolError("shorter than a header", status=BAD_LENGTH)
    length, command = _HEADER.unpack_from(frame)
    sequence = int.from_bytes(frame[_HEADER.size : HEADER_OCTETS], "big")
    reader = _READERS.get(command)
    if reader is None:
        raise ProtocolError("unknown command", status=BAD_COMMAND, sequence=sequence)
    try:
        if length != len(frame):
            raise ValueError("length")
        return reader(frame, sequence)
    except (ValueError, IndexError, struct.error) as error:
        raise ProtocolError("broken PDU", status=BAD_LENGTH, sequence=sequence) from error


def refusal(frame: bytes, result: int) -> bytes:
    """Return the answer to any command, known or not, that says why it is not obeyed; nothing to an answer."""
    _, command = _HEADER.unpack_from(frame)
    if command & _RESPONSE:
        return b""
    sequence = int.from_bytes(frame[_HEADER.size : HEADER_OCTETS], "big")
    return _frame(command | _RESPONSE, sequence, _RESULT.pack(result, bytes(_RESERVE_OCTETS)))


# Writing.


def _frame(command: int, sequence: int, body: bytes = b"") -> bytes:
    number = sequence.to_bytes(_SEQUENCE_OCTETS, "big")
    return _HEADER.pack(HEADER_OCTETS + len(body), command) + number + body


def _bind(pdu: Bind) -> bytes:
    body = _BIND_BODY.pack(
        pdu.login_type,
        fixed(pdu.name, 16),
        fixed(pdu.password, 16),
        fixed(pdu.reserve, _RESERVE_OCTETS),
    )
    return _frame(_BIND, pdu.sequence, body)


def _result(command: int, pdu: _Answer) -> bytes:
    body = _RESULT.pack(pdu.result, fixed(pdu.reserve, _RESERVE_OCTETS))
    return _frame(command | _RESPONSE, pdu.sequence, body)


def _submit(pdu: Submit) -> bytes:
    if not 0 < len(pdu.destinations) <= _MOST_DESTINATIONS:
        raise ValueError("destinations")
    head = _SUBMIT_HEAD.pack(
        fixed(pdu.source, _PHONE_OCTETS), fixed(pdu.charge, _PHONE_OCTETS), len(pdu.destinations)
    )
    phones = b"".join([fixed(each, _PHONE_OCTETS) for each in pdu.destinations])
    rest = _SUBMIT_REST.pack(
        fixed(pdu.corp_id, 5),
        fixed(pdu.service_type, 10),
        pdu.fee_type,
        fixed(pdu.fee_value, 6),
        fixed(pdu.given_value, 6),
        pdu.agent_flag,
        pdu.more_flag,
        pdu.priority,
        fixed(pdu.expire_time, 16),
        fixed(pdu.schedule_time, 16),
        pdu.report_flag,
        pdu.protocol_id,
        pdu.udhi,
        pdu.coding,
        pdu.message_type,
        len(pdu.content),
    )
    tail = pdu.content + fixed(pdu.reserve, _RESERVE_OCTETS)
    return _whole(_frame(_SUBMIT, pdu.sequence, head + phones + rest + tail))


def _deliver(pdu: Deliver) -> bytes:
    head = _DELIVER_HEAD.pack(
        fixed(pdu.phone, _PHONE_OCTETS),
        fixed(pdu.destination, _PHONE_OCTETS),
        pdu.protocol_id,
        pdu.udhi,
        pdu.coding,
        len(pdu.content),
    )
    tail = pdu.content + fixed(pdu.reserve, _RESERVE_OCTETS)
    return _whole(_frame(_DELIVER, pdu.sequence, head + tail))


def _whole(frame: bytes) -> bytes:
    """The content's length has 4 octets, so only this keeps a PDU within what a peer reads."""
    if len(frame) > LONGEST_PDU:
        raise ValueError("content")
    return frame


def _report(pdu: Report) -> bytes:
    body = _REPORT_BODY.pack(
        pdu.submit_sequence.to_bytes(_SEQUENCE_OCTETS, "big"),
        pdu.report_type,
        fixed(pdu.phone, _PHONE_OCTETS),
        pdu.state,
        pdu.error_code,
        fixed(pdu.reserve, _RESERVE_OCTETS),
    )
    return _frame(_REPORT, pdu.sequence, body)


def _user_report(pdu: UserReport) -> bytes:
    body = _USER_REPORT_BODY.pack(
        fixed(pdu.source, _PHONE_OCTETS),
        fixed(pdu.phone, _PHONE_OCTETS),
        pdu.condition,
        fixed(pdu.reserve, _RESERVE_OCTETS),
    )
    return _frame(_USER_REPORT, pdu.sequence, body)


def _bare(command: int, pdu: Unbind | UnbindResp) -> bytes:
    return _frame(command, pdu.sequence)


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Bind: _bind,
    BindResp: partial(_result, _BIND),
    Submit: _submit,
    SubmitResp: partial(_result, _SUBMIT),
    Deliver: _deliver,
    DeliverResp: partial(_result, _DELIVER),
    Report: _report,
    ReportResp: partial(_result, _REPORT),
    UserReport: _user_report,
    UserReportResp: partial(_result, _USER_REPORT),
    Unbind: partial(_bare, _UNBIND),
    UnbindResp: partial(_bare, _UNBIND | _RESPONSE),
}


# Reading.


def _content(frame: bytes, at: int, length: int) -> tuple[bytes, str]:
    """Return content and reserve, which begin at `at` and end the frame; some peers leave the reserve out."""
    end = at + length
    if len(frame) - end not in (0, _RESERVE_OCTETS):
        raise ValueError("content")
    return frame[at:end], text_of(frame[end:])


def _unpacked(body: struct.Struct, frame: bytes) -> tuple[Any, ...]:
    """Read a body that ends with a reserve, which some peers leave out."""
    whole = HEADER_OCTETS + body.size
    if whole - _RESERVE_OCTETS <= len(frame) < whole:
        frame = frame.ljust(whole, b"\0")
    return body.unpack_from(frame, HEADER_OCTETS)


def _read_bind(frame: bytes, sequence: int) -> Bind:
    login_type, name, password, reserve = _unpacked(_BIND_BODY, frame)
    return Bind(
        sequence=sequence,
        login_type=login_type,
        name=text_of(name),
        password=text_of(password),
        reserve=text_of(reserve),
    )


def _read_result(kind: Callable[..., _Answer], frame: bytes, sequence: int) -> _Answer:
    """The reserve may be missing: to close over it would leave the whole window in doubt."""
    result, reserve = _unpacked(_RESULT, frame)
    return kind(sequence=sequence, result=result, reserve=text_of(reserve))


def _read_submit(frame: bytes, sequence: int) -> Submit:
    source, charge, count = _SUBMIT_HEAD.unpack_from(frame, HEADER_OCTETS)
    if not 0 < count <= _MOST_DESTINATIONS:
        raise ValueError("destinations")
    first = HEADER_OCTETS + _SUBMIT_HEAD.size
    after = first + count * _PHONE_OCTETS
    corp, service, fee_type, fee, given, agent, more, priority, expire, schedule, *flags = (
        _SUBMIT_REST.unpack_from(frame, after)
    )
    report_flag, protocol_id, udhi, coding, message_type, length = flags
    content, reserve = _content(frame, after + _SUBMIT_REST.size, length)
    return Submit(
        sequence=sequence,
        source=text_of(source),
        charge=text_of(charge),
        destinations=tuple(
            [text_of(frame[at : at + _PHONE_OCTETS]) for at in range(first, after, _PHONE_OCTETS)]
        ),
        corp_id=text_of(corp),
        service_type=text_of(service),
        fee_type=fee_type,
        fee_value=text_of(fee),
        given_value=text_of(given),
        agent_flag=agent,
        more_flag=more,
        priority=priority,
        expire_time=text_of(expire),
        schedule_time=text_of(schedule),
        report_flag=report_flag,
        protocol_id=protocol_id,
        udhi=udhi,
        coding=coding,
        message_type=message_type,
        content=content,
        reserve=reserve,
    )


def _read_deliver(frame: bytes, sequence: int) -> Deliver:
    phone, destination, protocol_id, udhi, coding, length = _DELIVER_HEAD.unpack_from(frame, HEADER_OCTETS)
    content, reserve = _content(frame, HEADER_OCTETS + _DELIVER_HEAD.size, length)
    return Deliver(
        sequence=sequence,
        phone=text_of(phone),
        destination=text_of(destination),
        protocol_id=protocol_id,
        udhi=udhi,
        coding=coding,
        content=content,
        reserve=reserve,
    )


def _read_report(frame: bytes, sequence: int) -> Report:
    submitted, report_type, phone, state, error_code, reserve = _unpacked(_REPORT_BODY, frame)
    return Report(
        sequence=sequence,
        submit_sequence=int.from_bytes(submitted, "big"),
        report_type=report_type,
        phone=text_of(phone),
        state=state,
        error_code=error_code,
        reserve=text_of(reserve),
    )


def _read_user_report(frame: bytes, sequence: int) -> UserReport:
    source, phone, condition, reserve = _unpacked(_USER_REPORT_BODY, frame)
    return UserReport(
        sequence=sequence,
        source=text_of(source),
        phone=text_of(phone),
        condition=condition,
        reserve=text_of(reserve),
    )


def _read_bare(kind: Callable[..., Pdu], _frame: bytes, sequence: int) -> Pdu:
    """A body where none belongs is passed over, as some peers answer Unbind like every other command."""
    return kind(sequence=sequence)


_READERS: dict[int, Callable[[bytes, int], Pdu]] = {
    _BIND: _read_bind,
    _BIND | _RESPONSE: partial(_read_result, BindResp),
    _SUBMIT: _read_submit,
    _SUBMIT | _RESPONSE: partial(_read_result, SubmitResp),
    _DELIVER: _read_deliver,
    _DELIVER | _RESPONSE: partial(_read_result, DeliverResp),
    _REPORT: _read_report,
    _REPORT | _RESPONSE: partial(_read_result, ReportResp),
    _USER_REPORT: _read_user_report,
    _USER_REPORT | _RESPONSE: partial(_read_result, UserReportResp),
    _UNBIND: partial(_read_bare, Unbind),
    _UNBIND | _RESPONSE: partial(_read_bare, UnbindResp),
}
