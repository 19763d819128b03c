"""The octets of CMPP 2.0 and 3.0: bytes to PDU values and back ("CMPP V3.0.0", QB-GF-028-2003).

The version is the one that both sides agreed on in their contract, whatever a peer writes into its connect.
"""

import hashlib
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from infrastructure.carriers.cmpp_layout import EITHER, LAYOUTS, Layout
from infrastructure.carriers.cmpp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Pdu,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
from infrastructure.carriers.fixed_fields import fixed, text_of
from infrastructure.carriers.framing import ProtocolError

__all__ = [
    "ACCOUNT_OCTETS",
    "HEADER_OCTETS",
    "LAST_SEQUENCE",
    "LONGEST_PDU",
    "authenticator",
    "carrier_authenticator",
    "decode",
    "encode",
]

HEADER_OCTETS = 12
ACCOUNT_OCTETS = 6
LONGEST_PDU = 4096
LAST_SEQUENCE = 0xFFFF_FFFF

_BAD_STRUCTURE, _BAD_COMMAND = 1, 2
_RESPONSE = 0x8000_0000
_HEADER = struct.Struct(">III")
_NINE_NULS = "\0" * 9
_CONNECT = struct.Struct(">6s16sBI")
_QUERY = struct.Struct(">8sB10s8s")
_QUERY_RESP = struct.Struct(">8sB10s8I")
_COUNTS = (
    *("mt_messages", "mt_users", "mt_succeeded", "mt_waiting", "mt_failed"),
    *("mo_succeeded", "mo_waiting", "mo_failed"),
)
_ID = struct.Struct(">Q")


def encode(pdu: Pdu, version: Version) -> bytes:
    """Return the octets of `pdu`; raises ProtocolError where a value does not fit: nothing is cut."""
    try:
        command, writer = _WRITERS[type(pdu)]
        body = writer(pdu, LAYOUTS[version])
        return _HEADER.pack(HEADER_OCTETS + len(body), command, pdu.sequence) + body
    except (ValueError, struct.error) as error:
        raise ProtocolError(f"{type(pdu).__name__}: a value does not fit", sequence=pdu.sequence) from error


def decode(frame: bytes, version: Version) -> Pdu:
    """Return the PDU of one whole frame; raises ProtocolError, and nothing else, for any other octets.

    The error's `status` is the result that an answer should have: 1 for a broken PDU, 2 for an unknown
    command. The result of an answer is read in one octet or in four, whatever the version: peers mix them, and
    what stands behind it is passed over. So is the version of a deliver, and whether it has its last field.
    """
    if len(frame) < HEADER_OCTETS:
        raise ProtocolError("shorter than a header", status=_BAD_STRUCTURE)
    length, command, sequence = _HEADER.unpack_from(frame)
    reader = _READERS.get(command)
    if reader is None:
        raise ProtocolError("unknown command", status=_BAD_COMMAND, sequence=sequence)
    try:
        if length != len(frame):
            raise ValueError("length")
        return reader(frame, sequence, LAYOUTS[version])
    except (ValueError, struct.error) as error:
        raise ProtocolError("broken PDU", status=_BAD_STRUCTURE, sequence=sequence) from error


def authenticator(source_address: str, secret: str, timestamp: int) -> bytes:
    """Return AuthenticatorSource; the timestamp is hashed as ten digits, the zero of January too.

    Raises ProtocolError for what cannot be written in octets.
    """
    try:
        octets = f"{source_address}{_NINE_NULS}{secret}{timestamp:010d}".encode("latin-1")
    except UnicodeEncodeError:
        # Its text would quote the secret.
        raise ProtocolError("an address or secret has characters that cannot be written") from None
    return hashlib.md5(octets, usedforsecurity=False).digest()


def carrier_authenticator(status: int, source_authenticator: bytes, secret: str, version: Version) -> bytes:
    """Return AuthenticatorISMG, with the status as wide as in the answer; some gateways always take four."""
    octets = LAYOUTS[version].result.pack(status) + source_authenticator + secret.encode("latin-1")
    return hashlib.md5(octets, usedforsecurity=False).digest()


# Writing.


def _connect(pdu: Connect, _layout: Layout) -> bytes:
    return _CONNECT.pack(
        fixed(pdu.source_address, ACCOUNT_OCTETS), _digest(pdu.authenticator), pdu.version, pdu.timestamp
    )


def _connect_resp(pdu: ConnectResp, layout: Layout) -> bytes:
    return layout.connect_resp.pack(pdu.status, _digest(pdu.authenticator), pdu.version)


def _digest(octets: bytes) -> bytes:
    if len(octets) != 16:
        raise ValueError("digest")
    return octets


