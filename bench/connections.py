"""Two hundred connections in one process, over all protocols: what they cost while they idle, and how quick they stay.

    ./run bench connections [--connections 200] [--seconds 20] [--keep-alive 2]

The simulated carriers are in one process of their own. Keep-alives are set short, so that many are seen. One
message at a time goes over the connections in turn, each a one-time password on an idle line. Beside it stand
as many of smpplib's own clients, each listening in a thread of one process, as its documents show it; no message
can be sent beside a listening thread, so they only idle.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import psutil
import smpplib.client
import uvloop

from bench.support.fast_carrier import LOGIN, PASSWORD
from bench.support.links import CARRIER_COMES, PROTOCOLS, SYSTEM_ID, Meter, free_port, settings
from bench.support.report import show, spread_ms
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import LinkPhase, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.caller import Caller
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve

_LOOKS = 20


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    given.add_argument("--connections", type=int, default=200)
    given.add_argument("--seconds", type=float, default=20.0, help="How long they idle.")
    given.add_argument("--keep-alive", type=float, default=2.0, help="Seconds between two of them.")
    given.add_argument("--carriers", help="Be the carriers (the program starts them itself).")
    given.add_argument("--smpplib", type=int, help="Be smpplib's clients at this port.")
    chosen = given.parse_args()
    if chosen.smpplib:
        be_smpplib(chosen.smpplib, chosen.connections, chosen.seconds, chosen.keep_alive)
        return
    if chosen.carriers:
        uvloop.run(be_carriers(json.loads(chosen.carriers)))
        return
    uvloop.run(measure(chosen.connections, chosen.seconds, chosen.keep_alive))


# The carriers.


async def be_carriers(callbacks: dict[str, int]) -> None:
    """One carrier of each protocol; says the ports, then what it counted for every line it reads."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncExitStack() as stack:
        carriers = {
            protocol: await stack.enter_async_context(await serve(_carrier(protocol, callbacks)))
            for protocol in PROTOCOLS
        }
        asked = {protocol: _count_questions(carrier) for protocol, carrier in carriers.items()}
        print(json.dumps({protocol: carrier.port for protocol, carrier in carriers.items()}), flush=True)
        while await lines.readline():
            print(
                json.dumps(
                    {
                        "binds": sum(carrier.counters.binds for carrier in carriers.values()),
                        "held": {protocol: _held(carrier) for protocol, carrier in carriers.items()},
                        "acked": sum(carrier.counters.receipts_acked for carrier in carriers.values()),
                        "answers": sum(each[0] for each in asked.values()),
                    }
                ),
                flush=True,
            )


def _carrier(protocol: str, callbacks: dict[str, int]) -> SimulatorSettings:
    port = callbacks.get(protocol)
    called = {SYSTEM_ID: Callback(port=port, login=LOGIN, password=PASSWORD)} if port else {}
    return SimulatorSettings(
        protocol=protocol, accounts={SYSTEM_ID: PASSWORD}, script=Script(), callbacks=called
    )


def _held(carrier: Simulator) -> int:
    """How many clients are logged in now; the carrier's own way to one of them is not counted."""
    return sum(peer.account is not None and not isinstance(peer, Caller) for peer in carrier.peers)


def _count_questions(carrier: Simulator) -> list[int]:
    """Count the PDUs that a carrier hears and only answers: questions for a sign of life."""
    counted = [0]
    hear = carrier.speech.hear

    def counting(frame: bytes) -> object:
        heard = hear(frame)
        counted[0] += type(heard).__name__ == "Said"
        return heard

    carrier.speech.hear = counting  # type: ignore[method-assign, assignment]
    return counted


class Carriers:
    """The process of the carriers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.ports: dict[str, int] = self._line()
        self.usage = psutil.Process(process.pid)

    def counted(self) -> dict[str, Any]:
        """What they have counted until now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextlib.contextmanager
