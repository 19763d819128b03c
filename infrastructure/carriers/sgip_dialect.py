"""SGIP 1.2 as the session engine sees it: our connection to the carrier, and what its commands mean anywhere.

Receipts and replies come over the carrier's own connection (sgip_inbound.py), from some gateways over ours too.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from infrastructure.carriers import sgip
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Heard,
    Noise,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
)
from infrastructure.carriers.fixed_fields import absolute_time, month_stamp, with_country
from infrastructure.carriers.framing import Framer, ProtocolError
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
    sequence_number,
    sequence_text,
)
from infrastructure.carriers.traffic import Answer, LinkSettings, Part, Receipt, Refused, Reply, Taken

__all__ = ["SgipDialect", "answer_to", "said_by_carrier", "unknown_command"]

_OK, _LOGIN_REFUSED, _TOO_MANY_CONNECTIONS, _REPEATED_SEQUENCE = 0, 1, 3, 9
_BUSY, _UNREACHABLE_NOW, _TOO_FAST, _TOO_MANY_LOGINS = 11, 21, 33, 34
_THROTTLED = frozenset({_BUSY, _TOO_FAST})
_RETRYABLE = _THROTTLED | {_TOO_MANY_CONNECTIONS, _REPEATED_SEQUENCE, _UNREACHABLE_NOW, _TOO_MANY_LOGINS}

_WE_COME = 1
_ASCII = 0
_LONGEST_ASCII, _LONGEST_OTHER = 160, 140
_FREE, _NO_FEE = "1", "0"
_STATES = {0: "DELIVRD", 1: "ACCEPTD", 2: "UNDELIV"}
_REPORT, _REPLY = 0, 1
_UDHI = 0x41
"""1, or the bit of the air interface (3GPP TS 23.040, 9.2.3.23), which some gateways pass on as it is."""

_MOST_CONNECTIONS = 64
_COUNTERS = (1 << 32) // _MOST_CONNECTIONS
_COUNTERS_A_MICROSECOND = _COUNTERS // 1_000_000


class SgipDialect:
    """One link's way of speaking SGIP; raises ProtocolError for parts that no submit can hold.

    The sequence number of a submit is its message's id, so it must not come again within a year: `now` gives
    its seconds, and the counter begins where no run that began earlier in the same second can have come.
    The connections of a link share the node's number, so each counts in a range of its own.
    Raises ValueError for a fee type that is no number.
    """

    def __init__(self, settings: LinkSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._counter = now().microsecond * _COUNTERS_A_MICROSECOND
        self._fee_type = int(settings.fee_type or _FREE)

    def framer(self) -> Framer:
        return Framer(shortest=sgip.HEADER_OCTETS, longest=sgip.LONGEST_PDU)

    def sequences(self) -> Iterator[int]:
        while True:
            self._counter = (self._counter + 1) % _COUNTERS
            counter = (self._settings.connection - 1) % _MOST_CONNECTIONS * _COUNTERS + self._counter
            yield sequence_number(self._settings.node_id, month_stamp(self._now()), counter)

    def bind(self, sequence: int) -> bytes:
        return sgip.encode(
            Bind(
                sequence=sequence,
                login_type=_WE_COME,
                name=self._settings.system_id,
                password=self._settings.password,
            )
        )

    def submit(self, sequence: int, part: Part) -> bytes:
        settings, payload = self._settings, part.payload
        if len(payload) > (_LONGEST_ASCII if part.data_coding == _ASCII else _LONGEST_OTHER):
            raise ProtocolError("Submit: the content is too long", sequence=sequence)
        return sgip.encode(
            Submit(
                sequence=sequence,
                source=settings.source_address + part.extension,
                destinations=(with_country(part.destination),),
                corp_id=settings.corp_id,
                service_type=settings.service_id,
                fee_type=self._fee_type,
                fee_value=settings.fee_code or _NO_FEE,
                expire_time=absolute_time(self._now(), part.validity_seconds),
                udhi=int(part.udh),
                coding=part.data_coding,
                content=payload,
            )
        )

    def keep_alive(self, sequence: int) -> None:
        """SGIP has no such question: an idle connection is unbound."""

    def unbind(self, sequence: int) -> bytes:
        return sgip.encode(Unbind(sequence=sequence))

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> bytes:
        return answer_to(delivery, stored=stored)

    def hear(self, frame: bytes) -> Heard:
        """Say what one whole PDU means; raises ProtocolError for a broken one, since its reader has to close."""
        try:
            pdu = sgip.decode(frame)
        except ProtocolError as error:
            return unknown_command(frame, error)
        return _answered(pdu) or said_by_carrier(pdu) or Noise(sgip.refusal(frame, sgip.BAD_COMMAND))


def unknown_command(frame: bytes, error: ProtocolError) -> Noise:
    """Return the answer to a whole command that nobody here knows; raises the error again for a broken PDU."""
    if error.status != sgip.BAD_COMMAND:
        raise error
    return Noise(sgip.refusal(frame, sgip.BAD_COMMAND))


def answer_to(delivery: Delivery, *, stored: bool) -> bytes:
    """Return the answer to a receipt or reply; one that is not `stored` says "busy", and so asks for it again."""
    kind = ReportResp if delivery.tag == _REPORT else DeliverResp
    return sgip.encode(kind(sequence=delivery.sequence, result=_OK if stored else _BUSY))


def said_by_carrier(pdu: Pdu) -> Delivery | Noise | UnbindAsked | None:
    """Return what a command of the carrier means, over whichever connection it comes; None for anything else."""
    match pdu:
        case Report():
            return Delivery(pdu.sequence, _receipt(pdu), tag=_REPORT)
        case Deliver():
            return Delivery(pdu.sequence, _reply(pdu), tag=_REPLY)
        case UserReport():
            return Noise(sgip.encode(UserReportResp(sequence=pdu.sequence)))
        case Unbind():
            return UnbindAsked(sgip.encode(UnbindResp(sequence=pdu.sequence)))
        case _:
            return None


def _answered(pdu: Pdu) -> Heard | None:
    """What the carrier answers to our own commands; None for anything else."""
    match pdu:
        case SubmitResp():
            return SubmitAnswered(pdu.sequence, _answer(pdu))
        case BindResp():
            return _bind_answered(pdu)
        case UnbindResp():
            return UnbindAnswered()
        case _:
            return None


def _answer(pdu: SubmitResp) -> Answer:
    """The answer repeats the sequence number of the submit, which is what the receipt will name.

    A repeated number is not our part, since we never send one twice: it may go under a new one.
    """
    if pdu.result == _OK:
        return Taken(sequence_text(pdu.sequence))
    return Refused(str(pdu.result), pdu.result in _RETRYABLE, pdu.result in _THROTTLED)


def _bind_answered(pdu: BindResp) -> BindAnswered:
    if pdu.result == _OK:
        return BindAnswered(pdu.sequence)
    return BindAnswered(pdu.sequence, str(pdu.result), bad_credentials=pdu.result == _LOGIN_REFUSED)


def _receipt(pdu: Report) -> Receipt:
    """A report has no time of its own, and says in its state only whether it is over, and how."""
    return Receipt(
        carrier_id=sequence_text(pdu.submit_sequence),
        status=_STATES.get(pdu.state, "UNKNOWN"),
        error_code=str(pdu.error_code),
        phone=with_country(pdu.phone),
    )


def _reply(pdu: Deliver) -> Reply:
    return Reply(
        phone=with_country(pdu.phone),
        destination=pdu.destination.strip(),
        payload=pdu.content,
        data_coding=pdu.coding,
        udh=bool(pdu.udhi & _UDHI),
        carrier_id=sequence_text(pdu.sequence),
        sequence=pdu.sequence,
    )
