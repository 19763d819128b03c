"""What a carrier answers after its time ends a doubt, once, and never one of another attempt."""

from uuid import UUID

import pytest

from application.carriage import Answer, InDoubt, Part, PartKey, Refused, Taken
from application.settle_messages import resolve_doubt
from domain.aggregates.message import Status
from domain.events.contract import Terms
from domain.events.ledger import Refunded
from tests.application.office import BY, Office, story
from tests.application.test_record_receipts import LONG, in_doubt

BUSY = Refused("0x00000058", retryable=True, throttled=True)
NEVER = Refused("0x0000000B")


@story
async def test_a_late_answer_submits_a_message_in_doubt_and_lets_its_receipt_find_it():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.late(PartKey(id_, 1, 1), Taken("L1"))
    assert office.message(id_).status is Status.SUBMITTED
    await office.report(("L1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_the_late_answers_of_all_parts_add_up_to_a_submission():
    office = await Office().open()
    id_ = await in_doubt(office, text="字" * 150)
    for number in (3, 1, 2):
        await office.late(PartKey(id_, number, 1), Taken(f"L{number}"))
    state = office.message(id_)
    assert state.status is Status.SUBMITTED
    assert [part.carrier_id for part in state.taken] == ["L1", "L2", "L3"]


@story
async def test_a_late_answer_that_comes_before_the_others_are_recorded_is_not_forgotten():
    office = await Office().open()
    id_ = await office.accept(text=LONG)

    async def first_too_late(part: Part, key: PartKey) -> Taken | InDoubt:
        if key[1] == 1:
            return InDoubt("no answer in time")
        await office.late(PartKey(id_, 1, 1), Taken("L1"))
        return Taken("C2")

    office.carriage.script = first_too_late
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED


@story
async def test_a_late_answer_to_an_attempt_before_the_latest_keeps_the_id_only():
    office = await Office().open()
    id_ = await in_doubt(office)
    await resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)
    await office.submit(id_)
    assert (office.message(id_).status, office.message(id_).attempt) == (Status.IN_DOUBT, 2)
    await office.late(PartKey(id_, 1, 1), Taken("L1"))
    assert office.message(id_).status is Status.IN_DOUBT
    await office.report(("L1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_late_answers_to_parts_of_two_attempts_do_not_make_one_submission():
    office = await Office().open()
    id_ = await in_doubt(office, text=LONG)
    await resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)
    await office.submit(id_)
    await office.late(PartKey(id_, 1, 1), Taken("L1"))
    await office.late(PartKey(id_, 2, 2), Taken("L2"))
    state = office.message(id_)
    assert (state.status, [part.carrier_id for part in state.taken]) == (Status.IN_DOUBT, ["L2"])


@story
async def test_a_late_answer_calls_off_the_resend_that_has_not_begun():
    office = await Office().open()
    id_ = await in_doubt(office)
    await resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)
    await office.late(PartKey(id_, 1, 1), Taken("L1"))
    office.carriage.sent.clear()
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED
    assert office.carriage.sent == []


@story
async def test_a_late_answer_for_a_message_with_an_outcome_keeps_the_id_only():
    office = await Office().open()
    id_ = await in_doubt(office)
    await resolve_doubt(office.store, id_, resend=False, reason="too late", context=BY)
    await office.late(PartKey(id_, 1, 1), Taken("L1"))
    assert office.message(id_).status is Status.FAILED
    await office.report(("L1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_late_that_the_carrier_refused_for_now_the_message_waits_again_and_is_sent_once_more():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.late(PartKey(id_, 1, 1), BUSY)
    assert office.message(id_).status is Status.ACCEPTED
    assert office.topics(id_)[-1] == "submission_refused"
    office.carriage.script = None
    await office.submit(id_)
    assert (office.message(id_).status, office.message(id_).attempt) == (Status.SUBMITTED, 2)


@story
async def test_late_that_the_carrier_refused_for_good_it_fails_and_is_refunded():
    office = await Office(terms=Terms(allowance_segments=1)).open()
    id_ = await in_doubt(office)
    await office.late(PartKey(id_, 1, 1), NEVER)
    assert office.message(id_).status is Status.FAILED
    assert isinstance(office.postings()[-1], Refunded)
    assert office.totals().net == 0
    await office.late(PartKey(id_, 1, 1), NEVER)
    assert office.totals().net == 0, "once"


@story
async def test_a_late_refusal_that_comes_before_the_doubt_is_recorded_decides():
    office = await Office().open()
    id_ = await office.accept()

    async def too_late(part: Part, key: PartKey) -> Answer:
        await office.late(key, BUSY)
        return InDoubt("no answer in time")

    office.carriage.script = too_late
    await office.submit(id_)
    assert office.message(id_).status is Status.ACCEPTED


@story
async def test_a_late_refusal_of_one_part_says_nothing_of_the_others():
    office = await Office().open()
    id_ = await in_doubt(office, text=LONG)
    await office.late(PartKey(id_, 1, 1), NEVER)
    assert office.message(id_).status is Status.IN_DOUBT


@pytest.mark.parametrize("resend", [True, False])
def test_a_late_refusal_of_what_a_person_decided_changes_nothing(resend: bool):
    @story
    async def told() -> None:
        office = await Office().open()
        id_ = await in_doubt(office)
        await resolve_doubt(office.store, id_, resend=resend, reason="asked the carrier", context=BY)
        before = office.topics(id_)
        await office.late(PartKey(id_, 1, 1), NEVER)
        assert office.topics(id_) == before

    told()


@story
async def test_a_late_refusal_of_an_attempt_before_the_latest_decides_nothing():
    office = await Office().open()
    id_: UUID = await in_doubt(office)
    await resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)
    await office.submit(id_)
    await office.late(PartKey(id_, 1, 1), BUSY)
    assert (office.message(id_).status, office.message(id_).attempt) == (Status.IN_DOUBT, 2)
