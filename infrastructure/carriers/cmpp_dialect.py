"""CMPP 2.0 and 3.0 as the session engine sees them: what to say, and what a heard PDU means."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from domain.protocols import PROTOCOLS
from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Pdu,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
from infrastructure.carriers.cmpp_report import decode_report
from infrastructure.carriers.concatenation import place_of
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Heard,
    KeepAliveAsked,
    Noise,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
    sequences_to,
)
from infrastructure.carriers.fixed_fields import absolute_time, month_stamp, with_country, without_country
from infrastructure.carriers.framing import Framer, ProtocolError
from infrastructure.carriers.receipt_text import carrier_time, usual_state
from infrastructure.carriers.traffic import Answer, LinkSettings, Part, Receipt, Refused, Reply, Taken

__all__ = ["CmppDialect"]

_OLDER: Version = 0x20
_NEWER: Version = 0x30
_VERSIONS: dict[str, Version] = {"cmpp20": _OLDER, "cmpp30": _NEWER}

_OK = 0
_DUPLICATE_SEQUENCE, _TOO_FAST = 3, 8
_RETRYABLE = frozenset({_DUPLICATE_SEQUENCE, _TOO_FAST})
_NOT_AUTHENTICATED = 3
_BAD_CREDENTIALS = frozenset({2, _NOT_AUTHENTICATED})
_VERSION_TOO_HIGH = 4
_NARROW_CONNECT_RESP, _WIDE_CONNECT_RESP = 30, 33

_ASCII = 0
_LONGEST_ASCII, _LONGEST_OTHER = 159, 140
_REPORT = 1
_REPORT_WANTED = 1
_USUAL_LEVEL = 1
_FREE, _NO_FEE = "01", "000000"
_DELIVER = b"\0\0\0\5"

_log = logging.getLogger(__name__)


class CmppDialect:
    """One link's way of speaking CMPP; raises ProtocolError for parts that no submit can hold.

    `now` is the time of day: the connect and the end of a part's validity are written in China's time.
    Message ids are decimal texts, as carriers write 64-bit numbers in their own lists; 0 is no id.
    Sequence numbers go on over the connections of a link, since gateways refuse one that they remember.
    A carrier that shows that it speaks the other version is spoken to in that. An account shorter than its field
    goes into the digest bare, as most gateways want it; one that refuses it so gets it once with the field's NULs.
    """

    def __init__(self, settings: LinkSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._agreed = self._version = _VERSIONS[settings.protocol]
        self._sequences = sequences_to(cmpp.LAST_SEQUENCE, lowest=0)
        self._padded = False
        self._authenticator = b""

    def framer(self) -> Framer:
        return Framer(shortest=cmpp.HEADER_OCTETS, longest=cmpp.LONGEST_PDU)

    def sequences(self) -> Iterator[int]:
        return self._sequences

    def bind(self, sequence: int) -> bytes:
        settings, timestamp = self._settings, month_stamp(self._now())
        account = settings.system_id.ljust(cmpp.ACCOUNT_OCTETS, "\0") if self._padded else settings.system_id
        self._authenticator = cmpp.authenticator(account, settings.password, timestamp)
        return self._say(
            Connect(
                sequence=sequence,
                source_address=settings.system_id,
                authenticator=self._authenticator,
                version=self._version,
                timestamp=timestamp,
            )
        )

    def submit(self, sequence: int, part: Part) -> bytes:
        settings, payload = self._settings, part.payload
        if len(payload) > (_LONGEST_ASCII if part.data_coding == _ASCII else _LONGEST_OTHER):
            raise ProtocolError("Submit: the content is too long", sequence=sequence)
        parts, number = place_of(payload) if part.udh else (1, 1)
        return self._say(
            Submit(
                sequence=sequence,
                parts=parts,
                part=number,
                registered_delivery=_REPORT_WANTED,
                level=_USUAL_LEVEL,
                service_id=settings.service_id,
                fee_user_type=settings.fee_user_type,
                tp_udhi=int(part.udh),
                message_format=part.data_coding,
                message_source=settings.system_id,
                fee_type=settings.fee_type or _FREE,
                fee_code=settings.fee_code or _NO_FEE,
                valid_time=absolute_time(self._now(), part.validity_seconds),
                source=settings.source_address + part.extension,
                destinations=(without_country(part.destination),),
                content=payload,
            )
        )

    def keep_alive(self, sequence: int) -> bytes:
        return self._say(ActiveTest(sequence=sequence))

    def unbind(self, sequence: int) -> bytes:
        return self._say(Terminate(sequence=sequence))

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> bytes:
        """An answer that is not `stored` says "too fast", so that the carrier sends the same again later."""
        result = _OK if stored else _TOO_FAST
        return self._say(DeliverResp(sequence=delivery.sequence, message_id=delivery.tag, result=result))

    def hear(self, frame: bytes) -> Heard:
        """Say what one whole PDU means; never raises."""
        try:
            pdu = cmpp.decode(frame, self._version)
        except ProtocolError as error:
            return Noise(self._complaint(frame, error))
        if isinstance(pdu, ConnectResp):
            return self._bind_answered(pdu, octets=len(frame))
        return self._meaning(pdu)

    def _bind_answered(self, pdu: ConnectResp, *, octets: int) -> BindAnswered:
        if pdu.status != _OK:
            again = self._rewords(pdu.status)
            bad = pdu.status in _BAD_CREDENTIALS and not again
            return BindAnswered(pdu.sequence, str(pdu.status), bad_credentials=bad, again=again)
        if self._version == _NEWER and octets == _NARROW_CONNECT_RESP and pdu.version < _NEWER:
            self._speak(_OLDER)
        elif self._version == _OLDER and octets == _WIDE_CONNECT_RESP and pdu.version >= _NEWER:
            self._speak(_NEWER)
        self._note_authenticator(pdu)
        return BindAnswered(pdu.sequence, note=self._other_version())

    def _other_version(self) -> str:
        if self._version == self._agreed:
            return ""
        name = next(name for name, each in _VERSIONS.items() if each == self._version)
        return f"it speaks {PROTOCOLS[name].title}, and so do we: configure the link as {name}"

    def _rewords(self, status: int) -> bool:
        """Whether the next connect says another version, or the digest in the other way, for the first time."""
        if status == _VERSION_TOO_HIGH and _NEWER in (self._agreed, self._version):
            self._speak(_OLDER if self._version == _NEWER else _NEWER)
            return self._version == _OLDER
        if status == _NOT_AUTHENTICATED and len(self._settings.system_id) < cmpp.ACCOUNT_OCTETS:
            self._padded = not self._padded
            return self._padded
        return False

    def _speak(self, version: Version) -> None:
        """What a carrier writes into Version alone says nothing; its refusal does, and an answer that is in the
        layout of the version it says. One that reads our submits in the other version may take them, and send
        nothing to anybody."""
        self._version = version
        _log.warning("link %s: its carrier wants CMPP of version 0x%x", self._settings.name, version)

    def _note_authenticator(self, pdu: ConnectResp) -> None:
        """A wrong digest of the carrier's is only noted: gateways differ in how wide its status goes into it."""
        ours, secret = self._authenticator, self._settings.password
        right = [
            cmpp.carrier_authenticator(pdu.status, ours, secret, version) for version in (_OLDER, _NEWER)
        ]
        if pdu.authenticator not in right:
            _log.info("link %s: the carrier's authenticator is not the specification's", self._settings.name)

    def _complaint(self, frame: bytes, error: ProtocolError) -> bytes:
        """Only a deliver has an answer that can say so; without one the carrier would send it again."""
        if error.sequence is None or frame[4:8] != _DELIVER:
            return b""
        message_id = int.from_bytes(frame[cmpp.HEADER_OCTETS : cmpp.HEADER_OCTETS + 8], "big")
        return self._say(DeliverResp(sequence=error.sequence, message_id=message_id, result=error.status))

    def _say(self, pdu: Pdu) -> bytes:
        return cmpp.encode(pdu, self._version)

    def _meaning(self, pdu: Pdu) -> Heard:
        match pdu:
            case SubmitResp():
                return SubmitAnswered(pdu.sequence, _answer(pdu))
            case Deliver():
                return Delivery(pdu.sequence, _content(pdu), tag=pdu.message_id)
            case ActiveTest():
                return KeepAliveAsked(self._say(ActiveTestResp(sequence=pdu.sequence)))
            case Terminate():
                return UnbindAsked(self._say(TerminateResp(sequence=pdu.sequence)))
            case TerminateResp():
                return UnbindAnswered()
            case _:
                return Noise()


