"""SMPP 3.4 as the session engine sees it: what to say, and what a heard PDU means."""

from collections.abc import Iterator

from smpplib import consts

from infrastructure.carriers import smpp
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Heard,
    KeepAliveAsked,
    Noise,
    Rejected,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
    sequences_to,
)
from infrastructure.carriers.fixed_fields import with_country
from infrastructure.carriers.framing import Framer, ProtocolError
from infrastructure.carriers.receipt_text import LONGEST_VALUE, carrier_time, read_receipt_text
from infrastructure.carriers.smpp_pdus import (
    Bind,
    BindResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Mode,
    Pdu,
    QuerySm,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    message_text,
    tlv,
)
from infrastructure.carriers.traffic import (
    Answer,
    Direction,
    IdFormat,
    LinkSettings,
    Part,
    Receipt,
    Refused,
    Reply,
    Taken,
)

_MODES: dict[Direction, Mode] = {"both": "transceiver", "send": "transmitter", "receive": "receiver"}
_THROTTLED = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL})
_RETRYABLE = _THROTTLED | {consts.SMPP_ESME_RSYSERR, consts.SMPP_ESME_RX_T_APPN}
_BAD_CREDENTIALS = frozenset({consts.SMPP_ESME_RINVPASWD, consts.SMPP_ESME_RINVSYSID})

