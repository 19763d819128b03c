"""What phones write to our numbers. Neither the phone's number nor its words are ever in an event."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from domain.values import Sealed


class MatchedBy(StrEnum):
    """How the account of a reply was found."""

    EXTENSION = "extension"
    """The digits behind the link's number are those of a route of this account alone."""
    RECENT = "recent"
    """It wrote last to this phone over this link, in the 72 hours before: under this very number, if anybody did."""
    NUMBER = "number"
    """The bare number belongs to routes of this account alone."""
    NOBODY = "nobody"
    """No account is known: it is kept for operators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a reply came in and whose it is."""

    account: str
    """Empty where nobody's."""
    link: str
    number: str
    """Our number that the phone wrote to, in digits as the carrier gave it; masked where that is a phone's."""
    extension: str
    """What stands behind the link's own number, the phone's own digits included."""
    matched_by: MatchedBy
    message: str
    """The id of the message it is taken to answer, where that decided; else empty."""
    asked: str = ""
    """The end of `extension` that is of no route and no filing: what the sender asked for, then the phone's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived:
    """A whole reply is durable."""

    TOPIC: ClassVar = "reply.received"
    of: Origin
    keyword: str
    """The word by which the phone wants no more messages, in normal form; empty for anything else."""
    parts: int
    exact: bool
    """Every octet could be read; else the octets are sealed beside the text."""
    sealed: Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReceived:
    """A part of a long reply is durable; the reply follows with the last of them."""

    TOPIC: ClassVar = "reply.part_received"
    of: Origin
    part: int
    """From 1."""
    parts: int
    coding: int
    """As in the PDU."""
    gsm: bool
    """Coding 0 is the GSM alphabet, an octet a character."""
    identity: str
    """Keyed digest by which the same part is known again when the carrier repeats it."""
    exact: bool
    sealed: Sealed


ReplyEvent = ReplyReceived | PartReceived
