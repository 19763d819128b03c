"""The project's link against an independent gateway that speaks CMPP 2.0 and 3.0."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from infrastructure.carriers.traffic import InDoubt, LinkPhase, Part, Refused, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.cmpp_gateway import CmppGateway, CmppHabits
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

VERSIONS = {0x20: "cmpp20", 0x30: "cmpp30"}
EVERY_CODING = three_hundred(codings=("ucs2", "ascii", "gbk"))


@pytest.fixture(params=list(VERSIONS), ids=VERSIONS.get)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def decimal(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return str(int.from_bytes(taken.id, "big"))


EXPECTED = Expected(carrier_id=decimal)


def settings(version: int, **changes: object) -> dict[str, Any]:
    """A link of that version with what its contract says."""
    given = {
        "protocol": VERSIONS[version],
        "system_id": "901234",
        "password": "secret1234",
        "source_address": "10690001",
        "service_id": "SVC001",
    }
    return {**given, **changes}


def run(
    version: int,
    habits: CmppHabits,
    parts: Sequence[Part],
    expected: Expected = EXPECTED,
    *,
    receipts_each: int = 1,
    **changes: object,
) -> tuple[CmppGateway, Desk]:
    """All of it: bind, submit, receive, leave."""
    gateway = CmppGateway(habits=habits, version=version)
    given = {**settings(version), **changes}
    table = asyncio.run(exercise(gateway, parts, expected, receipts_each=receipts_each, **given))
    return gateway, table


def test_three_hundred_submits_are_taken_and_reported_on(version: int):
    gateway, _ = run(version, CmppHabits(first_id=0xBBC5964003E9FFF0), EVERY_CODING)
    assert len(gateway.taken) == 300
    assert {taken.coding for taken in gateway.taken} == {0, 8, 15}
    assert {taken.source for taken in gateway.taken} == {"10690001", "1069000112", "106900010199"}


@pytest.mark.parametrize("segments", ["joined", "shredded"])
@pytest.mark.parametrize("receipts", ["before", "later"])
def test_no_border_of_the_stream_and_no_order_of_receipts_matters(
    version: int, segments: strict_wire.Segments, receipts: strict_wire.Receipts
):
    habits = CmppHabits(segments=segments, receipts=receipts, answers_in_batches_of=9)
    gateway, _ = run(version, habits, EVERY_CODING)
    assert len(gateway.taken) == 300


def test_receipts_that_come_twice_come_twice(version: int):
    run(version, CmppHabits(receipts="twice"), EVERY_CODING[::5], receipts_each=2)


def test_refusals_stay_and_throttled_parts_go_again(version: int):
    gateway, table = run(version, CmppHabits(refuses_every=7, throttles_every=40), EVERY_CODING)
    results = Counter(taken.result for taken in gateway.taken)
    assert results[13] > 30
    assert results[8] > 5
    codes = Counter(answer.code for answer in table.answers if isinstance(answer, Refused))
    assert codes == {"13": results[13], "8": results[8]}


def test_what_is_never_answered_is_in_doubt_and_not_sent_again(version: int):
    habits = CmppHabits(silent_every=10)
    gateway, table = run(version, habits, EVERY_CODING[:100], response_timeout_seconds=0.4)
    assert len(gateway.ignored) == 10
    assert Counter(type(answer) for answer in table.answers) == {Taken: 90, InDoubt: 10}


def test_a_gateway_that_leaves_is_answered_and_met_again(version: int):
    habits = CmppHabits(leaves_at=50, leaves_unanswered=5)
    gateway, table = run(version, habits, EVERY_CODING[:150])
    assert len(gateway.lines) == 2
    assert 5 <= len(gateway.ignored) <= gateway.window
    assert LinkPhase.LOST in table.phases
    assert max(Counter(map(arrived, [*gateway.taken, *gateway.ignored])).values()) == 1


def test_the_line_is_tested_from_both_sides(version: int):
    async def play() -> CmppGateway:
        gateway = CmppGateway(habits=CmppHabits(tests_the_line_every=3), version=version)
        async with link_to(gateway, **settings(version, keep_alive_seconds=0.05)) as table:
            await send_all(table, EVERY_CODING[:30])
            await until(lambda: gateway.keepalives >= 3)
            assert table.phases.count(LinkPhase.BOUND) == 1
        return gateway

    assert asyncio.run(play()).unanswered() == 0


@pytest.mark.parametrize(
    "habits",
    [CmppHabits(keepalive_answer=b""), CmppHabits(answers_keepalive_with_keepalive=True)],
    ids=["without its octet", "with a question"],
)
def test_any_sign_of_life_keeps_the_line(version: int, habits: CmppHabits):
    async def play() -> None:
        gateway = CmppGateway(habits=habits, version=version)
        async with link_to(gateway, **settings(version, keep_alive_seconds=0.03)) as table:
            await until(lambda: gateway.keepalives >= 8)
            assert table.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]

    asyncio.run(play())


@pytest.mark.parametrize("first", [0xFFFFFFFF, 0xFFFFFFF0])
def test_the_numbers_of_a_connection_wrap_on_both_sides(version: int, first: int):
    async def play() -> None:
        gateway = CmppGateway(habits=CmppHabits(first_sequence=first - 20), version=version)
        async with link_to(gateway, **settings(version)) as table:
            count_from(table, first)
            answers = await send_all(table, EVERY_CODING[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)

    asyncio.run(play())


@pytest.mark.parametrize("pads_with_spaces", [False, True])
def test_replies_come_as_they_were_written(version: int, pads_with_spaces: bool):
    async def play() -> None:
        habits = CmppHabits(segments="shredded", pads_with_spaces=pads_with_spaces)
        gateway = CmppGateway(habits=habits, version=version)
        async with link_to(gateway, **settings(version)) as table:
            await table.link.ready()
            sent = [*replies(), *replies(prefix="86"), *replies(prefix="+86")]
            gateway.reply(sent)
            await until(lambda: len(table.replies) == len(sent))
        assert bare(table.replies) == as_link_says(sent)
        assert len({reply.carrier_id for reply in table.replies}) == len(sent)

    asyncio.run(play())


@pytest.mark.parametrize("refusal", [0, 1, 2, 3, 5])
def test_a_refused_login_says_its_status_and_is_not_repeated_at_once(version: int, refusal: int):
    async def play() -> Desk:
        gateway = CmppGateway(habits=CmppHabits(refuses_login_with=refusal), version=version)
        wrong = {} if refusal else {"password": "wrong"}
        async with link_to(gateway, **settings(version, reconnect_min_seconds=60.0, **wrong)) as table:
            await until(lambda: LinkPhase.REFUSED in table.phases)
        assert len(gateway.lines) == 1
        return table

    refused = next(state for state in asyncio.run(play()).states if state.phase is LinkPhase.REFUSED)
    assert str(refusal or 3) in refused.reason


HABITS = {
    "71 octets of report": CmppHabits(report_octets=71),
    "60 octets of report": CmppHabits(report_octets=60),
    "spaces": CmppHabits(pads_with_spaces=True),
    "four octets of status": CmppHabits(status_octets_in_digest=4),
    "one octet of status": CmppHabits(status_octets_in_digest=1),
    "version 2.1": CmppHabits(says_version=0x21),
    "version 3.0": CmppHabits(says_version=0x30),
    "tests the line": CmppHabits(tests_the_line_every=7),
    "its own times": CmppHabits(vendor_times=b"00000000002611231726"),
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_habit_of_gateways_changes_nothing(version: int, habits: CmppHabits):
    gateway, _ = run(version, habits, EVERY_CODING[::5])
    assert len(gateway.taken) == 60


def test_stats_come_as_the_gateway_writes_them(version: int):
    stats = ("DELIVRD", "EXPIRED", "UNDELIV", "REJECTD", "MK:0001", "ID:0076", "BLACK", "DB:0141", "0")
    gateway, table = run(version, CmppHabits(stats=stats), EVERY_CODING[:90])
    assert {receipt.status for receipt in table.receipts} == set(stats)
    assert len(gateway.taken) == 90


def test_the_parts_of_a_long_message_say_their_place(version: int):
    parts = [*long(2), *long(3, reference_octets=2), short(4)]
    gateway, _ = run(version, CmppHabits(), parts)
    places = sorted((taken.udh or (0, 1, 1))[1:] for taken in gateway.taken)
    assert places == [(1, 1), (3, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3)]
    assert {arrived(taken) for taken in gateway.taken} == {sent_to(part) for part in parts}


def test_a_link_that_closes_in_the_midst_of_traffic_leaves_nothing_open(version: int):
    async def play() -> None:
        gateway = CmppGateway(habits=CmppHabits(answers_in_batches_of=5, receipts="before"), version=version)
        async with link_to(gateway, **settings(version)) as table:
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


def test_nothing_is_said_after_leave_is_taken_though_the_gateway_never_answers_it(version: int):
    async def play() -> None:
        gateway = CmppGateway(habits=CmppHabits(lets_go=False), version=version)
        quick = settings(version, keep_alive_seconds=0.03, close_timeout_seconds=0.3)
        async with link_to(gateway, **quick) as table:
            await send_all(table, EVERY_CODING[:10])

    asyncio.run(play())
