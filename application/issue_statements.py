"""Statements of months and years: previewed at any time, issued once the period is over, then final.

What is issued follows from the postings alone, so a run that was killed is simply run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.books import accounts_of
from application.draft_statement import Drafts
from application.platform import change
from application.ports import Store
from application.postings import ReadPostings
from application.read_statements import open_book
from domain.aggregates import statement
from domain.aggregates.statement import Statement, Unbalanced
from domain.errors import BadInput, NotFound, Refusal
from domain.events import Event
from domain.events.statement import Content
from domain.periods import Period, months_between
from domain.recorded import Context
from domain.values import local_day, stream_id

_LONGEST_WORDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueOutcome:
    """What became of one account: its statement, or the code and the words of the refusal."""

    account: str
    statement: Statement | None = None
    issued: bool = False
    """Whether it was issued now; False where it had been before."""
    code: str = ""
    detail: str = ""


async def preview(store: Store, read: ReadPostings, *, account: str, period: Period) -> Content:
    """What the statement would say now; an issued one says what it says. Refuses not_found, period_not_begun."""
    book = await open_book(store, account)
    known = book.statements.get(period)
    if known is not None:
        return known.content
    return await Drafts(store=store, read=read, book=book).draft(period)


async def issue(
    store: Store, read: ReadPostings, *, account: str, period: Period, context: Context
) -> tuple[Statement, bool]:
    """The statement of a period, and whether it was issued now; issuing again gives the one there is.

    Refuses not_found, period_not_over, period_before_contract, statement_out_of_order, year_not_closed. Raises
    Unbalanced where the lines do not add up to the ledger.
    """
    book = await open_book(store, account)
    known = book.statements.get(period)
    if known is not None:
        return known, False
    statement.require_over(period, book.now)
    drafts = Drafts(store=store, read=read, book=book)
    await drafts.require_next(period)
    content = await drafts.draft(period)
    made = await change(
        store,
        _stream(account, period),
        statement.evolve,
        lambda state: statement.issue(state, content, now=book.now),
        context,
    )
    return (await open_book(store, account)).statements[period], bool(made)


async def issue_all(
    store: Store, read: ReadPostings, *, period: Period, context: Context
) -> Sequence[IssueOutcome]:
    """Issue the period for every account; what one of them is refused for keeps no other one."""
    return [
        await _outcome(store, read, account=account, period=period, context=context)
        for account in await accounts_of(store)
    ]


async def issue_due(
    store: Store, read: ReadPostings, *, last: Period, context: Context
) -> Sequence[IssueOutcome]:
    """Every month up to `last` that is not issued, for every account, in order; an account stops at its first
    refusal. Only what was issued or refused is told."""
    told: list[IssueOutcome] = []
    for account in await accounts_of(store):
        book = await open_book(store, account)
        first = max([book.begins, *(one.period.following for one in book.months)])
        for period in months_between(first, last):
            outcome = await _outcome(store, read, account=account, period=period, context=context)
            told.append(outcome)
            if outcome.statement is None:
                break
    return told


async def _outcome(
    store: Store, read: ReadPostings, *, account: str, period: Period, context: Context
) -> IssueOutcome:
    try:
        made, issued = await issue(store, read, account=account, period=period, context=context)
    except Refusal as refusal:
        return IssueOutcome(account=account, code=refusal.code, detail=refusal.detail)
    except Unbalanced as fault:
        return IssueOutcome(account=account, code="statement_unbalanced", detail=str(fault))
    return IssueOutcome(account=account, statement=made, issued=issued)


async def accept(
    store: Store, *, account: str, period: Period, note: str, context: Context
) -> Sequence[Event]:
    """The customer agrees. Refuses not_found, words_too_long, statement_disputed, dispute_window_over."""
    _require_words(note)
    today = local_day(await store.now())

    def decide(state: Statement | None) -> Sequence[Event]:
        return _issued(state, period).accept(by=context.actor, note=note, today=today)

    return await change(store, _stream(account, period), statement.evolve, decide, context)


async def dispute(
    store: Store, *, account: str, period: Period, reason: str, context: Context
) -> Sequence[Event]:
    """The customer disagrees. Refuses not_found, statement_reason, words_too_long, statement_accepted,
    dispute_window_over."""
    _require_reason(reason)
    today = local_day(await store.now())

    def decide(state: Statement | None) -> Sequence[Event]:
        return _issued(state, period).dispute(by=context.actor, reason=reason, today=today)

    return await change(store, _stream(account, period), statement.evolve, decide, context)


async def resolve(
    store: Store, *, account: str, period: Period, reason: str, adjustment: str, context: Context
) -> Sequence[Event]:
    """Settle a dispute, by an adjustment or without one. Refuses not_found, statement_reason, words_too_long,
    statement_not_disputed."""
    _require_reason(reason)
    _require_words(adjustment)

    def decide(state: Statement | None) -> Sequence[Event]:
        return _issued(state, period).resolve(by=context.actor, reason=reason, adjustment=adjustment)

    return await change(store, _stream(account, period), statement.evolve, decide, context)


def _stream(account: str, period: Period) -> UUID:
    return stream_id("statement", account, str(period))


def _issued(state: Statement | None, period: Period) -> Statement:
    if state is None:
        raise NotFound("not_found", f"There is no statement of {period}.", field="period")
    return state


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("statement_reason", "Say why: the reason is kept with the statement.", field="reason")
    _require_words(reason)


def _require_words(words: str) -> None:
    if len(words) > _LONGEST_WORDS:
        raise BadInput("words_too_long", f"Say it in {_LONGEST_WORDS} characters.", field="reason")
