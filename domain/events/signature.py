"""The 【…】 before a text: who is speaking."""

from dataclasses import dataclass
from typing import ClassVar


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


SignatureEvent = Drafted | Approved | Retired
