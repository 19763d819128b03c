"""CMPP 2.0 and 3.0 PDUs as values ("CMPP V3.0.0", QB-GF-028-2003).

One value serves both versions; what only one of them carries has a default. `sequence` is 0 to 0xFFFFFFFF,
message ids are unsigned 64-bit numbers, strings are Latin-1 without NUL, so that every octet survives.
Phone numbers, texts and digests stay out of every repr.
"""

from dataclasses import dataclass, field
from typing import Literal

Version = Literal[0x20, 0x30]

NO_DIGEST = bytes(16)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connect:
    """CMPP_CONNECT; `timestamp` is MMDDHHMMSS as a number, `version` what the client wants to speak."""

    sequence: int
    source_address: str
    authenticator: bytes = field(repr=False)
    version: int
    timestamp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectResp:
    """The answer to a connect: 0 = welcome, 3 = wrong secret, 4 = version too high."""

    sequence: int
    status: int = 0
    authenticator: bytes = field(default=NO_DIGEST, repr=False)
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """CMPP_SUBMIT; the terminal types are of 3.0 only, `link_id` is 8 octets of reserve in 2.0."""

    sequence: int
    message_id: int = 0
    parts: int = 1
    part: int = 1
    registered_delivery: int = 0
    level: int = 0
    service_id: str = ""
    fee_user_type: int = 0
    fee_terminal: str = field(default="", repr=False)
    fee_terminal_type: int = 0
    tp_pid: int = 0
    tp_udhi: int = 0
    message_format: int = 0
    message_source: str = ""
    fee_type: str = ""
    fee_code: str = ""
    valid_time: str = ""
    at_time: str = ""
    source: str = ""
    destinations: tuple[str, ...] = field(repr=False)
    destination_type: int = 0
    content: bytes = field(default=b"", repr=False)
    link_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitResp:
    """The carrier's answer to a part: 0 = taken, 8 = too fast."""

    sequence: int
    message_id: int = 0
    result: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """CMPP_DELIVER: a reply, or with `registered_delivery` 1 a report whose body is the content."""

    sequence: int
    message_id: int = 0
    destination: str = ""
    service_id: str = ""
    tp_pid: int = 0
    tp_udhi: int = 0
    message_format: int = 0
    source: str = field(default="", repr=False)
    source_type: int = 0
    registered_delivery: int = 0
    content: bytes = field(default=b"", repr=False)
    link_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverResp:
    """Our answer to a deliver, with its message id."""

    sequence: int
    message_id: int = 0
    result: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The body of a report: 60 octets in 2.0, 71 in 3.0; the times are YYMMDDHHMM of China, or anything."""

    message_id: int
    status: str
    submit_time: str = ""
    done_time: str = ""
    destination: str = field(default="", repr=False)
    smsc_sequence: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """CMPP_QUERY of a day (YYYYMMDD): 0 = the total, 1 = by service."""

    sequence: int
    day: str
    query_type: int = 0
    query_code: str = ""
    reserve: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryResp:
    """The counts of a day; "mt" goes to phones, "mo" comes from them."""

    sequence: int
    day: str
    query_type: int = 0
    query_code: str = ""
    mt_messages: int = 0
    mt_users: int = 0
    mt_succeeded: int = 0
    mt_waiting: int = 0
    mt_failed: int = 0
    mo_succeeded: int = 0
    mo_waiting: int = 0
    mo_failed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """CMPP_CANCEL of a submitted message."""

    sequence: int
    message_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelResp:
    """The answer to a cancel: 0 = done, 1 = failed."""

    sequence: int
    result: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveTest:
    """Are you there?"""

    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveTestResp:
    """I am."""

    sequence: int
    reserved: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminate:
    """The sender is about to leave."""

    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TerminateResp:
    """Leave granted."""

    sequence: int


Pdu = (
    Connect
    | ConnectResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | Query
    | QueryResp
    | Cancel
    | CancelResp
    | ActiveTest
    | ActiveTestResp
    | Terminate
    | TerminateResp
)
