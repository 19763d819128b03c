"""Over random ledgers, prices, refunds and corrections of two years the statements add up, and lose nothing."""

from collections import Counter
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from application.fold_statement import Months
from domain.aggregates.statement import faults_of, half_up, rounded
from domain.events.contract import Terms
from domain.events.statement import Line, LineKind
from domain.periods import Period
from domain.values import local_day
from tests.support.billed import Billed

PRICES = (38_000, 41_234, 7)
ACTION = st.one_of(
    st.tuples(st.just("debit"), st.integers(1, 9), st.sampled_from(PRICES)),
    st.tuples(st.just("refund"), st.integers(0, 99), st.just(0)),
    st.tuples(st.just("adjust"), st.integers(-3, 3), st.integers(-99_999, 99_999)),
    st.tuples(st.just("allowance"), st.integers(0, 40), st.sampled_from(PRICES)),
    st.tuples(st.just("days"), st.integers(1, 70), st.just(0)),
)


class History:
    """Does what is drawn, and keeps books of its own about what belongs to which month."""

    def __init__(self, allowance: int) -> None:
        self.billed = Billed(terms=Terms(allowance_segments=allowance))
        self.open: list[tuple[int, int, int, int]] = []
        """Year, posting, segments and price of debits that are not refunded."""
        self.months: dict[tuple[int, int], str] = {}
        self.refunded: Counter[tuple[int, str]] = Counter()

    def do(self, action: str, amount: int, price: int) -> None:
        billed, year = self.billed, local_day(self.billed.at).year
        match action:
            case "debit":
                month = f"{local_day(billed.at):%Y-%m}"
                posting = billed.debit(amount, price_micros=price)
                self.open.append((year, posting, amount, price))
                self.months[year, posting] = month
            case "refund" if self.open:
                of, posting, segments, own = self.open.pop(amount % len(self.open))
                if billed.ledger(of).after.net >= segments:
                    billed.refund(posting, segments, price_micros=own, year=of)
                    self.refunded[of, self.months[of, posting]] -= segments
            case "adjust" if billed.ledger(year).after.net + amount >= 0:
                billed.adjust(amount, amount_micros=price, year=year)
            case "allowance" if amount != billed.ledger(year).after.allowance:
                billed.change_allowance(amount, year=year, price_micros=price)
            case "days":
                billed.go_to(date.fromordinal(local_day(billed.at).toordinal() + amount))


def issue_everything(history: History) -> list[Line]:
    """Every month up to the present, one after the other; all their lines."""
    billed = history.billed
    last = local_day(billed.at)
    billed.go_to(date(last.year + last.month // 12, last.month % 12 + 1, 2))
    found: list[Line] = []
    month = Period(2026, 1)
    while month <= Period(last.year, last.month):
        content = billed.issue(str(month)).content
        assert list(faults_of(content)) == []
        found += content.lines
        check_drill_down(billed, content.lines)
        month = month.following
    return found


def check_drill_down(billed: Billed, lines: tuple[Line, ...]) -> None:
    """Each line is the sum of what its postings add to it."""
    for line in lines:
        months = Months(current=line.period)
        if line.kind is LineKind.REFUNDS:
            # Every debit is taken to be of the line's month: of the other refunds between, there are none or more.
            assert len(billed.parts_of(line, months)) >= line.postings
            continue
        parts = billed.parts_of(line, months)
        assert len(parts) == line.postings
        assert sum(part.overage for part in parts) == line.overage
        assert sum(part.amount_micros for part in parts) == line.amount_micros


@settings(max_examples=60)
@given(allowance=st.integers(0, 30), actions=st.lists(ACTION, max_size=40))
def test_all_statements_of_a_ledger_add_up_to_the_ledger(allowance: int, actions: list[tuple[str, int, int]]):
    history = History(allowance)
    for action in actions:
        history.do(*action)
    lines = issue_everything(history)
    for year, ledger in history.billed.ledgers.items():
        own = [line for line in lines if line.year == year]
        assert sum(line.segments for line in own) == ledger.after.net
        assert sum(line.overage for line in own) == ledger.after.overage
        assert sum(line.amount_micros for line in own) == ledger.after.payable_micros
        assert sum(line.amount_fen for line in own) == half_up(ledger.after.payable_micros)
    by_month: Counter[tuple[int, str]] = Counter()
    for line in lines:
        if line.kind is LineKind.REFUNDS:
            by_month[line.year, line.period] += line.segments
    assert by_month == history.refunded


def line_of(amount_micros: int) -> Line:
    return Line(
        kind=LineKind.DEBITS,
        year=2026,
        period="2026-01",
        stated_in="2026-01",
        price_micros=1,
        first=1,
        last=1,
        postings=1,
        segments=0,
        included=0,
        overage=0,
        allowance=0,
        amount_micros=amount_micros,
        amount_fen=0,
        difference_micros=0,
    )


AMOUNTS = st.lists(st.integers(-(10**9), 10**9), max_size=30)


@given(opening=st.integers(-(10**9), 10**9), amounts=AMOUNTS)
def test_rounding_never_drifts(opening: int, amounts: list[int]):
    lines = rounded([line_of(amount) for amount in amounts], opening_micros=opening)
    total = sum(line.amount_fen for line in lines)
    assert total == half_up(opening + sum(amounts)) - half_up(opening)
    for line in lines:
        assert line.amount_fen * 10_000 == line.amount_micros + line.difference_micros
        assert abs(line.difference_micros) < 10_000


@given(opening=st.integers(-(10**9), 10**9), amounts=AMOUNTS, cut=st.integers(0, 30))
def test_where_one_statement_ends_and_the_next_begins_changes_no_fen(
    opening: int, amounts: list[int], cut: int
):
    lines = [line_of(amount) for amount in amounts]
    first = rounded(lines[:cut], opening_micros=opening)
    second = rounded(lines[cut:], opening_micros=opening + sum(amounts[:cut]))
    assert rounded(lines, opening_micros=opening) == first + second


def test_half_a_fen_is_a_whole_one_and_less_is_none():
    assert [half_up(micros) for micros in (4_999, 5_000, 14_999, 15_000)] == [0, 1, 1, 2]
    assert [half_up(micros) for micros in (-5_000, -5_001, -15_000)] == [0, -1, -1]
