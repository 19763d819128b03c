"""Configured connections to carriers: configuration and state changes are facts too."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from domain.values import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """How a link is reached and which carriers' numbers it takes; the password is sealed."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The connection is gone."""

    TOPIC: ClassVar = "link.lost"
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Its circuit breaker opened: too much is refused or not delivered; others are taken before it."""

    TOPIC: ClassVar = "link.broken"
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """Its circuit breaker closed: it is tried again."""

    TOPIC: ClassVar = "link.mended"
    name: str


ConditionEvent = Connected | Lost | Broken | Mended
"""How a link does: in a stream of its own, whose last fact is what counts."""
LinkEvent = Configured | Enabled | Disabled | Draining | ConditionEvent
