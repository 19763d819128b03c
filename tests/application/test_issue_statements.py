"""What is issued, when, in which order, and what its lines say."""

from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from application.issue_statements import accept, dispute, issue_all, resolve
from application.ports import Entry, Outcome
from application.postings import PostingRow
from domain.aggregates.statement import StatementState, content_hash, faults_of
from domain.errors import Refusal
from domain.events.contract import Terms
from domain.events.ledger import AtPrice
from domain.events.statement import Content, Line, LineKind
from tests.support.billed import ACCOUNT, BY, PRICE, Billed, period_of, run


def lines(content: Content, kind: LineKind) -> list[Line]:
    return [line for line in content.lines if line.kind is kind]


def refusal(work: object, *arguments: object) -> str:
    with pytest.raises(Refusal) as refused:
        work(*arguments)  # type: ignore[operator]
    return refused.value.code


@pytest.fixture
def billed() -> Billed:
    """A package of ten segments; January: eight and four debited, two of them beyond it."""
    made = Billed()
    made.debit(8)
    made.debit(4)
    return made


def test_a_month_says_what_was_debited_within_the_package_and_beyond_it(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    content = billed.issue("2026-01").content
    (debits,) = lines(content, LineKind.DEBITS)
    assert (debits.postings, debits.segments, debits.included, debits.overage) == (2, 12, 10, 2)
    assert (debits.period, debits.price_micros, debits.first, debits.last) == ("2026-01", PRICE, 2, 3)
    assert (debits.amount_micros, debits.amount_fen, debits.difference_micros) == (76_000, 8, 4_000)
    (package,) = lines(content, LineKind.ALLOWANCE)
    assert (package.allowance, package.segments, package.amount_fen) == (10, 0, 0)
    (section,) = content.sections
    assert (section.after, section.upto, section.chain) == (0, 3, billed.ledger(2026).chain)
    assert (section.closing.net, section.closing.by_price) == (12, (AtPrice(PRICE, 2),))
    assert (content.amount_fen, content.remaining, content.number) == (8, 0, "acme-2026-01")


def test_a_month_ends_at_midnight_in_shanghai(billed: Billed):
    billed.at = billed.at.replace(month=1, day=31, hour=15, minute=59, second=59, microsecond=999_999)
    billed.debit(1)
    billed.at = billed.at.replace(month=1, day=31, hour=16, minute=0, second=0, microsecond=0)
    billed.debit(1)
    billed.go_to(date(2026, 3, 2))
    january, february = billed.issue("2026-01").content, billed.issue("2026-02").content
    assert [line.segments for line in lines(january, LineKind.DEBITS)] == [13]
    assert [line.segments for line in lines(february, LineKind.DEBITS)] == [1]
    assert january.sections[0].upto == february.sections[0].after == 4


def test_a_period_that_is_not_over_is_previewed_and_not_issued(billed: Billed):
    assert refusal(billed.try_issue, "2026-01") == "period_not_over"
    preview = billed.preview("2026-01")
    assert [line.segments for line in lines(preview, LineKind.DEBITS)] == [12]
    assert refusal(billed.preview, "2026-02") == "period_not_begun"


def test_what_is_issued_is_what_was_previewed_and_never_changes(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    preview = billed.preview("2026-01")
    first, now = billed.try_issue("2026-01")
    billed.refund(3, 4)
    second, again = billed.try_issue("2026-01")
    assert (first.content, now, again) == (preview, True, False)
    assert second == first
    assert first.hash == content_hash(second.content)
    assert billed.preview("2026-01") == first.content


def test_periods_are_issued_in_order(billed: Billed):
    billed.go_to(date(2026, 2, 10))
    billed.debit()
    billed.go_to(date(2026, 4, 2))
    assert refusal(billed.try_issue, "2026-02") == "statement_out_of_order"
    assert refusal(billed.try_issue, "2026-03") == "statement_out_of_order"
    for month in ("2026-01", "2026-02", "2026-03"):
        assert billed.try_issue(month)[1]


def test_a_month_without_postings_may_be_left_out_but_not_be_issued_afterwards(billed: Billed):
    billed.go_to(date(2026, 4, 2))
    billed.issue("2026-01")
    empty = billed.issue("2026-03").content
    assert (empty.lines, empty.amount_fen, empty.sections[0].upto) == ((), 0, 3)
    assert refusal(billed.try_issue, "2026-02") == "statement_out_of_order"


def test_a_month_before_the_contract_is_refused(billed: Billed):
    assert refusal(billed.try_issue, "2025-12") == "period_before_contract"


def test_a_month_in_which_nothing_was_ever_sent_has_no_lines():
    billed = Billed()
    billed.go_to(date(2026, 2, 2))
    content = billed.issue("2026-01").content
    assert (content.lines, content.remaining, content.sections[0].upto) == ((), 10, 0)


def test_a_late_refund_is_a_line_of_the_next_month_that_names_the_month_of_its_debit(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    billed.issue("2026-01")
    late = billed.debit(1)
    billed.refund(3, 4)
    billed.refund(late, 1)
    billed.go_to(date(2026, 3, 2))
    february = billed.issue("2026-02").content
    refunds = lines(february, LineKind.REFUNDS)
    assert [(line.period, line.segments, line.overage) for line in refunds] == [
        ("2026-01", -4, -3),
        ("2026-02", -1, 0),
    ]
    assert refunds[0].amount_micros == -3 * PRICE
    assert february.amount_micros == PRICE - 3 * PRICE


def test_a_late_refund_of_a_closed_year_stands_under_the_ledger_of_that_year(billed: Billed):
    billed.go_to(date(2027, 1, 3))
    for month in range(1, 13):
        billed.issue(f"2026-{month:02d}")
    billed.close()
    billed.debit(1, year=2027)
    billed.refund(2, 8)
    billed.go_to(date(2027, 2, 2))
    january = billed.issue("2027-01").content
    assert [(section.year, section.after) for section in january.sections] == [(2027, 0), (2026, 3)]
    (refund,) = lines(january, LineKind.REFUNDS)
    assert (refund.year, refund.period, refund.segments) == (2026, "2026-01", -8)
    (expired,) = lines(january, LineKind.EXPIRED)
    assert (expired.year, expired.period, expired.allowance) == (2026, "2026", 0)


def test_a_year_that_was_opened_ahead_belongs_to_its_january(billed: Billed):
    billed.go_to(date(2026, 12, 30))
    billed.ledger(2027)
    billed.go_to(date(2027, 2, 2))
    for month in range(1, 13):
        december = billed.issue(f"2026-{month:02d}").content
    january = billed.issue("2027-01").content
    assert {section.year for section in december.sections} == {2026}
    assert [line.allowance for line in lines(january, LineKind.ALLOWANCE)] == [10]


def test_debits_at_different_prices_are_different_lines_and_a_refund_of_several_is_split(billed: Billed):
    billed.debit(3, price_micros=48_000)
    billed.refund(3, 4)
    billed.go_to(date(2026, 2, 2))
    content = billed.issue("2026-01").content
    assert [(line.price_micros, line.overage) for line in lines(content, LineKind.DEBITS)] == [
        (PRICE, 2),
        (48_000, 3),
    ]
    refunds = [(line.price_micros, line.overage, line.postings) for line in lines(content, LineKind.REFUNDS)]
    assert refunds == [(PRICE, -2, 1), (48_000, -2, 1)]
    assert content.amount_micros == 48_000


def test_adjustments_name_their_own_period_and_carry_money_beside_segments(billed: Billed):
    billed.adjust(-1, amount_micros=-1_234, period="2025-12")
    billed.adjust(amount_micros=500_000, period="2026")
    billed.go_to(date(2026, 2, 2))
    found = lines(billed.issue("2026-01").content, LineKind.ADJUSTMENTS)
    assert [(line.period, line.segments, line.amount_micros) for line in found] == [
        ("2025-12", -1, -PRICE - 1_234),
        ("2026", 0, 500_000),
    ]


def test_a_larger_package_takes_overage_off_in_a_line_of_its_own(billed: Billed):
    billed.change_allowance(11)
    billed.go_to(date(2026, 2, 2))
    opened, changed = lines(billed.issue("2026-01").content, LineKind.ALLOWANCE)
    assert (opened.allowance, opened.price_micros) == (10, 0)
    assert (changed.allowance, changed.included, changed.overage, changed.segments) == (1, 1, -1, 0)
    assert changed.amount_micros == -PRICE


def test_a_preview_of_the_running_month_leaves_out_the_month_before_that_is_not_issued(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    billed.debit(1)
    billed.refund(3, 4)
    preview = billed.preview("2026-02")
    assert [line.segments for line in lines(preview, LineKind.DEBITS)] == [1]
    assert [line.period for line in lines(preview, LineKind.REFUNDS)] == ["2026-01"]


def test_a_year_rests_on_its_months_and_names_what_expired():
    billed = Billed()
    billed.debit(4)
    billed.go_to(date(2026, 12, 20))
    billed.debit(1)
    billed.go_to(date(2027, 1, 2))
    assert refusal(billed.try_issue, "2026") == "statement_out_of_order"
    january = billed.issue("2026-01")
    december = billed.issue("2026-12")
    assert refusal(billed.try_issue, "2026") == "year_not_closed"
    billed.close()
    year = billed.issue("2026").content
    assert [(rest.period, rest.hash) for rest in year.rests_on] == [
        ("2026-01", january.hash),
        ("2026-12", december.hash),
    ]
    assert (year.expired, year.remaining, year.forecast) == (5, 5, None)
    assert [(line.stated_in, line.segments) for line in lines(year, LineKind.DEBITS)] == [
        ("2026-01", 4),
        ("2026-12", 1),
    ]
    assert (year.sections[0].after, year.sections[0].upto) == (0, 3)


def test_all_accounts_are_issued_and_a_second_run_does_nothing(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    first, second = (
        run(issue_all(billed.store, billed.read, period=period_of("2026-01"), context=BY)) for _ in range(2)
    )
    assert [(one.account, one.issued, one.code) for one in (*first, *second)] == [
        (ACCOUNT, True, ""),
        (ACCOUNT, False, ""),
    ]


def test_a_run_whose_last_answer_was_lost_is_run_again(billed: Billed, monkeypatch: pytest.MonkeyPatch):
    billed.go_to(date(2026, 2, 2))
    commit = billed.store.commit

    async def lost(entries: Sequence[Entry]) -> Sequence[Outcome]:
        await commit(entries)
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(billed.store, "commit", lost)
        with pytest.raises(ConnectionError):
            billed.issue("2026-01")
    statement, now = billed.try_issue("2026-01")
    assert (statement.content.amount_fen, now) == (8, False)


def test_a_statement_whose_lines_do_not_add_up_is_not_issued(billed: Billed):
    billed.go_to(date(2026, 2, 2))
    whole = billed.read

    def forged(*arguments: object, **bounds: object) -> Iterator[Sequence[PostingRow]]:
        for rows in whole(*arguments, **bounds):  # type: ignore[arg-type]
            for row in rows:
                row.fact.segments, row.fact.overage = row.fact.segments + 1, row.fact.overage + 1
            yield rows

    (outcome,) = run(issue_all(billed.store, forged, period=period_of("2026-01"), context=BY))
    assert (outcome.code, outcome.statement) == ("statement_unbalanced", None)
    assert "overage of the lines" in outcome.detail


def test_a_posting_that_is_missing_is_a_fault(billed: Billed):
    billed.go_to(date(2026, 2, 2))

    def holed(*arguments: object, **bounds: object) -> Iterator[Sequence[PostingRow]]:
        yield billed.rows(2026)[:1] + billed.rows(2026)[2:]

    (outcome,) = run(issue_all(billed.store, holed, period=period_of("2026-01"), context=BY))
    assert outcome.code == "statement_unbalanced"


# What the customer says to it.


def state_of(billed: Billed) -> StatementState:
    return billed.issue("2026-01").state


@pytest.fixture
def issued(billed: Billed) -> Billed:
    """January, issued on 2 February with a window of thirty days."""
    billed.go_to(date(2026, 2, 2))
    billed.issue("2026-01")
    return billed


def accepts(billed: Billed):
    return run(accept(billed.store, account=ACCOUNT, period=period_of("2026-01"), note="", context=BY))


def disputes(billed: Billed, reason: str = "too much"):
    return run(dispute(billed.store, account=ACCOUNT, period=period_of("2026-01"), reason=reason, context=BY))


def resolves(billed: Billed):
    return run(
        resolve(
            billed.store,
            account=ACCOUNT,
            period=period_of("2026-01"),
            reason="billed twice",
            adjustment="adj-1",
            context=BY,
        )
    )


def test_accepting_twice_is_accepting_once(issued: Billed):
    assert [len(accepts(issued)) for _ in range(2)] == [1, 0]
    assert state_of(issued) is StatementState.ACCEPTED
    assert refusal(disputes, issued) == "statement_accepted"


def test_a_dispute_is_resolved_before_it_is_accepted(issued: Billed):
    assert [len(disputes(issued)) for _ in range(2)] == [1, 0]
    assert refusal(accepts, issued) == "statement_disputed"
    assert [len(resolves(issued)) for _ in range(2)] == [1, 0]
    assert state_of(issued) is StatementState.RESOLVED
    assert len(accepts(issued)) == 1


def test_what_is_not_disputed_is_not_resolved(issued: Billed):
    assert refusal(resolves, issued) == "statement_not_disputed"


def test_the_window_closes_after_its_last_day(issued: Billed):
    issued.go_to(date(2026, 3, 5))
    assert refusal(disputes, issued) == "dispute_window_over"
    assert refusal(accepts, issued) == "dispute_window_over"
    issued.go_to(date(2026, 3, 4))
    assert len(accepts(issued)) == 1


def test_the_window_is_that_of_the_terms_at_issue():
    billed = Billed(terms=Terms(dispute_days=3))
    billed.go_to(date(2026, 2, 2))
    assert billed.issue("2026-01").open_until == date(2026, 2, 5)


def test_a_dispute_says_why(issued: Billed):
    assert refusal(disputes, issued, "  ") == "statement_reason"
    assert refusal(disputes, issued, "x" * 501) == "words_too_long"


def test_there_is_nothing_to_say_to_a_statement_that_is_not_issued(billed: Billed):
    assert refusal(accepts, billed) == "not_found"


def test_every_issued_statement_is_true_to_its_own_figures(issued: Billed):
    assert list(faults_of(issued.issue("2026-01").content)) == []
