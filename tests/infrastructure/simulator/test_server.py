"""The simulated carrier on a real port, asked with raw PDUs."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infrastructure.carriers import smpp
from infrastructure.carriers.smpp_pdus import QuerySm
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, run_simulator, serve
from infrastructure.simulator.wire import Pdu, build, parse
from tests.infrastructure.carriers.rig import GOLDEN, RawPeer, until

ACCOUNTS = {"first": "secret1", "second": "secret2"}


def carrier(**changes: object) -> SimulatorSettings:
    return SimulatorSettings(**{"accounts": ACCOUNTS, **changes})


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def bind(name: str, password: str, mode: str = "transceiver") -> Pdu:
    return Pdu(f"bind_{mode}", 1, 0, {"system_id": name, "password": password, "interface_version": 0x34})


@contextlib.asynccontextmanager
async def bound(
    simulator: Simulator, name: str = "first", mode: str = "transceiver"
) -> AsyncIterator[RawPeer]:
    async with client(simulator.port) as peer:
        peer.send(bind(name, ACCOUNTS[name], mode))
        answer = await peer.read()
        assert (answer.command, answer.status) == (f"bind_{mode}_resp", 0)
        yield peer


def submit(sequence: int = 7, text: bytes = b"hello") -> Pdu:
    fields = dict(parse(GOLDEN["submit_sm_ascii"]).fields)
    return Pdu("submit_sm", sequence, 0, {**fields, "short_message": text})


def acknowledge(receipt: Pdu, status: int = 0) -> Pdu:
    return Pdu("deliver_sm_resp", receipt.sequence, status, {"message_id": ""})


def lines(journal: Path) -> list[dict]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [("first", "secret1", 0), ("first", "wrong", 0x0E), ("nobody", "secret1", 0x0F)],
)
def test_only_the_right_credentials_are_let_in(name, password, status):
    async def play() -> None:
        async with await serve(carrier()) as simulator, client(simulator.port) as peer:
            peer.send(bind(name, password))
            assert (await peer.read()).status == status

    asyncio.run(play())


def test_nothing_is_taken_before_the_bind():
    async def play() -> None:
        async with await serve(carrier()) as simulator, client(simulator.port) as peer:
            peer.send(submit())
            assert (await peer.read()).status == 0x04

    asyncio.run(play())


def test_a_submit_is_answered_and_followed_by_its_receipt():
    async def play() -> None:
        async with await serve(carrier()) as simulator, bound(simulator) as peer:
            peer.send(submit())
            answer, receipt = await peer.read(), await peer.read()
            assert (answer.command, answer.sequence, answer.status) == ("submit_sm_resp", 7, 0)
            carrier_id = answer.fields["message_id"]
            assert receipt.fields["esm_class"] == 4
            assert receipt.fields["source_addr"] == "8613800138000"
            assert receipt.fields["short_message"].startswith(f"id:{carrier_id} sub:001 dlvrd:001".encode())
            assert dict(receipt.options) == {0x001E: f"{carrier_id}\0".encode(), 0x0427: b"\x02"}

    asyncio.run(play())


def test_an_early_receipt_comes_before_the_answer():
    async def play() -> None:
        settings = carrier(script=Script(early_rate=1.0))
        async with await serve(settings) as simulator, bound(simulator) as peer:
            peer.send(submit())
            assert [(await peer.read()).command, (await peer.read()).command] == [
                "deliver_sm",
                "submit_sm_resp",
            ]

    asyncio.run(play())


async def asked(peer: RawPeer, message_id: str) -> Pdu:
    """What the carrier answers to a query, written by the client's codec."""
    peer.writer.write(smpp.encode(QuerySm(sequence=9, message_id=message_id, source="10690001")))
    return await peer.expect("query_sm_resp")


