"""SGIP 1.2 as the simulated gateway speaks it, on the client's connections and on its own to the client.

The octets are those of infrastructure.carriers.sgip, which golden PDUs of other codecs keep honest.
"""

from infrastructure.carriers import sgip, sgip_pdus
from infrastructure.carriers.fixed_fields import china_now, month_stamp
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.sgip_pdus import (
    Bind,
    BindResp,
    Deliver,
    DeliverResp,
    Pdu,
    Report,
    ReportResp,
    SubmitResp,
    Unbind,
    UnbindResp,
    UserReport,
    UserReportResp,
    sequence_number,
    sequence_text,
)
from infrastructure.simulator import stream
from infrastructure.simulator.account import Owed
from infrastructure.simulator.script import Codes, PlannedReceipt, Script
from infrastructure.simulator.speech import (
    Acked,
    Condition,
    Entry,
    Farewell,
    Heard,
    Login,
    Said,
    Submit,
    Welcome,
)

__all__ = ["SgipSpeech"]

_NODE = 101_001
_SP_COMES, _SMG_COMES = 1, 2
_LOGIN_REFUSED, _REPEATED_LOGIN, _WRONG_LOGIN_TYPE, _BAD_NUMBER = 1, 2, 4, 6
_NOT_ASSIGNED, _ONE_PHONE_ONLY, _FORMAT, _TOO_FAST = 13, 19, 32, 33
_LAST_COUNTER = 0xFFFF_FFFF
_SEQUENCE = slice(8, 20)
_STATES = {"DELIVRD": 0, "ENROUTE": 1, "ACCEPTD": 1}
_FAILED = 2
_CONDITIONS: dict[Condition, int] = {"cancelled": 0, "suspended": 1, "normal": 2}


class SgipSpeech:
    """Takes submits to one phone only, as gateways of today do; a message's id is its submit's number."""

    codes = Codes(_TOO_FAST, (_BAD_NUMBER, _NOT_ASSIGNED, _FORMAT))
    entry = Entry(
        unknown_account=_LOGIN_REFUSED,
        wrong_secret=_LOGIN_REFUSED,
        already=_REPEATED_LOGIN,
        wrong_state=_LOGIN_REFUSED,
        not_so=_WRONG_LOGIN_TYPE,
    )
    last_sequence = _LAST_COUNTER

    def split(self, buffer: bytearray) -> list[bytes]:
        return stream.split(buffer, shortest=sgip.HEADER_OCTETS, longest=sgip.LONGEST_PDU)

    def hear(self, frame: bytes) -> Heard:
        """What cannot be read is answered with the result that says so, rather than with a closed connection."""
        try:
            return _meaning(sgip.decode(frame))
        except ProtocolError as error:
            return Said(sgip.refusal(frame, error.status))

    def login_answer(self, login: Login, status: int, secret: str) -> bytes:  # noqa: ARG002 - others need it
        return sgip.encode(BindResp(sequence=login.sequence, result=status))

    def call(self, sequence: int, *, login: str, password: str) -> bytes:
        """Return the first words of a carrier that comes to its client; Welcome is what it answers."""
        bind = Bind(sequence=_number(sequence), login_type=_SMG_COMES, name=login, password=password)
        return sgip.encode(bind)

    def submit_answer(self, submit: Submit, status: int, carrier_id: str) -> bytes:  # noqa: ARG002
        return sgip.encode(SubmitResp(sequence=submit.sequence, result=status))

    def ids(self, submit: Submit, number: int, script: Script) -> tuple[str, str]:  # noqa: ARG002
        return sequence_text(submit.sequence), sequence_text(submit.sequence)

    def receipt(self, submit: Submit, carrier_id: str, planned: PlannedReceipt) -> Owed:
        report = Report(
            sequence=0,
            submit_sequence=sequence_number(*(int(carrier_id[at : at + 10]) for at in (0, 10, 20))),
            phone=submit.destination,
            state=_STATES.get(planned.status, _FAILED),
            error_code=int(planned.error) % 256,
        )
        return Owed(carrier_id, planned.status, sgip.encode(report))

    def reply(self, *, phone: str, to: str, payload: bytes, data_coding: int, udh: bool) -> Owed:
        deliver = Deliver(
            sequence=0, phone=phone, destination=to, udhi=int(udh), coding=data_coding, content=payload
        )
        return Owed("", "", sgip.encode(deliver))

    def user_report(self, *, phone: str, condition: Condition) -> Owed:
        """Return what tells that a subscriber is gone, owes money, or is back."""
        report = UserReport(sequence=0, phone=phone, condition=_CONDITIONS[condition])
        return Owed("", "", sgip.encode(report))

    def deliver(self, sequence: int, owed: Owed) -> bytes:
        number = _number(sequence).to_bytes(_SEQUENCE.stop - _SEQUENCE.start, "big")
        return owed.body[: _SEQUENCE.start] + number + owed.body[_SEQUENCE.stop :]

    def leave(self, sequence: int) -> bytes:
        return sgip.encode(Unbind(sequence=_number(sequence)))


def _number(counter: int) -> int:
    return sequence_number(_NODE, month_stamp(china_now()), counter)


def _meaning(pdu: Pdu) -> Heard:
    match pdu:
        case sgip_pdus.Submit():
            return _submit(pdu)
        case ReportResp() | DeliverResp() | UserReportResp():
            return Acked(pdu.sequence & _LAST_COUNTER, pdu.result)
        case Bind():
            return _login(pdu)
        case BindResp():
            return Welcome(pdu.result)
        case Unbind():
            return Farewell(sgip.encode(UnbindResp(sequence=pdu.sequence)))
        case UnbindResp():
            return Farewell()
        case _:
            return Said()


def _login(pdu: Bind) -> Heard:
    return Login(
        pdu.sequence,
        pdu.name,
        lambda secret: pdu.password == secret,
        status=0 if pdu.login_type == _SP_COMES else _WRONG_LOGIN_TYPE,
    )


def _submit(pdu: sgip_pdus.Submit) -> Heard:
    if len(pdu.destinations) != 1:
        return Said(sgip.encode(SubmitResp(sequence=pdu.sequence, result=_ONE_PHONE_ONLY)))
    if not pdu.destinations[0].startswith("86"):
        return Said(sgip.encode(SubmitResp(sequence=pdu.sequence, result=_BAD_NUMBER)))
    return Submit(
        pdu.sequence,
        pdu.destinations[0],
        pdu.content,
        "always" if pdu.report_flag == 1 else "failures" if pdu.report_flag == 0 else "never",
        pdu,
        bool(pdu.udhi & 1),
    )
