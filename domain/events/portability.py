"""What becomes known about numbers that kept their digits and changed their carrier (携号转网).

No event has a number in it. `subject` is its blind index under the key of the day, as in the access log: whose
it was cannot be told any more once that key is destroyed. What routing uses is a table of its own.
"""

from dataclasses import dataclass
from typing import ClassVar

from domain.values import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierSet:
    """A person says whose a number is: that goes before everything else, until it is forgotten."""

    TOPIC: ClassVar = "portability.carrier_set"
    subject: str
    carrier: Carrier
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImported:
    """So many numbers of a list are known now; one event for each piece of it that was written at once."""

    TOPIC: ClassVar = "portability.list_imported"
    numbers: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortedOut:
    """A carrier refused a message or reported on it with a code that says: this number is not mine any more."""

    TOPIC: ClassVar = "portability.ported_out"
    subject: str
    carrier: Carrier
    link: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgain:
    """A message to the number was delivered in the network of a carrier that had said it was not there."""

    TOPIC: ClassVar = "portability.seen_again"
    subject: str
    carrier: Carrier
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Nothing is known about a number any more but its segment."""

    TOPIC: ClassVar = "portability.forgotten"
    subject: str
    reason: str


PortabilityEvent = CarrierSet | ListImported | PortedOut | SeenAgain | Forgotten
