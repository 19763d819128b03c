"""The project's link against an independent gateway that speaks SMGP 3.0."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from infrastructure.carriers.traffic import InDoubt, LinkPhase, Part, Refused, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.smgp_gateway import KEYS, SmgpGateway, SmgpHabits, binary_id
from tests.interop.trial import (
    Expected,
    agree_on_answers,
    arrived,
    as_link_says,
    bare,
    count_from,
    exercise,
    link_to,
    long,
    replies,
    send_all,
    sent_to,
    short,
    three_hundred,
)

EVERY_CODING = three_hundred(codings=("ucs2", "ascii", "gbk"))


def hexadecimal(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return taken.id.hex().upper()


def err(stat: str) -> str:
    """What stands beside a stat, where the habits do not say."""
    return "000" if stat == "DELIVRD" else "999"


EXPECTED = Expected(carrier_id=hexadecimal, error_code=err)


def settings(**changes: object) -> dict[str, Any]:
    """A link with what its contract says."""
    given = {
        "protocol": "smgp30",
        "system_id": "10690001",
        "password": "secret1234",
        "source_address": "10690001",
        "service_id": "SVC001",
        "corp_id": "12345678",
    }
    return {**given, **changes}


def run(
    habits: SmgpHabits,
    parts: Sequence[Part],
    expected: Expected = EXPECTED,
    *,
    receipts_each: int = 1,
    **changes: object,
) -> tuple[SmgpGateway, Desk]:
    """All of it: bind, submit, receive, leave."""
    gateway = SmgpGateway(habits=habits)
    given = {**settings(), **changes}
    table = asyncio.run(exercise(gateway, parts, expected, receipts_each=receipts_each, **given))
    return gateway, table


def test_three_hundred_submits_are_taken_and_reported_on():
    gateway, _ = run(SmgpHabits(first_id=999_850), EVERY_CODING)
    assert len(gateway.taken) == 300
    assert {taken.coding for taken in gateway.taken} == {0, 8, 15}
    assert {taken.source for taken in gateway.taken} == {"10690001", "1069000112", "106900010199"}


@pytest.mark.parametrize("segments", ["joined", "shredded"])
@pytest.mark.parametrize("receipts", ["before", "later"])
def test_no_border_of_the_stream_and_no_order_of_receipts_matters(
    segments: strict_wire.Segments, receipts: strict_wire.Receipts
):
    habits = SmgpHabits(segments=segments, receipts=receipts, answers_in_batches_of=9)
    gateway, _ = run(habits, EVERY_CODING)
    assert len(gateway.taken) == 300


def test_receipts_that_come_twice_come_twice():
    run(SmgpHabits(receipts="twice"), EVERY_CODING[::5], receipts_each=2)


def test_refusals_stay_and_throttled_parts_go_again():
    gateway, table = run(SmgpHabits(refuses_every=7, throttles_every=40), EVERY_CODING)
    results = Counter(taken.result for taken in gateway.taken)
    assert results[47] > 30
    assert results[1] > 5
    codes = Counter(answer.code for answer in table.answers if isinstance(answer, Refused))
    assert codes == {"47": results[47], "1": results[1]}


def test_what_is_never_answered_is_in_doubt_and_not_sent_again():
    habits = SmgpHabits(silent_every=10)
    gateway, table = run(habits, EVERY_CODING[:100], response_timeout_seconds=0.4)
    assert len(gateway.ignored) == 10
    assert Counter(type(answer) for answer in table.answers) == {Taken: 90, InDoubt: 10}


def test_a_gateway_that_leaves_is_answered_and_met_again():
    habits = SmgpHabits(leaves_at=50, leaves_unanswered=5)
    gateway, table = run(habits, EVERY_CODING[:150])
    assert len(gateway.lines) == 2
    assert 5 <= len(gateway.ignored) <= gateway.window
    assert LinkPhase.LOST in table.phases
    assert max(Counter(map(arrived, [*gateway.taken, *gateway.ignored])).values()) == 1


def test_the_line_is_tested_from_both_sides():
    async def play() -> SmgpGateway:
        gateway = SmgpGateway(habits=SmgpHabits(tests_the_line_every=3))
        async with link_to(gateway, **settings(keep_alive_seconds=0.05)) as table:
            await send_all(table, EVERY_CODING[:30])
            await until(lambda: gateway.keepalives >= 3)
            assert table.phases.count(LinkPhase.BOUND) == 1
        return gateway

    assert asyncio.run(play()).unanswered() == 0


@pytest.mark.parametrize("first", [0xFFFFFFFF, 0xFFFFFFF0])
def test_the_numbers_of_a_connection_wrap_on_both_sides(first: int):
    async def play() -> None:
        gateway = SmgpGateway(habits=SmgpHabits(first_sequence=first - 20))
        async with link_to(gateway, **settings()) as table:
            count_from(table, first)
            answers = await send_all(table, EVERY_CODING[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)

    asyncio.run(play())


@pytest.mark.parametrize("pads_with_spaces", [False, True])
def test_replies_come_as_they_were_written(pads_with_spaces: bool):
    async def play() -> None:
        habits = SmgpHabits(segments="shredded", pads_with_spaces=pads_with_spaces)
        gateway = SmgpGateway(habits=habits)
        async with link_to(gateway, **settings()) as table:
            await table.link.ready()
            sent = [*replies(), *replies(prefix="86"), *replies(prefix="+86")]
            gateway.reply(sent)
            await until(lambda: len(table.replies) == len(sent))
        assert bare(table.replies) == as_link_says(sent)
        assert len({reply.carrier_id for reply in table.replies}) == len(sent)

    asyncio.run(play())


@pytest.mark.parametrize("refusal", [0, 1, 2, 20, 21, 22, 128])
def test_a_refused_login_says_its_status_and_is_not_repeated_at_once(refusal: int):
    async def play() -> Desk:
        gateway = SmgpGateway(habits=SmgpHabits(refuses_login_with=refusal))
        wrong = {} if refusal else {"password": "wrong"}
        async with link_to(gateway, **settings(reconnect_min_seconds=60.0, **wrong)) as table:
            await until(lambda: LinkPhase.REFUSED in table.phases)
        assert len(gateway.lines) == 1
        return table

    refused = next(state for state in asyncio.run(play()).states if state.phase is LinkPhase.REFUSED)
    assert str(refusal or 21) in refused.reason


HABITS = {
    **{f"keys: {keys}": SmgpHabits(keys=keys) for keys in KEYS},
    "id in digits": SmgpHabits(id_in_hex=True),
    "id in digits, keys: lower": SmgpHabits(id_in_hex=True, keys="lower"),
    "ids of any octets": SmgpHabits(message_id=binary_id, own_id=binary_id),
    "no text": SmgpHabits(text=b""),
    "a text that looks like keys": SmgpHabits(text=b"020 stat:REJECTD err"),
    "parameters nobody asked for": SmgpHabits(unasked_tlvs=True),
    "spaces": SmgpHabits(pads_with_spaces=True),
    "one octet of status": SmgpHabits(status_octets_in_digest=1),
    "version 1.3": SmgpHabits(says_version=0x13),
    "tests the line": SmgpHabits(tests_the_line_every=7),
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_habit_of_gateways_changes_nothing(habits: SmgpHabits):
    gateway, _ = run(habits, EVERY_CODING[::5])
    assert len(gateway.taken) == 60


def test_stats_come_as_the_gateway_writes_them():
    stats = ("DELIVRD", "EXPIRED", "UNDELIV", "REJECTD", "MK:0001", "ID:0076", "BLACK", "DB:0141", "0")
    gateway, table = run(SmgpHabits(stats=stats), EVERY_CODING[:90])
    assert {receipt.status for receipt in table.receipts} == set(stats)
    assert len(gateway.taken) == 90


def test_codes_beyond_the_document_come_as_they_are():
    run(
        SmgpHabits(stats=("UNDELIV",), err="601"),
        EVERY_CODING[:9],
        Expected(carrier_id=hexadecimal, error_code=lambda _: "601"),
    )


def test_the_parts_of_a_long_message_say_their_place():
    parts = [*long(2), *long(3, reference_octets=2), short(4)]
    gateway, _ = run(SmgpHabits(), parts)
    places = sorted((taken.udh or (0, 1, 1))[1:] for taken in gateway.taken)
    assert places == [(1, 1), (3, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3)]
    assert {arrived(taken) for taken in gateway.taken} == {sent_to(part) for part in parts}


def test_a_link_that_closes_in_the_midst_of_traffic_leaves_nothing_open():
    async def play() -> None:
        gateway = SmgpGateway(habits=SmgpHabits(answers_in_batches_of=5, receipts="before"))
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


def test_nothing_is_said_after_leave_is_taken_though_the_gateway_never_answers_it():
    async def play() -> None:
        gateway = SmgpGateway(habits=SmgpHabits(lets_go=False))
        quick = settings(keep_alive_seconds=0.03, close_timeout_seconds=0.3)
        async with link_to(gateway, **quick) as table:
            await send_all(table, EVERY_CODING[:10])

    asyncio.run(play())
