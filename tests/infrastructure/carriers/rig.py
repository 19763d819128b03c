"""What the tests of the carrier side share: golden PDUs, a link on a real socket, a carrier made of raw octets."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import (
    Answer,
    Key,
    LinkPhase,
    LinkSettings,
    LinkState,
    Part,
    Receipt,
    Reply,
)
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import SimulatorSettings
from infrastructure.simulator.wire import Pdu, build, parse, split

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "smpp34.json").read_text()
)["vectors"]
GOLDEN = {each["name"]: bytes.fromhex(each["hex"]) for each in VECTORS}

SYSTEM_ID, PASSWORD = "tester", "secret08"


def carrier(script: Script | None = None, **changes: object) -> SimulatorSettings:
    """A simulated carrier with one account."""
    return SimulatorSettings(accounts={SYSTEM_ID: PASSWORD}, script=script or Script(), **changes)


def settings(port: int, **changes: object) -> LinkSettings:
    """A link to that account, quick to reconnect."""
    given: dict[str, Any] = {
        "name": "test",
        "host": "127.0.0.1",
        "port": port,
        "system_id": SYSTEM_ID,
        "password": PASSWORD,
        "source_address": "10690001",
        "reconnect_min_seconds": 0.02,
        "reconnect_max_seconds": 0.1,
        "response_timeout_seconds": 10.0,
    }
    return LinkSettings(**{**given, **changes})


def part(number: int = 0, text: str = "您的验证码是123456", **changes: object) -> Part:
    given: dict[str, Any] = {
        "destination": f"861380013{number % 10_000:04d}",
        "payload": text.encode("utf-16-be"),
        "data_coding": 8,
    }
    return Part(**{**given, **changes})


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so; fails after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.002)


class Desk:
    """The caller of a link: keeps what the link brings."""

    def __init__(
        self,
        link_settings: LinkSettings,
        clock: Callable[[], float] = time.monotonic,
        listeners: SgipListeners | None = None,
    ) -> None:
        self.receipts: list[Receipt] = []
        self.batches: list[int] = []
        self.replies: list[Reply] = []
        self.states: list[LinkState] = []
        self.capacity_when_bound = 0
        self.owned = True
        self.late: list[tuple[Key, Answer]] = []
        self.answers: list[Answer] = []
        self.seconds: list[float] = []
        self.store: Callable[[Sequence[Receipt]], Awaitable[None]] = self.keep
        self.link = CarrierLink(
            link_settings,
            store_receipts=lambda batch: self.store(batch),
            store_replies=self.keep_replies,
            on_state=self.note,
            on_late_answer=lambda key, answer: self.late.append((key, answer)),
            on_answer=self.note_answer,
            owned=lambda: self.owned,
            clock=clock,
            random=lambda: 0.5,
            listeners=listeners,
        )

    def note(self, state: LinkState) -> None:
        self.states.append(state)
        if state.phase is LinkPhase.BOUND:
            self.capacity_when_bound = self.link.capacity()

    def note_answer(self, answer: Answer, seconds: float) -> None:
        self.answers.append(answer)
        self.seconds.append(seconds)

    async def keep(self, batch: Sequence[Receipt]) -> None:
        self.receipts.extend(batch)
        self.batches.append(len(batch))

    async def keep_replies(self, batch: Sequence[Reply]) -> None:
        self.replies.extend(batch)

    @property
    def phases(self) -> list[LinkPhase]:
        return [state.phase for state in self.states]

    async def send(self, *parts: Part) -> list[Answer]:
        """Submit all, within capacity, and return the answers in order."""
        futures = []
        for each in parts:
            await self.link.ready()
            futures.append(self.link.submit(each))
        return await asyncio.gather(*futures)


@contextlib.asynccontextmanager
async def desk(
    port: int,
    clock: Callable[[], float] = time.monotonic,
    listeners: SgipListeners | None = None,
    **changes: object,
) -> AsyncIterator[Desk]:
    """A running link, closed at the end."""
    made = Desk(settings(port, **changes), clock, listeners)
    running = asyncio.create_task(made.link.run())
    try:
        yield made
    finally:
        await made.link.close()
        await running


class RawPeer:
    """One connection to a carrier that does exactly what a test says, octet for octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._buffer = bytearray()
        self._frames: list[bytes] = []
        self.writer = writer

    async def read(self) -> Pdu:
        while not self._frames:
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            self._buffer += data
            self._frames = split(self._buffer)
        return parse(self._frames.pop(0))

    async def expect(self, command: str) -> Pdu:
        """Return the next PDU of this command; others are passed over, a farewell is answered and ends the play."""
        while True:
            pdu = await self.read()
            if pdu.command == command:
                return pdu
            if pdu.command == "unbind":
                self.send(Pdu("unbind_resp", pdu.sequence))
                raise EOFError

    def send(self, *pdus: Pdu) -> None:
        self.writer.write(b"".join(build(pdu) for pdu in pdus))

    async def let_in(self) -> None:
        bind = await self.expect("bind_transceiver")
        self.send(Pdu("bind_transceiver_resp", bind.sequence, 0, {"system_id": "RAW"}))


@contextlib.asynccontextmanager
async def raw_carrier(play: Callable[[RawPeer], Awaitable[None]]) -> AsyncIterator[int]:
    """Listen on a free port and `play` with every client; yields the port. A failure of the play fails the test."""
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(RawPeer(reader, writer))
        except (EOFError, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - it is raised in the test below
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
    assert not failures, failures