@pytest.mark.parametrize(
    ("script", "state", "error"),
    [
        (Script(), 2, 0),
        (Script(lost_rate=1.0), 2, 0),
        (Script(failed_rate=1.0, failed_codes=(("EXPIRED", "027"),)), 3, 27),
        (Script(receipt_delay_ms_min=3.6e6, receipt_delay_ms_max=3.6e6), 1, 0),
    ],
)
def test_a_client_that_asks_hears_the_state_of_its_message(script, state, error):
    async def play() -> None:
        async with await serve(carrier(script=script)) as simulator, bound(simulator) as peer:
            peer.send(submit())
            id_ = (await peer.expect("submit_sm_resp")).fields["message_id"]
            answer = await asked(peer, id_)
            assert (answer.sequence, answer.status, answer.fields["message_id"]) == (9, 0, id_)
            assert (answer.fields["message_state"], answer.fields["error_code"]) == (state, error)
            date = r"" if state == 1 else r"\d{12}032\+"
            assert re.fullmatch(date, answer.fields["final_date"])
            assert smpp.decode(build(answer)).message_state == state

    asyncio.run(play())


def test_a_query_for_a_message_of_nobody_or_of_another_account_is_refused():
    async def play() -> None:
        async with await serve(carrier()) as simulator, bound(simulator) as peer:
            peer.send(submit())
            id_ = (await peer.expect("submit_sm_resp")).fields["message_id"]
            assert await asked(peer, "0" * 16) == Pdu("query_sm_resp", 9, 0x0C)
            async with bound(simulator, "second") as other:
                assert await asked(other, id_) == Pdu("query_sm_resp", 9, 0x0C)

    asyncio.run(play())


def test_who_is_not_bound_to_send_hears_of_no_state():
    async def play() -> None:
        async with await serve(carrier()) as simulator, client(simulator.port) as stranger:
            assert (await asked(stranger, "1")).status == 0x04
            async with bound(simulator, mode="receiver") as receiver:
                assert (await asked(receiver, "1")).status == 0x04

    asyncio.run(play())


def test_no_receipt_is_sent_where_none_was_asked_for():
    async def play() -> None:
        async with await serve(carrier()) as simulator, bound(simulator) as peer:
            unasked = submit()
            peer.send(Pdu("submit_sm", 7, 0, {**unasked.fields, "registered_delivery": 0}))
            peer.send(Pdu("enquire_link", 8))
            assert [(await peer.read()).command, (await peer.read()).command] == [
                "submit_sm_resp",
                "enquire_link_resp",
            ]

    asyncio.run(play())


def test_each_account_follows_its_own_script():
    async def play() -> None:
        settings = carrier(scripts={"second": Script(refusal_rate=1.0, refusal_codes=(0x0B,))})
        async with (
            await serve(settings) as simulator,
            bound(simulator) as one,
            bound(simulator, "second") as other,
        ):
            one.send(submit())
            other.send(submit())
            assert ((await one.read()).status, (await other.read()).status) == (0, 0x0B)

    asyncio.run(play())


def test_a_transmitter_gets_no_receipts_and_a_receiver_gets_them():
    async def play() -> None:
        async with (
            await serve(carrier()) as simulator,
            bound(simulator, mode="transmitter") as sender,
            bound(simulator, mode="receiver") as receiver,
        ):
            sender.send(submit())
            answer, receipt = await sender.read(), await receiver.read()
            assert answer.fields["message_id"].encode() in receipt.fields["short_message"]
            receiver.send(submit())
            assert (await receiver.read()).status == 0x04

    asyncio.run(play())


@pytest.mark.parametrize("how", ["not acknowledged in time", "refused"])
def test_a_receipt_comes_again_until_it_is_acknowledged(how):
    async def play() -> None:
        async with await serve(carrier(resend_seconds=0.05)) as simulator, bound(simulator) as peer:
            peer.send(submit())
            first = await peer.expect("deliver_sm")
            if how == "refused":
                peer.send(acknowledge(first, 0x64))
            again = await peer.expect("deliver_sm")
            assert again.fields == first.fields
            peer.send(acknowledge(again))
            await until(lambda: simulator.counters.receipts_acked == 1)

    asyncio.run(play())


