"""Configured connections to carriers: configuration and state changes are facts too."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from domain.values import Carrier

Direction: TypeAlias = Literal["both", "send", "receive"]
"""What a connection is logged in for: to carry messages to the carrier, to bring receipts and replies, or for both."""


def direction_of(connection: int, *, connections: int, receivers: int) -> Direction:
    """What a connection, from 1, is logged in for in a link that has so many, of which the last are receivers."""
    if not receivers:
        return "both"
    return "send" if connection <= connections - receivers else "receive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the carrier's contract wants in every submit of its own protocols; SMPP has none of it.

    An empty fee is the protocol's word for "free"; `fee_user_type` says who pays (CMPP: 2 = the sender).
    `corp_id` is our enterprise code (SGIP CorpId, SMGP MsgSrc), `node_id` our node's number (SGIP).
    """

    service_id: str = ""
    fee_user_type: int = 2
    fee_type: str = ""
    fee_code: str = ""
    corp_id: str = ""
    node_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Where the carrier comes to us with receipts and replies, and how it logs in (SGIP). Links may share a port."""

    host: str
    port: int
    login: str
    sealed_password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a link's circuit opens: this share of its latest answers refused, or of its latest receipts not
    delivered, in percent (0 = never for that reason). It takes `least` of them to judge."""

    refused_percent: int = 50
    undelivered_percent: int = 80
    least: int = 50
    open_seconds: int = 60
    """How long others go first before it is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """TLS to the carrier, where the protocol has it (SMPP); its certificate is checked against the system's
    authorities, or against `authority` (PEM) alone."""

    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """How a link is reached and which carriers' numbers it takes; passwords are sealed."""

    TOPIC: ClassVar = "link.configured"
    name: str
    protocol: str
    host: str
    port: int
    system_id: str
    sealed_password: str
    source_address: str
    carriers: tuple[Carrier, ...]
    window: int
    rate_per_second: int
    """0 is no limit."""
    response_timeout_seconds: int
    id_format: Literal["same", "resp-hex-dlr-dec", "resp-dec-hex"] = "same"
    """How the carrier writes one id in the submit answer and in the receipt."""
    system_type: str = ""
    """SMPP's word for the kind of client, where the carrier wants one."""
    keep_alive_seconds: int = 30
    connections: int = 1
    """How many the carrier allows at once; each that sends has the window, and those share the rate evenly."""
    tariff: Tariff = Tariff()
    inbound: Inbound | None = None
    breaker: Breaker = Breaker()
    encryption: Encryption | None = None
    signs: bool = False
    """The carrier writes the signature of the number itself: it is taken off the text on the wire."""
    receivers: int = 0
    """So many of the connections, the last ones, log in to receive only, and the others to send only; with 0 each
    does both."""

    @property
    def senders(self) -> int:
        """How many of its connections, the first ones, carry messages to the carrier."""
        return self.connections - self.receivers

    def direction(self, connection: int) -> Direction:
        """What one of its connections, from 1, is logged in for."""
        return direction_of(connection, connections=self.connections, receivers=self.receivers)

    def rate_of(self, connection: int) -> float:
        """Parts a second that one of its connections may send; 0 where there is no limit, or it only receives."""
        return 0.0 if self.direction(connection) == "receive" else self.rate_per_second / self.senders

    def keeps(self, before: "Configured", connection: int) -> bool:
        """Whether a connection that was made as it was `before` can stay: it would be made in no other way."""
        ours_alone = {name: getattr(self, name) for name in _OURS_ALONE}
        same_login = self.direction(connection) == before.direction(connection)
        return same_login and replace(before, **ours_alone) == self


_OURS_ALONE = ("carriers", "rate_per_second", "breaker", "signs", "connections", "receivers")
"""What nothing is agreed about between a connection and the carrier's end of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enabled:
    """Messages are routed to it."""

    TOPIC: ClassVar = "link.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """No message is routed to it any more."""

    TOPIC: ClassVar = "link.disabled"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """No new message takes it; what waits for it goes elsewhere, what is on the wire is finished."""

    TOPIC: ClassVar = "link.draining"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The carrier accepted the bind."""

    TOPIC: ClassVar = "link.connected"
    name: str
    connection: int = 1
    """Which of the link's connections, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The connection is gone."""

    TOPIC: ClassVar = "link.lost"
    name: str
    reason: str
    connection: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Its circuit breaker opened: too much is refused or not delivered; others are taken before it."""

    TOPIC: ClassVar = "link.broken"
    name: str
    reason: str
    open_seconds: int = Breaker().open_seconds
    """Until when: so long after this was recorded it is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """Its circuit breaker closed: it is tried again."""

    TOPIC: ClassVar = "link.mended"
    name: str
    reason: str = ""
    """Why it counts as healthy; empty where only its time was over, so that it is on trial."""


ConditionEvent = Connected | Lost | Broken | Mended
"""How a link does: each connection and the breaker have a stream of their own, whose last fact is what counts."""
LinkEvent = Configured | Enabled | Disabled | Draining | ConditionEvent
