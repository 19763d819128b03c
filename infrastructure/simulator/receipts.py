"""The receipts of the simulated carrier, as Appendix B of SMPP 3.4 describes them."""

from datetime import datetime, timedelta, timezone
from typing import Literal

from infrastructure.simulator.account import Outcome, Owed
from infrastructure.simulator.script import PlannedReceipt
from infrastructure.simulator.wire import Fields, Pdu, body

__all__ = ["receipt_for", "reply_from", "state_of", "written_id"]

_CHINA = timezone(timedelta(hours=8))
_RECEIPT = 0x04
_UDH = 0x40
_RECEIPTED_MESSAGE_ID = 0x001E
_MESSAGE_STATE = 0x0427
_ENROUTE, _UNDELIVERABLE = 1, 5
_TENTHS_AND_ZONE = "032+"
"""No tenths; China is 32 quarters of an hour ahead."""
_STATES = {"DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "ACCEPTD": 6, "UNKNOWN": 7, "REJECTD": 8}


def written_id(number: int, style: Literal["same", "resp-hex-dlr-dec", "resp-dec-hex"]) -> tuple[str, str]:
    """Return the id of a message as the answer writes it, and as the receipt writes it."""
    hexadecimal, decimal = f"{number:016x}", str(number)
    if style == "resp-hex-dlr-dec":
        return hexadecimal, decimal
    return (decimal, hexadecimal) if style == "resp-dec-hex" else (hexadecimal, hexadecimal)


def receipt_for(submitted: Fields, carrier_id: str, planned: PlannedReceipt) -> Owed:
    """Return the deliver_sm for a submitted message; its addresses change places."""
    now = datetime.now(_CHINA)
    done = now + timedelta(seconds=planned.after_seconds)
    delivered = "001" if planned.status == "DELIVRD" else "000"
    text = (
        f"id:{carrier_id} sub:001 dlvrd:{delivered} submit date:{now:%y%m%d%H%M} "
        f"done date:{done:%y%m%d%H%M} stat:{planned.status} err:{planned.error} text:"
    )
    options = (
        (_RECEIPTED_MESSAGE_ID, carrier_id.encode() + b"\0"),
        (_MESSAGE_STATE, bytes((_STATES.get(planned.status, _UNDELIVERABLE),))),
    )
    fields = _turned_round(submitted, _RECEIPT, 0, text.encode())
    return Owed(carrier_id, planned.status, body(Pdu("deliver_sm", 0, 0, fields, options)))


def state_of(carrier_id: str, outcome: Outcome) -> Fields:
    """Return the fields of a query_sm_resp (4.8.2): on its way until its time has come."""
    if datetime.now(_CHINA) < outcome.done_at:
        return {"message_id": carrier_id, "message_state": _ENROUTE}
    return {
        "message_id": carrier_id,
        "final_date": f"{outcome.done_at.astimezone(_CHINA):%y%m%d%H%M%S}{_TENTHS_AND_ZONE}",
        "message_state": _STATES.get(outcome.status, _UNDELIVERABLE),
        "error_code": int(outcome.error) % 256,
    }


def reply_from(phone: str, *, to: str, payload: bytes, data_coding: int, udh: bool = False) -> Owed:
    """Return the deliver_sm of a message that somebody wrote on a phone."""
    submitted: Fields = {"destination_addr": phone, "dest_addr_ton": 1, "dest_addr_npi": 1, "source_addr": to}
    fields = _turned_round(submitted, _UDH if udh else 0, data_coding, payload)
    return Owed("", "", body(Pdu("deliver_sm", 0, 0, fields)))


def _turned_round(submitted: Fields, esm_class: int, data_coding: int, text: bytes) -> Fields:
    return {
        "source_addr_ton": submitted.get("dest_addr_ton", 0),
        "source_addr_npi": submitted.get("dest_addr_npi", 0),
        "source_addr": submitted["destination_addr"],
        "dest_addr_ton": submitted.get("source_addr_ton", 0),
        "dest_addr_npi": submitted.get("source_addr_npi", 0),
        "destination_addr": submitted.get("source_addr", ""),
        "esm_class": esm_class,
        "data_coding": data_coding,
        "short_message": text,
    }