def _answer(pdu: SubmitResp) -> Answer:
    """A duplicate sequence is not our part, since we never send one twice: it may go under a new number."""
    if pdu.result == _OK:
        return Taken(_id(pdu.message_id))
    return Refused(str(pdu.result), pdu.result in _RETRYABLE, pdu.result == _TOO_FAST)


def _content(pdu: Deliver) -> Receipt | Reply:
    if pdu.registered_delivery == _REPORT:
        return _receipt(pdu)
    return Reply(
        phone=with_country(pdu.source),
        destination=pdu.destination.strip(),
        payload=pdu.content,
        data_coding=pdu.message_format,
        udh=bool(pdu.tp_udhi & 1),
        carrier_id=_id(pdu.message_id),
        sequence=pdu.sequence,
    )


def _receipt(pdu: Deliver) -> Receipt:
    """A body that cannot be read names no message, but is a receipt all the same: it is kept."""
    try:
        report = decode_report(pdu.content)
    except ProtocolError:
        return Receipt(carrier_id="", status="UNKNOWN", phone=with_country(pdu.source))
    return Receipt(
        carrier_id=_id(report.message_id),
        status=usual_state(report.status) or "UNKNOWN",
        done_text=report.done_time,
        done_at=carrier_time(report.done_time),
        phone=with_country(report.destination or pdu.source),
    )


def _id(message_id: int) -> str:
    return str(message_id) if message_id else ""