def test_what_was_not_acknowledged_comes_in_the_next_session():
    async def play() -> None:
        async with await serve(carrier()) as simulator:
            async with bound(simulator) as peer:
                peer.send(submit())
                first = await peer.expect("deliver_sm")
            await until(lambda: simulator.owed("first") == 1)
            async with bound(simulator) as peer:
                assert (await peer.expect("deliver_sm")).fields == first.fields

    asyncio.run(play())


def test_a_dropped_connection_loses_the_answer_but_not_the_receipt():
    async def play() -> None:
        settings = carrier(script=Script(drop_every=1))
        async with await serve(settings) as simulator:
            async with bound(simulator) as peer:
                peer.send(submit())
                with pytest.raises((EOFError, ConnectionError)):
                    await peer.read()
            async with bound(simulator) as peer:
                assert (await peer.expect("deliver_sm")).fields["esm_class"] == 4

    asyncio.run(play())


def test_unknown_commands_are_nacked_and_garbage_is_hung_up_on():
    async def play() -> None:
        async with await serve(carrier()) as simulator, client(simulator.port) as peer:
            peer.writer.write(bytes.fromhex("00000010000000210000000000000005"))
            assert await peer.read() == Pdu("generic_nack", 5, 3)
            peer.writer.write(b"\xff" * 16)
            with pytest.raises(EOFError):
                await peer.read()

    asyncio.run(play())


def test_an_unbind_is_answered_and_the_connection_closed():
    async def play() -> None:
        async with await serve(carrier()) as simulator, bound(simulator) as peer:
            peer.send(Pdu("unbind", 9))
            assert await peer.read() == Pdu("unbind_resp", 9)
            with pytest.raises(EOFError):
                await peer.read()

    asyncio.run(play())


def test_the_journal_tells_what_was_submitted_and_what_became_of_the_receipt(tmp_path):
    journal = tmp_path / "book" / "journal.jsonl"

    async def play() -> None:
        async with await serve(carrier(journal=journal)) as simulator, bound(simulator) as peer:
            peer.send(submit(text=b"hello"))
            carrier_id = (await peer.expect("submit_sm_resp")).fields["message_id"]
            peer.send(acknowledge(await peer.expect("deliver_sm")))
            await until(lambda: journal.exists() and len(lines(journal)) == 3)
            submitted, sent, acked = lines(journal)
            assert submitted.pop("at_ns") <= sent.pop("at_ns") <= acked.pop("at_ns")
            assert submitted == {
                "kind": "submit",
                "system_id": "first",
                "carrier_id": carrier_id,
                "destination": "8613800138000",
                "payload_sha256": hashlib.sha256(b"hello").hexdigest(),
                "status": 0,
            }
            receipt = {"kind": "receipt", "system_id": "first", "carrier_id": carrier_id, "stat": "DELIVRD"}
            assert (sent, acked) == ({**receipt, "step": "sent"}, {**receipt, "step": "acked"})

    asyncio.run(play())


def test_the_journal_is_complete_after_the_end(tmp_path):
    journal = tmp_path / "journal.jsonl"

    async def play() -> None:
        async with await serve(carrier(journal=journal)) as simulator, bound(simulator) as peer:
            peer.send(*(submit(number) for number in range(1, 101)))
            for _ in range(100):
                await peer.expect("submit_sm_resp")

    asyncio.run(play())
    assert len([line for line in lines(journal) if line["kind"] == "submit"]) == 100


def test_ids_do_not_come_again_after_a_restart(tmp_path):
    journal = tmp_path / "journal.jsonl"

    async def play() -> None:
        async with await serve(carrier(journal=journal)) as simulator, bound(simulator) as peer:
            peer.send(submit(1), submit(2))
            await peer.expect("submit_sm_resp")
            await peer.expect("submit_sm_resp")

    asyncio.run(play())
    asyncio.run(play())
    ids = [line["carrier_id"] for line in lines(journal) if line["kind"] == "submit"]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_simulator(number):
    ports: list[int] = []

    def ready(port: int) -> None:
        ports.append(port)
        os.kill(os.getpid(), number)

    asyncio.run(
        run_simulator(
            host="127.0.0.1", port=0, accounts=ACCOUNTS, script=Script(), journal=None, on_ready=ready
        )
    )
    assert ports[0] > 0
