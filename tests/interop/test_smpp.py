"""The project's link against an independent centre that speaks SMPP 3.4."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from infrastructure.carriers.dialect import sequences_to
from infrastructure.carriers.traffic import InDoubt, LinkPhase, Part, Refused, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.smpp_gateway import SmppGateway, SmppHabits, hex_id
from tests.interop.trial import (
    DONE_AT,
    Expected,
    agree_on_answers,
    arrived,
    as_link_says,
    bare,
    exercise,
    link_to,
    long,
    replies,
    send_all,
    sent_to,
    short,
    three_hundred,
)

Written = Callable[[int], str]
EVERY_CODING = three_hundred(codings=("ucs2", "ascii"))


def hexadecimal(taken: strict_wire.Taken) -> str:
    """A message id as the centre writes it, where its habits do not say."""
    return hex_id(int.from_bytes(taken.id, "big"))


def decimal(taken: strict_wire.Taken) -> str:
    """A message id in normal form, where answer and receipt differ."""
    return str(int.from_bytes(taken.id, "big"))


def err(stat: str) -> str:
    """What the text says beside a stat."""
    return "000" if stat == "DELIVRD" else "069"


EXPECTED = Expected(carrier_id=hexadecimal, error_code=err)


def settings(**changes: object) -> dict[str, Any]:
    """A link with what its contract says."""
    given = {"system_id": "smppuser", "password": "secret08", "source_address": "10690001"}
    return {**given, **changes}


def run(
    habits: SmppHabits,
    parts: Sequence[Part],
    expected: Expected = EXPECTED,
    *,
    receipts_each: int = 1,
    **changes: object,
) -> tuple[SmppGateway, Desk]:
    """All of it: bind, submit, receive, leave."""
    gateway = SmppGateway(habits=habits)
    given = {**settings(), **changes}
    table = asyncio.run(exercise(gateway, parts, expected, receipts_each=receipts_each, **given))
    return gateway, table


def test_three_hundred_submits_are_taken_and_reported_on():
    gateway, _ = run(SmppHabits(first_id=0xFFFFFFF0), EVERY_CODING)
    assert len(gateway.taken) == 300
    assert {taken.coding for taken in gateway.taken} == {0, 8}
    assert {taken.source for taken in gateway.taken} == {"10690001", "1069000112", "106900010199"}


@pytest.mark.parametrize("segments", ["joined", "shredded"])
@pytest.mark.parametrize("receipts", ["before", "later"])
def test_no_border_of_the_stream_and_no_order_of_receipts_matters(
    segments: strict_wire.Segments, receipts: strict_wire.Receipts
):
    habits = SmppHabits(segments=segments, receipts=receipts, answers_in_batches_of=9)
    gateway, _ = run(habits, EVERY_CODING)
    assert len(gateway.taken) == 300


def test_receipts_that_come_twice_come_twice():
    run(SmppHabits(receipts="twice"), EVERY_CODING[::5], receipts_each=2)


def test_refusals_stay_and_throttled_parts_go_again():
    gateway, table = run(SmppHabits(refuses_every=7, throttles_every=40), EVERY_CODING)
    results = Counter(taken.result for taken in gateway.taken)
    assert results[0x0B] > 30
    assert results[0x58] > 5
    codes = Counter(answer.code for answer in table.answers if isinstance(answer, Refused))
    assert codes == {"0x0B": results[0x0B], "0x58": results[0x58]}


def test_a_sender_of_letters_is_announced_as_such():
    async def play() -> SmppGateway:
        gateway = SmppGateway(access="SHILI")
        async with link_to(gateway, **settings(source_address="SHILI")) as table:
            await send_all(table, [short(number) for number in range(10)])
            await until(lambda: len(table.receipts) == 10)
        return gateway

    assert {taken.source for taken in asyncio.run(play()).taken} == {"SHILI"}


def test_a_part_that_the_centre_could_not_read_may_be_tried_again():
    gateway, table = run(SmppHabits(nacks_every=10), EVERY_CODING[:100])
    nacked = [answer for answer in table.answers if isinstance(answer, Refused)]
    assert nacked == [Refused("0x64", retryable=True)] * 10
    assert len(gateway.taken) == 100


def test_what_is_never_answered_is_in_doubt_and_not_sent_again():
    gateway, table = run(SmppHabits(silent_every=10), EVERY_CODING[:100], response_timeout_seconds=0.4)
    assert len(gateway.ignored) == 10
    assert Counter(type(answer) for answer in table.answers) == {Taken: 90, InDoubt: 10}


def test_a_centre_that_unbinds_is_answered_and_met_again():
    gateway, table = run(SmppHabits(leaves_at=50, leaves_unanswered=5), EVERY_CODING[:150])
    assert len(gateway.lines) == 2
    assert 5 <= len(gateway.ignored) <= gateway.window
    assert LinkPhase.LOST in table.phases
    assert max(Counter(map(arrived, [*gateway.taken, *gateway.ignored])).values()) == 1


def test_the_line_is_tested_from_both_sides():
    async def play() -> SmppGateway:
        gateway = SmppGateway(habits=SmppHabits(tests_the_line_every=3))
        async with link_to(gateway, **settings(keep_alive_seconds=0.05)) as table:
            await send_all(table, EVERY_CODING[:30])
            await until(lambda: gateway.keepalives >= 3)
            assert table.phases.count(LinkPhase.BOUND) == 1
        return gateway

    assert asyncio.run(play()).unanswered() == 0


@pytest.mark.parametrize("first", [0x7FFFFFFF, 0x7FFFFFF0])
def test_the_numbers_of_a_connection_wrap_on_both_sides(first: int):
    async def play() -> None:
        gateway = SmppGateway(habits=SmppHabits(first_sequence=first - 20))
        async with link_to(gateway, **settings()) as table:
            vars(table.link._dialect)["sequences"] = lambda: sequences_to(0x7FFFFFFF, first=first)
            answers = await send_all(table, EVERY_CODING[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)

    asyncio.run(play())


@pytest.mark.parametrize("payload_tlv", [False, True])
def test_replies_come_as_they_were_written(payload_tlv: bool):
    async def play() -> None:
        gateway = SmppGateway(habits=SmppHabits(segments="shredded", payload_tlv=payload_tlv))
        async with link_to(gateway, **settings()) as table:
            await table.link.ready()
            sent = [*replies(), *replies(prefix="86"), *replies(prefix="+86")]
            gateway.reply(sent)
            await until(lambda: len(table.replies) == len(sent))
        assert bare(table.replies) == [dataclasses.replace(each, gsm=True) for each in as_link_says(sent)]
        assert len({reply.sequence for reply in table.replies}) == len(sent)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"password": "wrong"}, "0x0E"),
        ({"system_id": "nobody"}, "0x0F"),
        ({"refuses_login_with": 0x0D}, "0x0D"),
        ({"refuses_login_with": 0x05}, "0x05"),
        ({"refuses_login_with": 0x58}, "0x58"),
    ],
)
def test_a_refused_bind_says_its_status_and_is_not_repeated_at_once(wrong: dict[str, Any], code: str):
    async def play() -> Desk:
        ours = {"reconnect_min_seconds": 60.0, **wrong}
        gateway = SmppGateway(habits=SmppHabits(refuses_login_with=ours.pop("refuses_login_with", 0)))
        async with link_to(gateway, **settings(**ours)) as table:
            await until(lambda: LinkPhase.REFUSED in table.phases)
        assert len(gateway.lines) == 1
        return table

    refused = next(state for state in asyncio.run(play()).states if state.phase is LinkPhase.REFUSED)
    assert code in refused.reason


def told(**changes: object) -> Expected:
    """What a receipt says, where it is not what most say."""
    return dataclasses.replace(EXPECTED, **changes)


SECONDS = {"done_text": "261123172659", "done_at": DONE_AT.replace(second=59)}
NO_DATE = {"done_text": "", "done_at": None}
HABITS: dict[str, tuple[SmppHabits, Expected]] = {
    "seconds in the dates": (SmppHabits(receipt_text="seconds"), told(**SECONDS)),
    "years of four digits": (SmppHabits(receipt_text="four digits"), told(done_text="202611231726")),
    "capital letters": (SmppHabits(receipt_text="upper"), EXPECTED),
    "no text": (SmppHabits(receipt_text="no text"), EXPECTED),
    "id and stat only": (SmppHabits(receipt_text="only stat"), told(error_code=lambda _: "", **NO_DATE)),
    "parameters only": (SmppHabits(receipt_text="empty"), told(error_code=lambda _: "0", **NO_DATE)),
    "parameters beside the text": (SmppHabits(receipt_tlvs=True), EXPECTED),
    "parameters, no class": (SmppHabits(receipt_tlvs=True, esm_class=0), EXPECTED),
    "receipts as data_sm": (SmppHabits(receipt_as_data_sm=True, receipt_tlvs=True), EXPECTED),
    "intermediate": (SmppHabits(esm_class=0x20), EXPECTED),
    "text as a parameter": (SmppHabits(payload_tlv=True), EXPECTED),
    "parameters nobody asked for": (SmppHabits(unasked_tlvs=True), EXPECTED),
    "a question before the welcome": (SmppHabits(enquires_before_bind_answer=True), EXPECTED),
    "no version": (SmppHabits(says_version=False), EXPECTED),
    "commands of its own": (SmppHabits(tests_the_line_every=7, sends_unknown_commands=True), EXPECTED),
}


@pytest.mark.parametrize(("habits", "expected"), HABITS.values(), ids=HABITS)
def test_a_habit_of_centres_changes_nothing(habits: SmppHabits, expected: Expected):
    gateway, _ = run(habits, EVERY_CODING[::5], expected)
    assert len(gateway.taken) == 60


@pytest.mark.parametrize(
    ("id_format", "answer", "receipt"),
    [
        ("resp-hex-dlr-dec", hex_id, str),
        ("resp-hex-dlr-dec", "{:X}".format, "{:010}".format),
        ("resp-dec-hex", str, hex_id),
        ("resp-dec-hex", "{:010}".format, "{:X}".format),
    ],
)
@pytest.mark.parametrize("receipt_tlvs", [False, True])
def test_ids_in_two_ways_of_writing_meet(
    id_format: str, answer: Written, receipt: Written, receipt_tlvs: bool
):
    habits = SmppHabits(
        message_id=answer, receipt_id=receipt, receipt_tlvs=receipt_tlvs, first_id=0x7FFFFFFFFFF
    )
    run(habits, EVERY_CODING[::5], told(carrier_id=decimal), id_format=id_format)


@pytest.mark.parametrize(
    "write", ["{:064d}".format, "f47ac10b-58cc-4372-a567-{:012x}".format, "a/{}@b:c".format]
)
def test_an_id_is_whatever_the_centre_writes(write: Written):
    expected = told(carrier_id=lambda taken: write(int.from_bytes(taken.id, "big")))
    run(SmppHabits(message_id=write, receipt_tlvs=True), EVERY_CODING[::10], expected)
    run(SmppHabits(message_id=write), EVERY_CODING[::10], expected)


def test_stats_come_as_the_centre_writes_them():
    stats = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "ENROUTE")
    for tlvs in (False, True):
        _, table = run(SmppHabits(stats=stats, receipt_tlvs=tlvs), EVERY_CODING[:40])
        assert {receipt.status for receipt in table.receipts} == set(stats)


def test_a_state_that_is_only_a_number_is_the_same_word():
    stats = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
    expected = told(error_code=lambda _: "0", **NO_DATE)
    _, table = run(SmppHabits(stats=stats, receipt_text="empty"), EVERY_CODING[:40], expected)
    assert {receipt.status for receipt in table.receipts} == set(stats)


def test_the_parts_of_a_long_message_say_their_place():
    parts = [*long(2), *long(3, reference_octets=2), short(4)]
    gateway, _ = run(SmppHabits(), parts)
    places = sorted((taken.udh or (0, 1, 1))[1:] for taken in gateway.taken)
    assert places == [(1, 1), (3, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3)]
    assert {arrived(taken) for taken in gateway.taken} == {sent_to(part) for part in parts}


def test_a_link_that_closes_in_the_midst_of_traffic_leaves_nothing_open():
    async def play() -> None:
        gateway = SmppGateway(habits=SmppHabits(answers_in_batches_of=5, receipts="before"))
        async with link_to(gateway, **settings()) as table:
            await table.link.ready()
            futures = [table.link.submit(part) for part in EVERY_CODING[:40]]
            await until(lambda: len(gateway.taken) >= 5)
            await table.link.close()
            answers = [future.result() for future in futures]
            taken = [answer for answer in answers if isinstance(answer, Taken)]
            assert InDoubt not in map(type, answers)
            assert len(taken) == len(gateway.taken)
            sent = [part for part, answer in zip(EVERY_CODING, answers, strict=False) if answer in taken]
            agree_on_answers(gateway, sent, taken, EXPECTED)

    asyncio.run(play())
