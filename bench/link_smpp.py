"""How fast one link carries parts to the simulated carrier and brings their receipts back, and what it costs.

The carrier runs in a process of its own. Beside it stands smpplib's own client, one message at a time.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import psutil
import smpplib.client
import smpplib.consts
import smpplib.smpp
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from infrastructure.carriers import smpp
from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.smpp_dialect import SmppDialect
from infrastructure.carriers.smpp_pdus import DeliverSm, SubmitSmResp
from infrastructure.carriers.traffic import Answer, LinkSettings, Part, Receipt, Taken
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import run_simulator

Figures = dict[str, float]

SYSTEM_ID, PASSWORD = "bench", "secret08"
TEXT = "【测试】您的验证码是123456，五分钟内有效。".encode("utf-16-be")
RECEIPT = (
    b"id:0019abcd00000001 sub:001 dlvrd:001 submit date:2611231725 done date:2611231726 "
    b"stat:DELIVRD err:000 text:"
)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--messages", type=int, default=40_000)
    given.add_argument("--window", type=int, default=100)
    given.add_argument(
        "--simulator", action="store_true", help="be the carrier (the program starts it itself)"
    )
    chosen = given.parse_args()
    if chosen.simulator:
        uvloop.run(carrier())
        return
    figures = codec()
    with simulator() as (port, process):
        figures |= uvloop.run(many(port, process, chosen.messages, chosen.window))
        figures |= uvloop.run(one_at_a_time(port, chosen.messages // 20))
        figures |= smpplib_one_at_a_time(port, chosen.messages // 200, no_delay=False)
        figures |= smpplib_one_at_a_time(port, chosen.messages // 20, no_delay=True)
    show(figures)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    print(json.dumps({"bench": "link-smpp", "figures": figures, "machine": machine}))


async def carrier() -> None:
    """Serve on a free port and say which, until whoever started us is gone."""
    asyncio.get_running_loop().add_reader(sys.stdin, signal.raise_signal, signal.SIGTERM)
    await run_simulator(
        host="127.0.0.1",
        port=0,
        accounts={SYSTEM_ID: PASSWORD},
        script=Script(),
        journal=None,
        on_ready=lambda port: print(port, flush=True),
    )


@contextlib.contextmanager
def simulator() -> Iterator[tuple[int, psutil.Process]]:
    """The carrier in a process of its own: its port and the process."""
    command = [sys.executable, __file__, "--simulator"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


def microseconds(action: Callable[[], object], times: int = 20_000) -> float:
    """The best of five rounds, so that what else the machine does counts little."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times // 5):
            action()
        best = min(best, (time.perf_counter() - started) / (times // 5))
    return round(best * 1e6, 2)


class Numbers:
    """smpplib asks a client for sequence numbers."""

    sequence = 1

    def next_sequence(self) -> int:
        return self.sequence


def codec() -> Figures:
    """Microseconds for one PDU: ours up to the platform's values, smpplib's up to its own objects."""
    dialect, numbers = SmppDialect(settings(0)), Numbers()
    answer = smpp.encode(SubmitSmResp(sequence=7, message_id="0019abcd00000001"))
    receipt = smpp.encode(
        DeliverSm(
            sequence=9,
            source="8613800138000",
            destination="10690001",
            esm_class=4,
            short_message=RECEIPT,
            tlvs=((0x001E, b"0019abcd00000001\0"), (0x0427, b"\x02")),
        )
    )
    the_part = part(0)

    def smpplib_submit() -> bytes:
        pdu = smpplib.smpp.make_pdu(
            "submit_sm",
            client=numbers,
            source_addr="10690001",
            destination_addr=the_part.destination,
            short_message=TEXT,
            data_coding=8,
            registered_delivery=1,
        )
        built: bytes = pdu.generate()
        return built

    def smpplib_parse(octets: bytes) -> object:
        return smpplib.smpp.parse_pdu(octets, client=numbers, allow_unknown_opt_params=True)

    return {
        "submit_encode_us": microseconds(lambda: dialect.submit(1, the_part)),
        "submit_resp_decode_us": microseconds(lambda: dialect.hear(answer)),
        "deliver_decode_us": microseconds(lambda: dialect.hear(receipt)),
        "smpplib_submit_encode_us": microseconds(smpplib_submit),
        "smpplib_submit_resp_decode_us": microseconds(lambda: smpplib_parse(answer)),
        "smpplib_deliver_decode_us": microseconds(lambda: smpplib_parse(receipt)),
    }


def settings(port: int, window: int = 100) -> LinkSettings:
    return LinkSettings(
        name="bench",
        host="127.0.0.1",
        port=port,
        system_id=SYSTEM_ID,
        password=PASSWORD,
        source_address="10690001",
        window=window,
    )


def part(number: int) -> Part:
    return Part(destination=f"861380013{number % 10_000:04d}", payload=TEXT, data_coding=8)


class Meter:
    """A link, the receipts it brought and how long the answers took."""

    def __init__(self, port: int, window: int) -> None:
        self.receipts = 0
        self.more = asyncio.Event()
        self.seconds: list[float] = []
        self.link = CarrierLink(
            settings(port, window),
            store_receipts=self.store,
            on_state=lambda _: None,
            clock=time.monotonic,
            random=random.random,
        )

    async def store(self, batch: Sequence[Receipt]) -> None:
        self.receipts += len(batch)
        self.more.set()

    async def receipts_are(self, messages: int) -> None:
        while self.receipts < messages:
            self.more.clear()
            await self.more.wait()

    async def submit(self, number: int) -> asyncio.Future[Answer]:
        if self.link.capacity() <= 0:
            await self.link.ready()
        started = time.perf_counter()
        future = self.link.submit(part(number))
        future.add_done_callback(lambda _: self.seconds.append(time.perf_counter() - started))
        return future

    def percentile_ms(self, share: float) -> float:
        return round(sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000, 2)


@contextlib.asynccontextmanager
async def running(port: int, window: int) -> AsyncIterator[Meter]:
    meter = Meter(port, window)
    task = asyncio.create_task(meter.link.run())
    await meter.link.ready()
    yield meter
    await meter.link.close()
    await task


async def many(port: int, process: psutil.Process, messages: int, window: int) -> Figures:
    """A full window until every message has its answer and its receipt."""
    async with running(port, window) as meter:
        carrier_before, ours_before = process.cpu_times(), time.process_time()
        started = time.perf_counter()
        answers = await asyncio.gather(*[await meter.submit(number) for number in range(messages)])
        submitted = time.perf_counter() - started
        await meter.receipts_are(messages)
        seconds = time.perf_counter() - started
        ours = time.process_time() - ours_before
        after = process.cpu_times()
        assert all(isinstance(answer, Taken) for answer in answers)
    carriers = after.user + after.system - carrier_before.user - carrier_before.system
    return {
        "per_s": round(messages / seconds),
        "submits_per_s": round(messages / submitted),
        "answer_p50_ms": meter.percentile_ms(0.50),
        "answer_p95_ms": meter.percentile_ms(0.95),
        "answer_p99_ms": meter.percentile_ms(0.99),
        "link_cpu_percent": round(ours / seconds * 100),
        "link_cpu_us_per_message": round(ours / messages * 1e6, 1),
        "simulator_cpu_percent": round(carriers / seconds * 100),
        "simulator_cpu_us_per_message": round(carriers / messages * 1e6, 1),
    }


async def one_at_a_time(port: int, messages: int) -> Figures:
    """One message in flight, as an idle platform sends a one-time password."""
    async with running(port, 1) as meter:
        started = time.perf_counter()
        for number in range(messages):
            await (await meter.submit(number))
        seconds = time.perf_counter() - started
    return {
        "one_at_a_time_per_s": round(messages / seconds),
        "one_at_a_time_p99_ms": meter.percentile_ms(0.99),
    }


def smpplib_one_at_a_time(port: int, messages: int, *, no_delay: bool) -> Figures:
    """smpplib's client as its documents show it: it answers receipts while it waits for its own answer.

    It leaves Nagle's algorithm on; with `no_delay` we switch it off for it.
    """
    client = smpplib.client.Client("127.0.0.1", port, timeout=5)
    answered: list[int] = []
    client.set_message_sent_handler(lambda pdu: answered.append(pdu.sequence))
    client.set_message_received_handler(lambda **_: None)
    client.connect()
    if no_delay:
        client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.bind_transceiver(system_id=SYSTEM_ID, password=PASSWORD)
    started = time.perf_counter()
    for number in range(messages):
        sent = client.send_message(
            source_addr="10690001",
            destination_addr=part(number).destination,
            short_message=TEXT,
            data_coding=8,
            registered_delivery=1,
        )
        while not answered or answered[-1] != sent.sequence:
            client.read_once()
    seconds = time.perf_counter() - started
    # Taking leave at once would meet receipts that are still on their way, and smpplib cannot bear that.
    client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
    client.disconnect()
    suffix = "_no_delay" if no_delay else ""
    return {f"smpplib_one_at_a_time{suffix}_per_s": round(messages / seconds)}


def show(figures: Figures) -> None:
    for name, figure in figures.items():
        print(f"{name:38}{figure:>12,}")


if __name__ == "__main__":
    main()
