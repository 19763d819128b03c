"""The laws of the ledger hold after any interleaving of debits, refunds and revisions over several messages."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from domain.aggregates.ledger import Ledger
from domain.events.ledger import DebitReason, LedgerEvent, RefundReason

PRICE = 38_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Debit = tuple[UUID, int, int]
"""Message, posting and segments."""


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
        self.allowance = allowance
        self.closed = False
        self.post(*self.ledger.open(allowance=allowance, at=self.at))

    def post(self, *events: LedgerEvent) -> int:
        for event in events:
            self.posted.append((event, self.at))
            self.before, self.ledger = self.ledger, self.ledger.after_posting(event)
            self.at += timedelta(microseconds=1)
        return self.ledger.version

    @rule(target=owed, segments=st.integers(1, 15))
    def accept(self, segments: int) -> Debit:
        message = UUID(int=len(self.posted))
        return self.debit(message, segments, DebitReason.ACCEPTED)

    @rule(target=refunded, debit=consumes(owed), reason=st.sampled_from(RefundReason))
    def refund(self, debit: Debit, reason: RefundReason) -> Debit:
        message, posting, segments = debit
        self.post(
            *self.ledger.refund(
                message=message,
                debit=posting,
                reason=reason,
                segments=segments,
                price_micros=PRICE,
                at=self.at,
            )
        )
        del self.books[message]
        return debit

    @rule(target=owed, debit=consumes(refunded))
    def revise(self, debit: Debit) -> Debit:
        return self.debit(debit[0], debit[2], DebitReason.REVISED)

    def debit(self, message: UUID, segments: int, reason: DebitReason) -> Debit:
        made = self.ledger.debit(
            message=message, reason=reason, segments=segments, price_micros=PRICE, at=self.at
        )
        assert made[0].included + made[0].overage == segments
        self.books[message] = segments
        return message, self.post(*made), segments

    @rule()
    def close(self) -> None:
        unused = max(0, self.allowance - sum(self.books.values()))
        made = self.ledger.close(at=self.at)
        assert [getattr(event, "unused", None) for event in made] == ([] if self.closed else [unused])
        self.closed = True
        self.post(*made)

    @rule()
    def open_again(self) -> None:
        assert self.ledger.open(allowance=self.allowance + 1, at=self.at) == ()

    @invariant()
    def totals_follow_from_the_books(self) -> None:
        after = self.ledger.after
        assert after.net == sum(self.books.values())
        assert after.overage == max(0, after.net - self.allowance)
        assert after.amount_micros == after.overage * PRICE
        assert (after.allowance, after.closed) == (self.allowance, self.closed)

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
TestLedgerLaws.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
