"""What becomes of one text to one phone number. Neither the number nor the text is ever in an event."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.values import Carrier, Category, ChargeOn, FoundBy, Lane, Sealed


class Cause(StrEnum):
    """Where a failure was decided."""

    REFUSED = "refused"
    """The carrier refused the submission: it never left (Twilio's `failed`)."""
    RECEIPT = "receipt"
    """The carrier took it and reported that it was not delivered (Twilio's `undelivered`)."""
    UNKNOWN = "unknown"
    """No receipt came in time and the contract's policy refunds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """By what a message is counted; outcome events repeat it so that statistics need no second look."""

    account: str
    carrier: Carrier
    template: str
    """Code of the template, empty for free text."""
    accepted_at: datetime
    segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What acceptance cost: the debit is posting `posting` of the ledger of `year`, in the same transaction."""

    year: int
    posting: int
    included: int
    overage: int
    price_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The platform owes a delivery; the debit is in the same transaction."""

    TOPIC: ClassVar = "message.accepted"
    account: str
    category: Category
    lane: Lane
    carrier: Carrier
    signature: str
    template: str
    batch: str
    client_reference: str
    segments: int
    parts: int
    units: int
    charge_on: ChargeOn
    charged: Charged
    expires_at: datetime
    sealed: Sealed
    body_digest: str
    """Keyed digest of the request, to tell a repeated key with another body."""
    carrier_by: FoundBy = FoundBy.SEGMENTS
    """How the carrier was found."""
    segment_carrier: Carrier | None = None
    """The carrier by the number segments, where that is another one."""
    extension: str = ""
    """Digits that the sender wants to end its number with, so that he knows replies to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStarted:
    """From here on the carrier may have it: without an answer it is in doubt."""

    TOPIC: ClassVar = "message.submission_started"
    attempt: int
    link: str
    route: str = ""
    """The route that chose the link; empty before there were routes."""
    passed_over: tuple[str, ...] = ()
    """Links that were asked first, each with what kept it: `mobile-1:down`."""
    connection: int = 1
    """Which of the link's connections it went over; whoever owns that one next knows it abandoned."""
    extension: str = ""
    """Digits behind the link's number: of the route or the filing, then those that the sender asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedPart:
    """One part the carrier took, numbered from 1, with the id the carrier gave it."""

    number: int
    carrier_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The carrier took every part."""

    TOPIC: ClassVar = "message.submitted"
    link: str
    parts: tuple[SubmittedPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRefused:
    """The carrier (or the link before it) refused; `taken` lists parts that had been taken all the same."""

    TOPIC: ClassVar = "message.submission_refused"
    link: str
    carrier: Carrier
    lane: Lane
    code: str
    retryable: bool
    attempt: int
    taken: tuple[SubmittedPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionInDoubt:
    """Sent and not answered: never sent again unless a receipt, a policy or a person decides."""

    TOPIC: ClassVar = "message.submission_in_doubt"
    link: str
    reason: str
    taken: tuple[SubmittedPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtResolved:
    """A person decided about a submission in doubt: send it again, or give it up."""

    TOPIC: ClassVar = "message.doubt_resolved"
    carrier: Carrier
    lane: Lane
    resend: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRecorded:
    """The carrier's report on one part, with its own status code and its own time as it wrote it."""

    TOPIC: ClassVar = "message.receipt_recorded"
    part: int
    carrier_id: str
    status: str
    error: str
    carrier_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Every part was delivered."""

    TOPIC: ClassVar = "message.delivered"
    of: Dimensions
    revises: str = ""
    """The outcome this one contradicts: empty, "failed", "expired" or "cancelled"."""
    owed_again: bool = False
    """That outcome had been refunded: the ledger takes the refund back in the same transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not be delivered: refused at submission, or reported as failed."""

    TOPIC: ClassVar = "message.failed"
    cause: Cause
    code: str
    refunded: bool
    of: Dimensions
    revises: str = ""
    """The outcome this one contradicts: empty or "delivered"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Its validity ended before any carrier took it; refunded."""

    TOPIC: ClassVar = "message.expired"
    of: Dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Taken back before any carrier took it; refunded."""

    TOPIC: ClassVar = "message.cancelled"
    reason: str
    of: Dimensions


MessageEvent = (
    Accepted
    | SubmissionStarted
    | Submitted
    | SubmissionRefused
    | SubmissionInDoubt
    | DoubtResolved
    | ReceiptRecorded
    | Delivered
    | Failed
    | Expired
    | Cancelled
)
