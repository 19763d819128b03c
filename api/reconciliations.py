"""Finance of the platform: carriers' statements against our books, and our books against each other.

A link is shared by accounts, so a reconciliation shows messages of all of them: these doors open for keys of the
platform only, which are of no account.
"""

import asyncio
import os
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api import reconciliation_examples as examples
from api.answers import answer
from api.auth import authorise, context_of, platform_of
from api.body import read_json
from api.describing import operation
from api.errors import Unreadable
from api.messages import OF_A_BODY
from api.reconciliation_answers import (
    difference_of,
    mapping_of,
    reconciliation_of,
    summary_of,
    wanted_mapping,
)
from api.reconciliation_schemas import (
    DifferencePage,
    MappingAnswer,
    MappingRequest,
    ReconciliationAnswer,
    ReconciliationList,
    RerunRequest,
    ResolutionAnswer,
    ResolutionRequest,
    SelfAnswer,
    SelfDifference,
)
from application import reconcile_statements
from application.reconcile_statements import APPROVALS, Resolution, find_mapping, resolve_difference
from domain.aggregates.access import Key
from domain.errors import BadInput, NotAllowed
from domain.events.access import Scope
from domain.reconciling import Reason
from infrastructure import reconciliations
from infrastructure.carrier_files import LARGEST_BYTES
from infrastructure.self_check import check_self

router = APIRouter(tags=["reconciliation"])
Name = Annotated[str, Query(min_length=1, max_length=32, pattern="^[a-z0-9][a-z0-9-]*$")]
Month = Annotated[str, Query(max_length=7, description="For example 2026-11.")]
_MOST_DAYS = 31
_OF_THE_PLATFORM = ("platform_key_needed",)


async def _finance(request: Request) -> Key:
    return _of_platform(await authorise(request, Scope.FINANCE))


async def _reader(request: Request) -> Key:
    return _of_platform(await authorise(request, Scope.BILLING))


def _of_platform(key: Key) -> Key:
    if key.account:
        raise NotAllowed(
            "platform_key_needed", "This shows messages of all accounts: use a key of the platform."
        )
    return key


Finance = Annotated[Key, Depends(_finance)]
Reader = Annotated[Key, Depends(_reader)]


@router.put(
    "/v1/billing/statement-mappings/{carrier}",
    **operation(
        "Save how a carrier's statements are read",
        scope=Scope.FINANCE,
        body=MappingRequest,
        body_examples=examples.MAPPING_REQUEST,
        answer=MappingAnswer,
        example=examples.MAPPING,
        problems=(*OF_A_BODY, *_OF_THE_PLATFORM, "mapping_invalid", "invalid_phone"),
    ),
)
async def save_mapping(request: Request, carrier: str, key: Finance) -> Response:
    """Under any name: a carrier's, or a link's. It holds for the next run; runs that are done keep theirs."""
    platform = platform_of(request)
    body = msgspec.json.decode(
        await read_json(request, limit=platform.settings.max_body_bytes), type=MappingRequest
    )
    wanted = await wanted_mapping(platform, carrier, body)
    saved = await reconcile_statements.save_mapping(
        platform.store, wanted=wanted, context=context_of(request, key)
    )
    return answer(mapping_of(saved))


@router.get(
    "/v1/billing/statement-mappings/{carrier}",
    **operation(
        "How a carrier's statements are read",
        scope=Scope.BILLING,
        answer=MappingAnswer,
        example=examples.MAPPING,
        problems=("not_found", *_OF_THE_PLATFORM),
    ),
)
async def read_mapping(request: Request, carrier: str, key: Reader) -> Response:  # noqa: ARG001
    """As it was saved last. Test numbers are never shown."""
    return answer(mapping_of(await find_mapping(platform_of(request).store, carrier)))