_RECEIPTED_MESSAGE_ID = 0x001E
_NETWORK_ERROR_CODE = 0x0423
_MESSAGE_STATE = 0x0427
_SAR_REFERENCE, _SAR_TOTAL, _SAR_NUMBER = 0x020C, 0x020E, 0x020F
_LONG_HEADER = b"\6\x08\4"
_STATES = ("", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")

_UDH = 0x40
_KIND_BITS = 0x3C
_RECEIPT_KINDS = frozenset({0x04, 0x20})
_INTERNATIONAL = 1
_ALPHANUMERIC = (5, 0)
_FINAL_RECEIPT_WANTED = 1
_DAY_SECONDS = 86_400
_LONGEST_VALIDITY_SECONDS = 31 * _DAY_SECONDS


class SmppDialect:
    """One link's way of speaking SMPP; raises ProtocolError for parts that no PDU can hold."""

    last_sequence = smpp.LAST_SEQUENCE

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        letters = not settings.source_address.isdecimal()
        told = (settings.source_ton, settings.source_npi)
        self._source_kind = _ALPHANUMERIC if letters and not any(told) else told

    def framer(self) -> Framer:
        return Framer(shortest=smpp.HEADER_OCTETS, longest=smpp.LONGEST_PDU)

    def sequences(self) -> Iterator[int]:
        return sequences_to(self.last_sequence)

    def bind(self, sequence: int) -> bytes:
        return smpp.encode(
            Bind(
                sequence=sequence,
                mode=_MODES[self._settings.direction],
                system_id=self._settings.system_id,
                password=self._settings.password,
                system_type=self._settings.system_type,
            )
        )

    def submit(self, sequence: int, part: Part) -> bytes:
        return smpp.encode(
            SubmitSm(
                sequence=sequence,
                source_ton=self._source_kind[0],
                source_npi=self._source_kind[1],
                source=self._settings.source_address + part.extension,
                destination_ton=_INTERNATIONAL,
                destination_npi=_INTERNATIONAL,
                destination=part.destination,
                esm_class=_UDH if part.udh else 0,
                validity_period=_relative_time(part.validity_seconds),
                registered_delivery=_FINAL_RECEIPT_WANTED,
                data_coding=part.data_coding,
                short_message=part.payload,
            )
        )

    def keep_alive(self, sequence: int) -> bytes:
        return smpp.encode(EnquireLink(sequence=sequence))

    def unbind(self, sequence: int) -> bytes:
        return smpp.encode(Unbind(sequence=sequence))

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> bytes:
        """An answer that is not `stored` asks the carrier to send the same again later."""
        status = consts.SMPP_ESME_ROK if stored else consts.SMPP_ESME_RX_T_APPN
        kind = DataSmResp if delivery.tag else DeliverSmResp
        return smpp.encode(kind(sequence=delivery.sequence, status=status, message_id=""))

    def hear(self, frame: bytes) -> Heard:
        """Say what one whole PDU means; never raises."""
        try:
            return self._meaning(smpp.decode(frame))
        except ProtocolError as error:
            asks = smpp.is_request(frame) and error.sequence is not None
            return Noise(_nack(error.sequence or 0, error.status) if asks else b"")

    def _meaning(self, pdu: Pdu) -> Heard:
        match pdu:
            case SubmitSmResp():
                return SubmitAnswered(pdu.sequence, self._answer(pdu))
            case DeliverSm() | DataSm():
                return Delivery(pdu.sequence, self._content(pdu), tag=int(isinstance(pdu, DataSm)))
            case EnquireLink():
                return KeepAliveAsked(smpp.encode(EnquireLinkResp(sequence=pdu.sequence)))
            case GenericNack():
                patient, slower = pdu.status in _RETRYABLE, pdu.status in _THROTTLED
                return Rejected(pdu.sequence, _code(pdu.status), retryable=patient, throttled=slower)
            case BindResp():
                return _bind_answered(pdu)
            case Unbind():
                return UnbindAsked(smpp.encode(UnbindResp(sequence=pdu.sequence)))
            case UnbindResp():
                return UnbindAnswered()
            case Bind() | SubmitSm() | QuerySm():
                return Noise(_nack(pdu.sequence, consts.SMPP_ESME_RINVCMDID))
            case _:
                return Noise()

    def _answer(self, pdu: SubmitSmResp) -> Answer:
        if pdu.status == consts.SMPP_ESME_ROK:
            return Taken(normal_id(pdu.message_id or "", self._settings.id_format, receipt=False))
        return Refused(_code(pdu.status), pdu.status in _RETRYABLE, pdu.status in _THROTTLED)

    def _content(self, pdu: DeliverSm | DataSm) -> Receipt | Reply:
        """A text alone never makes a receipt: anyone can write `id:1 stat:DELIVRD` on a phone."""
        named = tlv(pdu.tlvs, _RECEIPTED_MESSAGE_ID)
        told = named is not None or tlv(pdu.tlvs, _MESSAGE_STATE) is not None
        if told or pdu.esm_class & _KIND_BITS in _RECEIPT_KINDS:
            return self._receipt(pdu, (named or b"").partition(b"\0")[0][:LONGEST_VALUE].decode("latin-1"))
        header = _long_header(pdu)
        return Reply(
            phone=with_country(pdu.source),
            destination=pdu.destination.strip().removeprefix("+"),
            payload=header + message_text(pdu),
            data_coding=pdu.data_coding,
            udh=bool(pdu.esm_class & _UDH or header),
            sequence=pdu.sequence,
            gsm=True,
        )

    def _receipt(self, pdu: DeliverSm | DataSm, named: str) -> Receipt:
        """The order of trust: for the id the parameter before the text, for the state the text before it."""
        text = read_receipt_text(_plain_text(pdu))
        return Receipt(
            carrier_id=_receipted_id(named, text.carrier_id, self._settings.id_format),
            status=text.status or _state(pdu),
            error_code=text.error_code or _network_error(pdu),
            done_text=text.done_text,
            done_at=carrier_time(text.done_text),
            phone=with_country(self._receipted_phone(pdu)),
        )

    def _receipted_phone(self, pdu: DeliverSm | DataSm) -> str:
        """The phone sends its receipt to us (2.11); some carriers leave both addresses as the submit had them."""
        as_submitted = pdu.source.startswith(self._settings.source_address)
        return pdu.destination if as_submitted and pdu.destination else pdu.source


def normal_id(carrier_id: str, id_format: IdFormat, *, receipt: bool) -> str:
    """Return the form in which the ids of answers and receipts are equal: decimal, where formats differ."""
    carrier_id = carrier_id.strip()
    if id_format == "same":
        return carrier_id
    hexadecimal = receipt == (id_format == "resp-dec-hex")
    try:
        return str(int(carrier_id, 16 if hexadecimal else 10))
    except ValueError:
        return carrier_id


def _receipted_id(named: str, in_text: str, id_format: IdFormat) -> str:
    """The parameter holds the id as in the submit answer (5.3.2.12), unless it repeats the text's form."""
    of_text = normal_id(in_text, id_format, receipt=True)
    if not named or normal_id(named, id_format, receipt=True) == of_text:
        return of_text
    return normal_id(named, id_format, receipt=False)


def _plain_text(pdu: DeliverSm | DataSm) -> str:
    """The text of a receipt, which is ASCII: some write it in UCS-2, behind a header, or end it with NULs."""
    octets = message_text(pdu)
    if pdu.esm_class & _UDH and octets:
        octets = octets[1 + octets[0] :]
    if octets[:1] == b"\0":
        return octets.decode("utf-16-be", errors="replace").replace("\0", " ")
    return octets.replace(b"\0", b" ").decode("latin-1")


def _long_header(pdu: DeliverSm | DataSm) -> bytes:
    """A part that says its place in parameters (5.3.2.22) gets the header that says the same."""
    reference, total, number = (tlv(pdu.tlvs, tag) for tag in (_SAR_REFERENCE, _SAR_TOTAL, _SAR_NUMBER))
    if pdu.esm_class & _UDH or not (reference and total and number):
        return b""
    return _LONG_HEADER + reference[-2:].rjust(2, b"\0") + total[-1:] + number[-1:]


def _state(pdu: DeliverSm | DataSm) -> str:
    number = int.from_bytes(tlv(pdu.tlvs, _MESSAGE_STATE) or b"", "big")
    return _STATES[number] if 0 < number < len(_STATES) else "UNKNOWN"


def _network_error(pdu: DeliverSm | DataSm) -> str:
    """Three octets: the kind of network and its code (5.3.2.31)."""
    value = tlv(pdu.tlvs, _NETWORK_ERROR_CODE) or b""
    return str(int.from_bytes(value[1:], "big")) if len(value) == 3 else ""


def _bind_answered(pdu: BindResp) -> BindAnswered:
    if pdu.status == consts.SMPP_ESME_ROK:
        return BindAnswered(pdu.sequence)
    return BindAnswered(pdu.sequence, _code(pdu.status), bad_credentials=pdu.status in _BAD_CREDENTIALS)


def _nack(sequence: int, status: int) -> bytes:
    return smpp.encode(GenericNack(sequence=sequence, status=status))


def _code(status: int) -> str:
    return f"0x{status:02X}"


def _relative_time(seconds: int | None) -> str:
    """Return "000001000000000R" for a day (7.1.1); what is longer than 31 days is cut to 31 days."""
    if seconds is None:
        return ""
    days, rest = divmod(min(max(seconds, 1), _LONGEST_VALIDITY_SECONDS), _DAY_SECONDS)
    return f"0000{days:02d}{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}000R"
