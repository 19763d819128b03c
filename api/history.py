"""Customer service: what was sent to a number, and did it arrive? Every look is recorded before it is answered."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.answers import answer
from api.auth import context_of, platform_of, requires
from api.describing import operation
from api.report_schemas import (
    HistoryAnswer,
    HistoryMessage,
)
from application.look_up_history import Found, look_up
from domain.aggregates.access import Key
from domain.events.access import Scope

router = APIRouter(tags=["history"])


@router.get(
    "/v1/history",
    **operation(
        "Messages to a phone number",
        scope=Scope.HISTORY,
        answer=HistoryAnswer,
        example=examples.HISTORY,
        problems=("missing_field", "invalid_value", "invalid_phone", "reason_required", "overloaded"),
    ),
)
async def read_history(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.HISTORY))],
    phone: Annotated[str, Query(max_length=40, examples=["13800138000"])],
    reason: Annotated[str, Query(description="Why: a ticket, a complaint. Recorded.", examples=["CS-2041"])],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Of the caller's account, newest first, as far back as keys exist (six months).

    Number and text are masked unless the key has the scope history:unmasked. The look-up is recorded, with
    the reason and without the number, before this answers.
    """
    platform = platform_of(request)
    found = await look_up(
        platform.store,
        platform.vault,
        key=key,
        phone=phone,
        why=reason,
        limit=limit,
        context=context_of(request, key),
    )
    messages = [_message(one) for one in found.messages]
    return answer(HistoryAnswer(messages=messages, unmasked=found.unmasked, more=found.more))


def _message(one: Found) -> HistoryMessage:
    return HistoryMessage(
        id=one.id,
        accepted_at=one.state.accepted_at,
        status=one.state.status,
        phone=one.phone,
        text=one.text,
        signature=one.accepted.signature,
        template=one.accepted.template,
        carrier=one.accepted.carrier,
        segments=one.accepted.segments,
        code=one.code,
    )
