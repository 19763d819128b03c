"""SGIP 1.2 PDUs as values ("中国联合通信公司短消息网关系统接口协议 (SGIP) 版本 1.2").

`sequence` is the whole number of 12 octets: node, MMDDHHMMSS and a counter, 32 bits each. Texts are Latin-1
without NUL, so that every octet survives. Phone numbers, contents and passwords stay out of every repr.
"""

from dataclasses import dataclass, field

__all__ = [
    "Bind",
    "BindResp",
    "Deliver",
    "DeliverResp",
    "Pdu",
    "Report",
    "ReportResp",
    "Submit",
    "SubmitResp",
    "Unbind",
    "UnbindResp",
    "UserReport",
    "UserReportResp",
    "sequence_number",
    "sequence_text",
]

_COUNTER_BITS = 32
_MASK = 0xFFFF_FFFF


def sequence_number(node: int, stamp: int, counter: int) -> int:
    """Return the sequence number that is made of the three; `stamp` is MMDDHHMMSS."""
    return (node << 2 * _COUNTER_BITS) | (stamp << _COUNTER_BITS) | counter


def sequence_text(sequence: int) -> str:
    """Return the three numbers in ten digits each: the name of a message wherever it is written down."""
    node = sequence >> 2 * _COUNTER_BITS
    return f"{node:010d}{sequence >> _COUNTER_BITS & _MASK:010d}{sequence & _MASK:010d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """`login_type` 1: we come to the carrier; 2: the carrier comes to us."""

    sequence: int
    login_type: int
    name: str
    password: str = field(repr=False)
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """An answer; `result` 0 is yes."""

    sequence: int
    result: int = 0
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BindResp(_Result):
    """The answer to a bind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """A part on its way to 1 to 100 phones, which are written with 86; `report_flag` 1 wants every report."""

    sequence: int
    source: str = ""
    charge: str = field(default="0" * 21, repr=False)
    destinations: tuple[str, ...] = field(repr=False)
    corp_id: str = ""
    service_type: str = ""
    fee_type: int = 1
    fee_value: str = "0"
    given_value: str = "0"
    agent_flag: int = 0
    more_flag: int = 2
    priority: int = 0
    expire_time: str = ""
    schedule_time: str = ""
    report_flag: int = 1
    protocol_id: int = 0
    udhi: int = 0
    coding: int = 0
    message_type: int = 0
    content: bytes = field(default=b"", repr=False)
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitResp(_Result):
    """The carrier's answer to a part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """A reply from a phone."""

    sequence: int
    phone: str = field(repr=False)
    destination: str = ""
    protocol_id: int = 0
    udhi: int = 0
    coding: int = 0
    content: bytes = field(default=b"", repr=False)
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverResp(_Result):
    """Our answer to a reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A receipt for the Submit of that number; `state` 0 delivered, 1 on its way, 2 failed."""

    sequence: int
    submit_sequence: int
    report_type: int = 0
    phone: str = field(repr=False)
    state: int = 0
    error_code: int = 0
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportResp(_Result):
    """Our answer to a receipt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UserReport:
    """What became of a subscriber; `condition` 0 cancelled, 1 suspended, 2 normal again."""

    sequence: int
    source: str = ""
    phone: str = field(repr=False)
    condition: int = 0
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UserReportResp(_Result):
    """Our answer to that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unbind:
    """The sender is about to leave."""

    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnbindResp:
    """Leave granted."""

    sequence: int


Pdu = (
    Bind
    | BindResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | Report
    | ReportResp
    | UserReport
    | UserReportResp
    | Unbind
    | UnbindResp
)
