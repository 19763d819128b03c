"""What the door of what-if takes and answers."""

from datetime import date
from typing import Annotated

from msgspec import Meta, Struct, field

from api.schemas import Money
from domain.values import ChargeOn, Counting, PartialYears, UnknownPolicy

Segments = Annotated[int, Meta(ge=0, le=10**12, description="Included in a calendar year.")]
Price = Annotated[int, Meta(ge=0, le=10**12, description="A segment beyond the allowance.")]
Cap = Annotated[
    int,
    Meta(
        ge=0, le=10**12, description="Most that a year's overage may cost; what would go beyond is left out."
    ),
]
Year = Annotated[int, Meta(ge=2000, le=2200, description="The ledger of this year.")]


class TermsToTry(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Terms to try; what is left out stays as it was for each message and day."""

    allowance_segments: Segments | None = None
    overage_price_micros: Price | None = None
    counting: Counting | None = None
    charge_on: ChargeOn | None = None
    unknown_policy: UnknownPolicy | None = None
    partial_years: PartialYears | None = None
    spending_cap_micros: Cap | None = None


class WhatIfRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Terms to try on the traffic of a year, or of the days (Shanghai) from one to another."""

    terms: TermsToTry
    account: Annotated[
        str, Meta(max_length=32, description="Needed with a key of no account, else its own.")
    ] = ""
    year: Year | None = None
    first_day: date | None = field(name="from", default=None)
    last_day: date | None = field(name="to", default=None)


class WhatIfFigures(Struct, kw_only=True):
    """Segments net of refunds and what they cost."""

    segments: int
    included: int
    overage: int
    amount: Annotated[Money, Meta(description="What the overage costs.")]
    adjusted: Annotated[Money, Meta(description="Money that was adjusted beside the segments.")]
    payable: Annotated[Money, Meta(description="Both together.")]


class WhatIfMonth(Struct, kw_only=True):
    """A month (Shanghai) of postings: as billed, as it would be, and the second less the first."""

    month: str
    billed: WhatIfFigures
    other: WhatIfFigures
    difference: WhatIfFigures


class WhatIfAnswer(Struct, kw_only=True):
    """The recorded traffic under other terms, beside what was billed."""

    account: str
    terms: TermsToTry
    year: int | None = None
    first_day: date | None = field(name="from", default=None)
    last_day: date | None = field(name="to", default=None)
    billed: WhatIfFigures
    other: WhatIfFigures
    difference: Annotated[WhatIfFigures, Meta(description="Other less billed: negative is cheaper.")]
    months: list[WhatIfMonth]
    messages: Annotated[int, Meta(description="Messages accepted in the ledgers that were replayed.")]
    refused_messages: Annotated[int, Meta(description="Those the spending cap would have refused.")]
    refused_segments: int
    uncertain_messages: Annotated[
        int, Meta(description="Those that cannot be counted by the other rule; counted as they were.")
    ]
