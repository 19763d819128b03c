"""The contract of an account: when it may send, and under which terms."""

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from domain.errors import Conflicting, NotAccepting, NotFound
from domain.events.contract import (
    Amended,
    AmendmentApproved,
    AmendmentProposed,
    AmendmentWithdrawn,
    ContractEvent,
    Ended,
    Resumed,
    Signed,
    StageInvoiced,
    StagePaid,
    Suspended,
    Terms,
    WentLive,
)
from domain.values import PartialYears, local_day

APPROVALS = 2
"""Different people it takes to agree an amendment."""


class AmendmentState(StrEnum):
    """Where an amendment stands."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """An amendment as it stands."""

    number: int
    effective_from: date
    terms: Terms
    retroactive: bool
    notice_waived: bool
    reason: str
    proposed_by: str
    approved_by: tuple[str, ...] = ()
    state: AmendmentState = AmendmentState.PROPOSED
    agreed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """An account's contract as it stands. `terms` are those it was signed with; see `terms_on`."""

    account: str
    name: str
    terms: Terms
    signed_on: date | None = None
    live_on: date | None = None
    suspended: bool = False
    ended: bool = False
    amendments: tuple[Amendment, ...] = ()
    invoiced: tuple[StageInvoiced, ...] = ()
    paid: tuple[StagePaid, ...] = ()

    # What holds on a day.

    def amendment_on(self, day: date) -> Amendment | None:
        """The amendment whose terms hold on a day: of those in force the one of the latest day, then number."""
        agreed = [
            one for one in self.amendments if one.state is AmendmentState.AGREED and one.effective_from <= day
        ]
        return max(agreed, key=lambda one: (one.effective_from, one.number), default=None)

    def terms_on(self, day: date) -> Terms:
        """The terms in force on a day (Shanghai)."""
        found = self.amendment_on(day)
        return self.terms if found is None else found.terms

    @property
    def term_ends_on(self) -> date | None:
        """The first day on which nothing is accepted any more, as far as is agreed; None before it is live.

        Where an amendment brings the contract back after a while, it is the end of what is agreed last.
        """
        return max((end for _, end in self._accepting()), default=None)

    @property
    def first_year(self) -> int:
        """The calendar year in which the contract began: none before it has a ledger."""
        began = [day for day in (self.signed_on, self.live_on) if day is not None]
        return min(began).year

    def is_over(self, day: date) -> bool:
        """Whether the term is over on a day, by the terms of that day."""
        return self.live_on is not None and day >= self._over_from(day)

    def includes(self, year: int) -> bool:
        """Whether something may be sent in a calendar year, as far as is agreed: only then has it an allowance."""
        return not self.ended and any(
            first < date(year + 1, 1, 1) and end > date(year, 1, 1) for first, end in self._accepting()
        )

    def _accepting(self) -> Iterator[tuple[date, date]]:
        """First days and ends of the stretches in which something is accepted, each under terms of its own."""
        if self.live_on is None:
            return
        changes = {one.effective_from for one in self.amendments if one.state is AmendmentState.AGREED}
        firsts = [self.live_on, *sorted(day for day in changes if day > self.live_on)]
        for first, following in zip(firsts, [*firsts[1:], date.max], strict=True):
            end = min(following, self._over_from(first))
            if end > first:
                yield first, end

    def _over_from(self, day: date) -> date:
        """The first day after the term, by the terms of a day."""
        assert self.live_on is not None
        return _years_after(self.live_on, self.terms_on(day).term_years)

    def allowance_for(self, year: int, *, on: date) -> int:
        """Segments that the calendar year includes, under the terms of a day; none where the term leaves it out."""
        terms = self.terms_on(on)
        if self.live_on is None:
            return terms.allowance_segments
        first, last = max(self.live_on, date(year, 1, 1)), min(self._over_from(on), date(year + 1, 1, 1))
        days, whole = max(0, (last - first).days), 366 if isleap(year) else 365
        if terms.partial_years is PartialYears.FULL:
            return terms.allowance_segments if days else 0
        return (2 * terms.allowance_segments * days + whole) // (2 * whole)

    def require_accepting(self, at: datetime) -> None:
        """Refuse outside the term: contract_not_live, contract_term_over, contract_suspended, contract_ended."""
        if self.ended:
            raise NotAccepting("contract_ended", "The contract has ended: agree a new one.")
        if self.suspended:
            raise NotAccepting("contract_suspended", "The contract is suspended: ask your administrator.")
        today = local_day(at)
        if self.live_on is None or today < self.live_on:
            raise NotAccepting("contract_not_live", "The contract is not live yet: wait for its first day.")
        if self.is_over(today):
            raise NotAccepting(
                "contract_term_over", "The contract's term is over: agree a new price by an amendment."
            )

    # Its life.

    def go_live(self, *, on: date) -> tuple[ContractEvent, ...]:
        """Start the term; nothing to do where it started on that day already."""
        if self.live_on == on:
            return ()
        if self.live_on is not None:
            raise Conflicting(
                "contract_already_live", f"The contract is live since {self.live_on}.", field="on"
            )
        return (WentLive(on=on),)

    def suspend(self, *, reason: str) -> tuple[ContractEvent, ...]:
        """Stop accepting until resumed."""
        return () if self.suspended or self.ended else (Suspended(reason=reason),)

    def resume(self, *, reason: str) -> tuple[ContractEvent, ...]:
        """Accept again."""
        return (Resumed(reason=reason),) if self.suspended and not self.ended else ()

    def end(self, *, reason: str) -> tuple[ContractEvent, ...]:
        """Stop for good."""
        return () if self.ended else (Ended(reason=reason),)

    # Amendments.

    def propose(
        self,
        *,
        effective_from: date,
        terms: Terms,
        retroactive: bool,
        notice_waived: bool,
        reason: str,
        by: str,
        today: date,
        issued_until: date | None,
    ) -> tuple[ContractEvent, ...]:
        """Propose new terms as a whole. `issued_until` is the first day that no statement covers yet.

        Refuses contract_ended, amendment_in_the_past, amendment_inside_statement, amendment_notice,
        amendment_too_far_back.
        """
        if self.ended:
            raise Conflicting("contract_ended", "The contract has ended: sign a new one.")
        self._require_day(
            effective_from,
            retroactive=retroactive,
            notice_waived=notice_waived,
            today=today,
            issued_until=issued_until,
        )
        return (
            AmendmentProposed(
                number=len(self.amendments) + 1,
                effective_from=effective_from,
                terms=terms,
                retroactive=retroactive,
                notice_waived=notice_waived,
                reason=reason,
                by=by,
            ),
        )

    def approve(
        self, *, number: int, by: str, today: date, issued_until: date | None
    ) -> tuple[ContractEvent, ...]:
        """Approve an amendment; the second person's approval makes it hold. Nothing to do for the same person.

        Refuses not_found, amendment_decided, and what `propose` refuses where time has passed meanwhile.
        """
        one = self._open(number)
        if by in one.approved_by:
            return ()
        approvers = (*one.approved_by, by)
        approved = AmendmentApproved(number=number, by=by)
        if len(approvers) < APPROVALS:
            return (approved,)
        self._require_day(
            one.effective_from,
            retroactive=one.retroactive,
            # The notice was given with the proposal: a late second signature does not move the day.
            notice_waived=True,
            today=today,
            issued_until=issued_until,
        )
        return (
            approved,
            Amended(
                number=number,
                effective_from=one.effective_from,
                terms=one.terms,
                retroactive=one.retroactive,
                approved_by=approvers,
            ),
        )

    def withdraw(self, *, number: int, reason: str, by: str) -> tuple[ContractEvent, ...]:
        """Take a proposal back. Refuses not_found, amendment_decided."""
        self._open(number)
        return (AmendmentWithdrawn(number=number, reason=reason, by=by),)

    def _open(self, number: int) -> Amendment:
        if not 1 <= number <= len(self.amendments):
            raise NotFound("not_found", f"There is no amendment {number}.", field="number")
        one = self.amendments[number - 1]
        if one.state is not AmendmentState.PROPOSED:
            raise Conflicting("amendment_decided", f"Amendment {number} is {one.state} already.")
        return one

    def _require_day(
        self,
        day: date,
        *,
        retroactive: bool,
        notice_waived: bool,
        today: date,
        issued_until: date | None,
    ) -> None:
        if day < max(today, issued_until or today):
            _require_reach(day, retroactive=retroactive, today=today, issued_until=issued_until)
            return
        notice = self.terms_on(today).notice_days
        if not (notice_waived or self.is_over(today)) and day < today + timedelta(days=notice):
            raise Conflicting(
                "amendment_notice",
                f"The notice is {notice} days: take a later day, or have it waived by both sides.",
                field="effective_from",
            )


