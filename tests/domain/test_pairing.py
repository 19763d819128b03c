"""The laws of a reconciliation, for any facts and rows: nothing is told twice, sums add up, order means nothing."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.events.reconciliation import BilledOn
from domain.pairing import Reconciler
from domain.periods import Period
from domain.reconciling import Doubt, Fact, Reason, Row, Rules

MONTH = Period(2025, 11)
BEGINS = MONTH.begins.astimezone(UTC)
IDS = ("A", "B", "C")
_HOURS = st.integers(-20, 30 * 24 + 20)


def rules(billed_on: BilledOn, neighbours: frozenset[int] = frozenset()) -> Rules:
    return Rules(
        first_day=MONTH.first_day,
        next_day=MONTH.next_day,
        month_begins=MONTH.begins,
        month_ends=MONTH.ends,
        billed_on=billed_on,
        price_micros=31_000,
        ported=frozenset({"PORTED"}),
        neighbours=neighbours,
    )


def local(at: datetime) -> date:
    return (at + timedelta(hours=8)).date()


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        at = BEGINS + timedelta(hours=draw(_HOURS))
        reported = draw(st.sampled_from((None, 1, 100)))
        status = draw(st.sampled_from(("DELIVRD", "UNDELIV", "PORTED"))) if reported else ""
        found.append(
            Fact(
                carrier_id=draw(st.sampled_from(IDS)),
                message=UUID(int=number + 1),
                part=1,
                parts=1,
                copy=draw(st.sampled_from((0, 0, 0, 1))),
                at=at,
                day=local(at),
                status=status,
                reported_at=at + timedelta(hours=reported) if reported else None,
                delivered=status == "DELIVRD",
                account="demo",
                debited_at=at,
                debit=number + 2,
                refund=0,
                debited=draw(st.sampled_from((0, 1, 2))),
                net=draw(st.sampled_from((0, 1))),
                test=draw(st.sampled_from((False, False, True))),
            )
        )
    return sorted(found, key=lambda fact: fact.carrier_id)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        at = draw(st.sampled_from((None, BEGINS + timedelta(hours=draw(_HOURS)))))
        problem = draw(st.sampled_from(("", "", "", "time_unreadable")))
        found.append(
            Row(
                month=0,
                number=number + 2,
                carrier_id=draw(st.sampled_from((*IDS, "D"))),
                at=at,
                day=local(at) if at else None,
                segments=0 if problem else draw(st.sampled_from((1, 1, 2))),
                status=draw(st.sampled_from(("", "DELIVRD", "UNDELIV", "UNKNOWN"))),
                network="",
                price_micros=draw(st.sampled_from((None, 31_000, 45_000))),
                amount_micros=None if problem else draw(st.sampled_from((None, 0, 31_000, 30_000))),
                phone_index=None,
                test=draw(st.sampled_from((False, False, True))),
                problem=problem,
            )
        )
    return sorted(found, key=lambda row: row.carrier_id)


@given(facts=facts(), rows=rows(), billed_on=st.sampled_from(BilledOn))
def test_each_row_and_each_fact_is_in_one_difference_at_most_with_one_reason(facts, rows, billed_on):
    found = list(Reconciler(rules=rules(billed_on), link="mobile").differences(facts, rows))
    numbers = Counter(number for one in found for number in one.rows)
    assert max(numbers.values(), default=0) <= 1
    told = Counter(one.message for one in found if one.message and one.note != "row_repeated")
    assert max(told.values(), default=0) <= 1
    assert len({one.id for one in found}) == len(found)
    assert all(one.reason in Reason for one in found)


@given(facts=facts(), rows=rows(), billed_on=st.sampled_from(BilledOn))
def test_billed_less_expected_is_the_sum_of_all_differences(facts, rows, billed_on):
    reconciler = Reconciler(rules=rules(billed_on), link="mobile")
    found = list(reconciler.differences(facts, rows))
    assert reconciler.carrier_segments - reconciler.platform_segments == sum(one.segments for one in found)
    assert reconciler.carrier_micros - reconciler.platform_micros == sum(one.amount_micros for one in found)


@given(facts=facts(), rows=rows(), billed_on=st.sampled_from(BilledOn), seed=st.integers())
def test_the_order_of_the_rows_and_their_numbers_mean_nothing(facts, rows, billed_on, seed):
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    renumbered = [row._replace(number=number) for number, row in enumerate(shuffled, 1)]
    renumbered.sort(key=lambda row: row.carrier_id)
    one, other = (Reconciler(rules=rules(billed_on), link="mobile") for _ in range(2))
    first = {found.id: found.reason for found in one.differences(facts, rows)}
    second = {found.id: found.reason for found in other.differences(facts, renumbered)}
    assert first == second
    assert one.result_hash("inputs") == other.result_hash("inputs")
    assert one.result_hash("inputs") != one.result_hash("other inputs")


@given(facts=facts(), rows=rows(), billed_on=st.sampled_from(BilledOn))
def test_over_two_months_the_edge_nets_to_zero(facts, rows, billed_on):
    """Both months see the other one's file: what one lacks at the turn, the other one has."""
    good = [row for row in rows if row.day and not row.problem]
    december = Period(2025, 12)
    later = Rules(
        first_day=december.first_day,
        next_day=december.next_day,
        month_begins=december.begins,
        month_ends=december.ends,
        billed_on=billed_on,
        price_micros=31_000,
        ported=frozenset({"PORTED"}),
        neighbours=frozenset({-1, 1}),
    )
    mine = [row for row in good if row.day and row.day < december.first_day]
    theirs = [row for row in good if row.day and row.day >= december.first_day]
    total = 0
    for month, own, beside, way in (
        (rules(billed_on, frozenset({-1, 1})), mine, theirs, 1),
        (later, theirs, mine, -1),
    ):
        both = sorted([*own, *(row._replace(month=way) for row in beside)], key=lambda row: row.carrier_id)
        reconciler = Reconciler(rules=month, link="mobile")
        found = list(reconciler.differences(facts, both))
        total += sum(
            one.segments
            for one in found
            if one.reason is Reason.MONTH_EDGE
            and one.day
            and one.day.month in (11, 12)
            and one.taken_at
            and abs(one.taken_at - december.begins) < timedelta(days=2)
        )
    assert total == 0


def test_two_rows_near_one_unanswered_submission_are_beyond_nobodys_question():
    doubt = Doubt(
        message=UUID(int=9),
        at=BEGINS + timedelta(days=3),
        day=local(BEGINS + timedelta(days=3)),
        phone_index=None,
        taken=False,
        account="demo",
        debited_at=None,
        debit=0,
        refund=0,
        debited=0,
        net=0,
    )
    two = [
        Row(0, number, id_, doubt.at, doubt.day, 1, "DELIVRD", "", None, None, None, False, "")
        for number, id_ in ((2, "A"), (3, "B"))
    ]
    found = Reconciler(rules=rules(BilledOn.SUBMITTED), link="mobile", doubts=[doubt]).differences([], two)
    assert {one.reason for one in found} == {Reason.MISSING_AT_PLATFORM}
    (only,) = Reconciler(rules=rules(BilledOn.SUBMITTED), link="mobile", doubts=[doubt]).differences(
        [], two[:1]
    )
    assert (only.reason, only.message) == (Reason.NO_RECEIPT, doubt.message)
