"""Finance: statements of months and years, from their preview to the customer's word, and the forecast."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import contract_examples
from api import statement_examples as examples
from api.answers import answer
from api.auth import authorise, context_of, header, platform_of, requires
from api.billing import NAMED, Account
from api.body import read_json
from api.contract_schemas import AccountRequest, ReasonRequest
from api.contracts import finance_call
from api.describing import operation
from api.messages import OF_A_BODY
from api.statement_answers import forecast_of, line_posting, statement_of, summary_of
from api.statement_schemas import (
    ForecastAnswer,
    LinePostings,
    NoteRequest,
    ResolveRequest,
    StatementAnswer,
    StatementList,
)
from application import issue_statements
from application.follow_lines import follow_line
from application.forecast import forecast_at
from application.read_statements import open_book
from domain import periods
from domain.aggregates.access import Key
from domain.errors import BadInput
from domain.events.access import Scope
from infrastructure import statement_files, statement_pdf
from infrastructure.bootstrap import Platform
from infrastructure.posting_rows import kind_reader, reader
from infrastructure.statement_texts import Document

router = APIRouter(tags=["billing"])
Body = TypeVar("Body")
Of = Annotated[str, Path(max_length=7, description="2026-11 for a month, 2026 for a year.")]
Format = Annotated[
    Literal["json", "csv", "xlsx", "pdf"] | None, Query(description="Wins over `Accept`; default: json.")
]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES: Mapping[str, tuple[str, Callable[[Document], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", statement_files.to_csv),
    "xlsx": (_XLSX, statement_files.to_xlsx),
    "pdf": ("application/pdf", statement_pdf.to_pdf),
}
_OF_ISSUING = (
    "period_not_over",
    "period_before_contract",
    "statement_out_of_order",
    "statement_exists",
    "year_not_closed",
)


def _also_files(described: dict[str, Any]) -> dict[str, Any]:
    """The same operation, answering with files, too."""
    content = described["responses"][200]["content"]
    for media, _ in _FILES.values():
        content[media.partition(";")[0]] = {"schema": {"type": "string", "format": "binary"}}
    return described


@router.get(
    "/v1/billing/statements",
    **operation(
        "Statements of an account",
        scope=Scope.BILLING,
        answer=StatementList,
        example=examples.STATEMENTS,
        problems=("invalid_value", *NAMED),
    ),
)
async def list_statements(
    request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))], account: Account = ""
) -> Response:
    """All that are issued, by period."""
    book = await open_book(platform_of(request).store, key.speaks_for(account))
    found = [summary_of(one) for one in book.statements.values()]
    return answer(StatementList(account=book.account, statements=found))


@router.get(
    "/v1/billing/statements/{period}",
    **_also_files(
        operation(
            "An issued statement",
            scope=Scope.BILLING,
            answer=StatementAnswer,
            example=examples.STATEMENT,
            problems=("invalid_value", "period_invalid", *NAMED),
        )
    ),
)
async def read_statement(
    request: Request,
    period: Of,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    format: Format = None,  # noqa: A002  (the parameter's name)
    account: Account = "",
) -> Response:
    """As JSON, or as a file to be sent or opened in Excel: `?format=csv|xlsx|pdf`, or by `Accept`."""
    book = await open_book(platform_of(request).store, key.speaks_for(account))
    found = book.one(periods.parse(period))
    return await _respond(request, Document(found.content, found), format)


@router.get(
    "/v1/billing/statements/{period}/preview",
    **_also_files(
        operation(
            "What a statement would say now",
            scope=Scope.BILLING,
            answer=StatementAnswer,
            example=examples.PREVIEW,
            problems=("invalid_value", "period_invalid", "period_not_begun", *NAMED),
        )
    ),
)
async def preview_statement(
    request: Request,
    period: Of,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    format: Format = None,  # noqa: A002  (the parameter's name)
    account: Account = "",
) -> Response:
    """At any time, also of the running month. Nothing is recorded."""
    platform = platform_of(request)
    content = await issue_statements.preview(
        platform.store,
        reader(platform.store.recorder),
        account=key.speaks_for(account),
        period=periods.parse(period),
    )
    return await _respond(request, Document(content), format)


@router.get(
    "/v1/billing/statements/{period}/lines/{line}/postings",
    **operation(
        "Postings of a line",
        scope=Scope.BILLING,
        answer=LinePostings,
        example=examples.LINE_POSTINGS,
        problems=("invalid_value", "period_invalid", "invalid_cursor", *NAMED),
    ),
)
async def read_line(
    request: Request,
    period: Of,
    line: Annotated[int, Path(ge=1, le=10_000)],
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(max_length=20, description="`next_cursor` of the page before.")] = "",
    account: Account = "",
) -> Response:
    """What a line is the sum of, straight from the ledger; each posting names its message."""
    platform, name = platform_of(request), key.speaks_for(account)
    page = await follow_line(
        platform.store,
        kind_reader(platform.store.recorder),
        account=name,
        period=periods.parse(period),
        line=line,
        after=_after(cursor),
        limit=limit,
    )
    return answer(
        LinePostings(
            account=name,
            period=period,
            line=line,
            postings=[line_posting(row, part) for row, part in page.postings],
            next_cursor="" if page.next_after is None else str(page.next_after),
        )
    )


@router.post(
    "/v1/billing/statements/{period}/issue",
    **operation(
        "Issue a statement",
        scope=Scope.FINANCE,
        body=AccountRequest,
        body_examples=contract_examples.ACCOUNTS,
        answer=StatementAnswer,
        example=examples.STATEMENT,
        problems=(*OF_A_BODY, *NAMED, *_OF_ISSUING, "period_invalid", "busy"),
    ),
)
async def issue_statement(request: Request, period: Of) -> Response:
    """Final from then on. Issuing again answers with the one there is."""
    key, platform, body = await finance_call(request, AccountRequest)
    made, _ = await issue_statements.issue(
        platform.store,
        reader(platform.store.recorder),
        account=key.speaks_for(body.account),
        period=periods.parse(period),
        context=context_of(request, key),
    )
    return answer(statement_of(Document(made.content, made)))


@router.post(
    "/v1/billing/statements/{period}/accept",
    **operation(
        "Accept a statement",
        scope=Scope.AGREE,
        body=NoteRequest,
        body_examples=examples.NOTES,
        answer=StatementAnswer,
        example=examples.STATEMENT | {"state": "accepted", "said_by": "key:1f2e3d4c5b6a"},
        problems=(
            *OF_A_BODY,
            *NAMED,
            "period_invalid",
            "statement_disputed",
            "dispute_window_over",
            "words_too_long",
            "busy",
        ),
    ),
)
async def accept_statement(request: Request, period: Of) -> Response:
    """The customer agrees, within the window of the terms."""
    key = await authorise(request, Scope.AGREE)
    platform, body = platform_of(request), await _body(request, NoteRequest)
    account, wanted = key.speaks_for(body.account), periods.parse(period)
    await issue_statements.accept(
        platform.store, account=account, period=wanted, note=body.note, context=context_of(request, key)
    )
    return await _stands(platform, account, wanted)


@router.post(
    "/v1/billing/statements/{period}/dispute",
    **operation(
        "Dispute a statement",
        scope=Scope.AGREE,
        body=ReasonRequest,
        body_examples=examples.DISPUTES,
        answer=StatementAnswer,
        example=examples.STATEMENT | {"state": "disputed", "said": "第 3 行的条数与我方记录不符"},
        problems=(
            *OF_A_BODY,
            *NAMED,
            "period_invalid",
            "statement_accepted",
            "dispute_window_over",
            "statement_reason",
            "busy",
        ),
    ),
)
async def dispute_statement(request: Request, period: Of) -> Response:
    """The customer disagrees, within the window of the terms; somebody will resolve it."""
    key = await authorise(request, Scope.AGREE)
    platform, body = platform_of(request), await _body(request, ReasonRequest)
    account, wanted = key.speaks_for(body.account), periods.parse(period)
    await issue_statements.dispute(
        platform.store, account=account, period=wanted, reason=body.reason, context=context_of(request, key)
    )
    return await _stands(platform, account, wanted)


@router.post(
    "/v1/billing/statements/{period}/resolve",
    **operation(
        "Resolve a dispute",
        scope=Scope.FINANCE,
        body=ResolveRequest,
        body_examples=examples.RESOLUTIONS,
        answer=StatementAnswer,
        example=examples.STATEMENT | {"state": "resolved", "said": "运营商重复计费，已调整"},
        problems=(*OF_A_BODY, *NAMED, "period_invalid", "statement_not_disputed", "statement_reason", "busy"),
    ),
)
async def resolve_dispute(request: Request, period: Of) -> Response:
    """The statement stays as it is: what was wrong is an adjustment, and a line of the next one."""
    key, platform, body = await finance_call(request, ResolveRequest)
    account, wanted = key.speaks_for(body.account), periods.parse(period)
    await issue_statements.resolve(
        platform.store,
        account=account,
        period=wanted,
        reason=body.reason,
        adjustment=body.adjustment,
        context=context_of(request, key),
    )
    return await _stands(platform, account, wanted)


@router.get(
    "/v1/billing/forecast",
    **operation(
        "The forecast for this year",
        scope=Scope.BILLING,
        answer=ForecastAnswer,
        example=examples.FORECAST,
        problems=("invalid_value", *NAMED),
    ),
)
async def read_forecast(
    request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))], account: Account = ""
) -> Response:
    """When the package will be used up and what the year will cost, if the use goes on as in the last four weeks."""
    store = platform_of(request).store
    book = await open_book(store, key.speaks_for(account))
    return answer(forecast_of(await forecast_at(store, book.account, book.contract, cut=book.now)))


async def _respond(request: Request, document: Document, wanted: str | None) -> Response:
    """The document in the form that was asked for."""
    found = _FILES.get(wanted or _accepted(header(request, b"accept") or ""))
    if found is None:
        return answer(statement_of(document))
    media, write = found
    ending = next(name for name, each in _FILES.items() if each is found)
    octets = await asyncio.to_thread(write, document)
    named = f'attachment; filename="{document.file_name}.{ending}"'
    return Response(octets, media_type=media, headers={"Content-Disposition": named})


def _accepted(accept: str) -> str:
    """The first form of a file that the header names; JSON stands for all else."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        for name, (known, _) in _FILES.items():
            if media == known.partition(";")[0]:
                return name
        if media == "application/json":
            break
    return "json"


async def _stands(platform: Platform, account: str, period: periods.Period) -> Response:
    found = (await open_book(platform.store, account)).one(period)
    return answer(statement_of(Document(found.content, found)))


async def _body(request: Request, kind: type[Body]) -> Body:
    octets = await read_json(request, limit=platform_of(request).settings.max_body_bytes)
    return msgspec.json.decode(octets, type=kind)


def _after(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise BadInput("invalid_cursor", "This is no cursor of these postings.", field="cursor")
    return int(cursor)
