"""Finance: corrections of a ledger, its years at a glance, and the alarms of a year."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request, Response

from api import contract_examples as examples
from api.answers import answer
from api.auth import context_of, platform_of, requires
from api.billing import NAMED, Account, Year, totals_of
from api.contract_schemas import (
    AccountRequest,
    AdjustmentAnswer,
    AdjustmentList,
    AdjustmentRequest,
    Alarm,
    AlarmList,
    LedgerLine,
    LedgerList,
    ReasonRequest,
)
from api.contracts import finance_call
from api.describing import operation
from api.messages import OF_A_BODY
from api.schemas import money
from application import manage_adjustments
from application.manage_adjustments import AskedFor
from application.raise_alarms import list_alarms
from domain.aggregates.access import Key
from domain.aggregates.adjustment import Adjustment
from domain.errors import NotFound
from domain.events.access import Scope
from domain.events.ledger import LedgerEvent
from domain.values import MICROS_PER_YUAN, local_year
from infrastructure.bootstrap import Platform

router = APIRouter(tags=["billing"])
_FIRST_YEAR = 2020


@router.get(
    "/v1/billing/ledgers",
    **operation(
        "All ledgers of an account",
        scope=Scope.BILLING,
        answer=LedgerList,
        example=examples.LEDGERS,
        problems=("invalid_value", *NAMED),
    ),
)
async def read_ledgers(
    request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))], account: Account = ""
) -> Response:
    """The totals of every year, straight from the last posting of each."""
    platform, name = platform_of(request), key.speaks_for(account)
    lines: list[LedgerLine] = []
    for year in range(local_year(platform.now()) + 1, _FIRST_YEAR, -1):
        last = await platform.store.last_posting(name, year)
        if last is not None:
            event = last.event
            assert isinstance(event, LedgerEvent)
            lines.append(
                LedgerLine(year=year, postings=last.version, chain=event.chain, totals=totals_of(event.after))
            )
    return answer(LedgerList(account=name, ledgers=lines))


@router.get(
    "/v1/billing/alarms",
    **operation(
        "Alarms of a year",
        scope=Scope.BILLING,
        answer=AlarmList,
        example=examples.ALARMS,
        problems=("invalid_value", *NAMED),
    ),
)
async def read_alarms(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    account: Account = "",
    year: Year = None,
) -> Response:
    """Which shares of the allowance were reached; each is told once a year."""
    platform, name = platform_of(request), key.speaks_for(account)
    wanted = year or local_year(platform.now())
    alarms = [
        Alarm(
            percent=raised.percent,
            allowance=raised.allowance,
            net=raised.net,
            posting=raised.posting,
            at=at,
        )
        for raised, at in await list_alarms(platform.store, account=name, year=wanted)
    ]
    return answer(AlarmList(account=name, year=wanted, alarms=alarms))


@router.get(
    "/v1/billing/adjustments",
    **operation(
        "Adjustments of an account",
        scope=Scope.BILLING,
        answer=AdjustmentList,
        example=examples.ADJUSTMENTS,
        problems=("invalid_value", *NAMED),
    ),
)
async def read_adjustments(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.BILLING))],
    account: Account = "",
    state: Annotated[str, Query(max_length=20, description="requested, posted or rejected.")] = "",
) -> Response:
    """Corrections that were asked for, and what became of each."""
    name = key.speaks_for(account)
    found = await manage_adjustments.list_adjustments(platform_of(request).store, account=name)
    return answer(AdjustmentList(adjustments=[_adjustment(one) for one in found if state in ("", one.state)]))


@router.post(
    "/v1/billing/adjustments",
    **operation(
        "Ask for an adjustment",
        status=201,
        scope=Scope.FINANCE,
        body=AdjustmentRequest,
        body_examples=examples.ADJUSTMENT_REQUESTS,
        answer=AdjustmentAnswer,
        example=examples.ADJUSTMENT,
        problems=(
            *OF_A_BODY,
            *NAMED,
            "period_invalid",
            "adjustment_empty",
            "adjustment_exists",
            "adjustment_too_large",
            "reference_missing",
            "busy",
        ),
    ),
)
async def ask(request: Request) -> Response:
    """A correction of segments, of money, or both. Beyond a limit two different people have to approve."""
    key, platform, body = await finance_call(request, AdjustmentRequest)
    id_ = body.id or uuid4()
    asked = AskedFor(
        account=key.speaks_for(body.account),
        period=body.period,
        segments=body.segments,
        amount_micros=body.amount_micros,
        reason=body.reason,
        reference=body.reference,
    )
    await manage_adjustments.request_adjustment(
        platform.store,
        id_=id_,
        asked=asked,
        limit_micros=platform.settings.adjustment_limit_yuan * MICROS_PER_YUAN,
        context=context_of(request, key),
    )
    return answer(_adjustment(await _find(platform, key, id_, asked.account)), 201)


@router.post(
    "/v1/billing/adjustments/{id}/approve",
    **operation(
        "Approve an adjustment",
        scope=Scope.FINANCE,
        body=AccountRequest,
        body_examples=examples.ACCOUNTS,
        answer=AdjustmentAnswer,
        example=examples.ADJUSTMENT | {"state": "posted"},
        problems=(*OF_A_BODY, *NAMED, "adjustment_rejected", "adjustment_too_large", "busy"),
    ),
)
async def approve(request: Request, id: UUID) -> Response:  # noqa: A002  (the name in the address)
    """The last approval that is needed posts it, in the same transaction."""
    key, platform, body = await finance_call(request, AccountRequest)
    await _find(platform, key, id, body.account)
    state = await manage_adjustments.approve_adjustment(
        platform.store, id_=id, context=context_of(request, key)
    )
    return answer(_adjustment(state))


@router.post(
    "/v1/billing/adjustments/{id}/reject",
    **operation(
        "Reject an adjustment",
        scope=Scope.FINANCE,
        body=ReasonRequest,
        body_examples=examples.REASONS,
        answer=AdjustmentAnswer,
        example=examples.ADJUSTMENT | {"state": "rejected"},
        problems=(*OF_A_BODY, *NAMED, "adjustment_posted", "reference_missing", "busy"),
    ),
)
async def reject(request: Request, id: UUID) -> Response:  # noqa: A002  (the name in the address)
    """It will not be posted; final."""
    key, platform, body = await finance_call(request, ReasonRequest)
    found = await _find(platform, key, id, body.account)
    await manage_adjustments.reject_adjustment(
        platform.store, id_=id, reason=body.reason, context=context_of(request, key)
    )
    return answer(_adjustment(await _find(platform, key, id, found.requested.account)))


async def _find(platform: Platform, key: Key, id_: UUID, account: str) -> Adjustment:
    """The adjustment, if it is of the account that the call is about."""
    state = await manage_adjustments.find_adjustment(platform.store, id_=id_)
    if state is None or state.requested.account != key.speaks_for(account):
        raise NotFound("not_found", "The account has no such adjustment.", field="id")
    return state


def _adjustment(state: Adjustment) -> AdjustmentAnswer:
    wanted = state.requested
    return AdjustmentAnswer(
        id=wanted.adjustment,
        account=wanted.account,
        period=wanted.period,
        year=wanted.year,
        segments=wanted.segments,
        amount=money(wanted.amount_micros),
        reason=wanted.reason,
        reference=wanted.reference,
        state=state.state,
        requested_by=wanted.by,
        approvals_needed=wanted.approvals,
        approved_by=list(state.approved_by),
    )
