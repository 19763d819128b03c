"""The words every protocol shares: those of the use cases, and beside them a link's settings.

Phone numbers, texts and secrets never show in a repr, so that no log line or error can carry them.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from application.carriage import Answer, InDoubt, NotSent, Part, Receipt, Refused, Reply, Taken
from domain.events.link import Direction

__all__ = [
    "Answer",
    "Direction",
    "IdFormat",
    "InDoubt",
    "Key",
    "LinkPhase",
    "LinkSettings",
    "LinkState",
    "NotSent",
    "Part",
    "Receipt",
    "Refused",
    "Reply",
    "Taken",
]

Key = Hashable
"""Whatever the caller wants to see again with a late answer."""

IdFormat = Literal["same", "resp-hex-dlr-dec", "resp-dec-hex"]
"""How the carrier writes one id in the submit answer and in the receipt."""


class LinkPhase(StrEnum):
    """Where a link stands; REFUSED means that the carrier did not accept our credentials: raise an alarm."""

    CONNECTING = "connecting"
    BOUND = "bound"
    LOST = "lost"
    REFUSED = "refused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LinkState:
    """A change of a link, with the reason for people."""

    phase: LinkPhase
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkSettings:
    """One connection of a configured link. `rate_per_second` counts parts; 0 = what the window allows.

    `source_ton`/`source_npi` describe the source address: 0/0 unknown or 3/1 for a number, 5/0 for letters.
    `service_id` and the fees are for the carriers' own protocols, as their contract says them; an empty fee
    is the protocol's word for "free", `fee_user_type` who pays (CMPP: 2 = the sender). `corp_id` is our
    enterprise code (SGIP CorpId, SMGP MsgSrc), `node_id` our node's number (SGIP). Where the carrier comes
    to us with receipts (SGIP) it logs in at `listener_port`; several links may share one. `connection` is which
    of the link's connections this is, from 1, and `direction` what it logs in for (SMPP, SMGP). `encrypted` is TLS,
    trusted by the system's authorities or by the PEM text of `authority` alone.
    """

    name: str
    connection: int = 1
    direction: Direction = "both"
    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    protocol: str = "smpp34"
    source_address: str
    source_ton: int = 0
    source_npi: int = 0
    service_id: str = ""
    fee_user_type: int = 2
    fee_type: str = ""
    fee_code: str = ""
    corp_id: str = ""
    node_id: int = 0
    listener_host: str = ""
    listener_port: int = 0
    listener_login: str = ""
    listener_password: str = field(default="", repr=False)
    encrypted: bool = False
    authority: str = ""
    window: int = 100
    rate_per_second: float = 0
    response_timeout_seconds: float = 60.0
    keep_alive_seconds: float = 30.0
    keep_alive_limit: int = 3
    connect_timeout_seconds: float = 10.0
    reconnect_min_seconds: float = 0.5
    reconnect_max_seconds: float = 30.0
    credentials_retry_seconds: float = 600.0
    close_timeout_seconds: float = 5.0
    waiting_receipts_limit: int = 5000
    id_format: IdFormat = "same"
