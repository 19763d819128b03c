"""SMPP 3.4 as the simulated carrier speaks it, with its own codec (wire.py)."""

from collections.abc import Callable
from typing import cast

from infrastructure.simulator.account import Outcome, Owed
from infrastructure.simulator.receipts import receipt_for, reply_from, state_of, written_id
from infrastructure.simulator.script import SMPP_CODES, PlannedReceipt, Script
from infrastructure.simulator.speech import Acked, Entry, Farewell, Heard, Login, Query, Said, Submit
from infrastructure.simulator.wire import Fields, Pdu, WireError, build, headed, parse, split

__all__ = ["SmppSpeech"]

_WRONG_STATE, _ALREADY_BOUND, _WRONG_PASSWORD, _UNKNOWN_ACCOUNT, _UNKNOWN_COMMAND = 0x4, 0x5, 0xE, 0xF, 0x3
_BIND_FAILED = 0xD
_MESSAGE_PAYLOAD = 0x0424
_UDH = 0x40
_UNASKED: Fields = {}


class SmppSpeech:
    """Receipts as Appendix B of the specification writes them; replies and receipts are deliver_sm."""

    codes = SMPP_CODES
    entry = Entry(
        unknown_account=_UNKNOWN_ACCOUNT,
        wrong_secret=_WRONG_PASSWORD,
        already=_ALREADY_BOUND,
        wrong_state=_WRONG_STATE,
        not_so=_BIND_FAILED,
    )
    last_sequence = 0x7FFF_FFFF
    unknown_message = 0xC

    def split(self, buffer: bytearray) -> list[bytes]:
        return split(buffer)

    def hear(self, frame: bytes) -> Heard:
        try:
            pdu = parse(frame)
        except WireError as error:
            return Said(build(Pdu("generic_nack", error.sequence, error.status)))
        meaning = _MEANINGS.get(pdu.command)
        if meaning is not None:
            return meaning(pdu)
        known = pdu.command.endswith("_resp") or pdu.command == "generic_nack"
        return Said() if known else Said(build(Pdu("generic_nack", pdu.sequence, _UNKNOWN_COMMAND)))

    def login_answer(self, login: Login, status: int, secret: str) -> bytes:  # noqa: ARG002 - others need it
        fields = {"system_id": "SIMULATOR"} if status == 0 else None
        return build(Pdu(f"{login.note}_resp", login.sequence, status, fields))

    def submit_answer(self, submit: Submit, status: int, carrier_id: str) -> bytes:
        body = carrier_id.encode() + b"\0" if status == 0 else b""
        return headed("submit_sm_resp", submit.sequence, status, body)

    def query_answer(self, query: Query, status: int, outcome: Outcome | None) -> bytes:
        fields = None if outcome is None else state_of(query.carrier_id, outcome)
        return build(Pdu("query_sm_resp", query.sequence, status, fields))

    def ids(self, submit: Submit, number: int, script: Script) -> tuple[str, str]:  # noqa: ARG002
        return written_id(number, script.id_format)

    def receipt(self, submit: Submit, carrier_id: str, planned: PlannedReceipt) -> Owed:
        fields = cast("Fields | None", submit.note) or {"destination_addr": submit.destination}
        return receipt_for(fields, carrier_id, planned)

    def reply(self, *, phone: str, to: str, payload: bytes, data_coding: int, udh: bool) -> Owed:
        return reply_from(phone, to=to, payload=payload, data_coding=data_coding, udh=udh)

    def deliver(self, sequence: int, owed: Owed) -> bytes:
        return headed("deliver_sm", sequence, 0, owed.body)

    def leave(self, sequence: int) -> bytes:
        return build(Pdu("unbind", sequence))


def _bind(pdu: Pdu) -> Heard:
    fields = pdu.fields or _UNASKED
    return Login(
        pdu.sequence,
        str(fields.get("system_id")),
        lambda secret: secret == fields.get("password"),
        receives=pdu.command != "bind_transmitter",
        submits=pdu.command != "bind_receiver",
        note=pdu.command,
    )


def _submit(pdu: Pdu) -> Heard:
    fields = pdu.fields
    if fields is None:
        return Said(build(Pdu("submit_sm_resp", pdu.sequence, _WRONG_STATE)))
    asked = cast("int", fields["registered_delivery"])
    return Submit(
        pdu.sequence,
        str(fields["destination_addr"]),
        _payload(pdu, fields),
        "always" if asked == 1 else "failures" if asked == 2 else "never",
        fields,
        bool(cast("int", fields["esm_class"]) & _UDH),
    )


def _payload(pdu: Pdu, fields: Fields) -> bytes:
    """The text is in short_message, or in message_payload."""
    short = cast("bytes", fields["short_message"])
    return short or dict(pdu.options).get(_MESSAGE_PAYLOAD, b"")


_MEANINGS: dict[str, Callable[[Pdu], Heard]] = {
    "submit_sm": _submit,
    "query_sm": lambda pdu: Query(pdu.sequence, str((pdu.fields or _UNASKED).get("message_id", ""))),
    "deliver_sm_resp": lambda pdu: Acked(pdu.sequence, pdu.status),
    "enquire_link": lambda pdu: Said(build(Pdu("enquire_link_resp", pdu.sequence))),
    "bind_transceiver": _bind,
    "bind_transmitter": _bind,
    "bind_receiver": _bind,
    "unbind": lambda pdu: Farewell(build(Pdu("unbind_resp", pdu.sequence))),
    "unbind_resp": lambda _: Farewell(),
}
