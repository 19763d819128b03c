"""What the platform and a carrier say to each other, in words that every protocol shares.

Phone numbers, texts and secrets never show in a repr, so that no log line or error can carry them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.values import Lane


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One PDU's worth of a message: at most 254 octets of payload, the UDH included when `udh` is set.

    `destination` is in digits with the country code; `extension` are digits behind the link's own number,
    which the phone sees as one and answers to.
    """

    destination: str = field(repr=False)
    payload: bytes = field(repr=False)
    data_coding: int
    udh: bool = False
    validity_seconds: int | None = None
    extension: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The carrier took the part; `carrier_id` is what its receipt will name, in normal form."""

    carrier_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier did not take the part; `code` is its own code, "local:..." when we refused to encode it."""

    code: str
    retryable: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The part may have reached the carrier, and no answer came: it must not simply be sent again."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one octet of the part was given to the network: it can be sent again.

    `ended` says that this link takes nothing more, so that another try makes sense elsewhere only.
    """

    reason: str
    ended: bool = False


Answer = Taken | Refused | InDoubt | NotSent


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A delivery report as the carrier wrote it; an empty `carrier_id` means that it named none.

    `status` is upper case ("DELIVRD", "UNDELIV", "MK:0001"...), `error_code` raw. `done_text` is the
    carrier's time as written, `done_at` the same as a time of China, None where it cannot be read.
    """

    carrier_id: str
    status: str
    error_code: str = ""
    done_text: str = ""
    done_at: datetime | None = None
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A message from a phone to one of our numbers; the payload is raw, its coding as in the PDU.

    `carrier_id` is the carrier's own id of it, empty where its protocol has none (SMPP): there it is known
    again by `sequence`, the number of its PDU. `gsm` says that codings are SMPP's: 0 is the GSM alphabet.
    """

    phone: str = field(repr=False)
    destination: str
    payload: bytes = field(repr=False)
    data_coding: int
    udh: bool
    carrier_id: str = ""
    sequence: int = 0
    gsm: bool = False


class PartKey(NamedTuple):
    """A message, the number of its part and the attempt: comes back with an answer that was late."""

    message: UUID
    part: int
    attempt: int


class Carriage(Protocol):
    """A link as the submitting use case sees it."""

    @property
    def name(self) -> str:
        """The link's name."""
        ...

    async def reserve(self, lane: Lane, wanted: int) -> int:
        """Wait until the link can take messages and give 1 to `wanted` places; real-time waits first.

        No place means that the link takes nothing more.
        """
        ...

    def release(self, places: int) -> None:
        """Give places back."""
        ...

    async def submit(self, part: Part, key: PartKey) -> Answer:
        """Hand a part to the carrier and wait for what becomes of it."""
        ...
