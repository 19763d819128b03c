"""What phones wrote back. Every look is recorded before it is answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.answers import answer
from api.auth import context_of, platform_of, requires
from api.describing import operation
from api.read_side import read_as_of
from api.reply_schemas import EXAMPLE, ReplyList, ReplyShown
from application.look_up_history import record_look, require_reason
from application.look_up_replies import SealedWords, Words, ids_of_phone, open_words
from domain.aggregates.access import Key
from domain.errors import BadInput
from domain.events.access import Scope
from domain.events.reply import MatchedBy
from domain.numbering import normalise
from domain.values import SHANGHAI, Sealed
from infrastructure.bootstrap import Platform
from projections import replies as reply_lines
from projections.replies import ReplyLine

router = APIRouter(tags=["history"])


@router.get(
    "/v1/replies",
    **operation(
        "List replies",
        scope=Scope.HISTORY,
        answer=ReplyList,
        example=EXAMPLE,
        problems=(
            "missing_field",
            "invalid_value",
            "invalid_phone",
            "invalid_cursor",
            "reason_required",
            "read_model_missing",
            "overloaded",
        ),
    ),
)
async def list_replies(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.HISTORY))],
    reason: Annotated[
        str, Query(description="Why: a ticket, a nightly import. Recorded.", examples=["CS-2041"])
    ],
    phone: Annotated[str, Query(max_length=40, description="Only from this number.")] = "",
    since: Annotated[datetime | None, Query(alias="from", description="Received at or after.")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="Received before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=100, description="`next_cursor` of the page before.")] = "",
) -> Response:
    """Of the caller's account, newest first, from the read model: `as_of` says how fresh it is.

    Number and text are masked unless the key has the scope history:unmasked; words that want no more messages
    show as `keyword` to everybody. Times without offset are Shanghai's.
    """
    platform, why = platform_of(request), require_reason(reason)
    ids = (
        await ids_of_phone(platform.store, platform.vault, account=key.account, phone=phone)
        if phone
        else None
    )
    wanted = reply_lines.ReplyFilter(
        account=key.account, since=_in_shanghai(since), until=_in_shanghai(until), sealed_ids=ids
    )
    try:
        page, as_of = await read_as_of(
            platform,
            reply_lines.PROJECTION.name,
            lambda rows: reply_lines.page(rows, wanted, after=cursor, limit=limit),
        )
    except reply_lines.CursorInvalid:
        raise BadInput(
            "invalid_cursor", "This is no cursor of the list of replies.", field="cursor"
        ) from None
    unmasked = Scope.UNMASKED in key.scopes
    words = await words_of(platform, page.replies, unmasked=unmasked)
    await record_look(
        platform.store,
        platform.vault,
        account=key.account,
        key=key.key,
        phone=normalise(phone) if phone else "",
        why=why,
        hits=len(words),
        unmasked=unmasked,
        context=context_of(request, key),
    )
    shown = [_shown(line, opened) for line, opened in zip(page.replies, words, strict=True)]
    return answer(ReplyList(replies=shown, unmasked=unmasked, next_cursor=page.next_cursor, as_of=as_of))


async def words_of(platform: Platform, lines: Sequence[ReplyLine], *, unmasked: bool) -> list[Words]:
    """Number and text of each line, as the caller may see them."""
    wanted = [
        SealedWords(
            id=line.sealed_id,
            account=line.account,
            sealed=Sealed(day=line.sealed_day, digest=line.sealed_digest),
            kept=bool(line.part) or not line.exact,
        )
        for line in lines
    ]
    return await open_words(platform.store, platform.vault, wanted, unmasked=unmasked)


def _shown(line: ReplyLine, words: Words) -> ReplyShown:
    return ReplyShown(
        id=line.id,
        part=line.part,
        parts=line.parts,
        received_at=line.received_at,
        link=line.link,
        number=line.number,
        extension=line.extension,
        asked=line.asked,
        matched_by=MatchedBy(line.matched_by),
        message=line.message,
        keyword=line.keyword,
        phone=words.phone,
        text=words.text,
        exact=line.exact,
        octets=words.octets,
    )


def _in_shanghai(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=SHANGHAI) if moment is not None and moment.tzinfo is None else moment
