"""How many messages a second each protocol carries: codec, session and link in one process, a carrier in another.

    ./run bench codecs [--messages 30000] [--window 100] [--simulator] [--pdus]

The carrier answers at once and sends the receipt at once; every receipt is acknowledged. It patches octets, so
that it does not limit; with `--simulator` it is the platform's simulated carrier, which costs as much as a link.
Beside it stands smpplib's own client, driven with the same window against the same carrier, with receipts and
without. The best of the rounds counts, so that what else the machine does counts little. `--pdus` prints only what
one PDU costs: processor time up to octets, and up to the platform's values; smpplib's up to its own objects.
"""

import argparse
import asyncio
import collections
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import psutil
import smpplib.client
import smpplib.consts
import smpplib.smpp
import uvloop

from bench.support.fast_carrier import LOGIN, PASSWORD, SOURCE, fast_carrier
from bench.support.links import (
    CARRIER_COMES,
    PHONES,
    PROTOCOLS,
    SYSTEM_ID,
    TEXT,
    Costs,
    Figures,
    free_port,
    part,
    running,
    settings,
)
from bench.support.report import show
from infrastructure.carriers.dialect import Dialect
from infrastructure.carriers.dialects import DIALECTS
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.traffic import LinkSettings, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import PlannedReceipt, Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, run_simulator
from infrastructure.simulator.speech import Submit

