"""Receipts are kept whatever the order they come in, and none is ever given to the wrong message."""

import asyncio
from datetime import timedelta
from uuid import UUID

from application.carriage import InDoubt, Part, PartKey, Receipt, Taken
from application.ports import HeldReceipt
from application.settle_messages import resolve_doubt
from domain.aggregates.message import Status
from domain.events.contract import Terms
from domain.events.ledger import Debited, Refunded
from domain.values import ChargeOn
from tests.application.office import BY, LINK, OTHER_PHONE, Office, story

LONG = "字" * 80
BY_RECEIPT = Terms(allowance_segments=1, charge_on=ChargeOn.DELIVERED)


async def in_doubt(office: Office, key: str = "k1", text: str = "您好") -> UUID:
    """A message that was sent and not answered."""
    id_ = await office.accept(key, text)
    office.carriage.script = lambda _part, _key: InDoubt("no answer in time")
    await office.submit(id_)
    assert office.message(id_).status is Status.IN_DOUBT
    return id_


async def taken(office: Office, key: str = "k1", text: str = "您好") -> UUID:
    """A message the carrier took."""
    id_ = await office.accept(key, text)
    office.carriage.script = None
    await office.submit(id_)
    return id_


def held(office: Office) -> list[HeldReceipt]:
    return list(office.store.disk.held.values())