def _takes_a_file(described: dict[str, Any]) -> dict[str, Any]:
    """The same operation with a file as its body."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    described["openapi_extra"]["requestBody"] = {
        "required": True,
        "content": {"text/csv": binary, "application/octet-stream": binary},
    }
    return described


@router.post(
    "/v1/billing/reconciliations",
    **_takes_a_file(
        operation(
            "Reconcile a carrier's statement",
            scope=Scope.FINANCE,
            answer=ReconciliationAnswer,
            example=examples.STARTED,
            status=202,
            problems=(
                "invalid_value",
                "missing_field",
                "period_invalid",
                "mapping_invalid",
                "not_found",
                "body_too_large",
                "file_empty",
                *_OF_THE_PLATFORM,
            ),
        )
    ),
)
async def start_reconciliation(
    request: Request, key: Finance, link: Name, month: Month, mapping: Name = ""
) -> Response:
    """The body is the file itself, CSV or XLSX, as it came from the carrier. It is read and matched after the answer:
    ask for the run until it is completed. The file is kept only until it is read."""
    platform = platform_of(request)
    context = context_of(request, key)
    file = reconciliations.place_for_file(platform)
    try:
        await _receive(request, file)
        run = await reconciliations.begin(
            platform, link=link, month=month, mapping=mapping or link, by=context.actor
        )
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    reconciliations.start(platform.settings, run.id, file=file)
    return answer(reconciliation_of(await reconciliations.read(platform, run.id)), 202)


@router.get(
    "/v1/billing/reconciliations",
    **operation(
        "Reconciliations",
        scope=Scope.BILLING,
        answer=ReconciliationList,
        example=examples.LIST,
        problems=("invalid_value", *_OF_THE_PLATFORM),
    ),
)
async def list_reconciliations(
    request: Request,
    key: Reader,  # noqa: ARG001
    link: Annotated[str, Query(max_length=32)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Newest first, of one link or of all; also those that failed or were superseded."""
    found = await reconciliations.list_runs(platform_of(request), link=link, limit=limit)
    return answer(ReconciliationList(reconciliations=[summary_of(run) for run in found]))


