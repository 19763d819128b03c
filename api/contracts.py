"""Finance: the contract as it stands, its amendments, and the stages of the fixed fee."""

from dataclasses import replace
from datetime import date
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from api import contract_examples as examples
from api.answers import answer
from api.auth import authorise, context_of, platform_of, requires
from api.billing import NAMED, Account
from api.body import read_json
from api.contract_schemas import (
    AccountRequest,
    AmendmentAnswer,
    AmendmentRequest,
    ContractAnswer,
    InvoiceRequest,
    PaymentRequest,
    ReasonRequest,
    StageAnswer,
    TermsAnswer,
    TermsChange,
)
from api.describing import operation
from api.messages import OF_A_BODY
from api.schemas import money
from application import manage_amendments, manage_contracts
from application.apply_amendments import apply_amendments
from application.books import contract_of
from domain.aggregates import fee
from domain.aggregates.access import Key
from domain.aggregates.contract import Amendment, Contract
from domain.events.access import Scope
from domain.events.contract import Terms
from domain.values import local_day
from infrastructure.bootstrap import Platform

router = APIRouter(tags=["billing"])
Body = TypeVar("Body")
_OF_AMENDMENTS = (
    "amendment_decided",
    "amendment_in_the_past",
    "amendment_inside_statement",
    "amendment_notice",
    "amendment_too_far_back",
    "contract_ended",
)


@router.get(
    "/v1/billing/contract",
    **operation(
        "The contract as it stands",
        scope=Scope.BILLING,
        answer=ContractAnswer,
        example=examples.CONTRACT,
        problems=("invalid_value", *NAMED),
    ),
)
async def read_contract(
    request: Request, key: Annotated[Key, Depends(requires(Scope.BILLING))], account: Account = ""
) -> Response:
    """The terms in force today, every amendment, and the stages of the fixed fee."""
    return await _contract(platform_of(request), key.speaks_for(account))


@router.post(
    "/v1/billing/contract/suspend",
    **operation(
        "Suspend a contract",
        scope=Scope.FINANCE,
        body=ReasonRequest,
        body_examples=examples.REASONS,
        answer=ContractAnswer,
        example=examples.CONTRACT | {"state": "suspended"},
        problems=(*OF_A_BODY, *NAMED, "busy"),
    ),
)
async def suspend(request: Request) -> Response:
    """Nothing is accepted from the next message on, for example while an invoice is not paid."""
    key, platform, body = await finance_call(request, ReasonRequest)
    account = key.speaks_for(body.account)
    await manage_contracts.suspend(
        platform.store, account=account, reason=body.reason, context=context_of(request, key)
    )
    return await _contract(platform, account)


@router.post(
    "/v1/billing/contract/resume",
    **operation(
        "Resume a contract",
        scope=Scope.FINANCE,
        body=ReasonRequest,
        body_examples=examples.REASONS,
        answer=ContractAnswer,
        example=examples.CONTRACT,
        problems=(*OF_A_BODY, *NAMED, "busy"),
    ),
)
async def resume(request: Request) -> Response:
    """Accept again."""
    key, platform, body = await finance_call(request, ReasonRequest)
    account = key.speaks_for(body.account)
    await manage_contracts.resume(
        platform.store, account=account, reason=body.reason, context=context_of(request, key)
    )
    return await _contract(platform, account)


@router.post(
    "/v1/billing/amendments",
    **operation(
        "Propose an amendment",
        status=201,
        scope=Scope.FINANCE,
        body=AmendmentRequest,
        body_examples=examples.AMENDMENT_REQUESTS,
        answer=AmendmentAnswer,
        example=examples.AMENDMENT,
        problems=(*OF_A_BODY, *NAMED, *_OF_AMENDMENTS, "terms_invalid", "reference_missing", "busy"),
    ),
)
async def propose(request: Request) -> Response:
    """New terms from a day on; they hold once two different people have approved."""
    key, platform, body = await finance_call(request, AmendmentRequest)
    account = key.speaks_for(body.account)
    agreed = await contract_of(platform.store, account)
    await manage_amendments.propose_amendment(
        platform.store,
        account=account,
        effective_from=body.effective_from,
        terms=changed(agreed.terms_on(body.effective_from), body.terms),
        retroactive=body.retroactive,
        notice_waived=body.notice_waived,
        reason=body.reason,
        context=context_of(request, key),
    )
    after = await contract_of(platform.store, account)
    return answer(_amendment(after.amendments[-1]), 201)


@router.post(
    "/v1/billing/amendments/{number}/approve",
    **operation(
        "Approve an amendment",
        scope=Scope.FINANCE,
        body=AccountRequest,
        body_examples=examples.ACCOUNTS,
        answer=AmendmentAnswer,
        example=examples.AMENDMENT,
        problems=(*OF_A_BODY, *NAMED, *_OF_AMENDMENTS, "busy"),
    ),
)
async def approve(request: Request, number: int) -> Response:
    """The second person's approval makes it hold; what a retroactive one changes is posted at once."""
    key, platform, body = await finance_call(request, AccountRequest)
    account, context = key.speaks_for(body.account), context_of(request, key)
    await manage_amendments.approve_amendment(platform.store, account=account, number=number, context=context)
    await apply_amendments(platform.store, account=account, context=context)
    return answer(_amendment((await contract_of(platform.store, account)).amendments[number - 1]))


