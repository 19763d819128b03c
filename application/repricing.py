"""What a year would have cost, had every retroactive amendment been agreed in time: a ledger folded at those prices.

What is owed beside the postings is the difference to what they charged. It goes on changing after the amendment is
agreed: a message that is refunded later is given back at the price it was billed at first, and the difference that
was posted for it has to go back, too.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from domain.aggregates.contract import Amendment, AmendmentState, Contract
from domain.aggregates.overage import moved
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    Debited,
    DebitReason,
    LedgerEvent,
    Refunded,
    Totals,
)
from domain.recorded import Recorded
from domain.values import local_day, stream_id


def repricing_id(account: str, year: int, place: int) -> UUID:
    """The id of the adjustment that retroactive amendments make in a year: the first, the second, …"""
    return stream_id("repricing", account, year, place)


def retroactive_ones(agreed: Contract) -> list[Amendment]:
    """The amendments that reach back, in the order they were agreed."""
    found = [one for one in agreed.amendments if one.retroactive and one.state is AmendmentState.AGREED]
    return sorted(found, key=lambda one: (one.agreed_at is None, one.agreed_at, one.number))


def _holding(agreed: Contract, day: date, *, at: datetime) -> Amendment | None:
    """The amendment that holds on a day for a posting of a moment: what was agreed later only if it reaches back."""
    known = [
        one
        for one in agreed.amendments
        if one.state is AmendmentState.AGREED
        and one.effective_from <= day
        and (one.retroactive or (one.agreed_at is not None and one.agreed_at <= at))
    ]
    return max(known, key=lambda one: (one.effective_from, one.number), default=None)


def _price_of(agreed: Contract, day: date, *, at: datetime) -> int:
    holding = _holding(agreed, day, at=at)
    return (agreed.terms if holding is None else holding.terms).overage_price_micros


@dataclass(slots=True)
class Repricing:
    """A ledger up to a posting: what it charged, what it should have, and what was adjusted for it."""

    agreed: Contract
    year: int
    version: int = 0
    adjustments: int = 0
    adjusted_micros: int = 0
    charged: Totals = Totals(allowance=0)
    due: Totals = Totals(allowance=0)
    _firsts: list[int] = field(default_factory=list)
    """Postings from which on acceptances have another price than before …"""
    _prices: list[int] = field(default_factory=list)
    """… and which."""
    _revised: dict[int, int] = field(default_factory=dict)
    """Prices of debits that came back after a refund, by posting."""
    _refunded: dict[UUID, int] = field(default_factory=dict)
    """Prices of messages that were given back."""

    @property
    def owed_micros(self) -> int:
        """What is still to be adjusted: positive is owed."""
        return self.due.amount_micros - self.charged.amount_micros - self.adjusted_micros

    def read(self, postings: Sequence[Recorded]) -> None:
        """The next postings, in order."""
        for recorded in postings:
            event = recorded.event
            assert isinstance(event, LedgerEvent)
            self.version = recorded.version
            price = self._price(recorded, event)
            after = event.after
            self.due, _ = moved(self.due, after.net, after.allowance, price)
            self.charged = after
            if isinstance(event, Adjusted) and event.adjustment == self.next_id:
                self.adjustments += 1
                self.adjusted_micros += event.amount_micros

    @property
    def next_id(self) -> UUID:
        """The id of the adjustment that comes next."""
        return repricing_id(self.agreed.account, self.year, self.adjustments + 1)

    def _price(self, recorded: Recorded, event: LedgerEvent) -> int:
        match event:
            case Debited(reason=DebitReason.ACCEPTED):
                return self._accepted(recorded, event.price_micros)
            case Debited():
                price = self._refunded.get(event.message, event.price_micros)
                self._revised[recorded.version] = price
                return price
            case Refunded():
                price = self._refunded[event.message] = self._own(event.debit)
                return price
            case Adjusted():
                month = int(event.period[5:]) if len(event.period) > 4 else 1
                return _price_of(self.agreed, date(event.year, month, 1), at=recorded.at)
            case AllowanceChanged():
                day = min(local_day(recorded.at), date(self.year, 12, 31))
                return _price_of(self.agreed, day, at=recorded.at)
            case _:
                return 0

    def _accepted(self, recorded: Recorded, charged_micros: int) -> int:
        """The price it was accepted at, or that of an amendment which was agreed afterwards and reaches back."""
        holding = _holding(self.agreed, local_day(recorded.at), at=recorded.at)
        later = holding is not None and holding.agreed_at is not None and holding.agreed_at >= recorded.at
        price = charged_micros
        if holding is not None and holding.retroactive and later:
            price = holding.terms.overage_price_micros
        if not self._prices or self._prices[-1] != price:
            self._firsts.append(recorded.version)
            self._prices.append(price)
        return price

    def _own(self, debit: int) -> int:
        """The price of a debit by its posting."""
        found = self._revised.get(debit)
        return found if found is not None else self._prices[bisect_right(self._firsts, debit) - 1]