@router.get(
    "/v1/billing/reconciliations/self",
    **operation(
        "The platform against itself",
        scope=Scope.BILLING,
        answer=SelfAnswer,
        example=examples.SELF,
        problems=("invalid_value", "days_invalid", *_OF_THE_PLATFORM),
    ),
)
async def reconcile_self(
    request: Request,
    key: Reader,  # noqa: ARG001
    since: date,
    until: date | None = None,
    account: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Ledger, messages and read models of some days, by account; each difference with both numbers."""
    last = until or since
    if not 0 <= (last - since).days < _MOST_DAYS:
        raise BadInput("days_invalid", f"Give 1 to {_MOST_DAYS} days, the first one first.", field="until")
    platform = platform_of(request)
    found = await asyncio.to_thread(check_self, platform, since=since, until=last, account=account)
    return answer(
        SelfAnswer(
            since=found.since,
            until=found.until,
            upto=found.upto,
            accounts=found.accounts,
            messages=found.messages,
            debited=found.debited,
            refunded=found.refunded,
            agrees=not found.differences,
            differences=[
                SelfDifference(**{**asdict(one), "messages": list(one.messages)}) for one in found.differences
            ],
        )
    )


@router.get(
    "/v1/billing/reconciliations/{id}",
    **operation(
        "A reconciliation",
        scope=Scope.BILLING,
        answer=ReconciliationAnswer,
        example=examples.RECONCILIATION,
        problems=("invalid_value", "not_found", *_OF_THE_PLATFORM),
    ),
)
async def read_reconciliation(request: Request, id: UUID, key: Reader) -> Response:  # noqa: A002, ARG001
    """How far it is, and once it is completed what it found: UNEXPLAINED first."""
    return answer(reconciliation_of(await reconciliations.read(platform_of(request), id)))


@router.get(
    "/v1/billing/reconciliations/{id}/differences",
    **operation(
        "Differences of a reconciliation",
        scope=Scope.BILLING,
        answer=DifferencePage,
        example=examples.DIFFERENCES,
        problems=(
            "invalid_value",
            "invalid_cursor",
            "not_found",
            "reconciliation_not_completed",
            *_OF_THE_PLATFORM,
        ),
    ),
)
async def read_differences(
    request: Request,
    id: UUID,  # noqa: A002  (the parameter's name)
    key: Reader,  # noqa: ARG001
    reason: Reason | None = None,
    cursor: Annotated[str, Query(max_length=20)] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Each with its one reason and its evidence; UNEXPLAINED first."""
    found, following = await reconciliations.page(
        platform_of(request), id, reason=reason, cursor=cursor, limit=limit
    )
    return answer(DifferencePage(differences=[difference_of(one) for one in found], next_cursor=following))


@router.post(
    "/v1/billing/reconciliations/{id}/rerun",
    **operation(
        "Run a reconciliation again",
        scope=Scope.FINANCE,
        body=RerunRequest,
        body_examples=examples.RERUN,
        answer=ReconciliationAnswer,
        example=examples.STARTED,
        status=202,
        problems=(*OF_A_BODY, "not_found", "statement_missing", *_OF_THE_PLATFORM),
    ),
)
async def rerun_reconciliation(request: Request, id: UUID, key: Finance) -> Response:  # noqa: A002
    """A new run over the same file. It supersedes the one before and never edits it."""
    platform = platform_of(request)
    body = msgspec.json.decode(
        await read_json(request, limit=platform.settings.max_body_bytes), type=RerunRequest
    )
    run = await reconciliations.rerun(
        platform, id, by=context_of(request, key).actor, mapping=body.mapping, upto=body.upto
    )
    reconciliations.start(platform.settings, run.id)
    return answer(reconciliation_of(await reconciliations.read(platform, run.id)), 202)


@router.post(
    "/v1/billing/reconciliations/{id}/differences/{difference}/resolve",
    **operation(
        "Settle a difference by an adjustment",
        scope=Scope.FINANCE,
        body=ResolutionRequest,
        body_examples=examples.RESOLUTION,
        answer=ResolutionAnswer,
        example=examples.RESOLVED,
        problems=(
            *OF_A_BODY,
            "not_found",
            "reconciliation_not_completed",
            "account_missing",
            "difference_resolved",
            "adjustment_empty",
            "adjustment_too_large",
            *_OF_THE_PLATFORM,
        ),
    ),
)
async def resolve(request: Request, id: UUID, difference: UUID, key: Finance) -> Response:  # noqa: A002
    """Asks for an adjustment of the account's ledger, which two people have to approve."""
    platform = platform_of(request)
    body = msgspec.json.decode(
        await read_json(request, limit=platform.settings.max_body_bytes), type=ResolutionRequest
    )
    run, found = await reconciliations.find_difference(platform, id, difference)
    adjustment = await resolve_difference(
        platform.store,
        wanted=Resolution(
            run=run.id,
            link=run.link,
            month=f"{run.month:%Y-%m}",
            difference=difference,
            account=body.account or str(found["account"]),
            segments=body.segments,
            amount_micros=body.amount_micros,
            reason=body.reason,
        ),
        context=context_of(request, key),
    )
    return answer(ResolutionAnswer(difference=difference, adjustment=adjustment, approvals=APPROVALS))


async def _receive(request: Request, file: Path) -> None:
    """Write the body to a file as it comes. Refuses body_too_large and file_empty."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    size = 0
    with os.fdopen(descriptor, "wb") as out:
        async for piece in request.stream():
            size += len(piece)
            if size > LARGEST_BYTES:
                raise Unreadable("body_too_large", f"The file is larger than {LARGEST_BYTES} octets.")
            out.write(piece)
    if not size:
        raise BadInput("file_empty", "The body is empty: send the carrier's file.", field="file")
