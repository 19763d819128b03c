"""The project's link and listener against an independent gateway that speaks SGIP 1.2 in both directions."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import InDoubt, LinkPhase, Part, Refused, Reply, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.sgip_gateway import SgipGateway, SgipHabits
from tests.interop.trial import (
    Expected,
    agree_on_answers,
    arrived,
    as_link_says,
    bare,
    exercise,
    left_unanswered,
    link_to,
    long,
    replies,
    send_all,
    sent_to,
    short,
    three_hundred,
)
from tests.support.ports import free_port

EVERY_CODING = three_hundred(codings=("ucs2", "ascii", "gbk"))
STATES = {"0": "DELIVRD", "1": "ACCEPTD", "2": "UNDELIV"}


def three_words(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return "".join(f"{word:010}" for word in taken.sequence)


# A report has no time in it.
EXPECTED = Expected(
    carrier_id=three_words,
    status=lambda stat: STATES[stat.split()[0]],
    error_code=lambda stat: stat.split()[1],
    done_text="",
    done_at=None,
)


def gateway_with(habits: SgipHabits) -> SgipGateway:
    return SgipGateway(habits=habits, sp_port=free_port())


def settings(gateway: SgipGateway, **changes: object) -> dict[str, Any]:
    """A link with what its contract says, and a port to which the gateway comes."""
    given = {
        "protocol": "sgip12",
        "system_id": "spuser",
        "password": "sppass",
        "source_address": "10655001",
        "service_id": "SHILI",
        "corp_id": "12345",
        "node_id": 3010012345,
        "listener_host": "127.0.0.1",
        "listener_port": gateway.sp_port,
        "listener_login": "smguser",
        "listener_password": "smgpass",
    }
    return {**given, **changes}


def run(
    habits: SgipHabits, parts: Sequence[Part], *, receipts_each: int = 1, **changes: object
) -> tuple[SgipGateway, Desk]:
    """All of it: bind, submit, be called, leave."""
    gateway = gateway_with(habits)
    given = settings(gateway, **changes)
    table = asyncio.run(exercise(gateway, parts, EXPECTED, receipts_each=receipts_each, **given))
    return gateway, table


def test_three_hundred_submits_are_taken_and_reported_on():
    gateway, _ = run(SgipHabits(first_sequence=0xFFFFFF80), EVERY_CODING)
    assert len(gateway.taken) == 300
    assert {taken.coding for taken in gateway.taken} == {0, 8, 15}
    assert {taken.source for taken in gateway.taken} == {"10655001", "1065500112", "106550010199"}
    assert gateway.calls > 0


@pytest.mark.parametrize("segments", ["joined", "shredded"])
@pytest.mark.parametrize("receipts", ["before", "later"])
def test_no_border_of_the_stream_and_no_order_of_receipts_matters(
    segments: strict_wire.Segments, receipts: strict_wire.Receipts
):
    habits = SgipHabits(segments=segments, receipts=receipts, answers_in_batches_of=9)
    gateway, _ = run(habits, EVERY_CODING)
    assert len(gateway.taken) == 300


def test_receipts_that_come_twice_come_twice():
    run(SgipHabits(receipts="twice"), EVERY_CODING[::5], receipts_each=2)


def test_a_command_that_is_repeated_octet_for_octet_is_answered_and_stored_once():
    run(SgipHabits(repeats_the_sequence=True, segments="joined"), EVERY_CODING[::5])


def test_refusals_stay_and_throttled_parts_go_again():
    gateway, table = run(SgipHabits(refuses_every=7, throttles_every=40), EVERY_CODING)
    results = Counter(taken.result for taken in gateway.taken)
    assert results[6] > 30
    assert results[33] > 5
    codes = Counter(answer.code for answer in table.answers if isinstance(answer, Refused))
    assert codes == {"6": results[6], "33": results[33]}


def test_what_is_never_answered_is_in_doubt_and_not_sent_again():
    gateway = gateway_with(SgipHabits(silent_every=10))
    answers = asyncio.run(left_unanswered(gateway, EVERY_CODING[:100], EXPECTED, **settings(gateway)))
    assert len(gateway.ignored) == 10
    assert Counter(map(type, answers)) == {Taken: 90, InDoubt: 10}


def test_a_gateway_that_hangs_up_is_met_again():
    gateway, table = run(SgipHabits(leaves_at=50, leaves_unanswered=5), EVERY_CODING[:150])
    assert 5 <= len(gateway.ignored) <= gateway.window
    assert LinkPhase.LOST in table.phases
    assert max(Counter(map(arrived, [*gateway.taken, *gateway.ignored])).values()) == 1


def test_an_idle_link_takes_leave_and_comes_back_without_a_word():
    async def play() -> SgipGateway:
        gateway = gateway_with(SgipHabits())
        async with link_to(gateway, **settings(gateway, keep_alive_seconds=0.03)) as table:
            await until(lambda: len(gateway.lines) >= 4)
            answers = await send_all(table, EVERY_CODING[:30])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 30)
            assert table.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]
        return gateway

    assert asyncio.run(play()).unanswered() == 0


def test_the_counter_wraps_within_its_word():
    async def play() -> None:
        gateway = gateway_with(SgipHabits())
        async with link_to(gateway, **settings(gateway, connection=64)) as table:
            vars(table.link._dialect)["_counter"] = (1 << 26) - 20
            answers = await send_all(table, EVERY_CODING[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)
        counters = [taken.sequence[2] for taken in gateway.taken]
        assert max(counters) == 0xFFFFFFFF
        assert min(counters) == 63 << 26

    asyncio.run(play())


@pytest.mark.parametrize("duplex", [False, True])
@pytest.mark.parametrize("pads_with_spaces", [False, True])
def test_replies_come_as_they_were_written(duplex: bool, pads_with_spaces: bool):
    async def play() -> list[Reply]:
        habits = SgipHabits(segments="shredded", pads_with_spaces=pads_with_spaces, duplex=duplex)
        gateway = gateway_with(habits)
        async with link_to(gateway, **settings(gateway)) as table:
            await table.link.ready()
            gateway.reply(sent)
            await until(lambda: len(table.replies) == len(sent))
        return table.replies

    sent = [*replies(), *replies(prefix="86"), *replies(prefix="+86")]
    got = asyncio.run(play())
    assert bare(got) == as_link_says(sent)
    assert len({reply.carrier_id for reply in got}) == len(sent)


def test_what_becomes_of_a_subscriber_is_answered_and_nothing_more():
    async def play() -> Desk:
        gateway = gateway_with(SgipHabits())
        async with link_to(gateway, **settings(gateway)) as table:
            await table.link.ready()
            told = [gateway.user_report(phone="8613800138000", condition=condition) for condition in range(3)]
            await asyncio.gather(*(each.wait() for each in told))
        return table

    table = asyncio.run(play())
    assert (table.receipts, table.replies) == ([], [])


@pytest.mark.parametrize("refusal", [0, 1, 2, 3, 4, 34])
def test_a_refused_login_says_its_result_and_is_not_repeated_at_once(refusal: int):
    async def play() -> Desk:
        gateway = gateway_with(SgipHabits(refuses_login_with=refusal))
        wrong = {} if refusal else {"password": "wrong"}
        given = settings(gateway, reconnect_min_seconds=60.0, **wrong)
        async with link_to(gateway, **given) as table:
            await until(lambda: LinkPhase.REFUSED in table.phases)
        assert len(gateway.lines) == 1
        return table

    refused = next(state for state in asyncio.run(play()).states if state.phase is LinkPhase.REFUSED)
    assert str(refusal or 1) in refused.reason


@pytest.mark.parametrize(
    ("name", "password", "login_type"),
    [("smguser", "wrong", 2), ("stranger", "smgpass", 2), ("smguser", "smgpass", 1)],
    ids=["password", "name", "type"],
)
def test_a_gateway_that_is_not_ours_is_not_let_in(name: str, password: str, login_type: int):
    async def play() -> None:
        gateway = gateway_with(SgipHabits())
        async with link_to(gateway, **settings(gateway)) as table:
            await table.link.ready()
            assert await gateway.call(name, password, login_type) is None
            assert await gateway.call("smguser", "smgpass") is not None
            await gateway.hang_up(gateway.lines[-1])

    asyncio.run(play())


HABITS = {
    "duplex": SgipHabits(duplex=True),
    "duplex, before": SgipHabits(duplex=True, receipts="before"),
    "a connection for every three": SgipHabits(unbinds_after=3),
    "a body behind the leave": SgipHabits(unbind_answer=bytes(9)),
    "no reserve": SgipHabits(text_of_reserve=b""),
    "a link id in the reserve": SgipHabits(text_of_reserve=b"LINK0001"),
    "spaces": SgipHabits(pads_with_spaces=True),
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_habit_of_gateways_changes_nothing(habits: SgipHabits):
    gateway, _ = run(habits, EVERY_CODING[::5])
    assert len(gateway.taken) == 60


def test_states_and_codes_come_as_the_gateway_writes_them():
    stats = ("0 0", "1 0", "2 25", "2 182", "2 255")
    _, table = run(SgipHabits(stats=stats), EVERY_CODING[:90])
    said = {(receipt.status, receipt.error_code) for receipt in table.receipts}
    assert said == {
        ("DELIVRD", "0"),
        ("ACCEPTD", "0"),
        ("UNDELIV", "25"),
        ("UNDELIV", "182"),
        ("UNDELIV", "255"),
    }


def test_the_parts_of_a_long_message_say_their_place():
    parts = [*long(2), *long(3, reference_octets=2), short(4)]
    gateway, _ = run(SgipHabits(), parts)
    places = sorted((taken.udh or (0, 1, 1))[1:] for taken in gateway.taken)
    assert places == [(1, 1), (3, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3)]
    assert {arrived(taken) for taken in gateway.taken} == {sent_to(part) for part in parts}


def test_two_gateways_come_to_one_port_and_each_is_known_by_its_login():
    async def play() -> None:
        north, south = gateway_with(SgipHabits()), gateway_with(SgipHabits())
        south.sp_port, south.sp_account, south.sp_secret = north.sp_port, "south", "secret"
        other = {"listener_login": "south", "listener_password": "secret"}
        listeners = SgipListeners()
        async with (
            link_to(north, listeners=listeners, **settings(north)) as one,
            link_to(south, listeners=listeners, **settings(south, **other)) as two,
        ):
            await asyncio.gather(send_all(one, EVERY_CODING[:20]), send_all(two, EVERY_CODING[20:50]))
            await until(lambda: (len(one.receipts), len(two.receipts)) == (20, 30))
        for gateway, table in ((north, one), (south, two)):
            assert {three_words(taken) for taken in gateway.taken} == {
                receipt.carrier_id for receipt in table.receipts
            }

    asyncio.run(play())


def test_a_link_that_closes_in_the_midst_of_traffic_leaves_nothing_open():
    async def play() -> None:
        gateway = gateway_with(SgipHabits(answers_in_batches_of=5, receipts="never"))
        async with link_to(gateway, **settings(gateway)) as table:
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
