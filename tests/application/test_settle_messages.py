"""The sweeps decide each candidate on its own stream: a stale hint does nothing, and nothing is done twice."""

from datetime import timedelta
from uuid import uuid4

import pytest

from application.carriage import InDoubt, Refused, Taken
from application.settle_messages import (
    cancel,
    doubt_abandoned,
    expire,
    give_up_unreported,
    resolve_doubt,
)
from domain.aggregates.message import Status
from domain.errors import NotFound
from domain.events.contract import Terms
from domain.events.ledger import Refunded, RefundReason
from domain.values import ChargeOn
from tests.application.office import BY, Office, story

BY_RECEIPT = Terms(allowance_segments=100, charge_on=ChargeOn.DELIVERED)


def refunds(office: Office) -> list[RefundReason]:
    return [event.reason for event in office.postings() if isinstance(event, Refunded)]


@story
async def test_what_no_carrier_took_in_time_expires_and_is_refunded_once():
    office = await Office().open()
    ids = [await office.accept(f"k{number}") for number in range(3)]
    await office.submit(ids[0])
    office.pass_time(days=1)
    assert await expire(office.store, ids, now=office.now, context=BY) == 2
    assert await expire(office.store, ids, now=office.now, context=BY) == 0
    assert refunds(office) == [RefundReason.EXPIRED] * 2
    assert office.totals().net == 1


@story
async def test_a_message_that_is_still_valid_does_not_expire():
    office = await Office().open()
    id_ = await office.accept()
    now = office.now + timedelta(days=1, microseconds=-1)
    assert await expire(office.store, [id_], now=now, context=BY) == 0


@story
async def test_a_message_started_between_the_hint_and_the_lock_does_not_expire():
    office = await Office().open()
    id_ = await office.accept()

    async def start() -> None:
        await office.submit(id_)

    later = office.now + timedelta(days=1)
    office.store.meanwhile = start
    assert await expire(office.store, [id_], now=later, context=BY) == 0
    assert office.message(id_).status is Status.SUBMITTED
    assert refunds(office) == []


@story
async def test_cancelling_takes_back_what_no_carrier_has():
    office = await Office().open()
    waiting, sent = await office.accept("k1"), await office.accept("k2")
    await office.submit(sent)
    assert await cancel(office.store, [waiting, sent], reason="by mistake", context=BY) == 1
    assert refunds(office) == [RefundReason.CANCELLED]


@story
async def test_two_people_who_cancel_at_once_refund_once():
    office = await Office().open()
    id_ = await office.accept()

    async def other() -> None:
        await cancel(office.store, [id_], reason="mine", context=BY)

    office.store.meanwhile = other
    assert await cancel(office.store, [id_], reason="mine too", context=BY) == 0
    assert refunds(office) == [RefundReason.CANCELLED]


@story
async def test_an_abandoned_submission_is_in_doubt_and_one_that_was_answered_is_not():
    office = await Office().open()
    ids = [await office.accept(key) for key in ("k1", "k2")]
    await office.submit(ids[0])
    office.carriage.script = lambda _part, _key: RuntimeError("the worker died")
    with pytest.raises(RuntimeError):
        await office.submit(ids[1])
    assert await doubt_abandoned(office.store, ids, context=BY) == 1
    assert await doubt_abandoned(office.store, ids, context=BY) == 0
    assert [office.message(id_).status for id_ in ids] == [Status.SUBMITTED, Status.IN_DOUBT]


@story
async def test_a_submission_started_since_is_not_abandoned():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = lambda _part, _key: RuntimeError("the worker died")
    with pytest.raises(RuntimeError):
        await office.submit(id_)
    assert await doubt_abandoned(office.store, [id_], before=office.now, context=BY) == 0
    office.pass_time(seconds=1)
    assert await doubt_abandoned(office.store, [id_], before=office.now, context=BY) == 1


@story
async def test_what_nobody_reports_on_is_refunded_where_delivery_is_charged():
    office = await Office(terms=BY_RECEIPT).open()
    taken, doubtful, delivered = [await office.accept(key) for key in ("k1", "k2", "k3")]
    await office.submit(taken)
    office.carriage.script = lambda _part, _key: InDoubt("no answer")
    await office.submit(doubtful)
    office.carriage.script = lambda _part, _key: Taken("C3")
    await office.submit(delivered)
    await office.report(("C3", "DELIVRD"))
    ids = [taken, doubtful, delivered]
    assert await give_up_unreported(office.store, ids, context=BY) == 2
    assert await give_up_unreported(office.store, ids, context=BY) == 0
    assert refunds(office) == [RefundReason.UNKNOWN] * 2


@story
async def test_what_nobody_reports_on_stays_charged_where_submission_is_charged():
    office = await Office().open()
    id_ = await office.accept()
    await office.submit(id_)
    assert await give_up_unreported(office.store, [id_], context=BY) == 0


@story
async def test_a_receipt_after_giving_up_takes_the_refund_back():
    office = await Office(terms=BY_RECEIPT).open()
    id_ = await office.accept()
    await office.submit(id_)
    await give_up_unreported(office.store, [id_], context=BY)
    assert office.totals().net == 0
    await office.report(("C1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED
    assert office.totals().net == 1


@pytest.mark.parametrize(("terms", "owed"), [(Terms(allowance_segments=100), 1), (BY_RECEIPT, 0)])
@story
async def test_giving_a_doubtful_message_up_is_refunded_only_where_delivery_is_charged(terms, owed):
    office = await Office(terms=terms).open()
    id_ = await office.accept()
    office.carriage.script = lambda _part, _key: InDoubt("no answer")
    await office.submit(id_)
    assert await resolve_doubt(office.store, id_, resend=False, reason="too late", context=BY) == 1
    assert await resolve_doubt(office.store, id_, resend=False, reason="again", context=BY) == 0
    assert office.totals().net == owed


@story
async def test_a_doubt_about_nobody_s_message_is_refused():
    office = await Office().open()
    with pytest.raises(NotFound):
        await resolve_doubt(office.store, uuid4(), resend=True, reason="", context=BY)


@story
async def test_a_doubt_that_a_receipt_settles_at_the_same_moment_is_not_resolved_again():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = lambda _part, _key: InDoubt("no answer")
    await office.submit(id_)

    async def receipt() -> None:
        await office.report(("X1", "DELIVRD"))
        await office.recorder.match_doubtful()

    office.store.meanwhile = receipt
    assert await resolve_doubt(office.store, id_, resend=True, reason="", context=BY) == 0
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_hints_about_messages_nobody_knows_do_nothing():
    office = await Office().open()
    assert await expire(office.store, [uuid4()], now=office.now, context=BY) == 0
    assert await cancel(office.store, [], reason="", context=BY) == 0


@story
async def test_a_refund_after_the_year_s_end_goes_to_the_year_of_the_debit():
    office = await Office().open()
    id_ = await office.accept()
    office.now = office.now.replace(year=2027)
    await office.accept("k2")
    office.carriage.script = lambda _part, _key: Refused("11")
    await expire(office.store, [id_], now=office.now, context=BY)
    assert (office.totals(2026).net, office.totals(2027).net) == (0, 1)
