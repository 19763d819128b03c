"""Finance: the ledger of a year, and each posting of it. Totals come from the last posting, which is the state."""

from datetime import date
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
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    Closed,
    Debited,
    LedgerEvent,
    Opened,
    Refunded,
    Totals,
)
from domain.recorded import Recorded
from domain.values import local_day, local_year
from infrastructure.bootstrap import Platform
from projections import ledger

router = APIRouter(tags=["billing"])
Account = Annotated[
    str, Query(max_length=32, description="Which account; needed with a key of no account, else its own.")
]
NAMED = ("account_missing", "not_found")
Year = Annotated[int | None, Query(ge=2000, le=2200, description="Calendar year in Shanghai; default: this.")]


@router.get(
    "/v1/billing/ledger",
    **operation(
        "The ledger of a year",
        scope=Scope.BILLING,
        answer=LedgerAnswer,
        example=examples.LEDGER,
        problems=("invalid_value", "read_model_missing", *NAMED),
    ),
)
async def read_ledger(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    year: Year = None,
    account: Account = "",
) -> Response:
    """Totals are exact at this moment; months and days come from the read model and may be `as_of` behind."""
    platform, name = platform_of(request), key.speaks_for(account)
    wanted = _year(platform, year)
    (days, months), as_of = await read_as_of(
        platform,
        ledger.PROJECTION.name,
        lambda rows: (ledger.days(rows, name, wanted), ledger.months(rows, name, wanted)),
    )
    last = await platform.store.last_posting(name, wanted)
    return answer(
        LedgerAnswer(
            account=name,
            year=wanted,
            opened=last is not None,
            postings=last.version if last else 0,
            chain=_posted(last).chain if last else "",
            totals=totals_of(_posted(last).after if last else await _unopened(platform, name, wanted)),
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
        problems=("invalid_value", "invalid_cursor", *NAMED),
    ),
)
async def read_postings(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    year: Year = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(max_length=20, description="`next_cursor` of the page before.")] = "",
    account: Account = "",
) -> Response:
    """In their order, straight from the ledger's stream: what is proved is what is shown."""
    platform, name = platform_of(request), key.speaks_for(account)
    wanted = _year(platform, year)
    found = await platform.store.postings(name, wanted, after=_version(cursor), limit=limit + 1)
    page = found[:limit]
    return answer(
        PostingsPage(
            account=name,
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


async def _unopened(platform: Platform, account: str, year: int) -> Totals:
    """A year without a posting: the allowance it would begin with."""
    contract = await platform.directory.contract(account)
    if contract is None:
        return Totals(allowance=0)
    first = max(local_day(platform.now()), date(year, 1, 1))
    return Totals(allowance=contract.state.allowance_for(year, on=first))


def _posted(recorded: Recorded) -> LedgerEvent:
    assert isinstance(recorded.event, LedgerEvent)
    return recorded.event


def totals_of(after: Totals) -> LedgerTotals:
    """Totals as they are shown."""
    return LedgerTotals(
        allowance=after.allowance,
        net=after.net,
        included=after.net - after.overage,
        overage=after.overage,
        remaining=max(0, after.allowance - after.net),
        amount=money(after.amount_micros),
        adjusted=money(after.adjusted_micros),
        payable=money(after.payable_micros),
        closed=after.closed,
    )


def _period(line: ledger.BillLine, name: str) -> LedgerPeriod:
    overage = line.debited_overage - line.refunded_overage + line.adjusted_overage
    return LedgerPeriod(
        period=name,
        price=money(line.price_micros),
        debits=line.debits,
        debited=line.debited,
        refunds=line.refunds,
        refunded=line.refunded,
        adjusted=line.adjusted,
        included=line.debited - line.refunded + line.adjusted - overage,
        overage=overage,
        amount=money(line.amount_micros),
        adjusted_amount=money(line.adjusted_micros),
    )


def _posting(recorded: Recorded) -> Posting:
    event = _posted(recorded)
    posting = Posting(
        posting=recorded.version,
        at=recorded.at,
        kind=event.TOPIC.partition(".")[2],
        after=totals_of(event.after),
        chain=event.chain,
    )
    match event:
        case Debited():
            _fill(posting, event, event.message)
        case Refunded():
            _fill(posting, event, event.message)
            posting.takes_back = event.debit
        case AllowanceChanged():
            posting.segments, posting.overage, posting.amendment = (
                event.segments,
                event.overage,
                event.amendment,
            )
            posting.price, posting.amount = money(event.price_micros), money(_cost(event))
        case Adjusted():
            _fill_adjusted(posting, event)
        case Closed():
            posting.unused = event.unused
        case Opened():
            pass
    return posting


def _fill(posting: Posting, event: Debited | Refunded, message: UUID) -> None:
    posting.message, posting.reason = message, event.reason
    posting.segments, posting.included, posting.overage = event.segments, event.included, event.overage
    posting.price, posting.amount = money(event.price_micros), money(_cost(event))


def _fill_adjusted(posting: Posting, event: Adjusted) -> None:
    posting.adjustment, posting.reason = event.adjustment, event.reason
    posting.segments, posting.included, posting.overage = event.segments, event.included, event.overage
    posting.price, posting.amount = money(event.price_micros), money(_cost(event) + event.amount_micros)
    posting.period, posting.reference = event.period, event.reference
    posting.requested_by, posting.approved_by = event.requested_by, list(event.approved_by)


def _cost(event: Debited | Refunded | AllowanceChanged | Adjusted) -> int:
    """What the overage of a posting adds to the bill, each segment at its price."""
    return sum(part.segments * part.price_micros for part in event.charges)