def sign(*, account: str, name: str, terms: Terms) -> tuple[ContractEvent, ...]:
    """A new contract, not live yet."""
    return (Signed(account=account, name=name, terms=terms),)


def evolve(state: Contract | None, event: ContractEvent, at: datetime) -> Contract:
    """The contract after one more fact."""
    if isinstance(event, Signed):
        return Contract(account=event.account, name=event.name, terms=event.terms, signed_on=local_day(at))
    if state is None:
        raise ValueError("a contract begins with contract.signed")
    match event:
        case WentLive():
            return replace(state, live_on=event.on)
        case Suspended():
            return replace(state, suspended=True)
        case Resumed():
            return replace(state, suspended=False)
        case Ended():
            return replace(state, ended=True)
        case AmendmentProposed():
            return replace(state, amendments=(*state.amendments, _proposed(event)))
        case AmendmentApproved():
            approved_by = (*state.amendments[event.number - 1].approved_by, event.by)
            return _amendment(state, event.number, approved_by=approved_by)
        case AmendmentWithdrawn():
            return _amendment(state, event.number, state=AmendmentState.WITHDRAWN)
        case Amended():
            return _amendment(state, event.number, state=AmendmentState.AGREED, agreed_at=at)
        case StageInvoiced():
            return replace(state, invoiced=(*state.invoiced, event))
        case StagePaid():
            return replace(state, paid=(*state.paid, event))
        case _:
            assert_never(event)


