"""What was posted and not agreed is found, even by a ledger whose chain was computed anew over it."""

from dataclasses import replace
from typing import Any

import pytest

from application.findings import Finding
from application.prove_ledgers import Proof
from domain.aggregates.ledger import Ledger
from domain.events import Event
from domain.events.adjustment import Approved, Requested
from domain.events.contract import Amended, Signed, Terms
from domain.events.ledger import Adjusted, AllowanceChanged, Debited, LedgerEvent, Opened
from domain.events.message import Accepted
from domain.recorded import Recorded
from domain.values import stream_id
from tests.support.past import ACCOUNT, ADJUSTMENT, past

Log = list[Recorded]


@pytest.fixture(scope="module")
def log() -> Log:
    return past().log()


def prove(log: Log) -> list[Finding]:
    proof = Proof()
    for recorded in log:
        proof.feed(recorded)
    return proof.findings()


def codes(log: Log) -> set[str]:
    return {finding.code for finding in prove(log)}


def changed(log: Log, kind: type[Event], number: int = 0, **fields: Any) -> Log:  # noqa: ANN401
    place = [place for place, one in enumerate(log) if isinstance(one.event, kind)][number]
    event = replace(log[place].event, **fields)
    return [*log[:place], replace(log[place], event=event), *log[place + 1 :]]


def computed_anew(log: Log) -> Log:
    """Every ledger with the totals and the chain that its postings would have, and the messages as they claim then."""
    ledgers = {
        stream_id("ledger", ACCOUNT, year): Ledger(account=ACCOUNT, year=year) for year in (2025, 2026)
    }
    made: Log = []
    for recorded in log:
        ledger = ledgers.get(recorded.stream)
        if ledger is not None:
            assert isinstance(recorded.event, LedgerEvent)
            again = ledger.again(recorded.event, recorded.at)
            assert again is not None
            ledgers[recorded.stream] = ledger.after_posting(again)
            recorded = replace(recorded, event=again)
        made.append(recorded)
    debits = {one.event.message: one for one in made if isinstance(one.event, Debited)}
    return [_claimed(one, debits) for one in made]


def _claimed(recorded: Recorded, debits: dict[Any, Recorded]) -> Recorded:
    event = recorded.event
    if not isinstance(event, Accepted):
        return recorded
    debit = debits[recorded.stream].event
    assert isinstance(debit, Debited)
    charged = replace(
        event.charged, included=debit.included, overage=debit.overage, price_micros=debit.price_micros
    )
    return replace(recorded, event=replace(event, charged=charged))


def test_what_was_agreed_is_proved(log: Log):
    assert prove(log) == []
    assert prove(computed_anew(log)) == []


def test_a_price_nobody_agreed_is_found(log: Log):
    forged = computed_anew(changed(log, Debited, 5, price_micros=39_000))
    assert codes(forged) == {"price_wrong"}
    (finding,) = prove(forged)
    assert (finding.account, finding.year, finding.posting) == (ACCOUNT, 2025, 7)


def test_the_price_of_another_day_is_found(log: Log):
    assert codes(computed_anew(changed(log, Debited, 8, price_micros=38_000))) == {"price_wrong"}


def test_an_allowance_nobody_agreed_is_found(log: Log):
    opened = next(one.event for one in log if isinstance(one.event, Opened))
    more = replace(opened.after, allowance=7)
    assert codes(computed_anew(changed(log, Opened, after=more))) == {"allowance_wrong"}


@pytest.mark.parametrize(("field", "value"), [("amendment", 3), ("amendment", 99)])
def test_an_allowance_by_an_amendment_that_is_not_agreed_is_found(log: Log, field: str, value: int):
    assert codes(computed_anew(changed(log, AllowanceChanged, **{field: value}))) == {"allowance_wrong"}


def test_a_contract_whose_amendment_is_gone_is_found(log: Log):
    without = [one for one in log if not (isinstance(one.event, Amended) and one.event.number == 1)]
    assert codes(without) >= {"history_broken"}


def test_a_contract_that_was_signed_otherwise_is_found_by_its_bills(log: Log):
    other = changed(log, Signed, terms=Terms(allowance_segments=5, notice_days=0))
    assert codes(other) == {"allowance_wrong"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("segments", 2),
        ("amount_micros", 1),
        ("period", "2025-11"),
        ("reason", "another"),
        ("reference", "another"),
        ("requested_by", "cli:three"),
        ("approved_by", ("cli:one",)),
        ("approved_by", ("cli:one", "cli:one")),
        ("approved_by", ("cli:two", "cli:one")),
    ],
)
def test_an_adjustment_other_than_it_was_approved_is_found(log: Log, field: str, value: object):
    assert codes(computed_anew(changed(log, Adjusted, **{field: value}))) == {"adjustment_wrong"}


def test_an_adjustment_nobody_asked_for_is_found(log: Log):
    without = [one for one in log if one.stream != stream_id("adjustment", str(ADJUSTMENT))]
    assert codes(without) == {"adjustment_wrong"}


def test_an_adjustment_with_too_few_approvals_is_found(log: Log):
    place = _of(log, Approved)
    assert "adjustment_wrong" in codes([*log[:place], *log[place + 1 :]])
    assert codes(changed(log, Requested, approvals=3)) == {"adjustment_wrong"}


def test_an_approved_adjustment_that_was_never_posted_is_found(log: Log):
    assert codes([*log[: _of(log, Adjusted)], *log[_of(log, Adjusted) + 1 :]]) >= {"adjustment_missing"}


def test_an_adjustment_that_was_posted_twice_is_found(log: Log):
    place = _of(log, Adjusted)
    twice = replace(log[place], version=log[place].version + 1)
    assert codes([*log[: place + 1], twice, *log[place + 1 :]]) >= {"adjustment_missing"}


def _of(log: Log, kind: type[Event]) -> int:
    return next(place for place, one in enumerate(log) if isinstance(one.event, kind))
