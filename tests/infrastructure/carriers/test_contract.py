"""What every protocol owes the platform: the same plays for each, a link against the simulated carrier.

They run in uvloop, as workers do.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvloop

from infrastructure.carriers import sgip
from infrastructure.carriers.dialects import DIALECTS
from infrastructure.carriers.sgip_pdus import UserReport
from infrastructure.carriers.traffic import InDoubt, LinkPhase, NotSent, Refused, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import PlannedReceipt, Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve
from infrastructure.simulator.speech import Heard, Login, Submit
from tests.infrastructure.carriers.octets import golden
from tests.infrastructure.carriers.rig import PASSWORD, SYSTEM_ID, Desk, carrier, desk, part, until
from tests.support.ports import free_port

PHONE = "8613800138000"
FLOOD = 8_000
"""Receipts, of any protocol more octets than one read takes from a socket."""


@dataclass(frozen=True)
class Codes:
    """How a link tells the first refusal of the simulated carrier, its haste and its locked door.

    SGIP's receipts have no time and one state for all failures, and its carriers bring them themselves.
    """

    refused: str
    throttled: str
    wrong_password: str
    unknown: str
    too_many: str
    receipts_have_a_time: bool = True
    failures: frozenset[str] = frozenset({"UNDELIV", "REJECTD"})
    half_open: str = "keep-alive unanswered"
    carrier_comes: bool = False


PROTOCOLS = {
    "smpp34": Codes("0x0B", "0x58", "0x0E", "0x0F", "0x05"),
    "cmpp20": Codes("6", "8", "3", "2", "5"),
    "cmpp30": Codes("6", "8", "3", "2", "5"),
    "smgp30": Codes("47", "1", "21", "21", "2"),
    "sgip12": Codes(
        "6",
        "33",
        "1",
        "1",
        "2",
        receipts_have_a_time=False,
        failures=frozenset({"UNDELIV"}),
        half_open="unbind unanswered",
        carrier_comes=True,
    ),
}

QUESTIONS = {
    "smpp34": golden("smpp34")["enquire_link"],
    "cmpp20": golden("cmpp20")["active_test"],
    "cmpp30": golden("cmpp30")["active_test"],
    "smgp30": golden("smgp30")["active_test"],
    "sgip12": sgip.encode(UserReport(sequence=9, phone="8613800138000")),
}
"""What each carrier may say that wants an answer and nothing else."""


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def meeting(protocol: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What carrier and link must know of each other where the carrier comes to the link."""
    if not PROTOCOLS[protocol].carrier_comes:
        return {}, {}
    port = free_port()
    callback = Callback(port=port, login="smg", password="smgpass", again_seconds=0.01)
    there = {"callbacks": {SYSTEM_ID: callback}}
    here = {
        "listener_host": callback.host,
        "listener_port": port,
        "listener_login": callback.login,
        "listener_password": callback.password,
    }
    return there, here


@contextlib.asynccontextmanager
async def stage(
    protocol: str,
    script: Script | None = None,
    *,
    clock: Callable[[], float] | None = None,
    of_carrier: dict[str, Any] | None = None,
    **of_link: object,
) -> AsyncIterator[tuple[Simulator, Desk]]:
    """A simulated carrier and a link to it, in one protocol."""
    there, here = meeting(protocol)
    given = {} if clock is None else {"clock": clock}
    async with (
        await serve(carrier(script, protocol=protocol, **there, **(of_carrier or {}))) as simulator,
        desk(simulator.port, **given, protocol=protocol, **here, **of_link) as our,
    ):
        yield simulator, our


def rewrite(simulator: Simulator, script: Script) -> None:
    simulator.accounts[SYSTEM_ID].script = script


def flood(simulator: Simulator, carrier_id: str) -> None:
    """Receipts that the carrier brings as fast as they are answered."""
    unknown = Submit(0, PHONE, b"")
    for _ in range(FLOOD):
        owed = simulator.speech.receipt(unknown, carrier_id, PlannedReceipt(0, "DELIVRD", "0"))
        simulator.accounts[SYSTEM_ID].deliver(owed)


