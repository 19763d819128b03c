"""A load generator for HTTP that costs little itself: prepared requests over keep-alive connections.

It runs as a process of its own, so that what is measured and what measures do not share an interpreter.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast

import uvloop


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to send: `connections` at once, each its next request as soon as the last one is answered."""

    host: str
    ports: tuple[int, ...]
    """Connections are spread over them in turn, as a balancer would."""
    connections: int
    seconds: float
    path: str
    token: str
    body: Callable[[int], bytes]
    most: int = sys.maxsize
    """Requests altogether, whatever time is left."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came back: seconds of each answer, how many had which status, and the time all took."""

    seconds: list[float]
    statuses: dict[int, int]
    elapsed: float
    first_body: bytes


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the answer is complete."""

    def __init__(
        self, requests: Iterator[bytes], until: float, note: Callable[[float, int, bytes], None]
    ) -> None:
        self._requests, self._until, self._note = requests, until, note
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all of the methods and none of the base classes.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._until else None
        if request is None:
            self._finish()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        length_at = head.find(b"content-length:")
        length = int(head[length_at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < head_end + 4 + length:
            return
        body = self._buffer[head_end + 4 : head_end + 4 + length]
        self._buffer = self._buffer[head_end + 4 + length :]
        self._note(time.perf_counter() - self._sent, int(head[9:12]), body)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def _run(load: Load) -> Answers:
    seconds: list[float] = []
    statuses: dict[int, int] = {}
    first: list[bytes] = []

    def note(took: float, status: int, body: bytes) -> None:
        seconds.append(took)
        statuses[status] = statuses.get(status, 0) + 1
        if not first:
            first.append(body)

    loop = asyncio.get_running_loop()
    requests = _requests(load)
    start = time.perf_counter()
    clients = []
    for number in range(load.connections):
        _, client = await loop.create_connection(
            lambda: _Client(requests, start + load.seconds, note),
            load.host,
            load.ports[number % len(load.ports)],
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    return Answers(
        seconds=seconds,
        statuses=statuses,
        elapsed=time.perf_counter() - start,
        first_body=first[0] if first else b"",
    )


def _requests(load: Load) -> Iterator[bytes]:
    head = (
        f"POST {load.path} HTTP/1.1\r\nHost: {load.host}\r\nAuthorization: Bearer {load.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    for number in range(load.most):
        body = load.body(number)
        yield b"%s%d\r\n\r\n%s" % (head, len(body), body)


def _child(load: Load, pipe: Connection) -> None:
    pipe.send(uvloop.run(_run(load)))


def apply(load: Load) -> Answers:
    """Put the load on from a process of its own and wait for it."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(load, there))
    process.start()
    answers: Answers = here.recv()
    process.join()
    return answers


def test_phone(number: int) -> str:
    """Test numbers of the three carriers in turn."""
    prefix = ("1380013", "1300013", "1890018")[number % 3]
    return f"{prefix}{number // 3 % 10_000:04d}"


def single_body(number: int) -> bytes:
    """One message: a test number and a text that differs."""
    return json.dumps(
        {
            "phone": test_phone(number),
            "signature": "示例科技",
            "text": f"尊敬的客户，您的验证码是{number:06d}，五分钟内有效。",
            "category": "otp",
        },
        ensure_ascii=False,
    ).encode()


def bulk_body(number: int, *, batch: str, size: int = 1_000) -> bytes:
    """A bulk call of different texts to test numbers."""
    start = number * size
    messages = [
        {
            "phone": test_phone(start + i),
            "signature": "示例科技",
            "text": f"尊敬的客户，您第{start + i}号账单已出，请及时查看。",
        }
        for i in range(size)
    ]
    return json.dumps({"batch": batch, "messages": messages}, ensure_ascii=False).encode()
