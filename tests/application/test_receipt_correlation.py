"""A receipt finds its part by link, id, number and date together: ids of carriers come again."""

from uuid import UUID

import pytest

from application.carriage import InDoubt, Part, PartKey, Receipt, Taken
from application.settling import Settling
from domain.aggregates.message import Status
from domain.events.message import ReceiptRecorded
from tests.application.office import LINK, OTHER_PHONE, PHONE, Office, story


async def taken(office: Office, key: str, carrier_id: str, *, phone: str = PHONE) -> UUID:
    """A message that the carrier took under an id."""
    id_ = await office.accept(key, phone=phone)
    office.carriage.script = lambda _part, _key: Taken(carrier_id)
    await office.submit(id_)
    return id_


def restart(office: Office) -> None:
    """Another process brings receipts home: it has nothing at hand."""
    office.settling = Settling()


def reported(office: Office, id_: UUID) -> list[str]:
    history = office.store.disk.history(id_)
    return [r.event.status for r in history if isinstance(r.event, ReceiptRecorded)]


@pytest.mark.parametrize("same_process", [True, False])
@story
async def test_an_id_given_for_two_phones_is_told_apart_by_the_receipt_s_number(same_process):
    office = await Office().open()
    first = await taken(office, "one", "7")
    second = await taken(office, "two", "7", phone=OTHER_PHONE)
    if not same_process:
        restart(office)
    await office.report(("7", "UNDELIV"), phone=PHONE)
    await office.report(("7", "DELIVRD"), phone=OTHER_PHONE)
    assert (reported(office, first), reported(office, second)) == (["UNDELIV"], ["DELIVRD"])


@pytest.mark.parametrize("same_process", [True, False])
@story
async def test_receipts_for_both_phones_of_an_id_may_come_in_one_batch(same_process):
    office = await Office().open()
    first = await taken(office, "one", "7")
    second = await taken(office, "two", "7", phone=OTHER_PHONE)
    if not same_process:
        restart(office)
    batch = [
        Receipt(carrier_id="7", status="UNDELIV", phone=OTHER_PHONE),
        Receipt(carrier_id="7", status="DELIVRD", phone="86" + PHONE),
    ]
    await office.recorder(LINK, batch)
    assert (reported(office, first), reported(office, second)) == (["DELIVRD"], ["UNDELIV"])


@story
async def test_a_receipt_that_names_another_number_is_nobody_s_and_is_held():
    office = await Office().open()
    id_ = await taken(office, "one", "7")
    await office.report(("7", "DELIVRD"), phone=OTHER_PHONE)
    assert reported(office, id_) == []
    assert await office.recorder.match_held() == 0
    assert len(office.store.disk.held) == 1


@pytest.mark.parametrize("unreadable", ["", "10690001", "+852 1234"])
@story
async def test_a_receipt_without_a_readable_number_goes_by_its_id_to_the_newest(unreadable):
    office = await Office().open()
    await taken(office, "one", "7")
    newest = await taken(office, "two", "7", phone=OTHER_PHONE)
    restart(office)
    await office.report(("7", "DELIVRD"), phone=unreadable)
    assert reported(office, newest) == ["DELIVRD"]


@story
async def test_an_id_that_comes_again_after_a_year_is_this_year_s():
    office = await Office().open()
    old = await taken(office, "one", "0501120000")
    office.pass_time(days=365)
    new = await taken(office, "two", "0501120000")
    for _ in range(2):
        restart(office)
        await office.report(("0501120000", "DELIVRD"))
    assert (reported(office, old), reported(office, new)) == ([], ["DELIVRD"])


@story
async def test_a_receipt_of_this_year_before_its_answer_is_not_given_to_last_year_s_message():
    office = await Office().open()
    old = await taken(office, "one", "0501120000")
    office.pass_time(days=365)
    restart(office)
    new = await office.accept("two")

    async def early(part: Part, key: PartKey) -> Taken:
        await office.report(("0501120000", "DELIVRD"))
        assert await office.recorder.match_held() == 0
        return Taken("0501120000")

    office.carriage.script = early
    await office.submit(new)
    assert await office.recorder.match_held() == 1
    assert (reported(office, old), reported(office, new)) == ([], ["DELIVRD"])


@story
async def test_a_message_in_doubt_gets_its_receipt_though_its_id_was_another_s_last_year():
    office = await Office().open()
    old = await taken(office, "one", "7")
    office.pass_time(days=365)
    doubtful = await office.accept("two")
    office.carriage.script = lambda _part, _key: InDoubt("no answer in time")
    await office.submit(doubtful)
    await office.report(("7", "DELIVRD"))
    assert await office.recorder.match_doubtful() == 1
    assert (reported(office, old), reported(office, doubtful)) == ([], ["DELIVRD"])
    assert office.message(doubtful).status is Status.DELIVERED
    known = office.store.disk.parts[-1]
    assert (known.carrier_id, known.message) == ("7", doubtful)
    assert known.phone


@story
async def test_one_id_on_two_links_is_two_ids_even_in_one_process():
    office = await Office().open()
    first = await taken(office, "one", "7")
    await office.report(("7", "DELIVRD"), link="mobile-2")
    assert reported(office, first) == []
    await office.report(("7", "DELIVRD"))
    assert reported(office, first) == ["DELIVRD"]
    assert await office.recorder.match_held() == 0


@story
async def test_an_id_that_a_late_answer_brought_is_known_with_its_number():
    office = await Office().open()
    id_ = await office.accept("one")
    office.carriage.script = lambda _part, _key: InDoubt("no answer in time")
    await office.submit(id_)
    await office.late(PartKey(id_, 1, 1), Taken("7"))
    await office.report(("7", "DELIVRD"), phone=OTHER_PHONE)
    assert reported(office, id_) == []
    await office.report(("7", "DELIVRD"))
    assert reported(office, id_) == ["DELIVRD"]


@story
async def test_a_receipt_that_comes_days_after_the_message_was_accepted_is_still_for_its_number():
    office = await Office().open()
    id_ = await taken(office, "one", "7")
    office.pass_time(days=20)
    restart(office)
    await office.report(("7", "DELIVRD"))
    assert reported(office, id_) == ["DELIVRD"]


@story
async def test_a_held_receipt_whose_days_do_not_reach_back_to_its_message_goes_by_its_id():
    office = await Office().open()
    id_ = await office.accept("one")
    office.carriage.script = lambda _part, _key: InDoubt("no answer in time")
    await office.submit(id_)
    office.pass_time(days=10)
    office.vault.ensure(office.now.date())
    await office.report(("7", "DELIVRD"))
    await office.late(PartKey(id_, 1, 1), Taken("7"))
    assert await office.recorder.match_held() == 1
    assert reported(office, id_) == ["DELIVRD"]