def test_every_protocol_that_a_link_may_speak_is_in_this_contract():
    assert set(PROTOCOLS) == set(DIALECTS)


def test_parts_are_taken_and_their_receipts_name_the_same_ids_and_phones(protocol):
    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            answers = await our.send(*(part(number) for number in range(150)))
            await until(lambda: simulator.counters.receipts_acked == 150)
            assert {type(answer) for answer in answers} == {Taken}
            sent = {(answer.carrier_id, part(number).destination) for number, answer in enumerate(answers)}
            assert {(each.carrier_id, each.phone) for each in our.receipts} == sent
            assert len(sent) == 150
            assert {each.status for each in our.receipts} == {"DELIVRD"}

    uvloop.run(play())


def test_a_receipt_says_when_the_message_was_delivered(protocol):
    async def play() -> None:
        async with stage(protocol) as (_, our):
            await our.send(part())
            await until(lambda: our.receipts)
            (receipt,) = our.receipts
            if not PROTOCOLS[protocol].receipts_have_a_time:
                assert (receipt.done_at, receipt.done_text) == (None, "")
                return
            assert receipt.done_at is not None
            assert f"{receipt.done_at:%y%m%d%H%M}" == receipt.done_text[-10:]

    uvloop.run(play())


def test_the_carriers_book_names_the_ids_that_we_were_told(protocol, tmp_path):
    journal = tmp_path / "journal.jsonl"

    async def play() -> set[str]:
        async with stage(protocol, of_carrier={"journal": journal}) as (_, our):
            return {answer.carrier_id for answer in await our.send(part(1), part(2))}

    told = uvloop.run(play())
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {line["carrier_id"] for line in lines if line["kind"] == "submit"} == told


def test_a_refused_part_is_answered_with_the_carriers_code(protocol):
    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            codes = simulator.speech.codes
            rewrite(simulator, Script(refusal_rate=1.0, refusal_codes=codes.refusals[:1]))
            assert await our.send(part()) == [Refused(PROTOCOLS[protocol].refused)]
            assert simulator.counters.refused == 1

    uvloop.run(play())


def test_a_carrier_that_asks_for_patience_slows_the_link_down(protocol):
    async def play() -> None:
        async with stage(protocol, Script(throttle_rate=1.0), rate_per_second=100_000) as (_, our):
            before = our.link.rate
            answers = await our.send(part())
            code = PROTOCOLS[protocol].throttled
            assert answers == [Refused(code, retryable=True, throttled=True)]
            assert our.link.rate == before / 2

    uvloop.run(play())


def test_a_link_that_was_slowed_down_recovers_when_the_carrier_asks_no_more(protocol):
    async def play() -> None:
        now = 0.0
        throttling = Script(throttle_rate=1.0)
        async with stage(protocol, throttling, clock=lambda: now, rate_per_second=1_000) as (simulator, our):
            await our.send(part(1))
            assert our.link.rate == 500
            rewrite(simulator, Script())
            now += 5.0
            assert [type(answer) for answer in await our.send(part(2))] == [Taken]
            assert our.link.rate == 1_000

    uvloop.run(play())


def test_a_part_that_fits_no_pdu_is_refused_here(protocol):
    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            unfit, fit = await our.send(part(text="长" * 200), part())
            assert unfit == Refused("local:unfit")
            assert isinstance(fit, Taken)
            assert simulator.counters.submitted == 1

    uvloop.run(play())


def test_silence_leaves_a_part_in_doubt_and_its_place_free(protocol):
    async def play() -> None:
        now = 0.0
        silent = Script(silence_rate=1.0)
        async with stage(protocol, silent, clock=lambda: now, window=2) as (simulator, our):
            await our.link.ready()
            futures = [our.link.submit(part(number)) for number in range(2)]
            await until(lambda: simulator.counters.silent == 2)
            now += 11.0
            assert await asyncio.gather(*futures) == [InDoubt("no answer in time")] * 2
            rewrite(simulator, Script())
            assert [type(answer) for answer in await our.send(part(3))] == [Taken]

    uvloop.run(play())


