"""Whose a ported number is, over HTTP, for keys of the platform. Numbers stand in bodies, never in addresses."""

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta, Struct

from api.answers import answer
from api.auth import context_of, platform_of, requires
from api.body import read_json
from api.describing import operation
from api.messages import OF_A_BODY
from application.manage_portability import (
    AT_ONCE,
    Shown,
    forget_number,
    import_numbers,
    set_carrier,
    show_number,
)
from domain.aggregates.access import Key
from domain.events.access import Scope
from domain.recorded import Context
from domain.values import Carrier, FoundBy
from infrastructure.bootstrap import Platform, ported_order

router = APIRouter(tags=["network"])
Body = TypeVar("Body")
Operator = Annotated[Key, Depends(requires(Scope.NETWORK))]
Phone = Annotated[str, Meta(max_length=40, description="In any spelling; kept under a keyed digest only.")]
Why = Annotated[
    str, Meta(max_length=200, description="Why: a ticket, the name of a list. Recorded for ever.")
]
_PROBLEMS = (*OF_A_BODY, "invalid_phone", "reason_required", "overloaded")
_OF_ROWS = ("invalid_phone", "carrier_unknown")


class NumberSet(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whose a number is, as a person says."""

    phone: Phone
    carrier: Carrier
    reason: Why


class NumberAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """A number that is asked for, or is to be forgotten."""

    phone: Phone
    reason: Why


class ListedNumber(Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of a list."""

    phone: Phone
    carrier: Annotated[str, Meta(max_length=20, description="mobile, unicom, telecom, broadnet, or 移动 …")]


class NumberList(Struct, kw_only=True, forbid_unknown_fields=True):
    """A piece of a list of ported numbers."""

    numbers: Annotated[list[ListedNumber], Meta(min_length=1, max_length=AT_ONCE)]
    reason: Why


class NumberDone(Struct, kw_only=True):
    """It is recorded, and holds within a second or two."""

    done: bool = True


class NumberShown(Struct, kw_only=True):
    """What is known about a number, and whose it is taken to be. The look was recorded before this was answered."""

    carrier: Annotated[Carrier | None, Meta(description="Whose it is taken to be; null: nobody's.")]
    found_by: FoundBy | None
    segment_carrier: Annotated[Carrier | None, Meta(description="Whose it is by its number segment.")]
    said_carrier: Annotated[Carrier | None, Meta(description="Whose it is, as a person or a list says.")]
    said_by: Annotated[FoundBy | None, Meta(description="override: a person; list: an imported list.")]
    not_of: Annotated[list[Carrier], Meta(description="Carriers that said since that it is not theirs.")]


class RowRefused(Struct, kw_only=True):
    """A row that was left out, by its place in the call, from 1; never with its number."""

    row: int
    code: str


class NumbersTaken(Struct, kw_only=True):
    """How many rows were taken in, and which were not."""

    taken: int
    refused: list[RowRefused]


SET = {"phone": "13800138000", "carrier": "unicom", "reason": "the customer told us, CS-2041"}
ASKED = {"phone": "13800138000", "reason": "CS-2041"}
LISTED: dict[str, Any] = {
    "numbers": [{"phone": "13800138000", "carrier": "unicom"}, {"phone": "1380013800", "carrier": "telecom"}],
    "reason": "list of November",
}
SHOWN: dict[str, Any] = {
    "carrier": "unicom",
    "found_by": "override",
    "segment_carrier": "mobile",
    "said_carrier": "unicom",
    "said_by": "override",
    "not_of": [],
}


@router.put(
    "/v1/numbers",
    **operation(
        "Say whose a number is",
        scope=Scope.NETWORK,
        body=NumberSet,
        body_examples={"a ported number": SET},
        answer=NumberDone,
        example={"done": True},
        problems=_PROBLEMS,
    ),
)
async def put_number(request: Request, key: Operator) -> Response:
    """It goes before what carriers taught, before lists and before the number segments, until it is forgotten."""
    platform, wanted = platform_of(request), await _body(request, NumberSet)
    await set_carrier(
        platform.store,
        platform.vault,
        phone=wanted.phone,
        carrier=wanted.carrier,
        why=wanted.reason,
        context=context_of(request, key),
    )
    return answer(NumberDone())


@router.post(
    "/v1/numbers/look-up",
    **operation(
        "Look a number up",
        scope=Scope.NETWORK,
        body=NumberAsked,
        body_examples={"a number": ASKED},
        answer=NumberShown,
        example=SHOWN,
        problems=_PROBLEMS,
    ),
)
async def look_number_up(request: Request, key: Operator) -> Response:
    """Whose it is taken to be for the next message, and why. The look is recorded, with the reason."""
    wanted = await _body(request, NumberAsked)
    found = await look_up(
        platform_of(request),
        phone=wanted.phone,
        reason=wanted.reason,
        key=key.key,
        context=context_of(request, key),
    )
    return answer(shown_number(found))


@router.post(
    "/v1/numbers/forget",
    **operation(
        "Forget a number",
        scope=Scope.NETWORK,
        body=NumberAsked,
        body_examples={"a number": ASKED},
        answer=NumberDone,
        example={"done": True},
        problems=_PROBLEMS,
    ),
)
async def forget_a_number(request: Request, key: Operator) -> Response:
    """Nothing is known about it any more, whoever said it: its segment decides again."""
    platform, wanted = platform_of(request), await _body(request, NumberAsked)
    await forget_number(
        platform.store,
        platform.vault,
        phone=wanted.phone,
        why=wanted.reason,
        context=context_of(request, key),
    )
    return answer(NumberDone())


@router.post(
    "/v1/numbers/import",
    **operation(
        "Take in a list of ported numbers",
        scope=Scope.NETWORK,
        body=NumberList,
        body_examples={"a piece of a list": LISTED},
        answer=NumbersTaken,
        example={"taken": 1, "refused": [{"row": 2, "code": "invalid_phone"}]},
        problems=_PROBLEMS,
        item_problems=_OF_ROWS,
    ),
)
async def import_a_list(request: Request, key: Operator) -> Response:
    """Up to 5,000 rows a call, all in one transaction. What a person said about a number stays."""
    platform, wanted = platform_of(request), await _body(request, NumberList)
    rows = [(place, row.phone, row.carrier) for place, row in enumerate(wanted.numbers, 1)]
    done = await import_numbers(
        platform.store, platform.vault, rows=rows, why=wanted.reason, context=context_of(request, key)
    )
    refused = [RowRefused(row=row, code=code) for row, code in done.refused.items()]
    return answer(NumbersTaken(taken=done.taken.total(), refused=refused))


async def look_up(platform: Platform, *, phone: str, reason: str, key: str, context: Context) -> Shown:
    """What is known about a number on this platform. Refuses invalid_phone, reason_required."""
    links = await platform.directory.links()
    return await show_number(
        platform.store,
        platform.vault,
        platform.numbers,
        phone=phone,
        why=reason,
        order=ported_order(platform.settings),
        served=frozenset(carrier for carrier in Carrier if any(link.serves(carrier) for link in links)),
        key=key,
        context=context,
    )


def shown_number(found: Shown) -> NumberShown:
    """In the form that is answered."""
    whose, known = found.whose, found.known
    said = known if known is not None and known.carrier is not None else None
    return NumberShown(
        carrier=whose.carrier if whose else None,
        found_by=whose.by if whose else None,
        segment_carrier=found.segment,
        said_carrier=said.carrier if said else None,
        said_by=said.by if said else None,
        not_of=sorted(known.gone) if known else [],
    )


async def _body(request: Request, kind: type[Body]) -> Body:
    octets = await read_json(request, limit=platform_of(request).settings.max_body_bytes)
    return msgspec.json.decode(octets, type=kind)
