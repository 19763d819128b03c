"""Connections that only send and connections that only receive: what went over the ones comes back over the others."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import uvloop

from infrastructure.carriers.traffic import LinkPhase, NotSent, Taken
from infrastructure.simulator.server import Simulator, serve
from tests.infrastructure.carriers.rig import (
    SYSTEM_ID,
    Desk,
    RawPeer,
    carrier,
    desk,
    part,
    raw_carrier,
    until,
)


@pytest.fixture(params=["smpp34", "smgp30"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.asynccontextmanager
async def pair(protocol: str) -> AsyncIterator[tuple[Simulator, Desk, Desk]]:
    """A carrier, a connection that sends, and one that receives."""
    async with (
        await serve(carrier(protocol=protocol)) as simulator,
        desk(simulator.port, protocol=protocol, direction="send") as sends,
        desk(simulator.port, protocol=protocol, direction="receive", connection=2) as receives,
    ):
        await until(lambda: all(LinkPhase.BOUND in each.phases for each in (sends, receives)))
        yield simulator, sends, receives


def test_receipts_and_replies_come_over_the_connection_that_receives(protocol: str):
    async def play() -> None:
        async with pair(protocol) as (simulator, sends, receives):
            answers = await sends.send(*(part(number) for number in range(50)))
            simulator.reply(
                SYSTEM_ID, phone="8613800138000", to="10690001", payload="您好".encode("utf-16-be")
            )
            await until(lambda: len(receives.receipts) == 50 and receives.replies)
            assert {type(answer) for answer in answers} == {Taken}
            assert {each.carrier_id for each in receives.receipts} == {each.carrier_id for each in answers}
            assert (sends.receipts, sends.replies) == ([], [])

    uvloop.run(play())


def test_a_connection_that_receives_never_has_a_place_for_a_part(protocol: str):
    async def play() -> None:
        async with pair(protocol) as (simulator, _, receives):
            assert (receives.capacity_when_bound, receives.link.capacity()) == (0, 0)
            waits = receives.link.submit(part())
            await receives.link.close()
            assert isinstance(await waits, NotSent)
            assert simulator.counters.submitted == 0

    uvloop.run(play())


def test_without_a_receiver_receipts_wait_at_the_carrier(protocol: str):
    async def play() -> None:
        async with await serve(carrier(protocol=protocol)) as simulator:
            async with desk(simulator.port, protocol=protocol, direction="send") as sends:
                await sends.send(part())
                await until(lambda: len(simulator.accounts[SYSTEM_ID]) == 1)
                assert sends.receipts == []
            async with desk(simulator.port, protocol=protocol, direction="receive") as receives:
                await until(lambda: len(receives.receipts) == 1)

    uvloop.run(play())


@pytest.mark.parametrize(
    ("direction", "command"), [("send", "bind_transmitter"), ("receive", "bind_receiver")]
)
def test_smpp_says_it_in_the_command_of_its_bind(direction: str, command: str):
    async def play() -> None:
        heard: list[str] = []

        async def listen(peer: RawPeer) -> None:
            heard.append((await peer.read()).command)

        async with raw_carrier(listen) as port, desk(port, direction=direction):
            await until(lambda: heard)
        assert heard[0] == command

    uvloop.run(play())
