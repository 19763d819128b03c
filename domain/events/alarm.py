"""Somebody has to know that a package is nearly used up: each level of a year is told once."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The use of a year reached a share of its allowance."""

    TOPIC: ClassVar = "alarm.raised"
    account: str
    year: int
    percent: int
    allowance: int
    net: int
    posting: int
    """The posting at which it was seen: the level was reached there or a little before."""


AlarmEvent = Raised