@router.post(
    "/v1/billing/amendments/{number}/withdraw",
    **operation(
        "Withdraw an amendment",
        scope=Scope.FINANCE,
        body=ReasonRequest,
        body_examples=examples.REASONS,
        answer=AmendmentAnswer,
        example=examples.AMENDMENT | {"state": "withdrawn"},
        problems=(*OF_A_BODY, *NAMED, "amendment_decided", "reference_missing", "busy"),
    ),
)
async def withdraw(request: Request, number: int) -> Response:
    """Take back what is not agreed yet; its number is used up."""
    key, platform, body = await finance_call(request, ReasonRequest)
    account = key.speaks_for(body.account)
    await manage_amendments.withdraw_amendment(
        platform.store,
        account=account,
        number=number,
        reason=body.reason,
        context=context_of(request, key),
    )
    return answer(_amendment((await contract_of(platform.store, account)).amendments[number - 1]))


@router.post(
    "/v1/billing/stages/{stage}/invoice",
    **operation(
        "Invoice a stage of the fixed fee",
        scope=Scope.FINANCE,
        body=InvoiceRequest,
        body_examples=examples.INVOICES,
        answer=ContractAnswer,
        example=examples.CONTRACT,
        problems=(
            *OF_A_BODY,
            *NAMED,
            "stage_not_due",
            "stage_invoiced",
            "due_in_the_past",
            "reference_missing",
            "reference_too_long",
            "busy",
        ),
    ),
)
async def invoice(request: Request, stage: int) -> Response:
    """From then on it is invoiced, overdue after its day, until it is paid."""
    key, platform, body = await finance_call(request, InvoiceRequest)
    account = key.speaks_for(body.account)
    await manage_contracts.invoice_stage(
        platform.store,
        account=account,
        stage=stage,
        invoice=body.invoice,
        due_on=body.due_on,
        context=context_of(request, key),
    )
    return await _contract(platform, account)


@router.post(
    "/v1/billing/stages/{stage}/pay",
    **operation(
        "Note the payment of a stage",
        scope=Scope.FINANCE,
        body=PaymentRequest,
        body_examples=examples.PAYMENTS,
        answer=ContractAnswer,
        example=examples.CONTRACT,
        problems=(*OF_A_BODY, *NAMED, "stage_not_invoiced", "busy"),
    ),
)
async def pay(request: Request, stage: int) -> Response:
    """The stage is paid."""
    key, platform, body = await finance_call(request, PaymentRequest)
    account = key.speaks_for(body.account)
    await manage_contracts.pay_stage(
        platform.store,
        account=account,
        stage=stage,
        paid_on=body.paid_on,
        reference=body.reference,
        context=context_of(request, key),
    )
    return await _contract(platform, account)


async def finance_call(request: Request, kind: type[Body]) -> tuple[Key, Platform, Body]:
    """Who calls with Scope.FINANCE, the platform, and the body as its structure."""
    key = await authorise(request, Scope.FINANCE)
    platform = platform_of(request)
    octets = await read_json(request, limit=platform.settings.max_body_bytes)
    return key, platform, msgspec.json.decode(octets, type=kind)


def changed(terms: Terms, change: TermsChange) -> Terms:
    """Terms with those that a change names."""
    given = {
        name: value
        for name in TermsChange.__struct_fields__
        if (value := getattr(change, name)) is not msgspec.UNSET
    }
    return replace(terms, **given)


async def _contract(platform: Platform, account: str) -> Response:
    state = await contract_of(platform.store, account)
    today = local_day(await platform.store.now())
    return answer(
        ContractAnswer(
            account=account,
            name=state.name,
            state=_word(state, today),
            signed_on=state.signed_on,
            live_on=state.live_on,
            term_ends_on=state.term_ends_on,
            terms=_terms(state.terms_on(today)),
            amendments=[_amendment(one) for one in state.amendments],
            stages=[_stage(one) for one in fee.stages(state, today)],
        )
    )


def _word(state: Contract, today: date) -> str:
    if state.ended:
        return "ended"
    if state.suspended:
        return "suspended"
    if state.live_on is None or today < state.live_on:
        return "signed"
    return "over" if state.is_over(today) else "live"


def _terms(terms: Terms) -> TermsAnswer:
    return msgspec.convert(terms, TermsAnswer, from_attributes=True)


def _amendment(one: Amendment) -> AmendmentAnswer:
    return AmendmentAnswer(
        number=one.number,
        effective_from=one.effective_from,
        state=one.state,
        terms=_terms(one.terms),
        retroactive=one.retroactive,
        notice_waived=one.notice_waived,
        reason=one.reason,
        proposed_by=one.proposed_by,
        approved_by=list(one.approved_by),
    )


def _stage(one: fee.Stage) -> StageAnswer:
    return StageAnswer(
        stage=one.stage,
        amount=money(one.amount_micros),
        falls_on=one.falls_on,
        state=one.state,
        invoice=one.invoice,
        due_on=one.due_on,
        paid_on=one.paid_on,
    )
