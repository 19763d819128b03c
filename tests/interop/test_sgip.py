"""The project's link and listener against an independent gateway that speaks SGIP 1.2 in both directions."""

import asyncio
from collections.abc import Mapping

import pytest

from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import LinkPhase, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.sgip_gateway import SgipGateway, SgipHabits
from tests.interop.trial import (
    Expected,
    Trial,
    send_all,
)
from tests.support.ports import free_port

STATES = {"0": "DELIVRD", "1": "ACCEPTD", "2": "UNDELIV"}


def three_words(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return "".join(f"{word:010}" for word in taken.sequence)


def port_of(gateway: SgipGateway) -> Mapping[str, object]:
    """Where the gateway comes to the link."""
    return {"listener_port": gateway.sp_port}


SGIP = Trial(
    name="sgip12",
    make=lambda habits: SgipGateway(habits=habits, sp_port=free_port()),
    habits=SgipHabits,
    given={
        "protocol": "sgip12",
        "system_id": "spuser",
        "password": "sppass",
        "source_address": "10655001",
        "service_id": "SHILI",
        "corp_id": "12345",
        "node_id": 3010012345,
        "listener_host": "127.0.0.1",
        "listener_login": "smguser",
        "listener_password": "smgpass",
    },
    met_at=port_of,
    # A report has no time in it.
    expected=Expected(
        carrier_id=three_words,
        status=lambda stat: STATES[stat.split()[0]],
        error_code=lambda stat: stat.split()[1],
        done_text="",
        done_at=None,
    ),
    late_numbers={"first_sequence": 0xFFFFFF80},
    refused=6,
    throttled=33,
    wrong_logins=[
        ({"password": "wrong"}, "1"),
        *(({"refuses_login_with": result}, str(result)) for result in (1, 2, 3, 4, 34)),
    ],
    ways_to_deliver=[
        {"duplex": duplex, "pads_with_spaces": spaces} for duplex in (False, True) for spaces in (False, True)
    ],
    receipts_when_we_close="never",
)
EVERY_CODING = SGIP.parts


def test_what_the_gateway_has_to_say_it_comes_to_say():
    gateway, table = SGIP.run(SgipHabits(), EVERY_CODING[:30])
    assert gateway.calls > 0
    assert table.phases.count(LinkPhase.BOUND) == 1


def test_a_command_that_is_repeated_octet_for_octet_is_answered_and_stored_once():
    SGIP.run(SgipHabits(repeats_the_sequence=True, segments="joined"), EVERY_CODING[::5])


def test_an_idle_link_takes_leave_and_comes_back_without_a_word():
    async def play() -> SgipGateway:
        gateway = SGIP.make(SgipHabits())
        async with SGIP.link_to(gateway, keep_alive_seconds=0.03) as table:
            await until(lambda: len(gateway.lines) >= 4)
            answers = await send_all(table, EVERY_CODING[:30])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 30)
            assert table.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]
        return gateway

    assert asyncio.run(play()).unanswered() == 0


def test_the_counter_wraps_within_its_word():
    async def play() -> None:
        gateway = SGIP.make(SgipHabits())
        async with SGIP.link_to(gateway, connection=64) as table:
            vars(table.link._dialect)["_counter"] = (1 << 26) - 20
            answers = await send_all(table, EVERY_CODING[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)
        counters = [taken.sequence[2] for taken in gateway.taken]
        assert max(counters) == 0xFFFFFFFF
        assert min(counters) == 63 << 26

    asyncio.run(play())


def test_what_becomes_of_a_subscriber_is_answered_and_nothing_more():
    async def play() -> Desk:
        gateway = SGIP.make(SgipHabits())
        async with SGIP.link_to(gateway) as table:
            await table.link.ready()
            told = [gateway.user_report(phone="8613800138000", condition=condition) for condition in range(3)]
            await asyncio.gather(*(each.wait() for each in told))
        return table

    table = asyncio.run(play())
    assert (table.receipts, table.replies) == ([], [])


@pytest.mark.parametrize(
    ("name", "password", "login_type"),
    [("smguser", "wrong", 2), ("stranger", "smgpass", 2), ("smguser", "smgpass", 1)],
    ids=["password", "name", "type"],
)
def test_a_gateway_that_is_not_ours_is_not_let_in(name: str, password: str, login_type: int):
    async def play() -> None:
        gateway = SGIP.make(SgipHabits())
        async with SGIP.link_to(gateway) as table:
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
    gateway, _ = SGIP.run(habits, EVERY_CODING[::5])
    assert len(gateway.taken) == 60


def test_states_and_codes_come_as_the_gateway_writes_them():
    stats = ("0 0", "1 0", "2 25", "2 182", "2 255")
    _, table = SGIP.run(SgipHabits(stats=stats), EVERY_CODING[:90])
    said = {(receipt.status, receipt.error_code) for receipt in table.receipts}
    assert said == {
        ("DELIVRD", "0"),
        ("ACCEPTD", "0"),
        ("UNDELIV", "25"),
        ("UNDELIV", "182"),
        ("UNDELIV", "255"),
    }


def test_two_gateways_come_to_one_port_and_each_is_known_by_its_login():
    async def play() -> None:
        north, south = SGIP.make(SgipHabits()), SGIP.make(SgipHabits())
        south.sp_port, south.sp_account, south.sp_secret = north.sp_port, "south", "secret"
        other = {"listener_login": "south", "listener_password": "secret"}
        listeners = SgipListeners()
        async with (
            SGIP.link_to(north, listeners=listeners) as one,
            SGIP.link_to(south, listeners=listeners, **other) as two,
        ):
            await asyncio.gather(send_all(one, EVERY_CODING[:20]), send_all(two, EVERY_CODING[20:50]))
            await until(lambda: (len(one.receipts), len(two.receipts)) == (20, 30))
        for gateway, table in ((north, one), (south, two)):
            assert {three_words(taken) for taken in gateway.taken} == {
                receipt.carrier_id for receipt in table.receipts
            }

    asyncio.run(play())
