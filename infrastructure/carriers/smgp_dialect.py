"""SMGP 3.0 as the session engine sees it: what to say, and what a heard PDU means."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from infrastructure.carriers import smgp
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
from infrastructure.carriers.fixed_fields import (
    absolute_time,
    fixed,
    month_stamp,
    with_country,
    without_country,
)
from infrastructure.carriers.framing import Framer, ProtocolError
from infrastructure.carriers.receipt_text import carrier_time
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
    Tag,
    Tlvs,
    tlv,
)
from infrastructure.carriers.smgp_report import read_report
from infrastructure.carriers.traffic import (
    Answer,
    Direction,
    LinkSettings,
    Part,
    Receipt,
    Refused,
    Reply,
    Taken,
)

__all__ = ["SmgpDialect"]

_MODES: dict[Direction, int] = {"send": 0, "receive": 1, "both": 2}
_OK, _BUSY, _TOO_MANY_CONNECTIONS = 0, 1, 2
_DUPLICATE_SEQUENCE = 12
_WRONG_ADDRESS, _NOT_AUTHENTICATED = 20, 21
_NOT_AUTHENTICATED_IN_CMPP = 3
"""Gateways for several protocols answer with CMPP's numbers; the document has no 3."""
_WRONG_HOUR, _DAILY_VOLUME = 74, 75
_THROTTLED = frozenset({_BUSY})
_RETRYABLE = _THROTTLED | {_TOO_MANY_CONNECTIONS, _DUPLICATE_SEQUENCE, _WRONG_HOUR, _DAILY_VOLUME}
_REJECTED_DIGEST = frozenset({_NOT_AUTHENTICATED, _NOT_AUTHENTICATED_IN_CMPP})
_BAD_CREDENTIALS = _REJECTED_DIGEST | {_WRONG_ADDRESS}
_VERSION = 0x30

_LONGEST_CONTENT = 140
_FREE, _NO_FEE = "00", "000000"
_MSG_SRC_OCTETS = 8
_DELIVER = b"\0\0\0\3"

_log = logging.getLogger(__name__)


