"""A replay as the door of what-if and its command answer it."""

from datetime import date

from api.schemas import money
from api.what_if_schemas import TermsToTry, WhatIfAnswer, WhatIfFigures, WhatIfMonth
from application.what_if import Figures, Month, OtherTerms, Replay


def other_terms(wanted: TermsToTry) -> OtherTerms:
    """The terms of a request as the replay takes them."""
    return OtherTerms(**{name: getattr(wanted, name) for name in TermsToTry.__struct_fields__})


def answer_of(
    made: Replay, terms: TermsToTry, *, year: int | None, first: date | None, last: date | None
) -> WhatIfAnswer:
    """A replay as it is answered, its months in order."""
    billed, other, difference = _sides(made.total())
    return WhatIfAnswer(
        account=made.account,
        terms=terms,
        year=year,
        first_day=first,
        last_day=last,
        billed=billed,
        other=other,
        difference=difference,
        months=[_month(str(period), made.months[period]) for period in sorted(made.months)],
        messages=made.messages,
        refused_messages=made.refused_messages,
        refused_segments=made.refused_segments,
        uncertain_messages=made.uncertain_messages,
    )


def _month(name: str, month: Month) -> WhatIfMonth:
    billed, other, difference = _sides(month)
    return WhatIfMonth(month=name, billed=billed, other=other, difference=difference)


def _sides(month: Month) -> tuple[WhatIfFigures, WhatIfFigures, WhatIfFigures]:
    return _figures(month.billed), _figures(month.other), _figures(month.other.less(month.billed))


def _figures(figures: Figures) -> WhatIfFigures:
    return WhatIfFigures(
        segments=figures.segments,
        included=figures.included,
        overage=figures.overage,
        amount=money(figures.amount_micros),
        adjusted=money(figures.adjusted_micros),
        payable=money(figures.payable_micros),
    )
