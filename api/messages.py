"""One message: sending it, and what became of it.

The POST door is the platform's hot path: one decode, one use case, one encode, and nothing between.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.answers import answer
from api.auth import authorise, context_of, platform_of, requires
from api.body import read_json
from api.describing import IDEMPOTENCY_HEADER, operation
from api.names import batch_filter, idempotency_key, require_reference
from api.read_side import read_as_of
from api.schemas import (
    Charge,
    MessageAccepted,
    MessageDetail,
    MessageList,
    MessageRequest,
    MessageSummary,
    PartTaken,
    TimelineEvent,
    money,
)
from application.look_up_history import open_message, own_history
from application.send_messages import Draft, SendMessages, Sent
from domain.aggregates import fold, message
from domain.aggregates.access import Key
from domain.aggregates.message import Message, Status
from domain.errors import BadInput, NotFound, Refusal
from domain.events import message as facts
from domain.events.access import Scope
from domain.recorded import Recorded
from domain.values import SHANGHAI
from projections import messages as message_lines

router = APIRouter(tags=["messages"])
_decoder = msgspec.json.Decoder(MessageRequest)
REPLAYED = {"Idempotent-Replayed": "true"}

OF_A_MESSAGE = (
    "invalid_phone",
    "unassigned_phone",
    "text_or_template",
    "text_empty",
    "text_too_long",
    "text_control_character",
    "signature_in_text",
    "signature_not_approved",
    "template_not_found",
    "template_not_approved",
    "template_variable_unknown",
    "template_variable_missing",
    "template_variable_length",
    "template_variable_url",
    "variables_without_template",
    "validity_invalid",
    "extension_unfit",
    "reference_invalid",
    "idempotency_key_invalid",
    "idempotency_conflict",
    "no_route",
    "signature_not_filed",
)
OF_A_BODY = (
    "malformed_json",
    "body_too_large",
    "unsupported_media",
    "wrong_type",
    "missing_field",
    "unknown_field",
    "invalid_value",
)
OF_AN_ACCOUNT = (
    "no_contract",
    "contract_not_live",
    "contract_suspended",
    "contract_ended",
    "contract_term_over",
    "spending_cap_reached",
    "busy",
    "overloaded",
)


@router.post(
    "/v1/messages",
    **operation(
        "Send one message",
        status=202,
        scope=Scope.SEND,
        body=MessageRequest,
        body_examples=examples.SEND,
        answer=MessageAccepted,
        example=examples.ACCEPTED,
        parameters=[IDEMPOTENCY_HEADER],
        headers={"Idempotent-Replayed": "`true` where the message had been accepted before under this key."},
        problems=(*OF_A_BODY, *OF_A_MESSAGE, *OF_AN_ACCOUNT),
    ),
)
async def send_message(request: Request) -> Response:
    """Accepted and debited durably when this answers. A repeated key gives the first answer again, also 202."""
    key = await authorise(request, Scope.SEND)
    platform = platform_of(request)
    name = idempotency_key(request)
    wanted = _decoder.decode(await read_json(request, limit=platform.settings.max_body_bytes))
    command = SendMessages(
        account=key.account, drafts=((name, draft_of(wanted)),), context=context_of(request, key)
    )
    (outcome,) = await platform.sender(command)
    if isinstance(outcome, Refusal):
        raise outcome
    request.app.metrics.accepted(outcome.segments)
    return answer(_accepted(outcome), 202, REPLAYED if outcome.replayed else None)


def draft_of(wanted: MessageRequest) -> Draft:
    """What the use case needs. Refuses variables_without_template, reference_invalid."""
    if wanted.variables and wanted.template is None:
        raise variables_without_template()
    return Draft(
        phone=wanted.phone,
        signature=wanted.signature,
        text=wanted.text,
        template=wanted.template,
        variables=wanted.variables,
        category=wanted.category,
        client_reference=require_reference(wanted.client_reference),
        validity_seconds=wanted.validity_seconds,
        extension=wanted.extension,
    )


def variables_without_template() -> BadInput:
    """Variables that would be ignored in silence."""
    return BadInput(
        "variables_without_template", "There are variables but no template: name it.", field="variables"
    )


def _accepted(sent: Sent) -> MessageAccepted:
    charged = sent.charged
    return MessageAccepted(
        id=sent.id,
        status=sent.status,
        segments=sent.segments,
        included=charged.included,
        overage=charged.overage,
        price=money(charged.price_micros),
        amount=money(charged.overage * charged.price_micros),
        ledger_year=charged.year,
        posting=charged.posting,
        replayed=sent.replayed,
    )


@router.get(
    "/v1/messages/{message_id}",
    **operation(
        "What became of a message",
        scope=Scope.READ,
        answer=MessageDetail,
        example=examples.DETAIL,
        problems=("not_found", "reason_required", "invalid_value"),
    ),
)
async def read_message(
    request: Request,
    message_id: str,
    key: Annotated[Key, Depends(requires(Scope.READ))],
    unmasked: Annotated[
        bool, Query(description="With number and text: needs history:unmasked and a reason.")
    ] = False,
    reason: Annotated[str, Query(description="Why number and text are looked at; recorded.")] = "",
) -> Response:
    """State and timeline, straight from the message's own events: never behind."""
    platform = platform_of(request)
    wanted = message_id_of(message_id)
    history = own_history(await platform.store.load([wanted]), wanted, key.account)
    detail = _detail(wanted, history)
    if unmasked:
        detail.phone, detail.text = await open_message(
            platform.store,
            platform.vault,
            key=key,
            message_id=wanted,
            why=reason,
            context=context_of(request, key),
        )
    return answer(detail)