class SmgpDialect:
    """One link's way of speaking SMGP; raises ProtocolError for parts that no submit can hold.

    `now` is the time of day: the login and the end of a part's validity are written in China's time.
    Message ids are 20 hexadecimal digits: they are ten octets that should be BCD, and not always are; nothing
    but zeros is no id. Sequence numbers go on over the connections of a link, since gateways refuse one that
    they remember. An account shorter than its field goes into the digest bare, as most gateways want it; one that
    refuses it so gets it once with the field's NULs.
    Raises ValueError for an enterprise code that is longer than its field.
    """

    def __init__(self, settings: LinkSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._authenticator = b""
        self._padded = False
        self._sequences = sequences_to(smgp.LAST_SEQUENCE, lowest=0)
        self._enterprise: Tlvs = ()
        if settings.corp_id:
            self._enterprise = ((Tag.MSG_SRC, fixed(settings.corp_id, _MSG_SRC_OCTETS)),)

    def framer(self) -> Framer:
        return Framer(shortest=smgp.HEADER_OCTETS, longest=smgp.LONGEST_PDU)

    def sequences(self) -> Iterator[int]:
        return self._sequences

    def bind(self, sequence: int) -> bytes:
        settings, timestamp = self._settings, month_stamp(self._now())
        account = settings.system_id.ljust(smgp.ACCOUNT_OCTETS, "\0") if self._padded else settings.system_id
        self._authenticator = smgp.client_authenticator(account, settings.password, timestamp)
        return smgp.encode(
            Login(
                sequence=sequence,
                client_id=settings.system_id,
                authenticator=self._authenticator,
                mode=_MODES[settings.direction],
                timestamp=timestamp,
            )
        )

    def submit(self, sequence: int, part: Part) -> bytes:
        settings = self._settings
        if len(part.payload) > _LONGEST_CONTENT:
            raise ProtocolError("Submit: the content is too long", sequence=sequence)
        return smgp.encode(
            Submit(
                sequence=sequence,
                service_id=settings.service_id,
                fee_type=settings.fee_type or _FREE,
                fee_code=settings.fee_code or _NO_FEE,
                fixed_fee=_NO_FEE,
                coding=part.data_coding,
                valid_time=absolute_time(self._now(), part.validity_seconds),
                source=settings.source_address + part.extension,
                destinations=(without_country(part.destination),),
                content=part.payload,
                tlvs=self._enterprise + _place(part),
            )
        )

    def keep_alive(self, sequence: int) -> bytes:
        return smgp.encode(ActiveTest(sequence=sequence))

    def unbind(self, sequence: int) -> bytes:
        return smgp.encode(Exit(sequence=sequence))

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> bytes:
        """An answer that is not `stored` says "busy", so that the carrier sends the same again later."""
        message_id = delivery.tag.to_bytes(smgp.MESSAGE_ID_OCTETS, "big")
        status = _OK if stored else _BUSY
        return smgp.encode(DeliverResp(sequence=delivery.sequence, message_id=message_id, status=status))

    def hear(self, frame: bytes) -> Heard:
        """Say what one whole PDU means; never raises."""
        try:
            return self._meaning(smgp.decode(frame))
        except ProtocolError as error:
            return Noise(_complaint(frame, error))

    def _meaning(self, pdu: Pdu) -> Heard:
        match pdu:
            case SubmitResp():
                return SubmitAnswered(pdu.sequence, _answer(pdu))
            case Deliver():
                return Delivery(pdu.sequence, _content(pdu), tag=int.from_bytes(pdu.message_id, "big"))
            case ActiveTest():
                return KeepAliveAsked(smgp.encode(ActiveTestResp(sequence=pdu.sequence)))
            case LoginResp():
                return self._bind_answered(pdu)
            case Exit():
                return UnbindAsked(smgp.encode(ExitResp(sequence=pdu.sequence)))
            case ExitResp():
                return UnbindAnswered()
            case _:
                return Noise()

    def _bind_answered(self, pdu: LoginResp) -> BindAnswered:
        """A wrong digest of the carrier's is only noted: there are gateways that compute it in their own way."""
        if pdu.status != _OK:
            again = pdu.status in _REJECTED_DIGEST and self._rewords()
            bad = pdu.status in _BAD_CREDENTIALS and not again
            return BindAnswered(pdu.sequence, str(pdu.status), bad_credentials=bad, again=again)
        right = smgp.server_authenticator(pdu.status, self._authenticator, self._settings.password)
        if pdu.authenticator != right:
            _log.info("link %s: the carrier's authenticator is not the specification's", self._settings.name)
        note = ""
        if 0 < pdu.version < _VERSION:
            note = f"it speaks SMGP {pdu.version >> 4}.{pdu.version & 15}, which we do not: it may not read our submits"
            _log.warning("link %s: the carrier let us in, but %s", self._settings.name, note)
        return BindAnswered(pdu.sequence, note=note)

    def _rewords(self) -> bool:
        """Whether the next login makes the digest in the other way, for the first time."""
        self._padded = len(self._settings.system_id) < smgp.ACCOUNT_OCTETS and not self._padded
        return self._padded


def _place(part: Part) -> Tlvs:
    """A part with a header says so in three parameters; a whole message needs none."""
    if not part.udh:
        return ()
    total, number = place_of(part.payload)
    return (
        (Tag.TP_UDHI, b"\1"),
        (Tag.PK_TOTAL, bytes((total,))),
        (Tag.PK_NUMBER, bytes((number,))),
    )


def _complaint(frame: bytes, error: ProtocolError) -> bytes:
    """Only a deliver has an answer that can say so; without one the carrier would send it again."""
    if error.sequence is None or frame[4:8] != _DELIVER:
        return b""
    named = frame[smgp.HEADER_OCTETS : smgp.HEADER_OCTETS + smgp.MESSAGE_ID_OCTETS]
    message_id = named.ljust(smgp.MESSAGE_ID_OCTETS, b"\0")
    return smgp.encode(DeliverResp(sequence=error.sequence, message_id=message_id, status=error.status))


def _answer(pdu: SubmitResp) -> Answer:
    """A duplicate sequence is not our part, since we never send one twice: it may go under a new number."""
    if pdu.status == _OK:
        return Taken(pdu.message_id.hex().upper() if any(pdu.message_id) else "")
    return Refused(str(pdu.status), pdu.status in _RETRYABLE, pdu.status in _THROTTLED)


def _content(pdu: Deliver) -> Receipt | Reply:
    if pdu.is_report:
        return _receipt(pdu)
    return Reply(
        phone=with_country(pdu.source),
        destination=pdu.destination.strip(),
        payload=pdu.content,
        data_coding=pdu.coding,
        udh=(tlv(pdu.tlvs, Tag.TP_UDHI) or b"\0")[0] == 1,
        carrier_id=pdu.message_id.hex().upper() if any(pdu.message_id) else "",
        sequence=pdu.sequence,
    )


def _receipt(pdu: Deliver) -> Receipt:
    report = read_report(pdu.content)
    return Receipt(
        carrier_id=report.carrier_id,
        status=report.status or "UNKNOWN",
        error_code=report.error_code,
        done_text=report.done_text,
        done_at=carrier_time(report.done_text),
        phone=with_country(pdu.source),
    )
