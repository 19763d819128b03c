"""A link in a process that stands still for a while, frozen or starved: what came meanwhile counts."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvloop

from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.traffic import Answer, LinkPhase, LinkState, Taken
from infrastructure.simulator.wire import Pdu, build, parse, split
from tests.infrastructure.carriers.rig import desk, part, settings, until

HASTY = build(Pdu("bind_transceiver_resp", 1, 0, {"system_id": "HASTY"}))


@contextmanager
def carrier_in_a_thread(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """It goes on while our loop stands still; yields the port."""

    def accept(listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                serve(client)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_part_that_a_connection_took_while_we_gave_up_connecting_is_answered():
    def let_in_and_be_silent(client: socket.socket) -> None:
        client.sendall(HASTY)
        while client.recv(4096):
            pass

    async def play(port: int) -> None:
        answers: list[asyncio.Future[Answer]] = []

        def stand_still(state: LinkState) -> None:
            if state.phase is LinkPhase.BOUND and not answers:
                answers.append(link.submit(part()))
                time.sleep(0.3)

        link = CarrierLink(
            settings(port, connect_timeout_seconds=0.2, response_timeout_seconds=60.0),
            store_receipts=asyncio.sleep,  # type: ignore[arg-type]
            on_state=stand_still,
            clock=time.monotonic,
            random=random.random,
        )
        running = asyncio.create_task(link.run())
        await until(lambda: answers)
        await link.ready()
        await link.close()
        await running
        async with asyncio.timeout(10):
            await answers[0]

    with carrier_in_a_thread(let_in_and_be_silent) as port:
        uvloop.run(play(port))


def test_an_answer_that_came_while_the_process_stood_still_is_not_late():
    stands_still, answered = threading.Event(), threading.Event()

    def answer(client: socket.socket) -> None:
        client.sendall(HASTY)
        buffer = bytearray()
        while data := client.recv(4096):
            buffer += data
            for pdu in map(parse, split(buffer)):
                if pdu.command == "submit_sm" and stands_still.wait(20):
                    client.sendall(build(Pdu("submit_sm_resp", pdu.sequence, 0, {"message_id": "m"})))
                    answered.set()
                elif pdu.command == "unbind":
                    client.sendall(build(Pdu("unbind_resp", pdu.sequence)))

    async def play(port: int) -> None:
        async with desk(port, response_timeout_seconds=0.4) as our:
            await our.link.ready()
            waits = our.link.submit(part())
            await asyncio.sleep(0.01)
            stands_still.set()
            assert answered.wait(20)
            time.sleep(1.5)  # noqa: ASYNC251 - the whole process stands still
            our.link._connection._tick()
            assert not waits.done()
            assert isinstance(await waits, Taken)

    with carrier_in_a_thread(answer) as port:
        asyncio.run(play(port))