@router.get(
    "/v1/messages",
    **operation(
        "List messages",
        scope=Scope.READ,
        answer=MessageList,
        example=examples.LIST,
        problems=("invalid_value", "invalid_cursor", "reference_invalid", "read_model_missing"),
    ),
)
async def list_messages(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.READ))],
    since: Annotated[datetime | None, Query(alias="from", description="Accepted at or after.")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="Accepted before.")] = None,
    status: Annotated[Status | None, Query()] = None,
    batch: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=100, description="`next_cursor` of the page before.")] = "",
) -> Response:
    """Newest first, from the read model: `as_of` says how fresh it is. Times without offset are Shanghai's."""
    wanted = message_lines.MessageFilter(
        since=_in_shanghai(since),
        until=_in_shanghai(until),
        status=status,
        batch=batch_filter(batch),
    )
    try:
        page, as_of = await read_as_of(
            platform_of(request),
            message_lines.PROJECTION.name,
            lambda rows: message_lines.page(rows, key.account, wanted, after=cursor, limit=limit),
        )
    except message_lines.CursorInvalid:
        raise BadInput("invalid_cursor", "This is no cursor of the message list.", field="cursor") from None
    return answer(
        MessageList(messages=list(map(_summary, page.messages)), next_cursor=page.next_cursor, as_of=as_of)
    )


def message_id_of(text: str) -> UUID:
    """The id in an address. Refuses not_found where it can be none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("not_found", "There is no such message.", field="id") from None


def _in_shanghai(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=SHANGHAI) if moment is not None and moment.tzinfo is None else moment


def _summary(line: message_lines.MessageLine) -> MessageSummary:
    return MessageSummary(
        id=line.id,
        status=line.status,
        status_at=line.status_at,
        accepted_at=line.accepted_at,
        category=line.category,
        lane=line.lane,
        carrier=line.carrier,
        link=line.link,
        template=line.template,
        batch=line.batch,
        client_reference=line.client_reference,
        segments=line.segments,
        included=line.included,
        overage=line.overage,
        code=line.code,
        refunded=line.refunded,
    )


def _detail(message_id: UUID, history: Sequence[Recorded]) -> MessageDetail:
    accepted, state = history[0].event, fold(message.evolve, history)
    assert isinstance(accepted, facts.Accepted)
    assert state is not None
    return MessageDetail(
        id=message_id,
        status=state.status,
        category=accepted.category,
        lane=accepted.lane,
        carrier=accepted.carrier,
        signature=accepted.signature,
        accepted_at=state.accepted_at,
        expires_at=accepted.expires_at,
        segments=accepted.segments,
        parts=accepted.parts,
        charge=_charge(accepted, state),
        template=accepted.template,
        batch=accepted.batch,
        client_reference=accepted.client_reference,
        extension=accepted.extension,
        timeline=[_line(recorded) for recorded in history],
    )


def _charge(accepted: facts.Accepted, state: Message) -> Charge:
    charged = accepted.charged
    return Charge(
        ledger_year=charged.year,
        posting=charged.posting,
        segments=accepted.segments,
        included=charged.included,
        overage=charged.overage,
        price=money(charged.price_micros),
        amount=money(charged.overage * charged.price_micros),
        refunded=state.refunded,
    )


def _line(recorded: Recorded) -> TimelineEvent:
    event = recorded.event
    line = TimelineEvent(at=recorded.at, kind=event.TOPIC.partition(".")[2])
    match event:
        case facts.SubmissionStarted():
            line.link, line.attempt = event.link, event.attempt
            if event.route:
                line.route, line.passed_over = event.route, list(event.passed_over)
        case facts.Submitted():
            line.link, line.parts = event.link, _taken(event.parts)
        case facts.SubmissionRefused():
            line.link, line.attempt, line.code = event.link, event.attempt, event.code
            line.retryable, line.parts = event.retryable, _taken(event.taken)
        case facts.SubmissionInDoubt():
            line.link, line.reason, line.parts = event.link, event.reason, _taken(event.taken)
        case facts.DoubtResolved():
            line.reason = event.reason
        case facts.ReceiptRecorded():
            line.part, line.carrier_id, line.code = event.part, event.carrier_id, event.status
            line.error, line.carrier_time = event.error, event.carrier_time
        case facts.Failed():
            line.cause, line.code, line.refunded, line.revises = (
                event.cause,
                event.code,
                event.refunded,
                event.revises,
            )
        case facts.Delivered():
            line.revises = event.revises
        case facts.Cancelled():
            line.reason = event.reason
        case _:
            pass
    return line


def _taken(parts: Sequence[facts.SubmittedPart]) -> list[PartTaken]:
    return [PartTaken(part.number, part.carrier_id) for part in parts]
