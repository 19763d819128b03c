"""The socket around a session: what a carrier cannot do to us."""

import asyncio
import socket

from infrastructure.carriers.traffic import LinkPhase
from infrastructure.simulator.wire import Pdu, build
from tests.infrastructure.carriers.rig import RawPeer, desk, raw_carrier, until

QUESTIONS = build(Pdu("enquire_link", 1)) * 4_096


def shrink(connection: socket.socket) -> None:
    """Without this the system itself takes some megabytes for a carrier that reads nothing."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, 16_384)


def test_a_carrier_that_asks_for_ever_and_never_reads_is_hung_up_on():
    async def play() -> None:
        bound = asyncio.Event()

        async def ask_for_ever(peer: RawPeer) -> None:
            await peer.let_in()
            shrink(peer.writer.get_extra_info("socket"))
            peer.writer.transport.pause_reading()
            await bound.wait()
            while True:
                peer.writer.write(QUESTIONS)
                await peer.writer.drain()

        async with raw_carrier(ask_for_ever) as port, desk(port, reconnect_min_seconds=60) as our:
            await our.link.ready()
            shrink(our.link._connection._transport.get_extra_info("socket"))
            bound.set()
            await until(lambda: LinkPhase.LOST in our.phases)
            assert our.states[-1].reason == "the carrier does not read our answers"

    asyncio.run(play())