NEEDED_PER_S = 7_000


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    given.add_argument("--messages", type=int, default=30_000)
    given.add_argument("--window", type=int, default=100)
    given.add_argument("--rounds", type=int, default=2, help="The best one counts.")
    given.add_argument("--protocols", nargs="*", default=list(PROTOCOLS))
    given.add_argument("--simulator", action="store_true", help="Against the simulated carrier.")
    given.add_argument("--pdus", action="store_true", help="Only what one PDU costs, without carriers.")
    given.add_argument("--carrier", help="Be the simulated carrier (the program starts it itself).")
    given.add_argument("--comes-to", type=int, default=0, help="Where that carrier brings its receipts.")
    chosen = given.parse_args()
    if chosen.carrier:
        uvloop.run(be_simulator(chosen.carrier, chosen.comes_to))
        return
    if chosen.pdus:
        costs = {protocol: codec(protocol) for protocol in chosen.protocols}
        show("codecs", {**costs, "smpplib": codec_of_smpplib()})
        return
    carrier = simulator if chosen.simulator else fast_carrier
    figures: dict[str, object] = {}
    for protocol in chosen.protocols:
        rounds = [one_round(carrier, protocol, chosen.messages, chosen.window) for _ in range(chosen.rounds)]
        figures[protocol] = best(rounds) | codec(protocol)
    figures |= of_smpplib(carrier, chosen.messages // 2, chosen.window, chosen.rounds)
    reached = [value["per_s"] for name, value in figures.items() if name in DIALECTS]  # type: ignore[index]
    figures["slowest_per_s"] = min(reached)
    figures["needed_per_s"] = NEEDED_PER_S
    show("codecs", figures)


def best(rounds: Sequence[Figures]) -> Figures:
    """The fastest."""
    return max(rounds, key=lambda figures: figures["per_s"])


async def be_simulator(protocol: str, comes_to: int) -> None:
    """Serve on a free port and say which, until whoever started us is gone."""
    callback = {SYSTEM_ID: Callback(port=comes_to, login=LOGIN, password=PASSWORD)} if comes_to else {}
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
def simulator(protocol: str, *, comes_to: int = 0) -> Iterator[tuple[int, psutil.Process]]:
    """The simulated carrier in a process of its own: its port and the process."""
    command = [sys.executable, __file__, "--carrier", protocol, "--comes-to", str(comes_to)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


Carrier = Callable[..., contextlib.AbstractContextManager[tuple[int, psutil.Process]]]


def one_round(carrier: Carrier, protocol: str, messages: int, window: int) -> Figures:
    """One carrier, one link, so many messages."""
    listener = free_port() if protocol in CARRIER_COMES else 0
    with carrier(protocol, comes_to=listener) as (port, process):
        of_link = settings(protocol, port, window=window, listener=listener)
        return uvloop.run(link_with_a_window(of_link, process, messages))


def codec(protocol: str) -> Figures:
    """Microseconds from a part to octets, and from octets to the platform's values."""
    dialect = DIALECTS[protocol](settings(protocol, 0, window=1), china_now)
    answer, receipt = carriers_octets(protocol, dialect)
    the_part = part(0)
    return {
        "submit_encode_us": microseconds(lambda: dialect.submit(1, the_part)),
        "answer_decode_us": microseconds(lambda: dialect.hear(answer)),
        "receipt_decode_us": microseconds(lambda: dialect.hear(receipt)),
    }


def carriers_octets(protocol: str, dialect: Dialect) -> tuple[bytes, bytes]:
    """What a carrier says to a submit: its answer, and the receipt."""
    speech = Simulator(SimulatorSettings(protocol=protocol, accounts={})).speech
    submit = speech.hear(dialect.submit(1, part(0)))
    assert isinstance(submit, Submit)
    answer_id, receipt_id = speech.ids(submit, 1 << 60, Script())
    answer = speech.submit_answer(submit, 0, answer_id)
    return answer, speech.deliver(1, speech.receipt(submit, receipt_id, PlannedReceipt(0, "DELIVRD", "000")))


class Numbers:
    """smpplib asks a client for sequence numbers."""

    sequence = 1

    def next_sequence(self) -> int:
        """Always the same."""
        return self.sequence


def codec_of_smpplib() -> Figures:
    """The same PDUs, by smpplib."""
    numbers, phone = Numbers(), part(0).destination
    answer, receipt = carriers_octets(
        "smpp34", DIALECTS["smpp34"](settings("smpp34", 0, window=1), china_now)
    )

    def submit() -> bytes:
        pdu = smpplib.smpp.make_pdu(
            "submit_sm",
            client=numbers,
            source_addr=SOURCE,
            destination_addr=phone,
            short_message=TEXT,
            data_coding=8,
            registered_delivery=1,
            validity_period="000000010000000R",
        )
        octets: bytes = pdu.generate()
        return octets

    def parse(octets: bytes) -> object:
        return smpplib.smpp.parse_pdu(octets, client=numbers, allow_unknown_opt_params=True)

    return {
        "submit_encode_us": microseconds(submit),
        "answer_decode_us": microseconds(lambda: parse(answer)),
        "receipt_decode_us": microseconds(lambda: parse(receipt)),
    }


def microseconds(action: Callable[[], object], times: int = 4_000) -> float:
    """Of the processor; the best of five rounds."""
    found = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(times):
            action()
        found.append((time.process_time() - started) / times)
    return round(min(found) * 1e6, 2)


async def link_with_a_window(of_link: LinkSettings, process: psutil.Process, messages: int) -> Figures:
    """A full window until every message has its answer and its receipt, with the right id and phone."""
    async with running(of_link) as meter:
        costs = Costs(process)
        answers = [await meter.submit(number) for number in range(messages)]
        taken = await asyncio.gather(*answers)
        await meter.receipts_are(messages)
        figures = costs.figures(messages)
    said = {
        (answer.carrier_id, PHONES[number % len(PHONES)])
        for number, answer in enumerate(taken)
        if isinstance(answer, Taken)
    }
    assert len(said) == messages
    assert said == {(receipt.carrier_id, receipt.phone) for receipt in meter.receipts}
    return figures


def of_smpplib(carrier: Carrier, messages: int, window: int, rounds: int) -> dict[str, Figures]:
    """smpplib's client with receipts, and against the fast carrier without."""
    with carrier("smpp34") as (port, process):
        made = [smpplib_with_a_window(port, process, messages, window) for _ in range(rounds)]
    figures = {"smpplib": best(made)}
    if carrier is fast_carrier:
        with fast_carrier("smpp34", receipts=False) as (port, process):
            made = [
                smpplib_with_a_window(port, process, messages, window, receipts=False) for _ in range(rounds)
            ]
        figures["smpplib_without_receipts"] = best(made)
    return figures


def smpplib_with_a_window(
    port: int, process: psutil.Process, messages: int, window: int, *, receipts: bool = True
) -> Figures:
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
    sent, last = 0, "receipt" if receipts else "submit"
    while answered[last] < messages:
        room = window - (sent - answered["submit"])
        for _ in range(min(room, messages - sent) if room >= window // 2 else 0):
            client.send_message(
                source_addr=SOURCE,
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
