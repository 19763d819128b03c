"""Connections that only send and connections that only receive: what went over the ones comes back over the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvloop

from infrastructure.carriers.dialect import BindAnswered, SubmitAnswered
from infrastructure.carriers.dialects import dialect_of
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.traffic import Direction, LinkPhase, NotSent, Refused, Taken
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, serve
from tests.infrastructure.carriers.rig import (
    SYSTEM_ID,
    Desk,
    RawPeer,
    carrier,
    desk,
    part,
    raw_carrier,
    settings,
    until,
)

NOT_SO = {"smpp34": "0x0D", "smgp30": "11"}
WRONG_STATE = {"smpp34": "0x04", "smgp30": "11"}


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
            assert (receives.capacity_when_bound, receives.link.capacity(), receives.link.rate) == (0, 0, 0)
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


def test_a_receipt_that_comes_over_a_connection_that_sends_is_stored_and_acknowledged_there(protocol: str):
    """Nothing in the protocols makes a carrier keep to the login: it is not refused, and never lost."""

    async def play() -> None:
        async with (
            await serve(carrier(protocol=protocol)) as simulator,
            desk(simulator.port, protocol=protocol, direction="send") as sends,
        ):
            await sends.link.ready()
            account = simulator.accounts[SYSTEM_ID]
            await sends.send(part())
            (peer,) = simulator.sessions(SYSTEM_ID)
            peer._receives = True
            account.receivers.append(peer)
            account.pump()
            await until(lambda: simulator.counters.receipts_acked == 1)
            assert len(sends.receipts) == 1

    uvloop.run(play())


@pytest.mark.parametrize(
    ("logins", "direction"),
    [(("send", "receive"), "both"), (("both",), "send"), (("both",), "receive"), (("send",), "receive")],
)
def test_a_login_that_the_account_may_not_make_is_refused_until_it_may(
    protocol: str, logins: tuple[Direction, ...], direction: Direction
):
    async def play() -> None:
        async with (
            await serve(carrier(Script(logins=logins), protocol=protocol)) as simulator,
            desk(simulator.port, protocol=protocol, direction=direction) as our,
        ):
            await until(lambda: our.phases.count(LinkPhase.REFUSED) > 1)
            assert LinkPhase.BOUND not in our.phases
            assert our.states[1].reason == f"bind refused: {NOT_SO[protocol]}"
            simulator.accounts[SYSTEM_ID].script = Script(logins=(direction,))
            await until(lambda: LinkPhase.BOUND in our.phases)

    uvloop.run(play())


@pytest.mark.parametrize("direction", ["send", "receive"])
def test_the_account_s_number_of_senders_says_nothing_about_receivers(protocol: str, direction: Direction):
    async def play() -> None:
        async with await serve(carrier(protocol=protocol)) as simulator:
            simulator.accounts[SYSTEM_ID].allowed_sessions = 1
            async with (
                desk(simulator.port, protocol=protocol, direction="send") as first,
                desk(simulator.port, protocol=protocol, direction=direction, connection=2) as second,
            ):
                await first.link.ready()
                expected = LinkPhase.REFUSED if direction == "send" else LinkPhase.BOUND
                await until(lambda: expected in second.phases)

    uvloop.run(play())


def test_who_may_only_receive_has_its_submits_refused(protocol: str):
    """Not one of ours, which has no place for a part: a client that tries nevertheless."""

    async def play() -> None:
        async with await serve(carrier(protocol=protocol)) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            dialect = dialect_of(settings(simulator.port, protocol=protocol, direction="receive"), china_now)
            writer.write(dialect.bind(1) + dialect.submit(2, part()))
            framer, heard = dialect.framer(), []
            while len(heard) < 2:
                heard += [dialect.hear(frame) for frame in framer.feed(await reader.read(1_000))]
            writer.close()
            assert heard == [BindAnswered(1), SubmitAnswered(2, Refused(WRONG_STATE[protocol]))]
            assert simulator.counters.submitted == 0

    uvloop.run(play())


@pytest.mark.parametrize(("direction", "mode"), [("send", 0), ("receive", 1), ("both", 2)])
def test_smgp_says_it_in_the_octet_behind_account_and_digest(direction: str, mode: int):
    """Header 12, ClientID 8, AuthenticatorClient 16, LoginMode 1: read here without any codec."""

    async def play() -> None:
        logins: list[bytes] = []

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            logins.append(await reader.readexactly(42))
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, desk(port, protocol="smgp30", direction=direction):
            await until(lambda: logins)
        assert (logins[0][4:8], logins[0][36]) == (b"\0\0\0\1", mode)

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
