"""SMPP 3.4 PDUs as values ("SMPP Protocol Specification v3.4 Issue 1.2", sections 4.1 to 4.11).

`sequence` is 1 to 0x7FFFFFFF; strings are Latin-1, so that every octet survives; `tlvs` are the optional
parameters in the order of the wire. Phone numbers, texts and passwords stay out of every repr.
"""

from dataclasses import dataclass, field
from typing import Literal

_MESSAGE_PAYLOAD = 0x0424

Mode = Literal["receiver", "transmitter", "transceiver"]
Tlvs = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """bind_receiver, bind_transmitter or bind_transceiver (4.1)."""

    sequence: int
    mode: Mode
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BindResp:
    """The answer to a bind; `system_id` None = no body, as errors have."""

    sequence: int
    mode: Mode
    status: int = 0
    system_id: str | None = None
    tlvs: Tlvs = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShortMessage:
    """The layout that submit_sm (4.4.1) and deliver_sm (4.6.1) share; at most 254 octets of text."""

    sequence: int
    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = field(repr=False)
    destination_ton: int = 0
    destination_npi: int = 0
    destination: str = field(repr=False)
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    default_message_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: Tlvs = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitSm(_ShortMessage):
    """A part on its way to the carrier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverSm(_ShortMessage):
    """A receipt or a reply from the carrier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSm:
    """data_sm (4.7.1): its text is in the message_payload parameter."""

    sequence: int
    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = field(repr=False)
    destination_ton: int = 0
    destination_npi: int = 0
    destination: str = field(repr=False)
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _MessageAnswer:
    """An answer that names a message; `message_id` None = no body, as errors may have."""

    sequence: int
    status: int = 0
    message_id: str | None = None
    tlvs: Tlvs = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitSmResp(_MessageAnswer):
    """The carrier's answer to a part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverSmResp(_MessageAnswer):
    """Our answer to a receipt or reply; its message_id is empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSmResp(_MessageAnswer):
    """The answer to a data_sm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuerySm:
    """query_sm (4.8.1)."""

    sequence: int
    message_id: str
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuerySmResp:
    """The answer to query_sm; `message_id` None = no body."""

    sequence: int
    status: int = 0
    message_id: str | None = None
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _HeaderOnly:
    """A PDU without a body."""

    sequence: int
    status: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EnquireLink(_HeaderOnly):
    """Are you there?"""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnquireLinkResp(_HeaderOnly):
    """I am."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unbind(_HeaderOnly):
    """The sender is about to leave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnbindResp(_HeaderOnly):
    """Leave granted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenericNack(_HeaderOnly):
    """The peer could not read a PDU."""


Pdu = (
    Bind
    | BindResp
    | SubmitSm
    | SubmitSmResp
    | DeliverSm
    | DeliverSmResp
    | DataSm
    | DataSmResp
    | QuerySm
    | QuerySmResp
    | EnquireLink
    | EnquireLinkResp
    | Unbind
    | UnbindResp
    | GenericNack
)


def tlv(tlvs: Tlvs, tag: int) -> bytes | None:
    """Return the value of the first optional parameter `tag`, None where it is absent."""
    for found, value in tlvs:
        if found == tag:
            return value
    return None


def message_text(pdu: DeliverSm | DataSm) -> bytes:
    """Return the octets of the message, from short_message or from message_payload (5.3.2.32)."""
    short = pdu.short_message if isinstance(pdu, DeliverSm) else b""
    return short or tlv(pdu.tlvs, _MESSAGE_PAYLOAD) or b""