def test_an_answer_that_comes_late_is_told_with_its_key(protocol):
    async def play() -> None:
        now = 0.0
        async with stage(protocol, clock=lambda: now) as (simulator, our):
            await our.link.ready()
            simulator.hold_reading(SYSTEM_ID, hold=True)
            waits = our.link.submit(part(), key="message 7")
            await asyncio.sleep(0)
            now += 11.0
            assert await waits == InDoubt("no answer in time")
            simulator.hold_reading(SYSTEM_ID, hold=False)
            await until(lambda: our.late)
            ((key, answer),) = our.late
            assert (key, type(answer)) == ("message 7", Taken)

    uvloop.run(play())


@pytest.mark.parametrize(
    ("script", "receipts"),
    [
        (Script(submit_delay_ms=30, early_rate=1.0), 10),
        (Script(double_rate=1.0), 20),
        (Script(late_rate=1.0, late_seconds=0.1), 10),
        (Script(early_rate=0.5, double_rate=1.0, late_rate=0.5, late_seconds=0.05), 20),
    ],
    ids=["early", "double", "late", "all"],
)
def test_receipts_find_their_parts_whenever_they_come(protocol, script, receipts):
    async def play() -> None:
        async with stage(protocol, script) as (_, our):
            answers = await our.send(*(part(number) for number in range(10)))
            await until(lambda: len(our.receipts) == receipts)
            assert {each.carrier_id for each in our.receipts} == {each.carrier_id for each in answers}

    uvloop.run(play())


def test_an_early_receipt_is_handed_on_before_the_answer(protocol):
    async def play() -> None:
        never = Script(submit_delay_ms=600_000, early_rate=1.0)
        async with stage(protocol, never, close_timeout_seconds=0.1) as (_, our):
            await our.link.ready()
            answered = our.link.submit(part())
            await until(lambda: our.receipts)
            assert not answered.done()

    uvloop.run(play())


def test_a_lost_receipt_is_not_made_up(protocol):
    async def play() -> None:
        async with stage(protocol, Script(lost_rate=1.0)) as (simulator, our):
            await our.send(*(part(number) for number in range(5)))
            rewrite(simulator, Script())
            (last,) = await our.send(part(6))
            await until(lambda: our.receipts)
            assert [each.carrier_id for each in our.receipts] == [last.carrier_id]

    uvloop.run(play())


def test_a_failure_is_told_as_the_carrier_says_it(protocol):
    async def play() -> None:
        script = Script(failed_rate=1.0, failed_codes=(("UNDELIV", "001"), ("REJECTD", "006")))
        async with stage(protocol, script) as (_, our):
            await our.send(*(part(number) for number in range(20)))
            await until(lambda: len(our.receipts) == 20)
            assert {each.status for each in our.receipts} == PROTOCOLS[protocol].failures

    uvloop.run(play())


def test_a_receipt_that_was_not_stored_comes_again(protocol):
    async def play() -> None:
        async with stage(protocol, of_carrier={"resend_seconds": 0.05}) as (simulator, our):
            attempts = 0

            async def fail_twice(batch) -> None:
                nonlocal attempts
                attempts += 1
                if attempts <= 2:
                    raise ConnectionError("the database is away")
                await our.keep(batch)

            our.store = fail_twice
            (answer,) = await our.send(part())
            await until(lambda: simulator.counters.receipts_acked == 1)
            assert [each.carrier_id for each in our.receipts] == [answer.carrier_id]
            assert simulator.counters.receipts_again == 2

    uvloop.run(play())