def carriers(callbacks: dict[str, int]) -> Iterator[Carriers]:
    """Started now, ended with the block."""
    command = [sys.executable, __file__, "--carriers", json.dumps(callbacks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Carriers(process)
        finally:
            process.send_signal(signal.SIGTERM)


# The links.


async def measure(number: int, seconds: float, keep_alive: float) -> None:
    """Bind all, idle, send over the idling ones, and show it."""
    listener, ourselves = free_port(), psutil.Process()
    with carriers(dict.fromkeys(CARRIER_COMES, listener)) as there:
        before = ourselves.memory_info().rss
        began = time.perf_counter()
        async with bound(there.ports, number, listener, keep_alive) as meters:
            bind_seconds = time.perf_counter() - began
            grown = ourselves.memory_info().rss - before
            figures = await idle(there, seconds)
            latencies = await one_after_the_other(meters, seconds)
            counted = await all_counted(there, number)
            lost = sum(state.phase is LinkPhase.LOST for meter in meters for state in meter.states)
        beside = smpplib_beside(there.ports["smpp34"], number, seconds, keep_alive)
        figures = {
            "connections": number,
            "held_at_carriers": counted["held"],
            "all_held": sum(counted["held"].values()) == number and not lost,
            "bind_all_s": round(bind_seconds, 3),
            "kib_per_connection": round(grown / number / 1024, 1),
            "keep_alive_s": keep_alive,
            **figures,
            "messages": len(latencies),
            "receipts_acked": counted["acked"],
            **{f"message_{name}": value for name, value in spread_ms(latencies).items()},
            "connections_lost": lost,
            "smpplib_in_threads": beside,
        }
    show("connections", figures)


@contextlib.asynccontextmanager
async def bound(
    ports: dict[str, int], number: int, listener: int, keep_alive: float
) -> AsyncIterator[Sequence[Meter]]:
    """So many links, the protocols in turn, all bound; the first of those that are come to listens."""
    listeners = SgipListeners()
    meters = [_meter(place, ports, listener, keep_alive, listeners) for place in range(number)]
    tasks = [asyncio.create_task(meter.link.run()) for meter in meters]
    await asyncio.gather(*(meter.link.ready() for meter in meters))
    yield meters
    await asyncio.gather(*(meter.link.close() for meter in meters))
    await asyncio.gather(*tasks)


def _meter(
    place: int, ports: dict[str, int], listener: int, keep_alive: float, listeners: SgipListeners
) -> Meter:
    protocol = PROTOCOLS[place % len(PROTOCOLS)]
    first = place < len(PROTOCOLS) and protocol in CARRIER_COMES
    given = settings(protocol, ports[protocol], window=16, listener=listener if first else 0)
    connection = place // len(PROTOCOLS) + 1
    return Meter(replace(given, connection=connection, keep_alive_seconds=keep_alive), listeners)


async def idle(there: Carriers, seconds: float) -> dict[str, object]:
    """Nothing but signs of life."""
    used, theirs, before = time.process_time(), _cpu(there.usage), there.counted()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - began
    cpu, after = time.process_time() - used, there.counted()
    answers = after["answers"] - before["answers"]
    renewals = after["binds"] - before["binds"]
    return {
        "idle_cpu_percent": round(cpu / elapsed * 100, 2),
        "carriers_cpu_percent": round((_cpu(there.usage) - theirs) / elapsed * 100, 2),
        "keep_alives_answered": answers,
        "idle_sgip_renewals": renewals,
    }


async def all_counted(there: Carriers, number: int) -> dict[str, Any]:
    """What the carriers have counted, at a moment when no connection is just being renewed, if there is one."""
    for _ in range(_LOOKS):
        counted = there.counted()
        if sum(counted["held"].values()) == number:
            break
        await asyncio.sleep(0.1)
    return counted


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def one_after_the_other(meters: Sequence[Meter], seconds: float) -> list[float]:
    """Seconds from the submit to the answer, one message at a time, every 10 ms, over the next connection."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        meter = meters[len(found) % len(meters)]
        began = time.perf_counter()
        answer = await (await meter.submit(len(found)))
        found.append(time.perf_counter() - began)
        assert isinstance(answer, Taken)
        await asyncio.sleep(0.01)
    return found


# smpplib.


def smpplib_beside(port: int, number: int, seconds: float, keep_alive: float) -> dict[str, float]:
    """What as many of smpplib's clients cost in a process of their own."""
    command = [sys.executable, __file__, "--smpplib", str(port), "--connections", str(number)]
    command += ["--seconds", str(seconds), "--keep-alive", str(keep_alive)]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    found: dict[str, float] = json.loads(said)
    return found


def be_smpplib(port: int, number: int, seconds: float, keep_alive: float) -> None:
    """Bind so many clients, let each listen in a thread, idle, and say what it cost."""
    logging.disable()
    ourselves = psutil.Process()
    before, began = ourselves.memory_info().rss, time.perf_counter()
    clients = [smpplib.client.Client("127.0.0.1", port, timeout=keep_alive) for _ in range(number)]
    for client in clients:
        client.connect()
        client.bind_transceiver(system_id=SYSTEM_ID, password=PASSWORD)
        threading.Thread(target=client.listen, daemon=True).start()
    bind_seconds, grown = time.perf_counter() - began, ourselves.memory_info().rss - before
    used = time.process_time()
    time.sleep(seconds)
    figures = {
        "bind_all_s": round(bind_seconds, 3),
        "kib_per_connection": round(grown / number / 1024, 1),
        "idle_cpu_percent": round((time.process_time() - used) / seconds * 100, 2),
    }
    print(json.dumps(figures), flush=True)
    os._exit(0)  # Its threads listen for ever.


if __name__ == "__main__":
    main()
