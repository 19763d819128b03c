"""What goes in and out over HTTP, once: these structures decode, encode and describe themselves in openapi.json.

Times are RFC 3339 with offset; money is a decimal string in yuan with its integer in micro-yuan beside it.
"""

from datetime import datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.aggregates.message import Status
from domain.values import Carrier, Category, Lane, yuan

Phone = Annotated[
    str,
    Meta(
        description="Mobile number of mainland China: 11 digits; +86, 86 or 0086 before and spaces are fine."
    ),
]
Variables = Annotated[
    dict[str, str], Meta(description="A value of 1 to 35 characters for every variable of the template.")
]


class Money(Struct, frozen=True):
    """An amount in yuan: the decimal string is exact, the integer counts millionths."""

    yuan: str
    micros: int


@lru_cache(maxsize=10_000)
def money(micros: int) -> Money:
    """An amount from its micro-yuan; prices and small amounts come again and again."""
    return Money(yuan(micros), micros)


class Problem(Struct, kw_only=True, omit_defaults=True):
    """A refusal (RFC 9457). `code` is stable; `detail` tells a person what to do."""

    type: Annotated[str, Meta(description="Where the code is explained.")]
    title: str
    status: int
    detail: str
    code: str
    field: Annotated[str | None, Meta(description="The field or parameter that is wrong.")] = None
    request_id: str = ""


class MessageRequest(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One message: a free `text`, or a `template` with its `variables`."""

    phone: Phone
    signature: Annotated[str, Meta(description="An approved signature, without its brackets.")]
    text: Annotated[str | None, Meta(description="Text without the signature, up to 1000 in all.")] = None
    template: Annotated[str | None, Meta(description="Code of an approved template.")] = None
    variables: Variables = {}
    category: Annotated[
        Category | None, Meta(description="For free text, default notice; a template brings its own.")
    ] = None
    client_reference: Annotated[
        str,
        Meta(description="Your own reference, up to 128 visible characters. It is kept: no phone number."),
    ] = ""
    validity_seconds: Annotated[
        int | None, Meta(description="How long it may wait for the carrier: 10 seconds to 3 days.")
    ] = None
    extension: Annotated[
        str,
        Meta(description="Digits, up to 12, that its number shall end with: replies come back with them."),
    ] = ""


class BulkItem(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One message of a call; what it leaves out is taken from the call."""

    phone: Phone
    id: Annotated[
        str | None,
        Meta(description="Your own idempotency key of this message, as the header of a single call."),
    ] = None
    signature: str | None = None
    text: str | None = None
    template: str | None = None
    variables: Variables = {}
    category: Category | None = None
    client_reference: str = ""
    validity_seconds: int | None = None
    extension: str | None = None


class BulkDefaults(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What a call says once for all its messages."""

    batch: Annotated[
        str | None, Meta(description="Name of the batch: up to 64 letters, digits, dots, dashes.")
    ] = None
    signature: str | None = None
    text: str | None = None
    template: str | None = None
    category: Category | None = None
    validity_seconds: int | None = None
    extension: str = ""
    allow_duplicates: Annotated[
        bool, Meta(description="Accept the same text to the same number twice in this call.")
    ] = False


class BulkRequest(BulkDefaults, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Up to 1000 messages under one batch; the fields beside `messages` are their defaults."""

    messages: list[BulkItem]


class MessageAccepted(Struct, kw_only=True):
    """An accepted message and its debit, both durable."""

    id: UUID
    status: Status
    segments: int
    included: Annotated[int, Meta(description="Segments within the year's allowance.")]
    overage: Annotated[int, Meta(description="Segments beyond it.")]
    price: Annotated[Money, Meta(description="Of one segment beyond the allowance.")]
    amount: Annotated[Money, Meta(description="What this message adds to the bill.")]
    ledger_year: int
    posting: Annotated[int, Meta(description="Number of the debit in the ledger of the year.")]
    replayed: Annotated[bool, Meta(description="It had been accepted before under this key.")]


class ItemError(Struct, kw_only=True, omit_defaults=True):
    """Why one message of a call was refused."""

    code: str
    detail: str
    field: str | None = None


class BulkAccepted(Struct, kw_only=True, tag_field="status", tag="accepted"):
    """A message of the call that was accepted; `state` is where it stands now."""

    index: int
    id: UUID
    state: Status
    segments: int
    included: int
    overage: int
    replayed: bool


class BulkRefused(Struct, kw_only=True, tag_field="status", tag="refused"):
    """A message of the call that was refused: nothing was recorded or debited for it."""

    index: int
    error: ItemError


class BulkTotals(Struct, kw_only=True):
    """The sums of a call; accepted + refused = messages sent in."""

    accepted: int
    refused: int
    replayed: int
    segments: int
    included: int
    overage: int


class BulkAnswer(Struct, kw_only=True):
    """One outcome for each message, in the order of the call."""

    batch: str
    totals: BulkTotals
    outcomes: list[BulkAccepted | BulkRefused]


class Charge(Struct, kw_only=True):
    """What a message cost at acceptance, and whether it was given back."""

    ledger_year: int
    posting: int
    segments: int
    included: int
    overage: int
    price: Money
    amount: Money
    refunded: bool


class PartTaken(Struct):
    """A part the carrier took and the id it gave."""

    part: int
    carrier_id: str


class TimelineEvent(Struct, kw_only=True, omit_defaults=True):
    """One fact in a message's life; only what applies to its kind is there."""

    at: datetime
    kind: Annotated[str, Meta(description="accepted, submission_started, submitted, receipt_recorded, …")]
    link: str = ""
    attempt: int | UnsetType = UNSET
    route: Annotated[str | UnsetType, Meta(description="The route that chose the link.")] = UNSET
    passed_over: Annotated[
        list[str] | UnsetType, Meta(description="Links asked first, and what kept each: `mobile-1:down`.")
    ] = UNSET
    part: int | UnsetType = UNSET
    carrier_id: str = ""
    parts: list[PartTaken] | UnsetType = UNSET
    code: str = ""
    error: str = ""
    carrier_time: str = ""
    cause: str = ""
    reason: str = ""
    retryable: bool | UnsetType = UNSET
    refunded: bool | UnsetType = UNSET
    revises: str = ""


class MessageDetail(Struct, kw_only=True):
    """A message as its own events tell it. `phone` and `text` only on a recorded request with the scope."""

    id: UUID
    status: Status
    category: Category
    lane: Lane
    carrier: Carrier
    signature: str
    accepted_at: datetime
    expires_at: datetime
    segments: int
    parts: int
    charge: Charge
    template: str
    batch: str
    client_reference: str
    extension: Annotated[str, Meta(description="The digits that were asked for behind its number.")]
    timeline: list[TimelineEvent]
    phone: str | UnsetType = UNSET
    text: str | UnsetType = UNSET


class ReadModel(Struct, kw_only=True):
    """How fresh a list is: events are applied up to `position`, the log stands at `head`."""

    position: int
    head: int


class MessageSummary(Struct, kw_only=True):
    """One line of the list of messages."""

    id: UUID
    status: str
    status_at: datetime
    accepted_at: datetime
    category: str
    lane: str
    carrier: str
    link: str
    template: str
    batch: str
    client_reference: str
    segments: int
    included: int
    overage: int
    code: str
    refunded: bool


class MessageList(Struct, kw_only=True):
    """Messages, newest first. `next_cursor` is empty at the end."""

    messages: list[MessageSummary]
    next_cursor: str
    as_of: ReadModel