def test_receipts_that_are_owed_come_after_the_next_bind(protocol):
    async def play() -> None:
        slow = Script(receipt_delay_ms_min=100, receipt_delay_ms_max=100)
        there, here = meeting(protocol)
        async with await serve(carrier(slow, protocol=protocol, **there)) as simulator:
            async with desk(simulator.port, protocol=protocol, **here) as first:
                (answer,) = await first.send(part())
            await until(lambda: simulator.owed(SYSTEM_ID) == 1)
            async with desk(simulator.port, protocol=protocol, **here) as second:
                await until(lambda: second.receipts)
                assert second.receipts[0].carrier_id == answer.carrier_id

    uvloop.run(play())


def test_a_flood_of_receipts_stops_the_reading_until_they_are_stored(protocol):
    async def play() -> None:
        may_store = asyncio.Event()
        async with stage(protocol, of_carrier={"receipt_window": 100_000}, waiting_receipts_limit=50) as (
            simulator,
            our,
        ):

            async def wait_and_keep(batch) -> None:
                await may_store.wait()
                await our.keep(batch)

            our.store = wait_and_keep
            (answer,) = await our.send(part())
            flood(simulator, answer.carrier_id)
            await until(lambda: our.link.waiting_receipts > 50)
            assert our.link.waiting_receipts < FLOOD
            may_store.set()
            await until(lambda: len(our.receipts) == FLOOD + 1)

    uvloop.run(play())


@pytest.mark.parametrize("udh", [False, True])
def test_a_reply_from_a_phone_is_handed_on(protocol, udh):
    payload = (bytes((5, 0, 3, 7, 2, 1)) if udh else b"") + "退订".encode("utf-16-be")

    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            await our.link.ready()
            simulator.reply(SYSTEM_ID, phone=PHONE, to="10690001", payload=payload, udh=udh)
            await until(lambda: our.replies)
            (reply,) = our.replies
            assert (reply.phone, reply.destination, reply.payload) == (PHONE, "10690001", payload)
            assert (reply.data_coding, reply.udh) == (8, udh)

    uvloop.run(play())


def test_a_long_message_goes_as_parts_with_their_headers(protocol):
    heads = [bytes((5, 0, 3, 42, 2, number)) for number in (1, 2)]
    payloads = [head + "长".encode("utf-16-be") * 67 for head in heads]
    heard: list[tuple[bytes, bool]] = []

    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            noted = simulator.note_submit

            def listen(account, fate, carrier_id, submit) -> None:
                heard.append((submit.payload, submit.udh))
                noted(account, fate, carrier_id, submit)

            simulator.note_submit = listen
            await our.send(*(part(payload=each, udh=True) for each in payloads), part(payload=b"\0a"))

    uvloop.run(play())
    assert heard == [(payloads[0], True), (payloads[1], True), (b"\0a", False)]


@pytest.mark.parametrize("known", [True, False])
def test_wrong_credentials_are_told_and_not_tried_again_soon(protocol, known):
    async def play() -> None:
        name = SYSTEM_ID if known else "nobody"
        async with stage(protocol, system_id=name, password="wrong") as (simulator, our):
            await until(lambda: LinkPhase.REFUSED in our.phases)
            codes = PROTOCOLS[protocol]
            assert (
                our.states[-1].reason == f"bind refused: {codes.wrong_password if known else codes.unknown}"
            )
            assert our.phases == [LinkPhase.CONNECTING, LinkPhase.REFUSED]
            assert (our.link.capacity(), simulator.counters.binds) == (0, 0)

    uvloop.run(play())


