"""Amendments and adjustments as two people agree them, over an office."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from application.manage_adjustments import AskedFor, approve_adjustment, request_adjustment
from application.manage_amendments import approve_amendment, propose_amendment
from domain.aggregates.adjustment import Adjustment
from domain.events.contract import Terms
from domain.recorded import Context
from tests.application.office import ACCOUNT, Office

ANN, BOB = Context(actor="key:ann"), Context(actor="key:bob")


async def amend(
    office: Office,
    effective_from: date,
    *,
    retroactive: bool = False,
    account: str = ACCOUNT,
    **changes: Any,  # noqa: ANN401  (terms)
) -> int:
    """Agree an amendment of some terms, its notice waived; its number."""
    office.directory.forget("contract", account)
    known = await office.directory.contract(account)
    assert known is not None
    terms = replace(known.state.terms_on(effective_from), **changes)
    number = await propose(office, effective_from, terms, retroactive=retroactive, account=account)
    for context in (ANN, BOB):
        await approve_amendment(office.store, account=account, number=number, context=context)
    return number


async def propose(
    office: Office,
    effective_from: date,
    terms: Terms,
    *,
    retroactive: bool = False,
    account: str = ACCOUNT,
) -> int:
    """Propose terms as a whole; the amendment's number."""
    (made,) = await propose_amendment(
        office.store,
        account=account,
        effective_from=effective_from,
        terms=terms,
        retroactive=retroactive,
        notice_waived=True,
        reason="a letter",
        context=ANN,
    )
    number: int = getattr(made, "number")  # noqa: B009
    return number


def asked_for(
    segments: int = 0, micros: int = 0, *, period: str = "2026-05", account: str = ACCOUNT
) -> AskedFor:
    """A correction with a reason."""
    return AskedFor(
        account=account,
        period=period,
        segments=segments,
        amount_micros=micros,
        reason="a test",
        reference="letter 7",
    )


async def adjust(office: Office, number: int, asked: AskedFor) -> Adjustment:
    """A correction that two people approve."""
    id_ = UUID(int=number)
    await request_adjustment(office.store, id_=id_, asked=asked, context=ANN)
    await approve_adjustment(office.store, id_=id_, context=ANN)
    return await approve_adjustment(office.store, id_=id_, context=BOB)
