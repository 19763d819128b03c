"""What the benchmarks of links share: their settings, their parts, and a link that counts what it brings."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Sequence

import psutil

from bench.support.fast_carrier import LOGIN, PASSWORD, SOURCE
from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import Answer, LinkSettings, LinkState, Part, Receipt

PROTOCOLS = ("smpp34", "cmpp20", "cmpp30", "sgip12", "smgp30")
CARRIER_COMES = frozenset({"sgip12"})
SYSTEM_ID = "901234"
TEXT = "【测试】您的验证码是123456，五分钟内有效。".encode("utf-16-be")
PHONES = [f"861380013{number:04d}" for number in range(10_000)]

Figures = dict[str, float]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def settings(
    protocol: str, port: int, *, window: int, listener: int = 0, name: str = "bench"
) -> LinkSettings:
    """A link to an account of a carrier of the benchmarks."""
    return LinkSettings(
        name=name,
        host="127.0.0.1",
        port=port,
        protocol=protocol,
        system_id=SYSTEM_ID,
        password=PASSWORD,
        source_address=SOURCE,
        window=window,
        listener_host="127.0.0.1" if listener else "",
        listener_port=listener,
        listener_login=LOGIN,
        listener_password=PASSWORD,
    )


def part(number: int) -> Part:
    """A one-time password to one of ten thousand phones."""
    return Part(destination=PHONES[number % len(PHONES)], payload=TEXT, data_coding=8, validity_seconds=3_600)


class Meter:
    """A link, the receipts it brought, and what became of it."""

    def __init__(self, of_link: LinkSettings, listeners: SgipListeners | None = None) -> None:
        self.receipts: list[Receipt] = []
        self.states: list[LinkState] = []
        self._more = asyncio.Event()
        self.link = CarrierLink(
            of_link,
            store_receipts=self._store,
            on_state=self.states.append,
            clock=time.monotonic,
            random=random.random,
            listeners=listeners,
        )

    async def _store(self, batch: Sequence[Receipt]) -> None:
        self.receipts += batch
        self._more.set()

    async def receipts_are(self, number: int) -> None:
        """Wait until that many came."""
        while len(self.receipts) < number:
            self._more.clear()
            await self._more.wait()

    async def submit(self, number: int) -> asyncio.Future[Answer]:
        """Hand one part over as soon as there is a place."""
        while self.link.capacity() <= 0:
            await self.link.ready()
        return self.link.submit(part(number))


@contextlib.asynccontextmanager
async def running(of_link: LinkSettings) -> AsyncIterator[Meter]:
    """A link that is bound; closed at the end."""
    meter = Meter(of_link)
    task = asyncio.create_task(meter.link.run())
    await meter.link.ready()
    yield meter
    await meter.link.close()
    await task


class Costs:
    """Messages a second, and the processor time of both sides, from now on."""

    def __init__(self, carrier: psutil.Process) -> None:
        self._carrier = carrier
        self._carriers = self._of_carrier()
        self._ours = time.process_time()
        self._started = time.perf_counter()

    def _of_carrier(self) -> float:
        times = self._carrier.cpu_times()
        return float(times.user + times.system)

    def figures(self, messages: int) -> Figures:
        """What `messages` took until now."""
        seconds = time.perf_counter() - self._started
        return {
            "per_s": round(messages / seconds),
            "cpu_us_per_message": round((time.process_time() - self._ours) / messages * 1e6, 1),
            "carrier_cpu_us_per_message": round((self._of_carrier() - self._carriers) / messages * 1e6, 1),
        }
