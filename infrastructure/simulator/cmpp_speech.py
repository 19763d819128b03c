"""CMPP 2.0 and 3.0 as the simulated gateway speaks them.

The octets are those of infrastructure.carriers.cmpp, which golden PDUs of other codecs keep honest.
"""

import itertools
import struct
import time
from datetime import datetime, timedelta
from typing import cast

from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_pdus import (
    NO_DIGEST,
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
    Report,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
from infrastructure.carriers.cmpp_pdus import Submit as CmppSubmit
from infrastructure.carriers.cmpp_report import encode_report
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.framing import ProtocolError
from infrastructure.simulator import stream
from infrastructure.simulator.account import Owed
from infrastructure.simulator.script import Codes, PlannedReceipt, Script
from infrastructure.simulator.speech import Acked, Entry, Farewell, Heard, Login, Said, Submit

__all__ = ["CmppSpeech"]

_HEADER = struct.Struct(">III")
_SUBMIT, _DELIVER = 4, 5
_BAD_ACCOUNT, _BAD_SECRET, _VERSION_TOO_HIGH, _OTHER = 2, 3, 4, 5
_BAD_COMMAND, _TOO_FAST, _BAD_DESTINATION = 2, 8, 13
_REPORT = 1
_CANNOT_CANCEL = 1
_OUR_NUMBERS = 1 << 63


class CmppSpeech:
    """Answers a connect of its own version only, and a submit to one destination only."""

    codes = Codes(_TOO_FAST, (6, 9, _BAD_DESTINATION))
    entry = Entry(
        unknown_account=_BAD_ACCOUNT,
        wrong_secret=_BAD_SECRET,
        already=_OTHER,
        wrong_state=_BAD_COMMAND,
        not_so=_OTHER,
    )
    last_sequence = cmpp.LAST_SEQUENCE

    def __init__(self, version: Version) -> None:
        self._version = version
        # A deliver has an id of its own, which is no submit's.
        self._deliveries = itertools.count(_OUR_NUMBERS | int(time.time() * 1000) << 20)

    def split(self, buffer: bytearray) -> list[bytes]:
        return stream.split(buffer, shortest=cmpp.HEADER_OCTETS, longest=cmpp.LONGEST_PDU)

    def hear(self, frame: bytes) -> Heard:
        try:
            return self._meaning(cmpp.decode(frame, self._version))
        except ProtocolError as error:
            if error.sequence is None or int.from_bytes(frame[4:8], "big") != _SUBMIT:
                return Said()
            return Said(self._say(SubmitResp(sequence=error.sequence, result=error.status)))

    def login_answer(self, login: Login, status: int, secret: str) -> bytes:
        digest = NO_DIGEST
        if status == 0:
            theirs = cast("bytes", login.note)
            digest = cmpp.carrier_authenticator(status, theirs, secret, self._version)
        return self._say(
            ConnectResp(sequence=login.sequence, status=status, authenticator=digest, version=self._version)
        )

    def submit_answer(self, submit: Submit, status: int, carrier_id: str) -> bytes:
        message_id = int(carrier_id) if status == 0 else 0
        return self._say(SubmitResp(sequence=submit.sequence, message_id=message_id, result=status))

    def ids(self, submit: Submit, number: int, script: Script) -> tuple[str, str]:  # noqa: ARG002
        return str(number), str(number)

    def receipt(self, submit: Submit, carrier_id: str, planned: PlannedReceipt) -> Owed:
        now = china_now()
        report = Report(
            message_id=int(carrier_id),
            status=planned.status,
            submit_time=_minute(now),
            done_time=_minute(now + timedelta(seconds=planned.after_seconds)),
            destination=submit.destination,
        )
        deliver = Deliver(
            sequence=0,
            message_id=next(self._deliveries),
            destination=submit.note.source if isinstance(submit.note, CmppSubmit) else "",
            source=submit.destination,
            registered_delivery=_REPORT,
            content=encode_report(report, self._version),
        )
        return self._owed(carrier_id, planned.status, deliver)

    def reply(self, *, phone: str, to: str, payload: bytes, data_coding: int, udh: bool) -> Owed:
        deliver = Deliver(
            sequence=0,
            message_id=next(self._deliveries),
            destination=to,
            tp_udhi=int(udh),
            message_format=data_coding,
            source=phone,
            content=payload,
        )
        return self._owed("", "", deliver)

    def deliver(self, sequence: int, owed: Owed) -> bytes:
        return _HEADER.pack(_HEADER.size + len(owed.body), _DELIVER, sequence) + owed.body

    def leave(self, sequence: int) -> bytes:
        return self._say(Terminate(sequence=sequence))

    def _say(self, pdu: Pdu) -> bytes:
        return cmpp.encode(pdu, self._version)

    def _owed(self, carrier_id: str, status: str, deliver: Deliver) -> Owed:
        return Owed(carrier_id, status, self._say(deliver)[_HEADER.size :])

    def _meaning(self, pdu: Pdu) -> Heard:
        match pdu:
            case CmppSubmit():
                return self._submit(pdu)
            case DeliverResp():
                return Acked(pdu.sequence, pdu.result)
            case Connect():
                return self._login(pdu)
            case ActiveTest():
                return Said(self._say(ActiveTestResp(sequence=pdu.sequence)))
            case Terminate():
                return Farewell(self._say(TerminateResp(sequence=pdu.sequence)))
            case TerminateResp():
                return Farewell()
            case Query():
                return Said(self._say(QueryResp(sequence=pdu.sequence, day=pdu.day)))
            case Cancel():
                return Said(self._say(CancelResp(sequence=pdu.sequence, result=_CANNOT_CANCEL)))
            case _:
                return Said()

    def _login(self, pdu: Connect) -> Heard:
        status = 0
        if pdu.version >> 4 != self._version >> 4:
            status = _VERSION_TOO_HIGH if pdu.version > self._version else _OTHER
        name, timestamp, theirs = pdu.source_address, pdu.timestamp, pdu.authenticator
        return Login(
            pdu.sequence,
            name,
            lambda secret: cmpp.authenticator(name, secret, timestamp) == theirs,
            status=status,
            note=theirs,
        )

    def _submit(self, pdu: CmppSubmit) -> Heard:
        if len(pdu.destinations) != 1:
            return Said(self._say(SubmitResp(sequence=pdu.sequence, result=_BAD_DESTINATION)))
        return Submit(
            pdu.sequence,
            pdu.destinations[0],
            pdu.content,
            "always" if pdu.registered_delivery == _REPORT else "never",
            pdu,
            bool(pdu.tp_udhi & 1),
        )


def _minute(moment: datetime) -> str:
    return f"{moment:%y%m%d%H%M}"
