"""The 【…】 before a text: who is speaking, and with which carriers that is filed."""

from dataclasses import dataclass
from typing import ClassVar

from domain.values import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A name an account wants to sign with, without its brackets."""

    TOPIC: ClassVar = "signature.drafted"
    account: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """May be used."""

    TOPIC: ClassVar = "signature.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """May no longer be used; final."""

    TOPIC: ClassVar = "signature.retired"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingRequested:
    """A carrier was asked to register the signature (实名报备), for all links to it or for one."""

    TOPIC: ClassVar = "signature.filing_requested"
    carrier: Carrier
    link: str
    """Empty: for every link of the carrier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """The carrier registered it; `extension` are the digits behind the link's number that it did so for, if any."""

    TOPIC: ClassVar = "signature.filed"
    carrier: Carrier
    link: str
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingRejected:
    """The carrier did not register it, or does so no more."""

    TOPIC: ClassVar = "signature.filing_rejected"
    carrier: Carrier
    link: str
    reason: str


FilingEvent = FilingRequested | Filed | FilingRejected
SignatureEvent = Drafted | Approved | Retired | FilingEvent
