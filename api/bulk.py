"""Up to 1,000 messages in one call: one outcome each, in their order, and never one at its neighbours' cost."""

import logging
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from fastapi import APIRouter, Request, Response

from api import examples
from api.answers import answer
from api.auth import authorise, context_of, platform_of
from api.body import read_json
from api.describing import IDEMPOTENCY_HEADER, operation
from api.errors import refusal_of
from api.messages import OF_A_BODY, OF_A_MESSAGE, OF_AN_ACCOUNT, variables_without_template
from api.names import idempotency_key, require_batch, require_key, require_reference
from api.schemas import (
    BulkAccepted,
    BulkAnswer,
    BulkDefaults,
    BulkItem,
    BulkRefused,
    BulkRequest,
    BulkTotals,
    ItemError,
)
from application.ports import Entry
from application.send_messages import Answer, Draft, SendMessages, Sent, batch_stream
from domain.errors import BadInput, Refusal
from domain.events.access import Scope
from domain.events.batch import ChunkAccepted
from domain.recorded import Context
from domain.values import Lane
from infrastructure.bootstrap import Platform

MAX_MESSAGES = 1_000
router = APIRouter(tags=["messages"])
_log = logging.getLogger(__name__)


class _Loose(BulkDefaults, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A call whose messages are not looked into yet."""

    messages: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(BulkRequest)
_loose_decoder = msgspec.json.Decoder(_Loose)
_item_decoder = msgspec.json.Decoder(BulkItem)


@router.post(
    "/v1/messages/bulk",
    **operation(
        "Send up to 1000 messages",
        scope=Scope.SEND,
        body=BulkRequest,
        body_examples=examples.BULK,
        answer=BulkAnswer,
        example=examples.BULK_ANSWER,
        parameters=[IDEMPOTENCY_HEADER],
        problems=(
            *OF_A_BODY,
            "bulk_empty",
            "bulk_too_many",
            "reference_invalid",
            "idempotency_key_invalid",
            "overloaded",
        ),
        item_problems=(*OF_A_MESSAGE, "duplicate_recipient", *OF_AN_ACCOUNT),
    ),
)
async def send_bulk(request: Request) -> Response:
    """Every message stands for itself: each is accepted and debited, or refused with its reason.

    The key of a message is its own `id`, else the header's key with its index: a repeated call is replayed
    message by message. Messages wait in the batch lane, behind single ones.
    """
    key = await authorise(request, Scope.SEND)
    platform = platform_of(request)
    head, items = _decode(await read_json(request, limit=platform.settings.max_body_bytes))
    call = idempotency_key(request)
    batch = _batch_of(call) if head.batch is None else require_batch(head.batch)
    context = context_of(request, key)
    answers = await _send(platform, key.account, batch, head, _drafts(head, items, call), context)
    made = _answer(batch, answers)
    await _record(platform, key.account, made, answers, context)
    _count(request, made, answers)
    return answer(made)


def _decode(body: bytes) -> tuple[BulkDefaults, Sequence[BulkItem | Refusal]]:
    """The call and its messages. Where one has a wrong shape the others are read all the same."""
    try:
        call = _decoder.decode(body)
    except msgspec.ValidationError:
        loose = _loose_decoder.decode(body)
        _require_count(len(loose.messages))
        return loose, [_decode_item(raw) for raw in loose.messages]
    _require_count(len(call.messages))
    return call, call.messages


def _decode_item(raw: msgspec.Raw) -> BulkItem | Refusal:
    try:
        return _item_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refusal_of(error)


def _require_count(count: int) -> None:
    if not count:
        raise BadInput("bulk_empty", "The call has no messages: send 1 to 1000.", field="messages")
    if count > MAX_MESSAGES:
        raise BadInput(
            "bulk_too_many", f"The call has more than {MAX_MESSAGES} messages: split it.", field="messages"
        )


def _batch_of(call: str) -> str:
    """The batch of a call that names none: the same again when the call is repeated."""
    return "call-" + sha256(call.encode()).hexdigest()[:24]


def _drafts(
    head: BulkDefaults, items: Sequence[BulkItem | Refusal], call: str
) -> list[tuple[str, Draft] | Refusal]:
    drafts: list[tuple[str, Draft] | Refusal] = []
    for index, item in enumerate(items):
        if isinstance(item, Refusal):
            drafts.append(item)
            continue
        try:
            # The separator cannot be in a key of a caller, so an index never meets somebody's own key.
            name = f"{call}\x1f{index}" if item.id is None else require_key(item.id, field="id")
            drafts.append((name, _draft(head, item)))
        except Refusal as refusal:
            drafts.append(refusal)
    return drafts


def _draft(head: BulkDefaults, item: BulkItem) -> Draft:
    text, template = item.text, item.template
    if text is None and template is None:
        text, template = head.text, head.template
    signature = head.signature if item.signature is None else item.signature
    if signature is None:
        raise BadInput(
            "missing_field", "Neither the message nor the call has a signature.", field="signature"
        )
    if item.variables and template is None:
        raise variables_without_template()
    return Draft(
        phone=item.phone,
        signature=signature,
        text=text,
        template=template,
        variables=item.variables,
        category=head.category if item.category is None else item.category,
        client_reference=require_reference(item.client_reference),
        validity_seconds=head.validity_seconds if item.validity_seconds is None else item.validity_seconds,
        extension=head.extension if item.extension is None else item.extension,
    )


async def _send(
    platform: Platform,
    account: str,
    batch: str,
    head: BulkDefaults,
    drafts: Sequence[tuple[str, Draft] | Refusal],
    context: Context,
) -> list[Answer]:
    """An answer for every place; those refused already never reach the use case."""
    command = SendMessages(
        account=account,
        drafts=[draft for draft in drafts if not isinstance(draft, Refusal)],
        lane=Lane.BATCH,
        batch=batch,
        refuse_duplicates=not head.allow_duplicates,
        context=context,
    )
    sent = iter(await platform.sender(command))
    return [draft if isinstance(draft, Refusal) else next(sent) for draft in drafts]


def _answer(batch: str, answers: Sequence[Answer]) -> BulkAnswer:
    totals = BulkTotals(accepted=0, refused=0, replayed=0, segments=0, included=0, overage=0)
    outcomes: list[BulkAccepted | BulkRefused] = []
    for index, one in enumerate(answers):
        if isinstance(one, Refusal):
            totals.refused += 1
            error = ItemError(code=one.code, detail=one.detail, field=one.field)
            outcomes.append(BulkRefused(index=index, error=error))
            continue
        charged = one.charged
        totals.accepted += 1
        totals.replayed += one.replayed
        totals.segments += one.segments
        totals.included += charged.included
        totals.overage += charged.overage
        outcomes.append(
            BulkAccepted(
                index=index,
                id=one.id,
                state=one.status,
                segments=one.segments,
                included=charged.included,
                overage=charged.overage,
                replayed=one.replayed,
            )
        )
    return BulkAnswer(batch=batch, totals=totals, outcomes=outcomes)


async def _record(
    platform: Platform, account: str, made: BulkAnswer, answers: Sequence[Answer], context: Context
) -> None:
    """Note the call in its batch. A call that brought nothing new was noted when it came first."""
    new = [one for one in answers if isinstance(one, Sent) and not one.replayed]
    if not new and made.totals.replayed:
        return
    refused = Counter(one.code for one in answers if isinstance(one, Refusal))
    chunk = ChunkAccepted(
        account=account,
        batch=made.batch,
        accepted=len(new),
        segments=sum(one.segments for one in new),
        refused=tuple(sorted(refused.items())),
    )
    entry = Entry(stream=batch_stream(account, made.batch), version=None, context=context, events=(chunk,))
    try:
        await platform.store.commit([entry])
    except Exception as error:  # noqa: BLE001  (the messages are accepted: the caller must be told so)
        _log.warning("the summary of a call was not recorded", extra={"error": type(error).__name__})


def _count(request: Request, made: BulkAnswer, answers: Sequence[Answer]) -> None:
    metrics = request.app.metrics
    metrics.accepted(made.totals.segments, messages=made.totals.accepted)
    for one in answers:
        if isinstance(one, Refusal):
            metrics.refused(one.code)
