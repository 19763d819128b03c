"""Under the lock every entry gets its own outcome, and later entries see what earlier ones posted."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from application.ports import (
    Acceptance,
    CloseYear,
    Committed,
    Conflict,
    Entry,
    OpenYear,
    Outcome,
)
from application.stamping import Snapshot, ledgers_of, stamp, streams_of
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger
from domain.aggregates.message import RefundDue
from domain.errors import NotAccepting
from domain.events.contract import Terms
from domain.events.ledger import Closed, Debited, DebitReason, Opened, Refunded, RefundReason
from domain.events.message import Accepted, SubmissionStarted
from domain.recorded import Context, Recorded
from domain.values import local_day, stream_id
from tests.domain.facts import accepted

AT = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
BY = Context(actor="test")
CONTRACT = Contract(account="acme", name="示例", terms=Terms(allowance_segments=10), live_on=date(2026, 1, 1))
CONTRACT_STREAM = stream_id("contract", "acme")
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
STARTED = SubmissionStarted(attempt=1, link="mobile")


def acceptance(
    message: UUID,
    segments: int = 1,
    *,
    contract: Contract = CONTRACT,
    contract_version: int = 2,
    at: datetime = AT,
) -> Entry:
    def accept(charged: object) -> Accepted:
        return replace(accepted(parts=segments), charged=charged)

    charge = Acceptance(
        contract=contract,
        contract_version=contract_version,
        terms=contract.terms_on(local_day(at)),
        segments=segments,
        accept=accept,
    )
    return Entry(stream=message, version=0, context=BY, charge=charge)


def stamped(
    *entries: Entry,
    at: datetime = AT,
    versions: dict[UUID, int] | None = None,
    ledgers: dict[tuple[str, int], Ledger] | None = None,
) -> tuple[list[Outcome], list[Recorded]]:
    known = {CONTRACT_STREAM: 2} | (versions or {})
    return stamp(entries, Snapshot(at=at, versions=known, ledgers=ledgers or {}))


def opened(allowance: int = 10, *, year: int = 2026) -> Ledger:
    new = Ledger(account="acme", year=year)
    (event,) = new.open(allowance=allowance, at=AT)
    return new.after_posting(event)


def where(appended: list[Recorded]) -> list[tuple[UUID, int]]:
    return [(recorded.stream, recorded.version) for recorded in appended]


def test_the_first_acceptance_of_a_year_opens_its_ledger():
    (outcome,), appended = stamped(acceptance(ONE))
    ledger = stream_id("ledger", "acme", 2026)
    assert where(appended) == [(ledger, 1), (ONE, 1), (ledger, 2)]
    assert [type(recorded.event) for recorded in appended] == [Opened, Accepted, Debited]
    assert isinstance(outcome, Committed)
    assert outcome.recorded == tuple(appended)


def test_an_acceptance_says_which_posting_charged_it():
    (outcome,), appended = stamped(acceptance(ONE, 3), ledgers={("acme", 2026): opened()})
    assert isinstance(outcome, Committed)
    event = appended[0].event
    assert isinstance(event, Accepted)
    assert event.charged == outcome.charged
    assert (event.charged.year, event.charged.posting, event.charged.included) == (2026, 2, 3)
    assert appended[1].version == 2


def test_two_messages_of_a_group_straddle_the_allowance_as_if_they_came_one_after_the_other():
    agreed = replace(CONTRACT, terms=Terms(allowance_segments=5))
    ledgers = {("acme", 2026): opened(5)}
    outcomes, appended = stamped(
        acceptance(ONE, 3, contract=agreed),
        acceptance(TWO, 3, contract=agreed),
        acceptance(THREE, 1, contract=agreed),
        ledgers=ledgers,
    )
    debits = [r.event for r in appended if isinstance(r.event, Debited)]
    assert [(event.included, event.overage) for event in debits] == [(3, 0), (2, 1), (0, 1)]
    assert [o.charged.overage for o in outcomes if isinstance(o, Committed) and o.charged] == [0, 1, 1]
    assert debits[-1].after.amount_micros == 2 * 38_000


def test_the_postings_of_a_group_chain_and_verify():
    _, appended = stamped(acceptance(ONE, 3), acceptance(TWO, 9))
    ledger = Ledger(account="acme", year=2026)
    for recorded in appended:
        if not isinstance(recorded.event, Accepted):
            assert ledger.again(recorded.event, recorded.at) == recorded.event
            ledger = ledger.after_posting(recorded.event)
    assert ledger.version == 3


def test_the_second_of_two_equal_messages_in_a_group_conflicts_and_is_not_debited():
    outcomes, appended = stamped(acceptance(ONE), acceptance(ONE))
    assert outcomes[1] == Conflict(stream=ONE, version=1)
    assert sum(isinstance(recorded.event, Debited) for recorded in appended) == 1


def test_two_entries_on_one_stream_follow_each_other_if_the_second_was_decided_on_the_first():
    entries = (
        Entry(stream=ONE, version=1, context=BY, events=(STARTED,)),
        Entry(stream=ONE, version=2, context=BY, events=(STARTED, STARTED)),
    )
    outcomes, appended = stamped(*entries, versions={ONE: 1})
    assert all(isinstance(outcome, Committed) for outcome in outcomes)
    assert where(appended) == [(ONE, 2), (ONE, 3), (ONE, 4)]


def test_two_entries_decided_on_the_same_version_cannot_both_be_true():
    entry = Entry(stream=ONE, version=1, context=BY, events=(STARTED,))
    outcomes, appended = stamped(entry, entry, versions={ONE: 1})
    assert outcomes[1] == Conflict(stream=ONE, version=2)
    assert where(appended) == [(ONE, 2)]


def test_an_entry_without_a_version_is_appended_wherever_its_stream_stands():
    entry = Entry(stream=ONE, version=None, context=BY, events=(STARTED,))
    _, appended = stamped(entry, entry, versions={ONE: 5})
    assert where(appended) == [(ONE, 6), (ONE, 7)]


def test_a_conflict_leaves_nothing_and_harms_no_neighbour():
    stale = Entry(stream=ONE, version=1, context=BY, events=(STARTED,), charge=refund())
    outcomes, appended = stamped(stale, acceptance(TWO), versions={ONE: 2})
    assert outcomes[0] == Conflict(stream=ONE, version=2)
    assert isinstance(outcomes[1], Committed)
    assert ONE not in {recorded.stream for recorded in appended}
    assert not any(isinstance(recorded.event, Refunded) for recorded in appended)


def test_an_acceptance_that_relied_on_an_older_contract_conflicts_with_the_contract():
    outcomes, appended = stamped(acceptance(ONE, contract_version=1))
    assert outcomes == [Conflict(stream=CONTRACT_STREAM, version=2)]
    assert appended == []


def test_a_contract_that_changes_in_the_same_group_is_seen_by_what_comes_after():
    change = Entry(stream=CONTRACT_STREAM, version=2, context=BY, events=(STARTED,))
    outcomes, _ = stamped(acceptance(ONE), change, acceptance(TWO))
    assert [type(outcome) for outcome in outcomes] == [Committed, Committed, Conflict]


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (replace(CONTRACT, suspended=True), "contract_suspended"),
        (replace(CONTRACT, ended=True), "contract_ended"),
        (replace(CONTRACT, live_on=None), "contract_not_live"),
        (replace(CONTRACT, live_on=date(2024, 5, 1)), "contract_term_over"),
    ],
)
def test_a_refusal_under_the_lock_leaves_nothing_not_even_an_opened_year(contract, code):
    outcomes, appended = stamped(acceptance(ONE, contract=contract))
    assert isinstance(outcomes[0], NotAccepting)
    assert outcomes[0].code == code
    assert appended == []


def test_the_term_is_judged_by_the_store_s_clock_at_the_lock():
    last = datetime(2027, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
    (before,), _ = stamped(acceptance(ONE), at=last)
    (after,), _ = stamped(acceptance(ONE), at=last + timedelta(microseconds=1))
    assert isinstance(before, Committed)
    assert isinstance(after, NotAccepting)


def refund(*, year: int = 2026, segments: int = 1) -> RefundDue:
    return RefundDue(
        account="acme",
        year=year,
        debit=2,
        reason=RefundReason.EXPIRED,
        segments=segments,
        price_micros=38_000,
    )


def test_a_refund_goes_to_the_year_of_its_debit_even_when_that_year_is_closed():
    used = opened(10, year=2026)
    used = used.after_posting(*used_by(used, 4))
    (closed,) = used.close(at=AT)
    ledgers = {("acme", 2026): used.after_posting(closed), ("acme", 2027): opened(10, year=2027)}
    entry = Entry(stream=ONE, version=1, context=BY, events=(STARTED,), charge=refund(segments=4))
    _, appended = stamped(entry, at=datetime(2027, 2, 1, tzinfo=UTC), versions={ONE: 1}, ledgers=ledgers)
    posting = appended[-1]
    assert posting.stream == stream_id("ledger", "acme", 2026)
    assert isinstance(posting.event, Refunded)
    assert (posting.event.after.net, posting.event.after.closed) == (0, True)


def used_by(ledger: Ledger, segments: int) -> tuple[Debited]:
    return ledger.debit(
        message=ONE, reason=DebitReason.ACCEPTED, segments=segments, price_micros=38_000, at=AT
    )


def test_opening_and_closing_a_year_twice_in_a_group_is_done_once():
    entries = [
        Entry(stream=None, version=None, context=BY, charge=charge)
        for charge in (
            OpenYear(account="acme", year=2026, allowance=10),
            OpenYear(account="acme", year=2026, allowance=10),
            CloseYear(account="acme", year=2026),
            CloseYear(account="acme", year=2026),
        )
    ]
    outcomes, appended = stamped(*entries)
    assert [type(recorded.event) for recorded in appended] == [Opened, Closed]
    assert [len(o.recorded) for o in outcomes if isinstance(o, Committed)] == [1, 0, 1, 0]


def test_closing_a_year_that_was_never_opened_posts_nothing():
    entry = Entry(stream=None, version=None, context=BY, charge=CloseYear(account="acme", year=2020))
    outcomes, appended = stamped(entry)
    assert outcomes == [Committed(recorded=())]
    assert appended == []


@pytest.fixture
def machine_zone(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    assert os.environ["TZ"] == request.param
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("machine_zone", ["UTC", "America/New_York", "Pacific/Kiritimati"], indirect=True)
@pytest.mark.parametrize(
    ("at", "year"),
    [
        (datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), 2027),
    ],
)
def test_the_year_turns_at_midnight_in_shanghai_whatever_the_zone_of_the_machine(machine_zone, at, year):
    (outcome,), appended = stamped(acceptance(ONE), at=at)
    assert isinstance(outcome, Committed)
    assert outcome.charged is not None
    assert outcome.charged.year == year
    assert appended[0].stream == stream_id("ledger", "acme", year)
    assert ledgers_of([acceptance(ONE)], at) == {("acme", year)}


def test_the_store_reads_what_the_stamp_needs():
    entries = [
        acceptance(ONE),
        Entry(stream=TWO, version=3, context=BY, events=(STARTED,), charge=refund(year=2025)),
        Entry(stream=None, version=None, context=BY),
    ]
    assert streams_of(entries, new=True) == {ONE, TWO, CONTRACT_STREAM}
    assert streams_of(entries, new=False) == {TWO, CONTRACT_STREAM}
    assert ledgers_of(entries, AT) == {("acme", 2026), ("acme", 2025)}
