"""The proof finds nothing in a true log, and names whatever was altered, left out or made up in a false one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from application.carriage import Refused
from application.findings import Finding
from application.prove_ledgers import TOPICS, Proof
from application.reset_quota import reset_quota
from application.settle_messages import cancel
from domain.events import TOPICS as ALL_TOPICS
from domain.events.contract import Terms
from domain.events.ledger import Closed, Debited, DebitReason, Opened, Refunded, RefundReason
from domain.events.message import Accepted, Cancelled, Failed
from domain.recorded import Recorded
from domain.values import ChargeOn
from tests.application.office import ACCOUNT, BY, Office, story

Log = list[Recorded]
Change = Callable[[Recorded], Recorded]


async def true_log(*, close: bool = True) -> Log:
    """Opened, five debits over an allowance of 3, refunds of two, one of them taken back, closed."""
    terms = Terms(allowance_segments=3, charge_on=ChargeOn.DELIVERED)
    office = await Office(terms=terms).open()
    kept, failed, revised, cancelled = [await office.accept(key) for key in ("k1", "k2", "k3", "k4")]
    await office.accept("k5", "字" * 80)
    await office.submit(kept, failed, revised)
    await office.report(("C1", "DELIVRD"), ("C2", "UNDELIV"), ("C3", "UNDELIV"))
    await office.report(("C3", "DELIVRD"))
    await cancel(office.store, [cancelled], reason="by mistake", context=BY)
    office.now = office.now.replace(year=2027)
    if close:
        await reset_quota(office.store, year=2027, account=None, dry_run=False, context=BY)
    return office.store.disk.everything()


def prove(log: Log) -> list[Finding]:
    proof = Proof()
    for recorded in log:
        proof.feed(recorded)
    return proof.findings()


def codes(log: Log) -> list[str]:
    return [finding.code for finding in prove(log)]


def place_of(log: Log, kind: type, number: int = 0) -> int:
    return [place for place, recorded in enumerate(log) if isinstance(recorded.event, kind)][number]


def altered(log: Log, place: int, **fields: object) -> Log:
    """The log with some fields of one event changed; `after__x` changes a field of its totals."""
    event = log[place].event
    totals = {
        name.removeprefix("after__"): value for name, value in fields.items() if name.startswith("after__")
    }
    plain = {name: value for name, value in fields.items() if not name.startswith("after__")}
    if totals:
        plain["after"] = replace(event.after, **totals)  # type: ignore[union-attr]
    changed = replace(log[place], event=replace(event, **plain))  # type: ignore[type-var]
    return [*log[:place], changed, *log[place + 1 :]]


def without(log: Log, place: int) -> Log:
    return [*log[:place], *log[place + 1 :]]


@story
async def test_a_true_log_is_proved():
    log = await true_log()
    assert {type(r.event) for r in log} >= {Opened, Debited, Refunded, Closed, Failed, Cancelled}
    assert prove(log) == []


@story
async def test_the_proof_counts_what_it_read():
    log = await true_log()
    proof = Proof()
    for recorded in log:
        proof.feed(recorded)
    assert (proof.events, proof.messages) == (len(log), 5)
    assert proof.postings == sum(r.event.TOPIC.startswith("ledger.") for r in log)


def test_the_proof_reads_every_topic_of_the_ledger():
    assert {topic for topic in ALL_TOPICS if topic.startswith("ledger.")} < set(TOPICS)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Debited, "account", "bolt"),
        (Debited, "segments", 2),
        (Debited, "included", 0),
        (Debited, "overage", 1),
        (Refunded, "account", "bolt"),
        (Refunded, "segments", 2),
        (Refunded, "included", 1),
        (Refunded, "overage", 0),
        (Refunded, "price_micros", 38_001),
        (Closed, "account", "bolt"),
        (Closed, "year", 2025),
        (Closed, "unused", 1),
        *(
            (kind, f"after__{name}", 77)
            for kind in (Debited, Refunded)
            for name in ("allowance", "net", "overage", "amount_micros")
        ),
        *((Closed, f"after__{name}", 77) for name in ("allowance", "net", "overage", "amount_micros")),
        *((kind, "after__closed", True) for kind in (Opened, Debited, Refunded)),
        (Closed, "after__closed", False),
        *((Opened, f"after__{name}", 77) for name in ("net", "overage", "amount_micros")),
    ],
)
@story
async def test_a_flipped_figure_is_found_as_totals_that_do_not_follow(kind, field, value):
    log = await true_log()
    place = place_of(log, kind)
    first = prove(altered(log, place, **{field: value}))[0]
    assert (first.code, first.account, first.year) == ("totals_wrong", ACCOUNT, 2026)
    assert first.posting == log[place].version


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Opened, "chain", "0" * 64),
        (Opened, "after__allowance", 77),
        (Debited, "reason", DebitReason.REVISED),
        (Debited, "price_micros", 38_001),
        (Debited, "chain", "0" * 64),
        (Refunded, "reason", RefundReason.UNKNOWN),
        (Refunded, "debit", 77),
        (Refunded, "chain", "0" * 64),
        (Closed, "chain", "0" * 64),
    ],
)
@story
async def test_what_changes_no_total_is_found_by_the_chain(kind, field, value):
    log = await true_log()
    place = place_of(log, kind)
    first = prove(altered(log, place, **{field: value}))[0]
    assert (first.code, first.posting) == ("chain_broken", log[place].version)


@story
async def test_another_message_in_a_posting_is_found_by_the_chain_and_by_the_messages():
    log = await true_log()
    place = place_of(log, Debited)
    assert set(codes(altered(log, place, message=log[0].stream))) == {"chain_broken", "debits_differ"}


@pytest.mark.parametrize(("field", "value"), [("account", "bolt"), ("year", 2025)])
@story
async def test_an_opening_that_does_not_belong_to_its_stream_is_found(field, value):
    log = await true_log()
    assert "not_opened" in codes(altered(log, place_of(log, Opened), **{field: value}))


@story
async def test_another_moment_is_found_by_the_chain():
    log = await true_log()
    place = place_of(log, Debited)
    later = replace(log[place], at=log[place].at + timedelta(microseconds=1))
    assert codes([*log[:place], later, *log[place + 1 :]])[0] == "chain_broken"


@pytest.mark.parametrize("kind", [Debited, Refunded])
@story
async def test_a_missing_posting_is_found(kind):
    log = await true_log()
    found = codes(without(log, place_of(log, kind)))
    assert found[0] == "not_dense"
    assert found[-1] == ("debits_differ" if kind is Debited else "refunds_differ")


@story
async def test_a_missing_opening_is_found():
    log = await true_log()
    assert codes(without(log, place_of(log, Opened)))[0] == "not_opened"


@story
async def test_a_missing_last_posting_is_found_by_its_message():
    log = await true_log(close=False)
    assert codes(without(log, place_of(log, Refunded, -1))) == ["refunds_differ"]


@story
async def test_a_debit_without_a_message_is_found():
    log = await true_log()
    (finding,) = prove(without(log, place_of(log, Accepted)))
    assert (finding.code, finding.account, finding.year) == ("debits_differ", ACCOUNT, 2026)
    assert "6 segments of debits, the messages have 5" in finding.detail


@story
async def test_a_message_without_a_debit_is_found():
    log = await true_log()
    extra = log[place_of(log, Accepted)]
    assert codes([*log, replace(extra, stream=log[0].stream)]) == ["debits_differ"]


@pytest.mark.parametrize("field", ["posting", "included", "overage", "price_micros", "year"])
@story
async def test_a_message_that_claims_to_be_charged_otherwise_is_found(field):
    log = await true_log()
    place = place_of(log, Accepted)
    accepted = log[place].event
    assert isinstance(accepted, Accepted)
    charged = replace(accepted.charged, **{field: 77})
    assert set(codes(altered(log, place, charged=charged))) == {"debits_differ"}


@story
async def test_a_refund_without_an_outcome_is_found():
    log = await true_log()
    assert codes(without(log, place_of(log, Cancelled))) == ["refunds_differ"]


@story
async def test_an_outcome_without_its_refund_is_found():
    log = await true_log()
    place = place_of(log, Failed)
    assert codes(altered(log, place, refunded=False)) == ["refunds_differ"]


@story
async def test_two_changes_that_make_up_for_each_other_are_found():
    log = await true_log()
    one, two = place_of(log, Accepted), place_of(log, Accepted, 1)
    swapped = list(log)
    swapped[one] = replace(log[one], stream=log[two].stream)
    swapped[two] = replace(log[two], stream=log[one].stream)
    assert codes(swapped) == ["debits_differ"]


@story
async def test_ledgers_of_other_accounts_and_years_are_proved_apart():
    office = await Office(terms=Terms(allowance_segments=1)).open()
    await office.accept("k1")
    office.now = office.now.replace(year=2027)
    second = await office.accept("k2")
    office.carriage.script = lambda _part, _key: Refused("11")
    await office.submit(second)
    log = office.store.disk.everything()
    assert prove(log) == []
    place = place_of(log, Refunded)
    assert {finding.year for finding in prove(without(log, place))} == {2027}
