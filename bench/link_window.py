"""One connection, window 16, a carrier that answers after 40 ms: how near a link comes to window / delay.

    ./run bench link-window [--messages 2000] [--window 16] [--delay-ms 40]

No window can carry more than 16 / 40 ms = 400 messages a second. smpplib's client has no window of its own: it
is measured in the same run as its documents show it, one message and its answer after the other.
"""

import argparse
import asyncio
import socket
import time

import smpplib.client
import smpplib.consts
import uvloop

from bench.support.fast_carrier import PASSWORD, SOURCE, fast_carrier
from bench.support.links import (
    CARRIER_COMES,
    PHONES,
    PROTOCOLS,
    SYSTEM_ID,
    TEXT,
    Figures,
    free_port,
    running,
    settings,
)
from bench.support.report import show, spread_ms
from infrastructure.carriers.traffic import Answer, LinkSettings, Taken
from infrastructure.process_memory import prepare_memory

NEEDED_SHARE = 0.95


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    given.add_argument("--messages", type=int, default=2_000, help="For each protocol.")
    given.add_argument("--window", type=int, default=16)
    given.add_argument("--delay-ms", type=float, default=40.0)
    given.add_argument("--protocols", nargs="*", default=list(PROTOCOLS))
    chosen = given.parse_args()
    prepare_memory()  # As in a worker: one look among all that is imported takes 100 ms.
    most = chosen.window / chosen.delay_ms * 1_000
    figures: dict[str, object] = {"theoretical_per_s": round(most, 1), "needed_per_s": most * NEEDED_SHARE}
    shares = []
    for protocol in chosen.protocols:
        measured = one_protocol(protocol, chosen.messages, chosen.window, chosen.delay_ms)
        shares.append(measured["per_s"] / most)
        figures[protocol] = measured | {"percent_of_theory": round(shares[-1] * 100, 1)}
    with fast_carrier("smpp34", delay_ms=chosen.delay_ms) as (port, _):
        figures["smpplib_client"] = smpplib_one_at_a_time(port, max(chosen.messages // 20, 10))
    figures["slowest_percent_of_theory"] = round(min(shares) * 100, 1)
    figures["enough"] = min(shares) >= NEEDED_SHARE
    show("link-window", figures)


def one_protocol(protocol: str, messages: int, window: int, delay_ms: float) -> Figures:
    """A carrier in another process, and a link to it."""
    listener = free_port() if protocol in CARRIER_COMES else 0
    with fast_carrier(protocol, delay_ms=delay_ms, comes_to=listener) as (port, _):
        of_link = settings(protocol, port, window=window, listener=listener)
        return uvloop.run(with_a_window(of_link, messages))


async def with_a_window(of_link: LinkSettings, messages: int) -> Figures:
    """The window always full: a message goes as soon as there is a place, from the first to the last answer."""
    seconds: list[float] = []

    def note(began: float) -> None:
        seconds.append(time.perf_counter() - began)

    async with running(of_link) as meter:
        started, used = time.perf_counter(), time.process_time()
        answers: list[asyncio.Future[Answer]] = []
        for number in range(messages):
            answer = await meter.submit(number)
            began = time.perf_counter()
            answer.add_done_callback(lambda _, began=began: note(began))
            answers.append(answer)
        taken = await asyncio.gather(*answers)
        elapsed = time.perf_counter() - started
        cpu = time.process_time() - used
        await meter.receipts_are(messages)
    assert all(isinstance(answer, Taken) for answer in taken)
    return {"per_s": round(messages / elapsed, 1), "cpu_percent": round(cpu / elapsed * 100, 1)} | spread_ms(
        seconds
    )


def smpplib_one_at_a_time(port: int, messages: int) -> Figures:
    """Send, wait for the answer, send the next; receipts are answered meanwhile."""
    client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    answered: list[int] = []
    client.set_message_sent_handler(lambda pdu: answered.append(pdu.sequence))
    client.set_message_received_handler(lambda **_: None)
    client.connect()
    client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.bind_transceiver(system_id=SYSTEM_ID, password=PASSWORD)
    started = time.perf_counter()
    for number in range(messages):
        sent = client.send_message(
            source_addr=SOURCE,
            destination_addr=PHONES[number % len(PHONES)],
            short_message=TEXT,
            data_coding=8,
            registered_delivery=1,
        )
        while not answered or answered[-1] != sent.sequence:
            client.read_once()
    elapsed = time.perf_counter() - started
    client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
    client.disconnect()
    return {"per_s": round(messages / elapsed, 1)}


if __name__ == "__main__":
    main()