def _proposed(event: AmendmentProposed) -> Amendment:
    return Amendment(
        number=event.number,
        effective_from=event.effective_from,
        terms=event.terms,
        retroactive=event.retroactive,
        notice_waived=event.notice_waived,
        reason=event.reason,
        proposed_by=event.by,
    )


def _amendment(
    contract: Contract,
    number: int,
    **changes: Any,  # noqa: ANN401  (fields of Amendment)
) -> Contract:
    amendments = list(contract.amendments)
    amendments[number - 1] = replace(amendments[number - 1], **changes)
    return replace(contract, amendments=tuple(amendments))


def _require_reach(day: date, *, retroactive: bool, today: date, issued_until: date | None) -> None:
    """Only a retroactive amendment reaches back, and not into a year that is over."""
    if retroactive and day.year < today.year:
        raise Conflicting(
            "amendment_too_far_back",
            "It reaches into a year that is over: correct that one by an adjustment.",
            field="effective_from",
        )
    if retroactive:
        return
    if issued_until is not None and day < issued_until:
        raise Conflicting(
            "amendment_inside_statement",
            f"Statements are issued up to {issued_until}: begin there or later, or mark it retroactive.",
            field="effective_from",
        )
    raise Conflicting(
        "amendment_in_the_past",
        "The day is over: take today or later, or mark it retroactive.",
        field="effective_from",
    )


def _years_after(day: date, years: int) -> date:
    """The same day some years on; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