@contextlib.asynccontextmanager
async def stranger(play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """Somebody who listens, does with each link what the play says, and hangs up; yields the port."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await play(reader, writer)

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_an_unanswered_bind_is_given_up(protocol):
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            pass

    async def play() -> None:
        _, here = meeting(protocol)
        async with (
            stranger(say_nothing) as port,
            desk(port, protocol=protocol, response_timeout_seconds=0.1, **here) as our,
        ):
            await until(lambda: LinkPhase.LOST in our.phases)
            assert our.states[1].reason == "bind unanswered"

    uvloop.run(play())


def test_words_before_the_answer_to_the_bind_do_not_count_as_bound(protocol):
    speech = Simulator(SimulatorSettings(protocol=protocol, accounts={})).speech
    capacities = []

    async def read(reader: asyncio.StreamReader) -> Heard:
        buffer = bytearray()
        while not (frames := speech.split(buffer)):
            buffer += await reader.read(4_096)
        return speech.hear(frames[0])

    async def play() -> None:
        async def talk_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            login = await read(reader)
            assert isinstance(login, Login)
            writer.write(QUESTIONS[protocol])
            await read(reader)
            capacities.append(our.link.capacity())
            writer.write(speech.login_answer(login, 0, PASSWORD))
            await reader.read(4_096)  # The link takes leave.

        _, here = meeting(protocol)
        async with stranger(talk_first) as port, desk(port, protocol=protocol, **here) as our:
            await our.link.ready()
            assert our.link.capacity() > 0

    uvloop.run(play())
    assert capacities == [0]


def test_a_carrier_that_counts_connections_is_asked_again_until_there_is_room(protocol):
    async def play() -> None:
        async with await serve(carrier(protocol=protocol)) as simulator:
            simulator.accounts[SYSTEM_ID].allowed_sessions = 1
            async with desk(simulator.port, protocol=protocol) as first:
                await first.link.ready()
                async with desk(simulator.port, protocol=protocol) as second:
                    await until(lambda: second.phases.count(LinkPhase.REFUSED) > 1)
                    assert second.states[1].reason == f"bind refused: {PROTOCOLS[protocol].too_many}"
                    await first.link.close()
                    await second.link.ready()
            assert simulator.accounts[SYSTEM_ID].most_sessions == 1

    uvloop.run(play())


def test_when_the_carrier_takes_leave_the_link_comes_back(protocol):
    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            await our.link.ready()
            simulator.unbind(SYSTEM_ID)
            await until(lambda: our.phases.count(LinkPhase.BOUND) == 2)
            assert our.states[2].reason == "unbound by the carrier"
            assert [type(answer) for answer in await our.send(part())] == [Taken]

    uvloop.run(play())


def test_when_the_connection_is_cut_the_unanswered_is_in_doubt_and_is_not_sent_again(protocol):
    async def play() -> None:
        async with stage(protocol, Script(drop_every=2)) as (simulator, our):
            first, second = await our.send(part(1)) + await our.send(part(2))
            assert (type(first), type(second)) == (Taken, InDoubt)
            await until(lambda: our.phases.count(LinkPhase.BOUND) == 2)
            await until(lambda: len(our.receipts) == 2)
            assert simulator.counters.submitted == 2

    uvloop.run(play())


def test_garbage_on_the_wire_ends_the_connection_and_the_link_comes_back(protocol):
    async def play() -> None:
        async with stage(protocol) as (simulator, our):
            await our.link.ready()
            simulator.garble(SYSTEM_ID)
            await until(lambda: our.phases.count(LinkPhase.BOUND) == 2)
            assert our.states[2].reason == "garbage on the wire"

    uvloop.run(play())


def test_a_half_open_connection_is_noticed_and_replaced(protocol):
    async def play() -> None:
        now = 0.0
        async with stage(protocol, clock=lambda: now, keep_alive_seconds=0.2) as (simulator, our):
            await our.link.ready()
            simulator.freeze(SYSTEM_ID)
            async with asyncio.timeout(20):
                while our.phases.count(LinkPhase.BOUND) < 2:
                    now += 0.1
                    await asyncio.sleep(0.01)
            assert our.states[2].reason == PROTOCOLS[protocol].half_open

    uvloop.run(play())


def test_a_half_open_connection_is_noticed_though_parts_go_on_being_sent_over_it(protocol):
    async def play() -> None:
        now = 0.0
        given = {"keep_alive_seconds": 0.2, "response_timeout_seconds": 0.3}
        async with stage(protocol, clock=lambda: now, **given) as (simulator, our):
            await our.link.ready()
            simulator.freeze(SYSTEM_ID)
            async with asyncio.timeout(20):
                while our.phases.count(LinkPhase.BOUND) < 2:
                    if our.link.capacity() > 0:
                        our.link.submit(part())
                    now += 0.02
                    await asyncio.sleep(0.01)
            assert LinkPhase.LOST in our.phases

    uvloop.run(play())


def test_a_carrier_that_does_not_read_holds_the_link_back_and_loses_nothing(protocol):
    async def play() -> None:
        async with stage(protocol, window=100_000) as (simulator, our):
            await our.link.ready()
            shrink_buffers(simulator, our)
            simulator.hold_reading(SYSTEM_ID, hold=True)
            futures = []
            while our.link.capacity() > 0 and len(futures) < 20_000:
                futures += [our.link.submit(part(number)) for number in range(100)]
                await asyncio.sleep(0)
            assert len(futures) < 20_000
            assert simulator.counters.submitted == 0
            simulator.hold_reading(SYSTEM_ID, hold=False)
            assert {type(answer) for answer in await asyncio.gather(*futures)} == {Taken}

    uvloop.run(play())


def shrink_buffers(simulator: Simulator, our: Desk) -> None:
    """Without this the system itself takes some megabytes for a carrier that reads nothing."""
    ends = [peer._transport for peer in simulator.peers] + [our.link._connection._transport]
    for transport in ends:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 65_536)


def test_closing_finishes_the_window_and_takes_leave(protocol):
    async def play() -> None:
        async with await serve(carrier(Script(submit_delay_ms=50), protocol=protocol)) as simulator:
            async with desk(simulator.port, protocol=protocol) as our:
                await our.link.ready()
                futures = [our.link.submit(part(number)) for number in range(10)]
            assert {type(future.result()) for future in futures} == {Taken}
            assert our.phases[-1] is LinkPhase.CLOSED
            await until(lambda: not simulator.peers)

    uvloop.run(play())


def test_a_carrier_that_brings_on_and_on_is_taken_leave_of_too(protocol):
    async def play() -> None:
        there, here = meeting(protocol)
        async with await serve(carrier(protocol=protocol, receipt_window=32, **there)) as simulator:
            async with desk(simulator.port, protocol=protocol, **here) as our:

                async def keep_slowly(batch) -> None:
                    await asyncio.sleep(0.02)
                    await our.keep(batch)

                our.store = keep_slowly
                (answer,) = await our.send(part())
                flood(simulator, answer.carrier_id)
                await until(lambda: len(our.receipts) > 100)
            assert simulator.accounts[SYSTEM_ID].unbinds == 1
            assert simulator.owed(SYSTEM_ID) > 0
            unacknowledged = 0 if PROTOCOLS[protocol].carrier_comes else 32
            assert len(our.receipts) - simulator.counters.receipts_acked <= unacknowledged

    uvloop.run(play())


def test_what_waits_behind_a_full_window_is_not_sent_when_the_connection_is_cut(protocol):
    async def play() -> None:
        async with stage(
            protocol, Script(silence_rate=1.0), window=1, reconnect_min_seconds=5, reconnect_max_seconds=5
        ) as (simulator, our):
            await our.link.ready()
            written, queued = our.link.submit(part(1)), our.link.submit(part(2))
            await until(lambda: simulator.counters.submitted == 1)
            simulator.drop(SYSTEM_ID)
            assert (type(await written), type(await queued)) == (InDoubt, NotSent)
            assert simulator.counters.submitted == 1

    uvloop.run(play())


def test_each_carrier_follows_its_script_whatever_the_protocol(protocol):
    script = Script(
        seed=7, refusal_rate=0.2, throttle_rate=0.1, early_rate=0.2, double_rate=0.2, lost_rate=0.2
    )

    async def kinds(script: Script) -> list[type]:
        async with stage(protocol, script) as (_, our):
            return [type(answer) for answer in await our.send(*(part(number) for number in range(60)))]

    again = uvloop.run(kinds(script))
    assert uvloop.run(kinds(script)) == again
    assert uvloop.run(kinds(replace(script, seed=8))) != again
