"""The running bill is what the postings say."""

from datetime import UTC, date, datetime
from uuid import UUID

from domain.aggregates.ledger import Ledger
from domain.events.contract import Terms
from domain.events.ledger import DebitReason, RefundReason
from domain.recorded import Context, Recorded
from domain.values import local_year, stream_id
from projections import ledger
from projections.ledger import PROJECTION
from tests.projections.conftest import Bench
from tests.projections.histories import History, colourful

MESSAGE = UUID(int=7)


def test_the_totals_are_those_of_the_last_posting(bench: Bench):
    story = colourful(bench.recorder, count=20)
    story.close_year()
    this_year = local_year(story.now())
    bench.catch_up(PROJECTION, page_events=50)
    totals = ledger.year(bench.cursor, "acme", this_year)
    assert totals is not None
    stream = stream_id("ledger", "acme", this_year)
    (last,) = [r for r in bench.log.page(0, 10_000) if r.stream == stream][-1:]
    after = last.event.after
    assert (totals.version, totals.net, totals.overage) == (last.version, after.net, after.overage)
    assert (totals.amount_micros, totals.allowance) == (after.amount_micros, 100)
    assert totals.chain == last.event.chain
    assert totals.last_at == last.at
    assert totals.closed
    assert totals.overage > 0
    assert totals.opened_at < totals.last_at
    assert ledger.years(bench.cursor, "acme") == [totals]
    assert ledger.year(bench.cursor, "acme", 1999) is None


def test_the_days_add_up_to_the_totals(bench: Bench):
    story = colourful(bench.recorder, count=20)
    bench.catch_up(PROJECTION, page_events=11)
    this_year = local_year(story.now())
    totals = ledger.year(bench.cursor, "acme", this_year)
    assert totals is not None
    for lines in (
        ledger.days(bench.cursor, "acme", this_year),
        ledger.months(bench.cursor, "acme", this_year),
    ):
        assert sum(line.debited - line.refunded for line in lines) == totals.net
        assert sum(line.debited_overage - line.refunded_overage for line in lines) == totals.overage
        assert sum(line.amount_micros for line in lines) == totals.amount_micros
        assert sum(line.debits for line in lines) == len(story.everything)
        assert sum(line.refunds for line in lines) == 31


def test_what_was_not_used_is_kept_when_postings_follow_the_close(bench: Bench):
    story = History(recorder=bench.recorder, terms=Terms(allowance_segments=10, term_years=50))
    sent = story.accept(3)
    story.close_year()
    bench.catch_up(PROJECTION)
    story.cancel(sent[:1])
    bench.catch_up(PROJECTION)
    totals = ledger.year(bench.cursor, "acme", local_year(story.now()))
    assert totals is not None
    assert (totals.closed, totals.unused, totals.net, totals.remaining) == (True, 7, 2, 8)


def test_a_refund_after_new_year_belongs_to_the_ledger_it_was_debited_to():
    old, new = datetime(2026, 12, 31, 15, 0, tzinfo=UTC), datetime(2027, 1, 1, 1, 0, tzinfo=UTC)
    book = Ledger(account="acme", year=2026)
    facts = []

    def post(event: object, at: datetime) -> None:
        nonlocal book
        book = book.after_posting(event)
        context = Context(actor="x")
        facts.append(Recorded(stream=book.stream, version=book.version, at=at, context=context, event=event))

    post(book.open(allowance=1, at=old)[0], old)
    post(
        book.debit(message=MESSAGE, reason=DebitReason.ACCEPTED, segments=3, price_micros=38_000, at=old)[0],
        old,
    )
    post(
        book.refund(
            message=MESSAGE, debit=2, reason=RefundReason.EXPIRED, segments=3, price_micros=38_000, at=new
        )[0],
        new,
    )
    page = ledger.fold(facts)
    assert page.last == {("acme", 2026): facts[2]}
    assert page.days == {
        ("acme", 2026, date(2026, 12, 31), 38_000): [1, 3, 2, 0, 0, 0, 76_000, 0, 0, 0],
        ("acme", 2026, date(2027, 1, 1), 38_000): [0, 0, 0, 1, 3, 2, -76_000, 0, 0, 0],
    }