def _submit(pdu: Submit, layout: Layout) -> bytes:
    head = layout.submit.pack(
        pdu.message_id,
        pdu.parts,
        pdu.part,
        pdu.registered_delivery,
        pdu.level,
        fixed(pdu.service_id, 10),
        pdu.fee_user_type,
        fixed(pdu.fee_terminal, layout.phone),
        *((pdu.fee_terminal_type,) if layout.typed else ()),
        pdu.tp_pid,
        pdu.tp_udhi,
        pdu.message_format,
        fixed(pdu.message_source, 6),
        fixed(pdu.fee_type, 2),
        fixed(pdu.fee_code, 6),
        fixed(pdu.valid_time, 17),
        fixed(pdu.at_time, 17),
        fixed(pdu.source, 21),
        _count(pdu.destinations),
    )
    phones = b"".join([fixed(each, layout.phone) for each in pdu.destinations])
    kind = bytes((pdu.destination_type, len(pdu.content))) if layout.typed else bytes((len(pdu.content),))
    return b"".join((head, phones, kind, pdu.content, fixed(pdu.link_id, layout.tail)))


def _count(destinations: tuple[str, ...]) -> int:
    """Fewer than a hundred, and nobody at all is a mistake too."""
    if not 0 < len(destinations) < 100:
        raise ValueError("destinations")
    return len(destinations)


def _answer(pdu: SubmitResp | DeliverResp, layout: Layout) -> bytes:
    return layout.answer.pack(pdu.message_id, pdu.result)


def _deliver(pdu: Deliver, layout: Layout) -> bytes:
    head = layout.deliver.pack(
        pdu.message_id,
        fixed(pdu.destination, 21),
        fixed(pdu.service_id, 10),
        pdu.tp_pid,
        pdu.tp_udhi,
        pdu.message_format,
        fixed(pdu.source, layout.phone),
        *((pdu.source_type,) if layout.typed else ()),
        pdu.registered_delivery,
        len(pdu.content),
    )
    return head + pdu.content + fixed(pdu.link_id, layout.tail)


def _query(pdu: Query, _layout: Layout) -> bytes:
    return _QUERY.pack(fixed(pdu.day, 8), pdu.query_type, fixed(pdu.query_code, 10), fixed(pdu.reserve, 8))


def _query_resp(pdu: QueryResp, _layout: Layout) -> bytes:
    return _QUERY_RESP.pack(
        fixed(pdu.day, 8),
        pdu.query_type,
        fixed(pdu.query_code, 10),
        *[getattr(pdu, each) for each in _COUNTS],
    )


def _bare(_pdu: Pdu, _layout: Layout) -> bytes:
    return b""


_WRITERS: dict[type, tuple[int, Callable[[Any, Layout], bytes]]] = {
    Connect: (1, _connect),
    ConnectResp: (_RESPONSE | 1, _connect_resp),
    Terminate: (2, _bare),
    TerminateResp: (_RESPONSE | 2, _bare),
    Submit: (4, _submit),
    SubmitResp: (_RESPONSE | 4, _answer),
    Deliver: (5, _deliver),
    DeliverResp: (_RESPONSE | 5, _answer),
    Query: (6, _query),
    QueryResp: (_RESPONSE | 6, _query_resp),
    Cancel: (7, lambda pdu, _: _ID.pack(pdu.message_id)),
    CancelResp: (_RESPONSE | 7, lambda pdu, layout: layout.result.pack(pdu.result)),
    ActiveTest: (8, _bare),
    ActiveTestResp: (_RESPONSE | 8, lambda pdu, _: bytes((pdu.reserved,))),
}


# Reading.


def _read_connect(frame: bytes, sequence: int, _layout: Layout) -> Connect:
    source, digest, version, timestamp = _CONNECT.unpack(frame[HEADER_OCTETS:])
    return Connect(
        sequence=sequence,
        source_address=text_of(source),
        authenticator=digest,
        version=version,
        timestamp=timestamp,
    )


def _read_connect_resp(frame: bytes, sequence: int, layout: Layout) -> ConnectResp:
    status, digest, version = _fitting(frame, layout.connect_resp, [each.connect_resp for each in EITHER])
    return ConnectResp(sequence=sequence, status=status, authenticator=digest, version=version)


def _read_submit(frame: bytes, sequence: int, layout: Layout) -> Submit:
    fields = list(layout.submit.unpack_from(frame, HEADER_OCTETS))
    fee_terminal_type = fields.pop(8) if layout.typed else 0
    at = HEADER_OCTETS + layout.submit.size
    phones = at + layout.phone * fields[-1]
    if not 0 < fields[-1] < 100 or phones >= len(frame) - layout.tail:
        raise ValueError("destinations")
    content = phones + (2 if layout.typed else 1)
    end = content + frame[content - 1]
    if end + layout.tail != len(frame):
        raise ValueError("content")
    return Submit(
        sequence=sequence,
        message_id=fields[0],
        parts=fields[1],
        part=fields[2],
        registered_delivery=fields[3],
        level=fields[4],
        service_id=text_of(fields[5]),
        fee_user_type=fields[6],
        fee_terminal=text_of(fields[7]),
        fee_terminal_type=fee_terminal_type,
        tp_pid=fields[8],
        tp_udhi=fields[9],
        message_format=fields[10],
        message_source=text_of(fields[11]),
        fee_type=text_of(fields[12]),
        fee_code=text_of(fields[13]),
        valid_time=text_of(fields[14]),
        at_time=text_of(fields[15]),
        source=text_of(fields[16]),
        destinations=tuple(
            [text_of(frame[each : each + layout.phone]) for each in range(at, phones, layout.phone)]
        ),
        destination_type=frame[phones] if layout.typed else 0,
        content=frame[content:end],
        link_id=text_of(frame[end:]),
    )


