"""The quota ledger is exact at every posting, and no posting can be altered unseen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.aggregates.ledger import Ledger, at_posting
from domain.events.ledger import (
    Closed,
    Debited,
    DebitReason,
    LedgerEvent,
    Opened,
    Refunded,
    RefundReason,
    Totals,
)

AT = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
PRICE = 38_000
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def opened(allowance: int) -> Ledger:
    new = Ledger(account="acme", year=2026)
    (event,) = new.open(allowance=allowance, at=AT)
    return new.after_posting(event)


def debit(ledger: Ledger, segments: int, *, message: UUID = ONE, price: int = PRICE) -> Debited:
    (event,) = ledger.debit(
        message=message, reason=DebitReason.ACCEPTED, segments=segments, price_micros=price, at=AT
    )
    return event


def refund(ledger: Ledger, segments: int, *, message: UUID = ONE, of: int = 2) -> Refunded:
    (event,) = ledger.refund(
        message=message, debit=of, reason=RefundReason.EXPIRED, segments=segments, price_micros=PRICE, at=AT
    )
    return event


def after(ledger: Ledger, *segments: int) -> Ledger:
    """The ledger after debits (positive) and refunds (negative)."""
    for number in segments:
        made = debit(ledger, number) if number > 0 else refund(ledger, -number)
        ledger = ledger.after_posting(made)
    return ledger


def test_a_year_opens_with_its_allowance_and_nothing_used():
    (event,) = Ledger(account="acme", year=2026).open(allowance=300_000, at=AT)
    assert event == Opened(account="acme", year=2026, after=Totals(allowance=300_000), chain=event.chain)
    assert len(event.chain) == 64


def test_a_year_that_is_open_is_not_opened_again():
    assert opened(10).open(allowance=20, at=AT) == ()


def test_a_debit_within_the_allowance_costs_nothing():
    made = debit(opened(10), 10)
    assert (made.included, made.overage) == (10, 0)
    assert made.after == Totals(allowance=10, net=10)


def test_a_message_that_straddles_the_allowance_is_split_inside_its_posting():
    made = debit(after(opened(10), 8), 3)
    assert (made.segments, made.included, made.overage) == (3, 2, 1)
    assert made.after == Totals(allowance=10, net=11, overage=1, amount_micros=PRICE)


def test_beyond_the_allowance_every_segment_costs_its_price():
    made = debit(after(opened(0), 5), 2)
    assert (made.included, made.overage, made.after.amount_micros) == (0, 2, 7 * PRICE)


def test_a_refund_gives_back_first_what_was_beyond_the_allowance():
    made = refund(after(opened(10), 8, 3), 3)
    assert (made.included, made.overage) == (2, 1)
    assert made.after == Totals(allowance=10, net=8)


def test_a_refund_names_the_posting_it_takes_back():
    made = refund(after(opened(10), 8), 8, of=2)
    assert (made.debit, made.reason, made.message) == (2, RefundReason.EXPIRED, ONE)


def test_a_refund_of_another_message_can_turn_overage_into_included():
    ledger = after(opened(10), 8, 4)
    assert ledger.after.overage == 2
    back = ledger.after_posting(refund(ledger, 8, message=TWO))
    assert back.after == Totals(allowance=10, net=4)


def test_closing_says_what_was_not_used():
    (event,) = after(opened(10), 4).close(at=AT)
    assert event == Closed(
        account="acme",
        year=2026,
        unused=6,
        after=Totals(allowance=10, net=4, closed=True),
        chain=event.chain,
    )


def test_closing_a_year_that_used_more_than_its_allowance_expires_nothing():
    (event,) = after(opened(10), 14).close(at=AT)
    assert isinstance(event, Closed)
    assert event.unused == 0


def test_a_closed_year_and_one_that_was_never_opened_are_not_closed():
    (event,) = opened(10).close(at=AT)
    assert opened(10).after_posting(event).close(at=AT) == ()
    assert Ledger(account="acme", year=2026).close(at=AT) == ()


def test_a_late_refund_goes_to_the_closed_year_and_leaves_it_closed():
    used = after(opened(10), 4)
    (closed,) = used.close(at=AT)
    made = refund(used.after_posting(closed), 4)
    assert made.after == Totals(allowance=10, closed=True)


def test_the_last_posting_is_the_state():
    ledger = after(opened(10), 8, 3, -3)
    event = refund(after(opened(10), 8, 3), 3)
    assert at_posting(account="acme", year=2026, version=4, event=event) == ledger


def test_the_ledgers_of_two_years_or_accounts_are_two_streams():
    streams = {
        Ledger(account=account, year=year).stream for account in ("acme", "bolt") for year in (2026, 2027)
    }
    assert len(streams) == 4


CHANGES = [
    {"message": THREE},
    {"reason": DebitReason.REVISED},
    {"segments": 4},
    {"included": 2},
    {"overage": 1},
    {"price_micros": PRICE + 1},
    {"after": Totals(allowance=11, net=3)},
    {"after": Totals(allowance=10, net=4)},
    {"after": Totals(allowance=10, net=3, overage=1)},
    {"after": Totals(allowance=10, net=3, amount_micros=1)},
    {"after": Totals(allowance=10, net=3, closed=True)},
    {"account": "bolt"},
    {"chain": "0" * 64},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_a_true_ledger_would_post_differs_from_an_altered_posting(change):
    true = opened(10)
    altered = replace(debit(true, 3), **change)
    assert true.again(altered, AT) != altered


def test_a_true_posting_is_what_the_ledger_would_post_again():
    true = after(opened(10), 8)
    postings: list[LedgerEvent] = [debit(true, 3), refund(true, 8), *true.close(at=AT)]
    assert [true.again(event, AT) for event in postings] == postings
    (first,) = Ledger(account="acme", year=2026).open(allowance=10, at=AT)
    assert Ledger(account="acme", year=2026).again(first, AT) == first


def test_the_chain_covers_the_moment_to_the_microsecond():
    true = opened(10)
    made = debit(true, 3)
    again = true.again(made, AT + timedelta(microseconds=1))
    assert again is not None
    assert again.chain != made.chain


def test_the_chain_covers_the_postings_before():
    one, two = after(opened(10), 1, 2), after(opened(10), 2, 1)
    assert one.after == two.after
    assert debit(one, 1).chain != debit(two, 1).chain


def test_opening_or_closing_again_is_nothing_a_true_ledger_would_post():
    true = opened(10)
    (first,) = Ledger(account="acme", year=2026).open(allowance=10, at=AT)
    assert true.again(first, AT) is None
