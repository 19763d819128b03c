"""Finance: the ledger of a year, and each posting of it. Totals come from the last posting, which is the state."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.answers import answer
from api.auth import platform_of, requires
from api.describing import operation
from api.read_side import read_as_of
from api.report_schemas import (
    LedgerAnswer,
    LedgerPeriod,
    LedgerTotals,
    Posting,
    PostingsPage,
)
from api.schemas import money
from domain.aggregates.access import Key
from domain.errors import BadInput
from domain.events.access import Scope
from domain.events.ledger import Closed, Debited, LedgerEvent, Opened, Refunded, Totals
from domain.recorded import Recorded
from domain.values import local_year
from infrastructure.bootstrap import Platform
from projections import ledger

router = APIRouter(tags=["billing"])
Year = Annotated[int | None, Query(ge=2000, le=2200, description="Calendar year in Shanghai; default: this.")]


@router.get(
    "/v1/billing/ledger",
    **operation(
        "The ledger of a year",
        scope=Scope.BILLING,
        answer=LedgerAnswer,
        example=examples.LEDGER,
        problems=("invalid_value", "read_model_missing"),
    ),
)
async def read_ledger(
    request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))], year: Year = None
) -> Response:
    """Totals are exact at this moment; months and days come from the read model and may be `as_of` behind."""
    platform = platform_of(request)
    wanted = _year(platform, year)
    (days, months), as_of = await read_as_of(
        platform,
        ledger.PROJECTION.name,
        lambda rows: (ledger.days(rows, key.account, wanted), ledger.months(rows, key.account, wanted)),
    )
    last = await platform.store.last_posting(key.account, wanted)
    return answer(
        LedgerAnswer(
            account=key.account,
            year=wanted,
            opened=last is not None,
            postings=last.version if last else 0,
            chain=_posted(last).chain if last else "",
            totals=_totals(_posted(last).after if last else await _unopened(platform, key.account)),
            months=[_period(line, f"{line.day:%Y-%m}") for line in months],
            days=[_period(line, line.day.isoformat()) for line in days],
            as_of=as_of,
        )
    )


@router.get(
    "/v1/billing/ledger/postings",
    **operation(
        "Postings of a ledger",
        scope=Scope.BILLING,
        answer=PostingsPage,
        example=examples.POSTINGS,
        problems=("invalid_value", "invalid_cursor"),
    ),
)
async def read_postings(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    year: Year = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(max_length=20, description="`next_cursor` of the page before.")] = "",
) -> Response:
    """In their order, straight from the ledger's stream: what is proved is what is shown."""
    platform = platform_of(request)
    wanted = _year(platform, year)
    found = await platform.store.postings(key.account, wanted, after=_version(cursor), limit=limit + 1)
    page = found[:limit]
    return answer(
        PostingsPage(
            account=key.account,
            year=wanted,
            postings=[_posting(recorded) for recorded in page],
            next_cursor=str(page[-1].version) if len(found) > limit else "",
        )
    )


def _year(platform: Platform, year: int | None) -> int:
    return local_year(platform.now()) if year is None else year


def _version(cursor: str) -> int:
    """The version a page ended with: a cursor of postings is a plain number."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise BadInput("invalid_cursor", "This is no cursor of the postings.", field="cursor")
    return int(cursor)


async def _unopened(platform: Platform, account: str) -> Totals:
    """A year without a posting: the allowance it would begin with."""
    contract = await platform.directory.contract(account)
    return Totals(allowance=contract.state.terms.allowance_segments if contract else 0)


def _posted(recorded: Recorded) -> LedgerEvent:
    assert isinstance(recorded.event, LedgerEvent)
    return recorded.event


def _totals(after: Totals) -> LedgerTotals:
    return LedgerTotals(
        allowance=after.allowance,
        net=after.net,
        included=after.net - after.overage,
        overage=after.overage,
        remaining=max(0, after.allowance - after.net),
        amount=money(after.amount_micros),
        closed=after.closed,
    )


def _period(line: ledger.BillLine, name: str) -> LedgerPeriod:
    overage = line.debited_overage - line.refunded_overage
    return LedgerPeriod(
        period=name,
        price=money(line.price_micros),
        debits=line.debits,
        debited=line.debited,
        refunds=line.refunds,
        refunded=line.refunded,
        included=line.debited - line.refunded - overage,
        overage=overage,
        amount=money(line.amount_micros),
    )


def _posting(recorded: Recorded) -> Posting:
    event = _posted(recorded)
    posting = Posting(
        posting=recorded.version,
        at=recorded.at,
        kind=event.TOPIC.partition(".")[2],
        after=_totals(event.after),
        chain=event.chain,
    )
    match event:
        case Debited():
            _fill(posting, event, event.message, event.overage)
        case Refunded():
            _fill(posting, event, event.message, -event.overage)
            posting.takes_back = event.debit
        case Closed():
            posting.unused = event.unused
        case Opened():
            pass
    return posting


def _fill(posting: Posting, event: Debited | Refunded, message: UUID, overage: int) -> None:
    posting.message, posting.reason = message, event.reason
    posting.segments, posting.included, posting.overage = event.segments, event.included, event.overage
    posting.price, posting.amount = money(event.price_micros), money(overage * event.price_micros)
