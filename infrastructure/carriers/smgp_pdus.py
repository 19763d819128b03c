"""SMGP 3.0 PDUs as values ("中国电信 短消息网关协议 SMGP V3.0.3").

`sequence` is 0 to 0xFFFFFFFF; texts are Latin-1 without NUL, so that every octet survives; `tlvs` are the
optional parameters in the order of the wire. Phone numbers, contents and digests stay out of every repr.
"""

from dataclasses import dataclass, field

__all__ = [
    "ActiveTest",
    "ActiveTestResp",
    "Deliver",
    "DeliverResp",
    "Exit",
    "ExitResp",
    "Login",
    "LoginResp",
    "Pdu",
    "Submit",
    "SubmitResp",
    "Tag",
    "Tlvs",
    "tlv",
]

Tlvs = tuple[tuple[int, bytes], ...]


class Tag:
    """The optional parameters that the platform writes or reads."""

    TP_UDHI = 0x0002
    PK_TOTAL = 0x0009
    PK_NUMBER = 0x000A
    MSG_SRC = 0x0010


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """`timestamp` is MMDDHHMMSS as a number; `mode` 0 sends, 1 receives, 2 does both."""

    sequence: int
    client_id: str
    authenticator: bytes = field(repr=False)
    mode: int = 2
    timestamp: int
    version: int = 0x30


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginResp:
    """The answer to a login."""

    sequence: int
    status: int = 0
    authenticator: bytes = field(default=bytes(16), repr=False)
    version: int = 0x30


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """A part on its way to 1 to 100 phones; at most 255 octets of content."""

    sequence: int
    message_type: int = 6
    need_report: int = 1
    priority: int = 0
    service_id: str = ""
    fee_type: str = "00"
    fee_code: str = ""
    fixed_fee: str = ""
    coding: int = 0
    valid_time: str = ""
    at_time: str = ""
    source: str = ""
    charge: str = field(default="", repr=False)
    destinations: tuple[str, ...] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    reserve: str = ""
    tlvs: Tlvs = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _MessageAnswer:
    """An answer that names a message by its 10 octets."""

    sequence: int
    message_id: bytes
    status: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitResp(_MessageAnswer):
    """The carrier's answer to a part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """A receipt (`is_report` 1) or a reply; `message_id` is its own, `received` YYYYMMDDHHMMSS."""

    sequence: int
    message_id: bytes
    is_report: int = 0
    coding: int = 0
    received: str = ""
    source: str = field(repr=False)
    destination: str = ""
    content: bytes = field(default=b"", repr=False)
    reserve: str = ""
    tlvs: Tlvs = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverResp(_MessageAnswer):
    """Our answer to a receipt or reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _HeaderOnly:
    """A PDU without a body."""

    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveTest(_HeaderOnly):
    """Are you there?"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveTestResp(_HeaderOnly):
    """I am."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit(_HeaderOnly):
    """The sender is about to leave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitResp(_HeaderOnly):
    """Leave granted."""


Pdu = (
    Login
    | LoginResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | ActiveTest
    | ActiveTestResp
    | Exit
    | ExitResp
)


def tlv(tlvs: Tlvs, tag: int) -> bytes | None:
    """Return the value of the first optional parameter `tag`, None where it is absent."""
    for found, value in tlvs:
        if found == tag:
            return value
    return None
