"""Amendments: new terms as a whole, proposed by one person, agreed by two, holding from a day on.

What a retroactive one changes in the price of messages that are billed already is an adjustment, posted once by
`apply_amendments`.
"""

from datetime import date

from application.issued import issued_until
from application.manage_contracts import change_contract, require_terms, require_text
from application.ports import Store
from domain.aggregates.contract import Contract
from domain.events import Event
from domain.events.contract import Terms
from domain.recorded import Context
from domain.values import local_day


async def propose_amendment(
    store: Store,
    *,
    account: str,
    effective_from: date,
    terms: Terms,
    retroactive: bool,
    notice_waived: bool,
    reason: str,
    context: Context,
) -> tuple[Event, ...]:
    """Propose new terms. Refuses not_found, terms_invalid, reference_missing and those of `Contract.propose`."""
    require_terms(terms)
    require_text(reason, "reason")
    today, issued = local_day(await store.now()), await issued_until(store, account)

    def propose(state: Contract) -> tuple[Event, ...]:
        return state.propose(
            effective_from=effective_from,
            terms=terms,
            retroactive=retroactive,
            notice_waived=notice_waived,
            reason=reason,
            by=context.actor,
            today=today,
            issued_until=issued,
        )

    return await change_contract(store, account, propose, context)


async def approve_amendment(
    store: Store, *, account: str, number: int, context: Context
) -> tuple[Event, ...]:
    """Approve as the person of the context; the second one makes it hold. Refuses those of `Contract.approve`."""
    today, issued = local_day(await store.now()), await issued_until(store, account)

    def approve(state: Contract) -> tuple[Event, ...]:
        return state.approve(number=number, by=context.actor, today=today, issued_until=issued)

    return await change_contract(store, account, approve, context)


async def withdraw_amendment(
    store: Store, *, account: str, number: int, reason: str, context: Context
) -> tuple[Event, ...]:
    """Take a proposal back. Refuses not_found, amendment_decided, reference_missing."""
    require_text(reason, "reason")
    return await change_contract(
        store,
        account,
        lambda state: state.withdraw(number=number, reason=reason, by=context.actor),
        context,
    )
