"""Postings read in bulk are the postings that were made, page by page and within their bounds."""

from uuid import UUID

import pytest

from application.ports import Entry, OpenYear
from domain.aggregates.message import DebitDue, RefundDue
from domain.events.ledger import DebitReason, RefundReason
from domain.recorded import Context
from domain.values import stream_id
from infrastructure.posting_rows import read_postings
from infrastructure.recorder import LedgerRecorder

ACCOUNT, YEAR = "acme", 2026
BY = Context(actor="test")


def message(number: int) -> UUID:
    return stream_id("message", ACCOUNT, number)


def entry(charge: DebitDue | RefundDue | OpenYear, stream: UUID | None = None) -> Entry:
    return Entry(stream=stream, version=None, context=BY, charge=charge)


@pytest.fixture
def made(recorder: LedgerRecorder) -> LedgerRecorder:
    """A ledger with an allowance of 3: opened, three debits of two segments, one of them refunded."""
    recorder.commit([entry(OpenYear(account=ACCOUNT, year=YEAR, allowance=3))])
    recorder.commit(
        [
            entry(
                DebitDue(
                    account=ACCOUNT, year=YEAR, reason=DebitReason.ACCEPTED, segments=2, price_micros=38_000
                ),
                message(number),
            )
            for number in range(3)
        ]
    )
    refund = RefundDue(
        account=ACCOUNT, year=YEAR, debit=3, reason=RefundReason.FAILED, segments=2, price_micros=38_000
    )
    recorder.commit([entry(refund, message(1))])
    return recorder


def test_every_posting_is_read_once_whatever_the_page(made: LedgerRecorder):
    for page in (1, 2, 5, 100):
        rows = [row for rows in read_postings(made, ACCOUNT, YEAR, page=page) for row in rows]
        assert [row.version for row in rows] == [1, 2, 3, 4, 5]
        assert [row.topic.partition(".")[2] for row in rows] == ["opened", *["debited"] * 3, "refunded"]


def test_only_what_lies_within_the_bounds_is_read(made: LedgerRecorder):
    rows = [row for rows in read_postings(made, ACCOUNT, YEAR, after=2, upto=4, page=1) for row in rows]
    assert [row.version for row in rows] == [3, 4]


def test_the_figures_are_those_of_the_posting(made: LedgerRecorder):
    (rows,) = read_postings(made, ACCOUNT, YEAR)
    debited, refunded = rows[3].fact, rows[4].fact
    assert (debited.message, debited.reason) == (str(message(2)), "accepted")
    assert (debited.segments, debited.included, debited.overage, debited.price_micros) == (2, 0, 2, 38_000)
    assert (refunded.debit, refunded.segments, refunded.overage) == (3, 2, 2)
    assert (refunded.after.net, refunded.after.overage, refunded.after.amount_micros) == (4, 1, 38_000)
    assert len(refunded.chain) == 64


def test_a_ledger_that_is_not_open_has_no_pages(recorder: LedgerRecorder):
    assert list(read_postings(recorder, ACCOUNT, YEAR)) == []