@story
async def test_a_receipt_finds_its_message_by_the_carrier_s_id():
    office = await Office().open()
    id_ = await taken(office)
    await office.report(("C1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED
    assert held(office) == []


@story
async def test_a_repeated_receipt_changes_nothing():
    office = await Office().open()
    id_ = await taken(office)
    await office.report(("C1", "DELIVRD"), ("C1", "DELIVRD"))
    await office.report(("C1", "DELIVRD"))
    assert office.topics(id_) == [
        "accepted",
        "submission_started",
        "submitted",
        "receipt_recorded",
        "delivered",
    ]


@story
async def test_the_receipts_of_a_long_message_may_come_in_one_batch_and_in_any_order():
    office = await Office().open()
    id_ = await taken(office, text=LONG)
    await office.report(("C2", "DELIVRD"), ("C1", "ACCEPTD"), ("C1", "DELIVRD"), ("C2", "ACCEPTD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_a_receipt_that_comes_before_the_answer_is_held_and_matched_later():
    office = await Office().open()
    id_ = await office.accept()

    async def early(part: Part, key: PartKey) -> Taken:
        await office.report(("E1", "DELIVRD"))
        assert len(held(office)) == 1
        return Taken("E1")

    office.carriage.script = early
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED
    assert await office.recorder.match_held() == 1
    assert office.message(id_).status is Status.DELIVERED
    assert held(office) == []


@story
async def test_a_receipt_that_overtakes_the_record_of_its_answer_waits_for_it():
    office = await Office().open()
    id_ = await office.accept()
    reports: list[asyncio.Task[None]] = []

    async def while_recording() -> None:
        reports.append(asyncio.create_task(office.report(("C1", "DELIVRD"))))
        await asyncio.sleep(0.1)

    def take(part: Part, key: PartKey) -> Taken:
        office.store.meanwhile = while_recording
        return Taken("C1")

    office.carriage.script = take
    await office.submit(id_)
    await reports[0]
    assert office.message(id_).status is Status.DELIVERED
    assert office.store.disk.held_ever == 0


@story
async def test_a_receipt_of_an_unknown_id_is_held():
    office = await Office().open()
    await office.report(("nobody's", "DELIVRD"))
    assert [(h.carrier_id, h.status, h.link) for h in held(office)] == [("nobody's", "DELIVRD", LINK)]
    assert await office.recorder.match_held() == 0


@story
async def test_a_receipt_without_an_id_or_with_a_foreign_number_is_held():
    office = await Office().open()
    await taken(office)
    await office.report(("", "DELIVRD"), phone="+852 1234")
    assert [(h.carrier_id, h.phone_index) for h in held(office)] == [("", b"")]


@story
async def test_the_number_of_a_held_receipt_is_kept_only_as_its_blind_index_of_each_day():
    office = await Office().open()
    await office.accept()
    await office.report(("X", "DELIVRD"))
    index = office.vault.phone_index("+8613800138000", office.now.date())
    assert index is not None
    assert index in held(office)[0].phone_index
    assert "13800138000" not in repr(held(office))


@story
async def test_an_id_of_another_link_is_another_id():
    office = await Office().open()
    id_ = await taken(office)
    await office.report(("C1", "DELIVRD"), link="other")
    assert office.message(id_).status is Status.SUBMITTED
    assert len(held(office)) == 1


@story
async def test_receipts_of_many_messages_in_one_batch_are_one_commit():
    office = await Office().open()
    ids = [await taken(office, f"k{number}") for number in range(5)]
    before = office.store.commits
    await office.report(*((f"C{number}", "DELIVRD") for number in range(1, 6)), ("foreign", "DELIVRD"))
    assert office.store.commits == before + 1
    assert {office.message(id_).status for id_ in ids} == {Status.DELIVERED}


@story
async def test_a_receipt_decided_on_a_message_that_moved_is_decided_again():
    office = await Office().open()
    id_ = await taken(office, text=LONG)
    recorder = office.recorder

    async def other_part_first() -> None:
        await recorder(LINK, [Receipt(carrier_id="C1", status="DELIVRD")])

    office.store.meanwhile = other_part_first
    await office.report(("C2", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_a_carrier_that_contradicts_itself_in_one_batch_moves_the_money_each_time():
    office = await Office(terms=BY_RECEIPT).open()
    await office.accept("first")
    id_ = await taken(office, "second")
    await office.report(("C1", "UNDELIV"), ("C1", "DELIVRD"), ("C1", "UNDELIV"), ("C1", "UNDELIV"))
    moved = [e for e in office.postings() if isinstance(e, Debited | Refunded) and e.message == id_]
    assert [type(event) for event in moved] == [Debited, Refunded, Debited, Refunded]
    assert (office.totals().net, office.totals().overage) == (1, 0)


# Receipts for submissions in doubt, matched by phone.


@story
async def test_a_receipt_to_the_phone_of_the_only_message_in_doubt_settles_it():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 1
    assert office.message(id_).status is Status.DELIVERED
    assert held(office) == []


@story
async def test_a_receipt_to_another_phone_or_over_another_link_settles_nothing():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.report(("X1", "DELIVRD"), phone=OTHER_PHONE)
    await office.report(("X2", "DELIVRD"), link="other")
    assert await office.recorder.match_doubtful() == 0
    assert office.message(id_).status is Status.IN_DOUBT


@story
async def test_a_receipt_that_may_belong_to_two_messages_in_doubt_settles_neither():
    office = await Office().open()
    ids = [await in_doubt(office, key) for key in ("k1", "k2")]
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 0
    assert {office.message(id_).status for id_ in ids} == {Status.IN_DOUBT}


@story
async def test_an_early_receipt_is_not_given_to_another_message_in_doubt():
    office = await Office().open()
    doubtful = await in_doubt(office, "k1")
    second = await office.accept("k2")

    async def early(part: Part, key: PartKey) -> Taken:
        await office.report(("E2", "DELIVRD"))
        assert await office.recorder.match_doubtful() == 0
        return Taken("E2")

    office.carriage.script = early
    await office.submit(second)
    await office.recorder.match_held()
    assert office.message(doubtful).status is Status.IN_DOUBT
    assert office.message(second).status is Status.DELIVERED


@story
async def test_a_held_receipt_whose_message_is_known_by_now_is_not_matched_by_phone():
    office = await Office().open()
    doubtful = await in_doubt(office, "k1")
    await office.report(("C9", "DELIVRD"))
    second = await office.accept("k2")
    office.carriage.script = lambda _part, _key: Taken("C9")
    await office.submit(second)
    assert await office.recorder.match_doubtful() == 0
    assert office.message(doubtful).status is Status.IN_DOUBT


@story
async def test_a_receipt_that_may_belong_to_a_message_once_in_doubt_settles_no_other():
    office = await Office().open()
    first = await in_doubt(office, "k1")
    await resolve_doubt(office.store, first, resend=False, reason="too late", context=BY)
    second = await in_doubt(office, "k2")
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 0
    assert office.message(second).status is Status.IN_DOUBT


@story
async def test_a_receipt_that_may_belong_to_an_attempt_before_a_resend_settles_no_other():
    office = await Office().open()
    first = await in_doubt(office, "k1")
    await resolve_doubt(office.store, first, resend=True, reason="asked the carrier", context=BY)
    office.carriage.script = lambda _part, _key: Taken("C2")
    await office.submit(first)
    await office.report(("C2", "DELIVRD"))
    second = await in_doubt(office, "k2")
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 0
    assert office.message(second).status is Status.IN_DOUBT


@story
async def test_a_receipt_of_an_unknown_id_belongs_to_the_part_that_was_not_answered():
    office = await Office().open()
    id_ = await office.accept(text=LONG)
    office.carriage.script = lambda _part, key: Taken("C1") if key[1] == 1 else InDoubt("no answer")
    await office.submit(id_)
    await office.report(("X2", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 1
    assert dict(office.message(id_).reports) == {2: "DELIVRD"}
    await office.report(("C1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_a_receipt_without_an_id_settles_a_doubt_and_teaches_no_id():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.report(("", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 1
    assert office.message(id_).status is Status.DELIVERED
    assert office.store.disk.parts == []


@story
async def test_however_many_foreign_receipts_are_held_an_early_one_finds_its_message():
    office = await Office().open()
    id_ = await office.accept()

    async def reported_and_not_answered(part: Part, key: PartKey) -> InDoubt:
        await office.report(("early", "DELIVRD"))
        return InDoubt("no answer in time")

    office.carriage.script = reported_and_not_answered
    await office.submit(id_)
    recorder = office.recorder
    await office.report(*((f"foreign-{number}", "DELIVRD") for number in range(1_200)), phone=OTHER_PHONE)
    for _ in range(3):
        await recorder.match_doubtful()
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_what_a_carrier_takes_without_an_id_is_known_by_its_phone_where_that_is_beyond_question():
    office = await Office().open()
    office.carriage.script = lambda _part, _key: Taken("")
    id_ = await office.accept()
    await office.submit(id_)
    await office.report(("", "UNDELIV"))
    assert office.message(id_).status is Status.SUBMITTED
    await office.recorder.match_doubtful()
    assert office.message(id_).status is Status.FAILED


@story
async def test_of_two_messages_that_a_carrier_took_without_an_id_neither_gets_the_receipt():
    office = await Office().open()
    office.carriage.script = lambda _part, _key: Taken("")
    first, second = await office.accept("k1"), await office.accept("k2", "第二条")
    for id_ in (first, second):
        await office.submit(id_)
    await office.report(("", "UNDELIV"))
    await office.recorder.match_doubtful()
    assert {office.message(id_).status for id_ in (first, second)} == {Status.SUBMITTED}


@story
async def test_the_same_unknown_receipt_held_twice_counts_once():
    office = await Office().open()
    id_ = await in_doubt(office)
    await office.report(("X1", "DELIVRD"), ("X1", "DELIVRD"))
    await office.recorder.match_doubtful()
    await office.recorder.match_held()
    assert office.topics(id_)[-2:] == ["receipt_recorded", "delivered"]
    assert held(office) == []


@story
async def test_nobody_guesses_which_of_two_parts_in_doubt_a_receipt_belongs_to():
    office = await Office().open()
    id_ = await in_doubt(office, text=LONG)
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 0
    await office.late(PartKey(id_, 2, 1), Taken("X1"))
    await office.recorder.match_held()
    assert dict(office.message(id_).reports) == {2: "DELIVRD"}


@story
async def test_a_receipt_held_before_midnight_still_finds_its_message_after():
    office = await Office().open()
    office.now = office.now.replace(hour=15, minute=59)
    id_ = await in_doubt(office)
    await office.report(("X1", "DELIVRD"))
    office.now += timedelta(minutes=2)
    assert await office.recorder.match_doubtful() == 1
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_a_receipt_that_comes_after_midnight_finds_the_message_of_the_day_before():
    office = await Office().open()
    office.now = office.now.replace(hour=15, minute=59)
    id_ = await in_doubt(office)
    office.now += timedelta(minutes=2)
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 1
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_a_receipt_is_not_given_to_today_s_message_while_yesterday_s_is_in_doubt_too():
    office = await Office().open()
    office.now = office.now.replace(hour=15, minute=59)
    ids = [await in_doubt(office, "yesterday")]
    office.now += timedelta(minutes=2)
    ids.append(await in_doubt(office, "today"))
    await office.report(("X1", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 0
    assert {office.message(id_).status for id_ in ids} == {Status.IN_DOUBT}
