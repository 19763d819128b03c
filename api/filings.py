"""With which carriers signatures are filed (实名报备), over HTTP, for keys of the platform."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Meta, Struct

from api.answers import answer
from api.auth import context_of, platform_of, requires
from api.body import read_json
from api.describing import operation
from api.messages import OF_A_BODY
from application.manage_templates import file_signature
from domain.aggregates.access import Key
from domain.aggregates.signature import Filing, FilingState
from domain.errors import NotFound
from domain.events.access import Scope
from domain.values import Carrier
from infrastructure.bootstrap import Platform

router = APIRouter(tags=["network"])
Operator = Annotated[Key, Depends(requires(Scope.NETWORK))]
Link = Annotated[
    str, Meta(max_length=32, description="Only over this link; empty: every link of the carrier.")
]
Extension = Annotated[
    str, Meta(max_length=12, description="Digits behind the link's number under which it is filed.")
]


class FilingRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a signature stands with a carrier."""

    account: str
    signature: Annotated[str, Meta(max_length=12)]
    carrier: Carrier
    state: FilingState
    link: Link = ""
    extension: Extension = ""
    reason: Annotated[str, Meta(max_length=200, description="Why it was rejected.")] = ""


class FilingShown(Struct, kw_only=True):
    """Where a signature stands with a carrier."""

    carrier: Carrier
    link: Link
    state: FilingState
    extension: Extension
    reason: str


class FilingList(Struct, kw_only=True):
    """All filings of a signature."""

    account: str
    signature: str
    filings: list[FilingShown]


REQUEST = {
    "account": "acme",
    "signature": "示例科技",
    "carrier": "mobile",
    "state": "filed",
    "extension": "12",
}
LIST: dict[str, Any] = {
    "account": "acme",
    "signature": "示例科技",
    "filings": [{"carrier": "mobile", "link": "", "state": "filed", "extension": "12", "reason": ""}],
}


@router.put(
    "/v1/signatures/filings",
    **operation(
        "Note where a signature stands with a carrier",
        scope=Scope.NETWORK,
        body=FilingRequest,
        body_examples={"filed": REQUEST},
        answer=FilingList,
        example=LIST,
        problems=(
            *OF_A_BODY,
            "not_found",
            "filing_invalid",
            "link_unknown",
            "extension_unfit",
            "reason_required",
            "busy",
        ),
    ),
)
async def put_filing(request: Request, key: Operator) -> Response:
    """It counts for routing within two seconds. What is said of one link goes before what is said of all."""
    platform = platform_of(request)
    octets = await read_json(request, limit=platform.settings.max_body_bytes)
    wanted = msgspec.json.decode(octets, type=FilingRequest)
    filing = Filing(
        carrier=wanted.carrier,
        link=wanted.link,
        state=wanted.state,
        extension=wanted.extension,
        reason=wanted.reason,
    )
    await file_signature(
        platform.store,
        account=wanted.account,
        name=wanted.signature,
        filing=filing,
        context=context_of(request, key),
    )
    platform.directory.forget("signature", wanted.account, wanted.signature)
    return await _list(platform, wanted.account, wanted.signature)


@router.get(
    "/v1/signatures/filings",
    **operation(
        "The filings of a signature",
        scope=Scope.NETWORK,
        answer=FilingList,
        example=LIST,
        problems=("missing_field", "invalid_value", "not_found", "overloaded"),
    ),
)
async def read_filings(
    request: Request,
    key: Operator,  # noqa: ARG001
    account: Annotated[str, Query(examples=["acme"])],
    signature: Annotated[str, Query(max_length=12, examples=["示例科技"])],
) -> Response:
    """With which carriers it is filed, pending or rejected; nothing where no carrier was asked."""
    return await _list(platform_of(request), account, signature)


async def _list(platform: Platform, account: str, name: str) -> Response:
    found = await platform.directory.signature(account, name)
    if found is None:
        raise NotFound("not_found", "There is no such signature.", field="signature")
    filings = [
        FilingShown(
            carrier=each.carrier,
            link=each.link,
            state=each.state,
            extension=each.extension,
            reason=each.reason,
        )
        for each in found.state.filings
    ]
    return answer(FilingList(account=account, signature=name, filings=filings))
