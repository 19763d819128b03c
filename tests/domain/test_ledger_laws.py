"""The laws of the ledger hold after any interleaving of debits, refunds, revisions, new prices, changed allowances
and corrections."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from domain.aggregates.ledger import Ledger
from domain.errors import Conflicting
from domain.events.ledger import Closed, DebitReason, LedgerEvent, Opened, RefundReason
from tests.support.layers import Layers

PRICES = st.sampled_from((0, 1, 30_000, 38_000, 50_000))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Debit = tuple[UUID, int, int, int]
"""Message, posting, segments and price."""


class LedgerLaws(RuleBasedStateMachine):
    """Keeps books of its own, a dictionary of what each message owes, and holds the ledger against them."""

    owed = Bundle("owed")
    refunded = Bundle("refunded")

    @initialize(allowance=st.integers(0, 30))
    def open_the_year(self, allowance: int) -> None:
        self.ledger = Ledger(account="acme", year=2026)
        self.before = self.ledger
        self.at = BEGIN
        self.posted: list[tuple[LedgerEvent, datetime]] = []
        self.books: dict[UUID, int] = {}
        self.corrected = self.adjusted_micros = self.amendments = 0
        self.layers = Layers()
        self.charged: Counter[int] = Counter()
        self.allowance = allowance
        self.closed = False
        self.post(*self.ledger.open(allowance=allowance, at=self.at))

    @property
    def net(self) -> int:
        return sum(self.books.values()) + self.corrected

    def post(self, *events: LedgerEvent, price: int = 0) -> int:
        for event in events:
            self.posted.append((event, self.at))
            self.before, self.ledger = self.ledger, self.ledger.after_posting(event)
            self.at += timedelta(microseconds=1)
            self.layers.move(max(0, self.net - self.allowance), price)
            if not isinstance(event, Opened | Closed):
                for part in event.charges:
                    self.charged[part.price_micros] += part.segments
        return self.ledger.version

    @rule(target=owed, segments=st.integers(1, 15), price=PRICES)
    def accept(self, segments: int, price: int) -> Debit:
        message = UUID(int=len(self.posted))
        return self.debit(message, segments, price, DebitReason.ACCEPTED)

    @rule(target=refunded, debit=consumes(owed), reason=st.sampled_from(RefundReason))
    def refund(self, debit: Debit, reason: RefundReason) -> Debit:
        message, posting, segments, price = debit
        (made,) = self.ledger.refund(
            message=message,
            debit=posting,
            reason=reason,
            segments=segments,
            price_micros=price,
            at=self.at,
        )
        assert made.included + made.overage == segments
        del self.books[message]
        self.post(made, price=price)
        return debit

    @rule(target=owed, debit=consumes(refunded))
    def revise(self, debit: Debit) -> Debit:
        return self.debit(debit[0], debit[2], debit[3], DebitReason.REVISED)

    def debit(self, message: UUID, segments: int, price: int, reason: DebitReason) -> Debit:
        (made,) = self.ledger.debit(
            message=message, reason=reason, segments=segments, price_micros=price, at=self.at
        )
        assert made.included + made.overage == segments
        self.books[message] = segments
        return message, self.post(made, price=price), segments, price

    @rule(allowance=st.integers(0, 60), price=PRICES)
    def amend_the_allowance(self, allowance: int, price: int) -> None:
        self.amendments += 1
        made = self.ledger.change_allowance(
            allowance=allowance, amendment=self.amendments, price_micros=price, at=self.at
        )
        assert len(made) == (allowance != self.allowance)
        self.allowance = allowance
        self.post(*made, price=price)

    @rule(segments=st.integers(-20, 20), micros=st.integers(-(10**9), 10**9), price=PRICES)
    def adjust(self, segments: int, micros: int, price: int) -> None:
        if segments < 0 and self.net + segments < 0:
            with pytest.raises(Conflicting, match="adjustment_too_large"):
                self.adjustment(segments, micros, price)
            return
        made = self.adjustment(segments, micros, price)
        self.corrected += segments
        self.adjusted_micros += micros
        self.post(*made, price=price)

    def adjustment(self, segments: int, micros: int, price: int) -> tuple[LedgerEvent, ...]:
        return self.ledger.adjust(
            adjustment=UUID(int=len(self.posted)),
            segments=segments,
            amount_micros=micros,
            price_micros=price,
            period="2026-01",
            reason="a test",
            reference="",
            requested_by="key:ann",
            approved_by=("key:ann", "key:bob"),
            at=self.at,
        )

    @rule()
    def close(self) -> None:
        made = self.ledger.close(at=self.at)
        unused = max(0, self.allowance - self.net)
        assert [getattr(event, "unused", None) for event in made] == ([] if self.closed else [unused])
        self.closed = True
        self.post(*made)

    @rule()
    def open_again(self) -> None:
        assert self.ledger.open(allowance=self.allowance + 1, at=self.at) == ()

    @invariant()
    def totals_follow_from_the_books(self) -> None:
        after = self.ledger.after
        assert after.net == self.net
        assert after.overage == max(0, after.net - self.allowance)
        assert (after.allowance, after.closed) == (self.allowance, self.closed)
        assert after.adjusted_micros == self.adjusted_micros
        assert after.payable_micros == self.layers.micros + self.adjusted_micros

    @invariant()
    def the_amount_is_the_sum_of_the_layers_and_never_negative(self) -> None:
        after = self.ledger.after
        assert [(part.price_micros, part.segments) for part in after.overage_by_price] == self.layers.layers
        assert sum(part.segments for part in after.overage_by_price) == after.overage
        assert after.amount_micros == self.layers.micros >= 0

    @invariant()
    def what_postings_charge_adds_up_to_the_overage_by_price(self) -> None:
        assert {price: n for price, n in self.charged.items() if n} == dict(self.layers.layers)

    @invariant()
    def versions_are_dense(self) -> None:
        assert self.ledger.version == len(self.posted)

    @invariant()
    def the_last_posting_verifies(self) -> None:
        event, at = self.posted[-1]
        assert self.before.again(event, at) == event

    def teardown(self) -> None:
        """The whole chain verifies from the first posting to the last."""
        ledger = Ledger(account="acme", year=2026)
        for event, at in getattr(self, "posted", ()):
            assert ledger.again(event, at) == event
            ledger = ledger.after_posting(event)


TestLedgerLaws = LedgerLaws.TestCase
TestLedgerLaws.settings = settings(max_examples=100, stateful_step_count=40)
