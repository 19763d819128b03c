"""The contract of an account: when it may send, and under which terms."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import assert_never

from domain.errors import Conflicting, NotAccepting
from domain.events.contract import ContractEvent, Ended, Resumed, Signed, Suspended, Terms, WentLive
from domain.values import local_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """An account's contract as it stands."""

    account: str
    name: str
    terms: Terms
    live_on: date | None = None
    suspended: bool = False
    ended: bool = False

    @property
    def term_ends_on(self) -> date | None:
        """The first day on which nothing is accepted any more."""
        return None if self.live_on is None else _years_after(self.live_on, self.terms.term_years)

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

    def require_accepting(self, at: datetime) -> None:
        """Refuse outside the term: contract_not_live, contract_term_over, contract_suspended, contract_ended."""
        if self.ended:
            raise NotAccepting("contract_ended", "The contract has ended: agree a new one.")
        if self.suspended:
            raise NotAccepting("contract_suspended", "The contract is suspended: ask your administrator.")
        today = local_day(at)
        if self.live_on is None or today < self.live_on:
            raise NotAccepting("contract_not_live", "The contract is not live yet: wait for its first day.")
        if today >= _years_after(self.live_on, self.terms.term_years):
            raise NotAccepting(
                "contract_term_over", "The contract's term is over: agree a new price by an amendment."
            )


def sign(*, account: str, name: str, terms: Terms) -> tuple[ContractEvent, ...]:
    """A new contract, not live yet."""
    return (Signed(account=account, name=name, terms=terms),)


def evolve(state: Contract | None, event: ContractEvent, at: datetime) -> Contract:  # noqa: ARG001
    """The contract after one more fact."""
    if isinstance(event, Signed):
        return Contract(account=event.account, name=event.name, terms=event.terms)
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
        case _:
            assert_never(event)


def _years_after(day: date, years: int) -> date:
    """The same day some years on; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
