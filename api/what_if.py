"""Finance: what the recorded traffic would have cost under other terms."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from api import what_if_examples as examples
from api.answers import answer
from api.auth import platform_of, requires
from api.billing import NAMED
from api.body import read_json
from api.describing import operation
from api.messages import OF_A_BODY
from api.what_if_answers import answer_of, other_terms
from api.what_if_schemas import WhatIfAnswer, WhatIfRequest
from application.what_if import span_of
from domain.aggregates.access import Key
from domain.events.access import Scope
from infrastructure.traffic import what_if

router = APIRouter(tags=["billing"])
MOST_POSTINGS = 300_000
"""Postings replayed in a call, which takes some seconds of a process that accepts messages as well."""


@router.post(
    "/v1/billing/what-if",
    **operation(
        "What other terms would have cost",
        scope=Scope.BILLING,
        body=WhatIfRequest,
        body_examples=examples.REQUESTS,
        answer=WhatIfAnswer,
        example=examples.ANSWER,
        problems=(
            *OF_A_BODY,
            *NAMED,
            "period_missing",
            "span_invalid",
            "terms_invalid",
            "what_if_too_large",
        ),
    ),
)
async def try_terms(request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))]) -> Response:
    """Replays what is recorded, month by month, beside what was billed; nothing is written.

    With nothing in `terms` it is the bill. More than 300,000 postings are for `smsledger what-if`.
    """
    platform = platform_of(request)
    octets = await read_json(request, limit=platform.settings.max_body_bytes)
    body = msgspec.json.decode(octets, type=WhatIfRequest)
    account = key.speaks_for(body.account)
    made = await what_if(
        platform,
        account=account,
        span=span_of(body.year, body.first_day, body.last_day),
        terms=other_terms(body.terms),
        most=MOST_POSTINGS,
    )
    return answer(answer_of(made, body.terms, year=body.year, first=body.first_day, last=body.last_day))
