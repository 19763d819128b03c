"""The project's link against an independent centre that speaks SMPP 3.4."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from infrastructure.carriers.traffic import Refused
from tests.infrastructure.carriers.rig import until
from tests.interop import strict_wire
from tests.interop.smpp_gateway import SmppGateway, SmppHabits, hex_id
from tests.interop.trial import (
    DONE_AT,
    Expected,
    Trial,
    send_all,
    short,
)

Written = Callable[[int], str]


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
SMPP = Trial(
    name="smpp34",
    make=lambda habits: SmppGateway(habits=habits),
    habits=SmppHabits,
    given={"system_id": "smppuser", "password": "secret08", "source_address": "10690001"},
    expected=EXPECTED,
    codings=("ucs2", "ascii"),
    late_numbers={"first_id": 0xFFFFFFF0},
    refused=0x0B,
    throttled=0x58,
    code="0x{:02X}".format,
    sequences=(1, 0x7FFFFFFF),
    wrong_logins=[
        ({"password": "wrong"}, "0x0E"),
        ({"system_id": "nobody"}, "0x0F"),
        ({"refuses_login_with": 0x0D}, "0x0D"),
        ({"refuses_login_with": 0x05}, "0x05"),
        ({"refuses_login_with": 0x58}, "0x58"),
    ],
    ways_to_deliver=[{"payload_tlv": False}, {"payload_tlv": True}],
    name_of_reply=lambda reply: reply.sequence,
    also_of_replies={"gsm": True},
)
EVERY_CODING = SMPP.parts


def test_a_sender_of_letters_is_announced_as_such():
    async def play() -> SmppGateway:
        gateway = SmppGateway(access="SHILI")
        async with SMPP.link_to(gateway, source_address="SHILI") as table:
            await send_all(table, [short(number) for number in range(10)])
            await until(lambda: len(table.receipts) == 10)
        return gateway

    assert {taken.source for taken in asyncio.run(play()).taken} == {"SHILI"}


def test_a_part_that_the_centre_could_not_read_may_be_tried_again():
    gateway, table = SMPP.run(SmppHabits(nacks_every=10), EVERY_CODING[:100])
    nacked = [answer for answer in table.answers if isinstance(answer, Refused)]
    assert nacked == [Refused("0x64", retryable=True)] * 10
    assert len(gateway.taken) == 100


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
    gateway, _ = SMPP.run(habits, EVERY_CODING[::5], expected)
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
    SMPP.run(habits, EVERY_CODING[::5], told(carrier_id=decimal), id_format=id_format)


@pytest.mark.parametrize(
    "write", ["{:064d}".format, "f47ac10b-58cc-4372-a567-{:012x}".format, "a/{}@b:c".format]
)
def test_an_id_is_whatever_the_centre_writes(write: Written):
    expected = told(carrier_id=lambda taken: write(int.from_bytes(taken.id, "big")))
    SMPP.run(SmppHabits(message_id=write, receipt_tlvs=True), EVERY_CODING[::10], expected)
    SMPP.run(SmppHabits(message_id=write), EVERY_CODING[::10], expected)


def test_stats_come_as_the_centre_writes_them():
    stats = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "ENROUTE")
    for tlvs in (False, True):
        _, table = SMPP.run(SmppHabits(stats=stats, receipt_tlvs=tlvs), EVERY_CODING[:40])
        assert {receipt.status for receipt in table.receipts} == set(stats)


def test_a_state_that_is_only_a_number_is_the_same_word():
    stats = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
    expected = told(error_code=lambda _: "0", **NO_DATE)
    _, table = SMPP.run(SmppHabits(stats=stats, receipt_text="empty"), EVERY_CODING[:40], expected)
    assert {receipt.status for receipt in table.receipts} == set(stats)
