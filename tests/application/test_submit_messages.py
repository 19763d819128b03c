"""A submission is durable before its first octet, and whatever happens a carrier gets nothing twice by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from application import submit_messages
from application.carriage import Answer, InDoubt, NotSent, Part, PartKey, Refused, Taken
from application.manage_contracts import suspend
from application.ports import Entry
from application.settle_messages import cancel, doubt_abandoned, resolve_doubt
from application.submit_messages import References, Via
from domain.aggregates.message import Status
from domain.events.contract import Terms
from domain.events.ledger import Refunded
from domain.events.message import SubmissionStarted
from domain.values import ChargeOn, Lane
from tests.application.office import ACCOUNT, BY, OTHER_PHONE, Office, Script, story

LONG = "字" * 80
BY_RECEIPT = Terms(allowance_segments=100, charge_on=ChargeOn.DELIVERED)


def answering(answer: Taken | Refused | InDoubt | NotSent) -> Script:
    """A carrier with one answer for everything."""
    return lambda _part, _key: answer


def parts_sent(office: Office, id_: UUID) -> list[int]:
    return [key[1] for key, _ in office.carriage.sent if key[0] == id_]


@story
async def test_a_taken_message_is_submitted_and_the_carrier_s_id_is_known():
    office = await Office().open()
    id_ = await office.accept()
    await office.submit(id_)
    assert office.topics(id_) == ["accepted", "submission_started", "submitted"]
    assert [(row.carrier_id, row.message, row.part) for row in office.store.disk.parts] == [("C1", id_, 1)]


@story
async def test_the_start_is_durable_before_the_first_octet():
    office = await Office().open()
    id_ = await office.accept()
    seen: list[list[str]] = []

    def look(part: Part, key: PartKey) -> Taken:
        seen.append(office.topics(key[0]))
        return Taken("C1")

    office.carriage.script = look
    await office.submit(id_)
    assert seen == [["accepted", "submission_started"]]


@story
async def test_the_text_goes_out_in_ucs2_under_its_signature_to_the_number_in_digits():
    office = await Office().open()
    await office.submit(await office.accept(text="您好😀"))
    ((_, part),) = office.carriage.sent
    assert part.destination == "8613800138000"
    assert part.payload.decode("utf-16-be") == "【示例科技】您好😀"
    assert (part.data_coding, part.udh) == (8, False)


@story
async def test_the_route_s_digits_are_recorded_and_go_with_every_part():
    office = await Office().open()
    id_ = await office.accept(text=LONG)
    await office.submitter()([id_], Lane.BATCH, Via(route="codes", extension="0012"))
    assert [part.extension for _, part in office.carriage.sent] == ["0012", "0012"]
    (started,) = [r.event for r in office.store.disk.history(id_) if isinstance(r.event, SubmissionStarted)]
    assert (started.route, started.extension) == ("codes", "0012")


@story
async def test_a_carrier_that_writes_the_signature_itself_gets_the_text_without_it():
    office = await Office(signs=True).open()
    await office.submit(await office.accept(text="您好，【示例科技】在此"))
    ((_, part),) = office.carriage.sent
    assert part.payload.decode("utf-16-be") == "您好，【示例科技】在此"


@story
async def test_without_its_signature_a_text_still_goes_out_in_the_parts_that_were_counted_and_paid():
    office = await Office(signs=True).open()
    text = "字" * 65
    id_ = await office.accept(text=text)
    await office.submit(id_)
    assert office.message(id_).accepted.parts == office.message(id_).accepted.segments == 2
    payloads = {key[1]: part.payload for key, part in office.carriage.sent}
    assert [payloads[number][4:6] for number in (1, 2)] == [b"\x02\x01", b"\x02\x02"]
    assert [len(payloads[number][6:]) // 2 for number in (1, 2)] == [67 - 6, 4]
    assert "".join(payloads[number][6:].decode("utf-16-be") for number in (1, 2)) == text


@story
async def test_a_long_text_goes_out_in_parts_that_share_a_reference():
    office = await Office().open()
    await office.submit(await office.accept(text=LONG))
    payloads = {key[1]: part.payload for key, part in office.carriage.sent}
    headers = {number: payload[:6] for number, payload in payloads.items()}
    assert [header[:3] + header[4:] for header in headers.values()] == [
        b"\x05\x00\x03\x02\x01",
        b"\x05\x00\x03\x02\x02",
    ]
    assert headers[1][3] == headers[2][3]
    assert "".join(payload[6:].decode("utf-16-be") for payload in payloads.values()) == "【示例科技】" + LONG


@story
async def test_two_long_texts_to_one_phone_have_references_of_their_own():
    office = await Office().open()
    ids = [await office.accept(key, LONG) for key in ("k1", "k2")]
    submitter = office.submitter()
    for id_ in ids:
        await submitter([id_], Lane.BATCH)
    assert len({part.payload[3] for _, part in office.carriage.sent}) == 2


def test_references_of_a_phone_count_on_and_no_more_phones_than_enough_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(submit_messages, "_PHONES_REMEMBERED", 2)
    references, first, other = References(), UUID(int=254), UUID(int=7)
    assert [references.next("a", first), references.next("a", other), references.next("a", other)] == [
        255,
        0,
        1,
    ]
    assert references.next("b", other) == 8
    assert references.next("c", other) == 8
    assert references.next("a", first) == 255
    assert references.next("c", first) == 9


@story
async def test_what_was_sent_before_is_not_sent_again():
    office = await Office().open()
    id_ = await office.accept()
    await office.submit(id_)
    await office.submit(id_, id_)
    assert parts_sent(office, id_) == [1]


@story
async def test_the_same_message_twice_in_a_job_is_sent_once():
    office = await Office().open()
    id_ = await office.accept()
    await office.submit(id_, id_)
    assert parts_sent(office, id_) == [1]


@story
async def test_two_workers_with_the_same_job_send_it_once():
    office = await Office().open()
    ids = [await office.accept(f"k{number}") for number in range(5)]
    await asyncio.gather(office.submit(*ids), office.submit(*ids))
    assert sorted(key[0] for key, _ in office.carriage.sent) == sorted(ids)


@story
async def test_a_message_that_is_cancelled_while_its_job_waits_is_not_sent():
    office = await Office().open()
    id_ = await office.accept()

    async def meanwhile() -> None:
        await cancel(office.store, [id_], reason="by mistake", context=BY)

    office.store.meanwhile = meanwhile
    await office.submit(id_)
    assert office.carriage.sent == []
    assert office.message(id_).status is Status.CANCELLED
    assert office.carriage.used == 0


@story
async def test_a_message_past_its_validity_is_not_sent_and_is_refunded():
    office = await Office().open()
    id_ = await office.accept()
    office.pass_time(days=1)
    await office.submit(id_)
    assert office.carriage.sent == []
    assert office.topics(id_) == ["accepted", "expired"]
    assert isinstance(office.postings()[-1], Refunded)
    assert office.carriage.used == 0


@story
async def test_a_message_whose_day_is_destroyed_cannot_be_sent_and_is_refunded():
    office = await Office().open()
    id_ = await office.accept()
    office.vault.destroy(office.now.date())
    await office.submit(id_)
    assert office.topics(id_) == ["accepted", "expired"]
    assert office.totals().net == 0


@story
async def test_a_suspended_contract_does_not_hold_back_what_was_accepted():
    office = await Office().open()
    id_ = await office.accept()
    await suspend(office.store, account=ACCOUNT, reason="unpaid", context=BY)
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED


@story
async def test_a_refusal_for_good_fails_and_refunds_at_once():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = answering(Refused("0x0000000B"))
    await office.submit(id_)
    assert office.topics(id_) == ["accepted", "submission_started", "submission_refused", "failed"]
    assert office.totals().net == 0
    assert parts_sent(office, id_) == [1]


@story
async def test_a_throttled_part_is_tried_again_with_growing_pauses_and_then_waits_in_the_queue():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = answering(Refused("0x00000058", retryable=True, throttled=True))
    await office.submit(id_)
    assert office.pauses == [0.25, 0.5, 1.0, 2.0]
    assert parts_sent(office, id_) == [1] * 5
    assert office.message(id_).status is Status.ACCEPTED
    assert office.totals().net == 1


@story
async def test_a_part_of_which_no_octet_left_is_tried_again_until_the_link_is_back():
    office = await Office().open()
    id_ = await office.accept()
    answers = iter((NotSent("not bound"), NotSent("not bound"), Taken("C1")))
    office.carriage.script = lambda _part, _key: next(answers)
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED


@story
async def test_a_part_that_may_have_arrived_is_never_tried_again():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = answering(InDoubt("connection lost"))
    await office.submit(id_)
    await office.submit(id_)
    assert parts_sent(office, id_) == [1]
    assert office.message(id_).status is Status.IN_DOUBT


@story
async def test_a_doubt_about_one_part_is_a_doubt_about_the_message_and_the_taken_ids_are_kept():
    office = await Office().open()
    id_ = await office.accept(text=LONG)
    office.carriage.script = lambda _part, key: Taken("C1") if key[1] == 1 else InDoubt("no answer")
    await office.submit(id_)
    state = office.message(id_)
    assert state.status is Status.IN_DOUBT
    assert [part.carrier_id for part in state.taken] == ["C1"]
    assert [row.carrier_id for row in office.store.disk.parts] == ["C1"]


@pytest.mark.parametrize(("terms", "owed"), [(Terms(allowance_segments=100), 2), (BY_RECEIPT, 0)])
@story
async def test_a_message_that_was_taken_in_part_is_refunded_only_where_delivery_is_charged(terms, owed):
    office = await Office(terms=terms).open()
    id_ = await office.accept(text=LONG)
    office.carriage.script = lambda _part, key: Taken("C1") if key[1] == 1 else Refused("0x0000000B")
    await office.submit(id_)
    assert office.message(id_).status is Status.FAILED
    assert office.totals().net == owed


@story
async def test_a_message_of_which_some_parts_never_left_is_in_doubt_not_sent_again():
    office = await Office().open()
    id_ = await office.accept(text=LONG)
    office.carriage.script = lambda _part, key: Taken("C1") if key[1] == 1 else NotSent("not bound")
    await office.submit(id_)
    assert office.message(id_).status is Status.IN_DOUBT


@story
async def test_a_message_a_person_wants_sent_again_is_sent_again():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = answering(InDoubt("no answer"))
    await office.submit(id_)
    await resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)
    office.carriage.script = None
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED
    assert parts_sent(office, id_) == [1, 1]


@story
async def test_an_answer_that_comes_after_the_sweep_gave_up_waiting_still_counts():
    office = await Office().open()
    id_ = await office.accept()

    async def slow(part: Part, key: PartKey) -> Taken:
        await doubt_abandoned(office.store, [id_], context=BY)
        return Taken("C1")

    office.carriage.script = slow
    await office.submit(id_)
    assert office.topics(id_)[-2:] == ["submission_in_doubt", "submitted"]


@story
async def test_a_receipt_that_comes_before_the_record_of_its_answer_is_not_overwritten():
    office = await Office().open()
    id_ = await office.accept()

    async def doubtful_then_delivered() -> None:
        await doubt_abandoned(office.store, [id_], context=BY)
        await office.recorder.match_doubtful()

    await office.report(("C1", "DELIVRD"))

    def take(part: Part, key: PartKey) -> Taken:
        office.store.meanwhile = doubtful_then_delivered
        return Taken("C1")

    office.carriage.script = take
    await office.submit(id_)
    assert office.message(id_).status is Status.DELIVERED


# Answers that are recorded late: the worker was frozen, or the database away.


def overtaken(office: Office, id_: UUID, *decisions: Callable[[], Awaitable[object]]) -> None:
    """Before the next commit another worker doubts the message, and then this happens."""

    async def meanwhile() -> None:
        await doubt_abandoned(office.store, [id_], context=BY)
        for decision in decisions:
            await decision()

    office.store.meanwhile = meanwhile


def once_overtaken(
    office: Office, id_: UUID, answer: Script, *decisions: Callable[[], Awaitable[object]]
) -> None:
    """The first attempt is answered so, and overtaken before its answers are recorded."""

    def reply(part: Part, key: PartKey) -> Answer:
        if key.part == 1:
            overtaken(office, id_, *decisions)
        given = answer(part, key)
        assert isinstance(given, Answer)
        return given

    office.carriage.script = reply


def resend(office: Office, id_: UUID) -> Callable[[], Awaitable[object]]:
    return lambda: resolve_doubt(office.store, id_, resend=True, reason="asked the carrier", context=BY)


def give_up(office: Office, id_: UUID) -> Callable[[], Awaitable[object]]:
    return lambda: resolve_doubt(office.store, id_, resend=False, reason="too late", context=BY)


def start_elsewhere(office: Office, id_: UUID) -> Callable[[], Awaitable[object]]:
    """Another worker begins the next attempt, over another link, and waits for its answer."""

    async def start() -> None:
        history = office.store.disk.history(id_)
        events = office.message(id_).start_submission(link="other", now=office.now)
        await office.store.commit([Entry(stream=id_, version=history[-1].version, context=BY, events=events)])

    return start


NOT_TAKEN = [
    NotSent("link closed", ended=True),
    Refused("0x00000058", retryable=True, throttled=True),
    Refused("0x0000000B"),
]


@pytest.mark.parametrize("answer", [*NOT_TAKEN, InDoubt("no answer")])
@story
async def test_an_answer_that_is_recorded_after_a_resend_began_leaves_the_new_attempt_alone(answer):
    office = await Office().open()
    id_ = await office.accept()
    once_overtaken(office, id_, answering(answer), resend(office, id_), start_elsewhere(office, id_))
    await office.submit(id_)
    state = office.message(id_)
    assert (state.status, state.attempt) == (Status.SUBMITTING, 2)
    assert office.topics(id_)[-1] == "submission_started"


@story
async def test_what_was_taken_before_a_resend_began_is_found_by_its_receipt_and_is_not_the_resend_s_answer():
    office = await Office().open()
    id_ = await office.accept()
    once_overtaken(office, id_, answering(Taken("C1")), resend(office, id_), start_elsewhere(office, id_))
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTING
    await office.report(("C1", "DELIVRD"))
    assert office.message(id_).status is Status.DELIVERED


@story
async def test_what_turns_out_to_have_been_taken_is_not_sent_again_though_a_person_said_so():
    office = await Office().open()
    id_ = await office.accept()
    once_overtaken(office, id_, answering(Taken("C1")), resend(office, id_))
    await office.submit(id_)
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED
    assert parts_sent(office, id_) == [1]


@pytest.mark.parametrize("answer", NOT_TAKEN[:2])
@story
async def test_what_turns_out_not_to_have_been_taken_leaves_doubt_and_is_sent_again(answer):
    office = await Office().open()
    id_ = await office.accept()
    answers = iter((answer,) * 5)
    once_overtaken(office, id_, lambda _part, _key: next(answers))
    await office.submit(id_)
    assert office.topics(id_)[-2:] == ["submission_in_doubt", "submission_refused"]
    assert office.message(id_).status is Status.ACCEPTED
    office.carriage.script = None
    await office.submit(id_)
    assert office.message(id_).status is Status.SUBMITTED


@story
async def test_a_refusal_for_good_ends_a_doubt_and_refunds():
    office = await Office().open()
    id_ = await office.accept()
    once_overtaken(office, id_, answering(Refused("0x0000000B")))
    await office.submit(id_)
    assert office.message(id_).status is Status.FAILED
    assert office.totals().net == 0


@pytest.mark.parametrize("first", [Taken("C1"), InDoubt("no answer")])
@pytest.mark.parametrize("second", NOT_TAKEN)
@story
async def test_a_long_message_stays_in_doubt_where_a_part_was_taken_or_not_answered(first, second):
    office = await Office().open()
    id_ = await office.accept(text=LONG)
    once_overtaken(office, id_, lambda _part, key: first if key.part == 1 else second)
    await office.submit(id_)
    state = office.message(id_)
    assert state.status is Status.IN_DOUBT
    assert [part.carrier_id for part in state.taken] == (["C1"] if isinstance(first, Taken) else [])


@pytest.mark.parametrize("answer", [*NOT_TAKEN, InDoubt("no answer"), Taken("C1")])
@story
async def test_an_answer_that_is_recorded_after_a_person_gave_up_changes_nothing(answer):
    office = await Office().open()
    id_ = await office.accept()
    once_overtaken(office, id_, answering(answer), give_up(office, id_))
    await office.submit(id_)
    assert office.message(id_).status is Status.FAILED
    assert office.topics(id_)[-1] == "failed"


@pytest.mark.parametrize("answer", [*NOT_TAKEN, InDoubt("no answer"), Taken("C1")])
@story
async def test_an_answer_that_is_recorded_after_a_receipt_said_delivered_changes_nothing(answer):
    office = await Office().open()
    id_ = await office.accept()
    await office.report(("X1", "DELIVRD"))
    once_overtaken(office, id_, answering(answer), office.recorder.match_doubtful)
    await office.submit(id_)
    assert office.message(id_).status is Status.DELIVERED
    assert office.topics(id_)[-1] == "delivered"


@story
async def test_what_the_carrier_refused_and_reported_on_stays_in_doubt():
    office = await Office().open()
    id_ = await office.accept()
    await office.report(("X1", "ACCEPTD"))
    once_overtaken(office, id_, answering(NOT_TAKEN[0]), office.recorder.match_doubtful)
    await office.submit(id_)
    assert office.topics(id_)[-1] == "receipt_recorded"
    assert office.message(id_).status is Status.IN_DOUBT


@story
async def test_a_refusal_whose_record_was_done_though_its_answer_was_lost_is_not_the_next_attempt_s():
    office = await Office().open()
    id_ = await office.accept()

    def refuse(part: Part, key: PartKey) -> Refused:
        office.store.answers_once_lost = True
        office.store.meanwhile = start_elsewhere(office, id_)
        return Refused("0x00000058", retryable=True)

    answers = iter((NotSent("not bound"),) * 4)
    office.carriage.script = lambda part, key: next(answers, None) or refuse(part, key)
    await office.submit(id_)
    state = office.message(id_)
    assert (state.status, state.attempt) == (Status.SUBMITTING, 2)


# Neighbours.


@story
async def test_a_message_that_fails_unexpectedly_harms_none_of_its_neighbours():
    office = await Office().open()
    good = [await office.accept(f"good-{number}") for number in range(3)]
    bad = await office.accept("bad", phone=OTHER_PHONE)

    async def answer(part: Part, key: PartKey) -> Taken | RuntimeError:
        if key[0] == bad:
            return RuntimeError("broken")
        await asyncio.sleep(1)
        return Taken(f"C-{key[0]}")

    office.carriage.script = answer
    with pytest.raises(RuntimeError, match="broken"):
        await office.submit(good[0], bad, *good[1:])
    assert {office.message(id_).status for id_ in good} == {Status.SUBMITTED}
    assert office.carriage.used == 0


@story
async def test_a_neighbour_that_waits_for_its_place_is_sent_though_another_failed():
    office = await Office().open()
    office.carriage.window = 1
    bad, good = await office.accept("bad"), await office.accept("good", phone=OTHER_PHONE)

    async def answer(part: Part, key: PartKey) -> Taken | RuntimeError:
        await asyncio.sleep(1)
        return RuntimeError("broken") if key[0] == bad else Taken("C1")

    office.carriage.script = answer
    with pytest.raises(RuntimeError, match="broken"):
        await office.submit(bad, good)
    assert office.message(good).status is Status.SUBMITTED
    assert office.carriage.used == 0


@story
async def test_a_link_that_takes_nothing_more_leaves_the_rest_of_the_job_waiting():
    office = await Office().open()
    office.carriage.ends_after = 2
    ids = [await office.accept(f"k{number}") for number in range(4)]
    assert await office.submitter()(ids, Lane.REALTIME) is False
    assert [office.message(id_).status for id_ in ids] == [Status.SUBMITTED] * 2 + [Status.ACCEPTED] * 2
    assert office.carriage.used == 0


@story
async def test_a_part_is_not_offered_again_to_a_link_that_has_ended():
    office = await Office().open()
    id_ = await office.accept()
    office.carriage.script = answering(NotSent("link closed", ended=True))
    await office.submit(id_)
    assert parts_sent(office, id_) == [1]
    assert office.message(id_).status is Status.ACCEPTED


@story
async def test_a_start_whose_answer_was_lost_is_known_again_by_its_submitter_only():
    office = await Office().open()
    id_ = await office.accept()
    office.store.answers_once_lost = True
    await office.submit(id_)
    assert office.topics(id_) == ["accepted", "submission_started", "submitted"]
    assert parts_sent(office, id_) == [1]


@story
async def test_sealed_data_that_somebody_altered_is_not_sent_and_its_neighbours_are():
    office = await Office().open()
    altered, good = await office.accept("altered"), await office.accept("good")
    place = (office.now.date(), altered)
    sealed = office.store.disk.sealed
    sealed[place] = replace(sealed[place], ciphertext=sealed[place].ciphertext + b"!")
    with pytest.raises(ValueError, match="digest"):
        await office.submit(altered, good)
    assert office.message(good).status is Status.SUBMITTED
    assert office.message(altered).status is Status.ACCEPTED
    assert office.carriage.used == 0