def _read_answer(
    kind: type[SubmitResp] | type[DeliverResp], frame: bytes, sequence: int, layout: Layout
) -> SubmitResp | DeliverResp:
    message_id, result = _fitting(frame, layout.answer, [each.answer for each in EITHER])
    return kind(sequence=sequence, message_id=message_id, result=result)


def _read_deliver(frame: bytes, sequence: int, agreed: Layout) -> Deliver:
    layout = _layout_of(frame, agreed)
    at = HEADER_OCTETS + layout.deliver.size
    message_id, destination, service_id, pid, udhi, coding, source, *kind, registered, length = (
        layout.deliver.unpack_from(frame, HEADER_OCTETS)
    )
    end = at + length
    return Deliver(
        sequence=sequence,
        message_id=message_id,
        destination=text_of(destination),
        service_id=text_of(service_id),
        tp_pid=pid,
        tp_udhi=udhi,
        message_format=coding,
        source=text_of(source),
        source_type=kind[0] if kind and agreed.typed else 0,
        registered_delivery=registered,
        content=frame[at:end],
        link_id=text_of(frame[end:]),
    )


def _layout_of(frame: bytes, agreed: Layout) -> Layout:
    """The layout in which a deliver's lengths agree, the agreed one first.

    Its last field may be missing, or as long as the other version's: a receipt is worth more than eight octets
    that say nothing.
    """
    (other,) = (each for each in EITHER if each is not agreed)
    content, behind = _octets_of(frame, agreed)
    if behind in (0, agreed.tail, other.tail):
        return agreed
    content, behind = _octets_of(frame, other)
    if content and behind == other.tail:
        return other
    raise ValueError("content")


def _octets_of(frame: bytes, layout: Layout) -> tuple[int, int]:
    """How many octets of content a deliver says it has, and how many it has behind them: below 0 where too few."""
    at = HEADER_OCTETS + layout.deliver.size
    content = frame[at - 1] if len(frame) >= at else 0
    return content, len(frame) - at - content


def _read_query(frame: bytes, sequence: int, _layout: Layout) -> Query:
    day, kind, code, reserve = _QUERY.unpack(frame[HEADER_OCTETS:])
    return Query(
        sequence=sequence,
        day=text_of(day),
        query_type=kind,
        query_code=text_of(code),
        reserve=text_of(reserve),
    )


def _read_query_resp(frame: bytes, sequence: int, _layout: Layout) -> QueryResp:
    day, kind, code, *counts = _QUERY_RESP.unpack(frame[HEADER_OCTETS:])
    named = dict(zip(_COUNTS, counts, strict=True))
    return QueryResp(sequence=sequence, day=text_of(day), query_type=kind, query_code=text_of(code), **named)


def _read_cancel(frame: bytes, sequence: int, _layout: Layout) -> Cancel:
    return Cancel(sequence=sequence, message_id=_ID.unpack(frame[HEADER_OCTETS:])[0])


def _read_cancel_resp(frame: bytes, sequence: int, layout: Layout) -> CancelResp:
    (result,) = _fitting(frame, layout.result, [each.result for each in EITHER])
    return CancelResp(sequence=sequence, result=result)


def _read_active_test_resp(frame: bytes, sequence: int, _layout: Layout) -> ActiveTestResp:
    """Some peers leave the reserved octet out."""
    return ActiveTestResp(sequence=sequence, reserved=frame[HEADER_OCTETS] if len(frame) > 12 else 0)


def _read_bare(
    kind: type[ActiveTest] | type[Terminate] | type[TerminateResp],
    _frame: bytes,
    sequence: int,
    _layout: Layout,
) -> ActiveTest | Terminate | TerminateResp:
    """A body where none belongs is passed over: the header says all."""
    return kind(sequence=sequence)


def _fitting(frame: bytes, usual: struct.Struct, others: list[struct.Struct]) -> tuple[Any, ...]:
    """Read the body by the layout that has its length, else by the usual one and without what is behind it."""
    octets = len(frame) - HEADER_OCTETS
    fitting = [each for each in others if each.size == octets]
    found = fitting[0] if fitting else usual
    return found.unpack_from(frame, HEADER_OCTETS)


_READERS: dict[int, Callable[[bytes, int, Layout], Pdu]] = {
    1: _read_connect,
    _RESPONSE | 1: _read_connect_resp,
    2: partial(_read_bare, Terminate),
    _RESPONSE | 2: partial(_read_bare, TerminateResp),
    4: _read_submit,
    _RESPONSE | 4: partial(_read_answer, SubmitResp),
    5: _read_deliver,
    _RESPONSE | 5: partial(_read_answer, DeliverResp),
    6: _read_query,
    _RESPONSE | 6: _read_query_resp,
    7: _read_cancel,
    _RESPONSE | 7: _read_cancel_resp,
    8: partial(_read_bare, ActiveTest),
    _RESPONSE | 8: _read_active_test_resp,
}
