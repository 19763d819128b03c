"""How many messages a second each protocol carries: codec, session and link in one process, a carrier in another.

The carrier answers at once and sends the receipt at once; every receipt is acknowledged. Beside it stands
smpplib's own client, driven with the same window, against the same carrier.
"""

import argparse
import asyncio
import collections
import contextlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import smpplib.client
import smpplib.consts
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.support.report import show
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.link import _DIALECTS, CarrierLink
from infrastructure.carriers.traffic import Answer, LinkSettings, Part, Receipt, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import PlannedReceipt, Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, run_simulator
from infrastructure.simulator.speech import Submit

CARRIER_COMES = frozenset({"sgip12"})
SYSTEM_ID, PASSWORD, CALLER = "901234", "secret08", "carrier"
TEXT = "【测试】您的验证码是123456，五分钟内有效。".encode("utf-16-be")
PHONES = [f"861380013{number:04d}" for number in range(10_000)]

Figures = dict[str, float]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--messages", type=int, default=30_000)
    given.add_argument("--window", type=int, default=100)
    given.add_argument("--rounds", type=int, default=2, help="The best one counts.")
    given.add_argument("--protocols", nargs="*", default=list(_DIALECTS))
    given.add_argument("--carrier", help="Be the carrier (the program starts it itself).")
    given.add_argument("--comes-to", type=int, help="Where that carrier brings its receipts.")
    chosen = given.parse_args()
    if chosen.carrier:
        uvloop.run(carrier(chosen.carrier, chosen.comes_to))
        return
    figures: dict[str, Figures] = {}
    for protocol in chosen.protocols:
        rounds = [one_round(protocol, chosen.messages, chosen.window) for _ in range(chosen.rounds)]
        figures[protocol] = best(rounds) | codec(protocol)
    with simulator("smpp34") as (port, process):
        figures["smpplib"] = best(
            [
                smpplib_with_a_window(port, process, chosen.messages // 2, chosen.window)
                for _ in range(chosen.rounds)
            ]
        )
    show("codecs", figures)


def best(rounds: Sequence[Figures]) -> Figures:
    """The fastest, so that what else the machine does counts little."""
    return max(rounds, key=lambda figures: figures["per_s"])


async def carrier(protocol: str, comes_to: int | None) -> None:
    """Serve on a free port and say which, until whoever started us is gone."""
    callback = (
        {} if comes_to is None else {SYSTEM_ID: Callback(port=comes_to, login=CALLER, password=PASSWORD)}
    )
    asyncio.get_running_loop().add_reader(sys.stdin, signal.raise_signal, signal.SIGTERM)
    await run_simulator(
        host="127.0.0.1",
        port=0,
        protocol=protocol,
        accounts={SYSTEM_ID: PASSWORD},
        script=Script(),
        journal=None,
        callbacks=callback,
        on_ready=lambda port: print(port, flush=True),
    )


@contextlib.contextmanager
def simulator(protocol: str, comes_to: int = 0) -> Iterator[tuple[int, psutil.Process]]:
    """The carrier in a process of its own: its port and the process."""
    command = [sys.executable, __file__, "--carrier", protocol]
    if comes_to:
        command += ["--comes-to", str(comes_to)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def settings(protocol: str, port: int, window: int, listener: int = 0) -> LinkSettings:
    return LinkSettings(
        name="bench",
        host="127.0.0.1",
        port=port,
        protocol=protocol,
        system_id=SYSTEM_ID,
        password=PASSWORD,
        source_address="10690001",
        window=window,
        listener_host="127.0.0.1" if listener else "",
        listener_port=listener,
        listener_login=CALLER,
        listener_password=PASSWORD,
    )


def part(number: int) -> Part:
    destination = PHONES[number % len(PHONES)]
    return Part(destination=destination, payload=TEXT, data_coding=8, validity_seconds=3_600)


def one_round(protocol: str, messages: int, window: int) -> Figures:
    listener = free_port() if protocol in CARRIER_COMES else 0
    with simulator(protocol, listener) as (port, process):
        of_link = settings(protocol, port, window, listener)
        return uvloop.run(link_with_a_window(of_link, process, messages))


def codec(protocol: str) -> Figures:
    """Microseconds from a part to octets, and from octets to the platform's values."""
    dialect = _DIALECTS[protocol](settings(protocol, 0, 1), china_now)
    speech = Simulator(SimulatorSettings(protocol=protocol, accounts={})).speech
    the_part = part(0)
    submit = speech.hear(dialect.submit(1, the_part))
    assert isinstance(submit, Submit)
    answer_id, receipt_id = speech.ids(submit, 1 << 60, Script())
    answer = speech.submit_answer(submit, 0, answer_id)
    receipt = speech.deliver(1, speech.receipt(submit, receipt_id, PlannedReceipt(0, "DELIVRD", "000")))
    return {
        "submit_encode_us": microseconds(lambda: dialect.submit(1, the_part)),
        "answer_decode_us": microseconds(lambda: dialect.hear(answer)),
        "receipt_decode_us": microseconds(lambda: dialect.hear(receipt)),
    }


def microseconds(action: Callable[[], object], times: int = 4_000) -> float:
    """The best of five rounds."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            action()
        found.append((time.perf_counter() - started) / times)
    return round(min(found) * 1e6, 2)


class Costs:
    """Messages a second, and the processor time of both sides, from now on."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._carriers = self._of_carrier()
        self._ours = time.process_time()
        self._started = time.perf_counter()

    def _of_carrier(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def figures(self, messages: int) -> Figures:
        seconds = time.perf_counter() - self._started
        return {
            "per_s": round(messages / seconds),
            "cpu_us_per_message": round((time.process_time() - self._ours) / messages * 1e6, 1),
            "carrier_cpu_us_per_message": round((self._of_carrier() - self._carriers) / messages * 1e6, 1),
        }


async def link_with_a_window(of_link: LinkSettings, process: psutil.Process, messages: int) -> Figures:
    """A full window until every message has its answer and its receipt."""
    receipts = 0
    all_there = asyncio.Event()

    async def store(batch: Sequence[Receipt]) -> None:
        nonlocal receipts
        receipts += len(batch)
        if receipts == messages:
            all_there.set()

    link = CarrierLink(
        of_link, store_receipts=store, on_state=lambda _: None, clock=time.monotonic, random=random.random
    )
    running = asyncio.create_task(link.run())
    await link.ready()
    costs = Costs(process)
    answers: list[asyncio.Future[Answer]] = []
    for number in range(messages):
        if link.capacity() <= 0:
            await link.ready()
        answers.append(link.submit(part(number)))
    taken = await asyncio.gather(*answers)
    await all_there.wait()
    figures = costs.figures(messages)
    assert all(isinstance(answer, Taken) for answer in taken)
    await link.close()
    await running
    return figures


def smpplib_with_a_window(port: int, process: psutil.Process, messages: int, window: int) -> Figures:
    """smpplib's client has no window, so this loop keeps one: it fills it, and again when half of it is free.

    So it is quickest: filling every place at once costs a change of processes for every message. It is given
    TCP_NODELAY, which it does not set itself.
    """
    client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    answered: collections.Counter[str] = collections.Counter()
    client.set_message_sent_handler(lambda **_: answered.update(["submit"]))
    client.set_message_received_handler(lambda **_: answered.update(["receipt"]))
    client.connect()
    client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.bind_transceiver(system_id=SYSTEM_ID, password=PASSWORD)
    costs = Costs(process)
    sent = 0
    while answered["receipt"] < messages:
        room = window - (sent - answered["submit"])
        for _ in range(min(room, messages - sent) if room >= window // 2 else 0):
            client.send_message(
                source_addr="10690001",
                destination_addr=PHONES[sent % len(PHONES)],
                short_message=TEXT,
                data_coding=8,
                registered_delivery=1,
                validity_period="000000010000000R",
            )
            sent += 1
        client.read_once()
    figures = costs.figures(messages)
    client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
    client.disconnect()
    return figures


if __name__ == "__main__":
    main()
