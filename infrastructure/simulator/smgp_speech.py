"""SMGP 3.0 as the simulated gateway speaks it.

The octets are those of infrastructure.carriers.smgp, which golden PDUs of other codecs keep honest.
"""

import itertools
import struct
import time
from datetime import datetime, timedelta
from typing import cast

from infrastructure.carriers import smgp, smgp_pdus
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.smgp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    LoginResp,
    Pdu,
    SubmitResp,
    Tag,
    tlv,
)
from infrastructure.carriers.smgp_report import SmgpReport, encode_report
from infrastructure.simulator import stream
from infrastructure.simulator.account import Owed
from infrastructure.simulator.script import Codes, PlannedReceipt, Script
from infrastructure.simulator.speech import Acked, Entry, Farewell, Heard, Login, Said, Submit

__all__ = ["SmgpSpeech"]

_HEADER = struct.Struct(">III")
_SUBMIT, _DELIVER = 2, 3
_NOT_AUTHENTICATED, _TOO_MANY_CONNECTIONS, _BAD_COMMAND = 21, 2, 11
_BUSY, _BAD_FORMAT, _BAD_LENGTH, _BAD_DESTINATION = 1, 34, 36, 47
_SENDS_ONLY, _RECEIVES_ONLY = 0, 1
_NO_ID = bytes(smgp.MESSAGE_ID_OCTETS)
_OUR_NUMBERS = 5 * 10**19


class SmgpSpeech:
    """Ids are 20 decimal digits in ten octets, as the specification writes them; one destination a submit."""

    codes = Codes(_BUSY, (_BAD_DESTINATION, _BAD_FORMAT, _BAD_LENGTH))
    entry = Entry(
        unknown_account=_NOT_AUTHENTICATED,
        wrong_secret=_NOT_AUTHENTICATED,
        already=_TOO_MANY_CONNECTIONS,
        wrong_state=_BAD_COMMAND,
        not_so=_BAD_COMMAND,
    )
    last_sequence = smgp.LAST_SEQUENCE

    def __init__(self) -> None:
        # A deliver has an id of its own, which is no submit's.
        self._deliveries = itertools.count(_OUR_NUMBERS + (int(time.time() * 1000) << 20))

    def split(self, buffer: bytearray) -> list[bytes]:
        return stream.split(buffer, shortest=smgp.HEADER_OCTETS, longest=smgp.LONGEST_PDU)

    def hear(self, frame: bytes) -> Heard:
        try:
            return _meaning(smgp.decode(frame))
        except ProtocolError as error:
            if error.sequence is None or int.from_bytes(frame[4:8], "big") != _SUBMIT:
                return Said()
            answer = SubmitResp(sequence=error.sequence, message_id=_NO_ID, status=error.status)
            return Said(smgp.encode(answer))

    def login_answer(self, login: Login, status: int, secret: str) -> bytes:
        digest = bytes(16)
        if status == 0:
            digest = smgp.server_authenticator(status, cast("bytes", login.note), secret)
        return smgp.encode(LoginResp(sequence=login.sequence, status=status, authenticator=digest))

    def submit_answer(self, submit: Submit, status: int, carrier_id: str) -> bytes:
        message_id = bytes.fromhex(carrier_id) if status == 0 else _NO_ID
        return smgp.encode(SubmitResp(sequence=submit.sequence, message_id=message_id, status=status))

    def ids(self, submit: Submit, number: int, script: Script) -> tuple[str, str]:  # noqa: ARG002
        return f"{number:020d}", f"{number:020d}"

    def receipt(self, submit: Submit, carrier_id: str, planned: PlannedReceipt) -> Owed:
        now = china_now()
        deliver = Deliver(
            sequence=0,
            message_id=self._next_id(),
            is_report=1,
            received=f"{now:%Y%m%d%H%M%S}",
            source=submit.destination,
            destination=submit.note.source if isinstance(submit.note, smgp_pdus.Submit) else "",
            content=_report(carrier_id, planned, now),
        )
        return Owed(carrier_id, planned.status, smgp.encode(deliver)[_HEADER.size :])

    def reply(self, *, phone: str, to: str, payload: bytes, data_coding: int, udh: bool) -> Owed:
        deliver = Deliver(
            sequence=0,
            message_id=self._next_id(),
            coding=data_coding,
            received=f"{china_now():%Y%m%d%H%M%S}",
            source=phone,
            destination=to,
            content=payload,
            tlvs=((Tag.TP_UDHI, b"\1"),) if udh else (),
        )
        return Owed("", "", smgp.encode(deliver)[_HEADER.size :])

    def deliver(self, sequence: int, owed: Owed) -> bytes:
        return _HEADER.pack(_HEADER.size + len(owed.body), _DELIVER, sequence) + owed.body

    def leave(self, sequence: int) -> bytes:
        return smgp.encode(Exit(sequence=sequence))

    def _next_id(self) -> bytes:
        return bytes.fromhex(f"{next(self._deliveries):020d}")


def _meaning(pdu: Pdu) -> Heard:
    match pdu:
        case smgp_pdus.Submit():
            return _submit(pdu)
        case DeliverResp():
            return Acked(pdu.sequence, pdu.status)
        case smgp_pdus.Login():
            return _login(pdu)
        case ActiveTest():
            return Said(smgp.encode(ActiveTestResp(sequence=pdu.sequence)))
        case Exit():
            return Farewell(smgp.encode(ExitResp(sequence=pdu.sequence)))
        case ExitResp():
            return Farewell()
        case _:
            return Said()


def _login(pdu: smgp_pdus.Login) -> Heard:
    name, timestamp, theirs = pdu.client_id, pdu.timestamp, pdu.authenticator
    return Login(
        pdu.sequence,
        name,
        lambda secret: smgp.client_authenticator(name, secret, timestamp) == theirs,
        receives=pdu.mode != _SENDS_ONLY,
        submits=pdu.mode != _RECEIVES_ONLY,
        note=theirs,
    )


def _submit(pdu: smgp_pdus.Submit) -> Heard:
    if len(pdu.destinations) != 1:
        refusal = SubmitResp(sequence=pdu.sequence, message_id=_NO_ID, status=_BAD_DESTINATION)
        return Said(smgp.encode(refusal))
    return Submit(
        pdu.sequence,
        pdu.destinations[0],
        pdu.content,
        "always" if pdu.need_report else "never",
        pdu,
        tlv(pdu.tlvs, Tag.TP_UDHI) == b"\1",
    )


def _report(carrier_id: str, planned: PlannedReceipt, now: datetime) -> bytes:
    done = now + timedelta(seconds=planned.after_seconds)
    report = SmgpReport(carrier_id, planned.status, planned.error, f"{done:%y%m%d%H%M}")
    return encode_report(report, submit_text=f"{now:%y%m%d%H%M}", text="000")
