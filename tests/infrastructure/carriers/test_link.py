"""What a link does beside the contract of all protocols (test_contract.py), in SMPP, over real sockets."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator

import pytest
import uvloop

from infrastructure.carriers.link import LinkClosedError
from infrastructure.carriers.traffic import InDoubt, LinkPhase, NotSent, Refused, Taken
from infrastructure.simulator.account import Owed
from infrastructure.simulator.receipts import receipt_for
from infrastructure.simulator.script import PlannedReceipt, Script
from infrastructure.simulator.server import serve
from infrastructure.simulator.wire import Pdu, build
from tests.infrastructure.carriers.rig import (
    GOLDEN,
    SYSTEM_ID,
    Desk,
    RawPeer,
    carrier,
    desk,
    part,
    raw_carrier,
    settings,
    until,
)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request) -> Iterator[Callable[[Coroutine[None, None, None]], None]]:
    """Run a test's coroutine in each kind of event loop that the platform may use."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run


def test_the_states_of_a_link_are_told_in_order(run):
    async def play() -> None:
        async with await serve(carrier()) as simulator, desk(simulator.port) as our:
            await our.link.ready()
        assert our.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND, LinkPhase.CLOSED]

    run(play())


def test_a_bind_that_is_answered_at_once_is_noticed(run):
    hasty = build(Pdu("bind_transceiver_resp", 1, 0, {"system_id": "HASTY"}))
    unbind = build(Pdu("unbind", 2))[:8]

    def answer_before_the_question(listening: socket.socket) -> None:
        """A carrier in a thread of its own: its answer is there before our loop turns round."""
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                client.sendall(hasty)
                heard = b""
                while unbind not in heard and (more := client.recv(4096)):
                    heard += more

    async def play(port: int) -> None:
        for _ in range(20):
            async with desk(port, close_timeout_seconds=0.01) as our, asyncio.timeout(10):
                await our.link.ready()
                assert our.capacity_when_bound == 100

    with socket.create_server(("127.0.0.1", 0)) as listening:
        carrier_thread = threading.Thread(target=answer_before_the_question, args=(listening,))
        carrier_thread.start()
        try:
            run(play(listening.getsockname()[1]))
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            carrier_thread.join()


def test_a_password_that_fits_no_bind_loses_the_connection_and_says_so(run):
    async def play() -> None:
        async with (
            await serve(carrier()) as simulator,
            desk(simulator.port, password="far-too-long") as our,
        ):
            await until(lambda: LinkPhase.LOST in our.phases)
            lost = our.states[our.phases.index(LinkPhase.LOST)]
            assert lost.reason.startswith("cannot bind")
            assert "far-too-long" not in lost.reason

    run(play())


def test_nothing_is_sent_while_the_link_is_not_bound(run):
    async def play() -> None:
        our = Desk(settings(1))
        assert our.link.capacity() == 0
        assert await our.link.submit(part()) == NotSent("not bound")

    run(play())


def test_nothing_is_sent_over_a_connection_that_is_somebody_elses(run):
    async def play() -> None:
        async with await serve(carrier()) as simulator, desk(simulator.port) as our:
            await our.link.ready()
            our.owned = False
            assert await our.link.submit(part()) == NotSent("not owned")
            our.owned = True
            assert isinstance(await our.link.submit(part()), Taken)
            assert simulator.counters.submitted == 1

    run(play())


def test_what_waits_behind_a_full_window_is_not_sent_once_the_connection_is_somebody_elses(run):
    async def play() -> None:
        go = asyncio.Event()
        submitted = 0

        async def answer_when_told(peer: RawPeer) -> None:
            nonlocal submitted
            await peer.let_in()
            while True:
                submit = await peer.expect("submit_sm")
                submitted += 1
                await go.wait()
                peer.send(Pdu("submit_sm_resp", submit.sequence, 0, {"message_id": "m"}))

        async with raw_carrier(answer_when_told) as port, desk(port, window=1) as our:
            await our.link.ready()
            futures = [our.link.submit(part(number)) for number in range(4)]
            await until(lambda: submitted == 1)
            our.owned = False
            go.set()
            first, *others = await asyncio.gather(*futures)
            assert (first, others) == (Taken("m"), [NotSent("not owned")] * 3)
            assert our.link.queued == 0
            our.owned = True
            assert isinstance(await our.link.submit(part()), Taken)
            assert submitted == 2

    run(play())


def test_every_part_is_counted_also_one_that_never_left(run):
    async def play() -> None:
        async with await serve(carrier()) as simulator, desk(simulator.port, window=1) as our:
            assert await our.link.submit(part()) == NotSent("not bound")
            await our.link.ready()
            our.owned = False
            await our.link.submit(part())
            our.owned = True
            assert await our.link.submit(part(text="长" * 200)) == Refused("local:unfit")
            assert our.answers == [NotSent("not bound"), NotSent("not owned"), Refused("local:unfit")]
            assert our.seconds[:2] == [0.0, 0.0]
            written, queued = our.link.submit(part(1)), our.link.submit(part(2))
            closing = asyncio.create_task(our.link.close())
            assert (await queued, type(await written)) == (NotSent("link closed", ended=True), Taken)
            assert our.answers[3:] == [NotSent("link closed", ended=True), await written]
            await closing

    run(play())


def test_a_refused_part_is_answered_with_the_carriers_code(run):
    async def play() -> None:
        script = Script(refusal_rate=1.0, refusal_codes=(0x0B,))
        async with await serve(carrier(script)) as simulator, desk(simulator.port) as our:
            assert await our.send(part()) == [Refused("0x0B")]

    run(play())


def test_the_rate_of_a_link_is_kept(run):
    async def play() -> None:
        now = 1_000.0
        async with (
            await serve(carrier()) as simulator,
            desk(simulator.port, clock=lambda: now, rate_per_second=20) as our,
        ):
            await our.send(part(1))
            waiting = asyncio.create_task(our.send(part(2)))
            await until(lambda: our.receipts)
            assert (our.link.capacity(), simulator.counters.submitted) == (0, 1)
            now += 0.06
            await waiting
            assert simulator.counters.submitted == 2

    run(play())


def test_parts_beyond_the_capacity_wait_their_turn(run):
    async def play() -> None:
        async with await serve(carrier()) as simulator, desk(simulator.port, window=2) as our:
            await our.link.ready()
            futures = [our.link.submit(part(number)) for number in range(50)]
            assert our.link.capacity() == 0
            assert {type(answer) for answer in await asyncio.gather(*futures)} == {Taken}

    run(play())


def test_the_window_is_never_exceeded(run):
    async def play() -> None:
        most = 0

        async def hold_three(peer: RawPeer) -> None:
            nonlocal most
            await peer.let_in()
            waiting = []
            while True:
                waiting.append(await peer.expect("submit_sm"))
                most = max(most, len(waiting))
                if len(waiting) == 3:
                    for each in waiting:
                        peer.send(Pdu("submit_sm_resp", each.sequence, 0, {"message_id": "m"}))
                    waiting.clear()

        async with raw_carrier(hold_three) as port, desk(port, window=3) as our:
            await our.send(*(part(number) for number in range(30)))
            assert most == 3

    run(play())


def test_no_answer_in_time_is_doubt_and_the_late_answer_comes_with_its_key(run):
    async def play() -> None:
        go = asyncio.Event()

        async def answer_late(peer: RawPeer) -> None:
            await peer.let_in()
            submit = await peer.expect("submit_sm")
            await go.wait()
            peer.send(Pdu("submit_sm_resp", submit.sequence, 0, {"message_id": "late"}))
            await peer.expect("nothing more")

        async with raw_carrier(answer_late) as port, desk(port, response_timeout_seconds=0.1) as our:
            await our.link.ready()
            assert await our.link.submit(part(), key="message 7") == InDoubt("no answer in time")
            assert our.link.capacity() == 100
            go.set()
            await until(lambda: our.late == [("message 7", Taken("late"))])
            assert our.answers == [InDoubt("no answer in time"), Taken("late")]
            assert 0.1 <= our.seconds[0] <= our.seconds[1]

    run(play())


def test_the_answer_to_a_part_that_nobody_awaits_any_more_comes_with_its_key(run):
    async def play() -> None:
        script = Script(submit_delay_ms=20)
        async with await serve(carrier(script)) as simulator, desk(simulator.port) as our:
            await our.link.ready()
            our.link.submit(part(), key="k").cancel()
            await until(lambda: our.late)
            assert [(key, type(answer)) for key, answer in our.late] == [("k", Taken)]

    run(play())


def test_silence_leaves_only_its_own_parts_in_doubt(run):
    async def play() -> None:
        now = 0.0
        async with (
            await serve(carrier(Script(silence_rate=0.3))) as simulator,
            desk(simulator.port, clock=lambda: now) as our,
        ):
            await our.link.ready()
            futures = [our.link.submit(part(number)) for number in range(60)]
            await until(lambda: simulator.counters.submitted == 60)
            silent = simulator.counters.silent
            await until(lambda: sum(future.done() for future in futures) == 60 - silent)
            now += 11.0
            answers = await asyncio.gather(*futures)
            assert 0 < silent < 60
            assert sum(answer == InDoubt("no answer in time") for answer in answers) == silent

    run(play())


@pytest.mark.parametrize("id_format", ["same", "resp-hex-dlr-dec", "resp-dec-hex"])
def test_ids_meet_whatever_the_carrier_writes(run, id_format):
    async def play() -> None:
        script = Script(id_format=id_format)
        async with (
            await serve(carrier(script)) as simulator,
            desk(simulator.port, id_format=id_format) as our,
        ):
            (answer,) = await our.send(part())
            await until(lambda: our.receipts)
            assert our.receipts[0].carrier_id == answer.carrier_id

    run(play())


def test_a_receipt_is_acknowledged_only_after_it_is_stored(run):
    async def play() -> None:
        stored = asyncio.Event()
        async with await serve(carrier()) as simulator, desk(simulator.port) as our:

            async def store_slowly(batch) -> None:
                await stored.wait()
                await our.keep(batch)

            our.store = store_slowly
            await our.send(part(1))
            await until(lambda: simulator.counters.receipts_sent == 1)
            # The next answer shows that the link has read everything before it.
            await our.send(part(2))
            assert simulator.counters.receipts_acked == 0
            stored.set()
            await until(lambda: simulator.counters.receipts_acked == 2)

    run(play())


def test_receipts_that_arrive_during_a_store_are_stored_together(run):
    async def play() -> None:
        may_store = asyncio.Event()
        begun: list[int] = []
        async with await serve(carrier()) as simulator, desk(simulator.port) as our:

            async def wait_and_keep(batch) -> None:
                begun.append(len(batch))
                await may_store.wait()
                await our.keep(batch)

            our.store = wait_and_keep
            await our.send(*(part(number) for number in range(100)))
            await until(lambda: sum(begun) + our.link.waiting_receipts == 100)
            may_store.set()
            await until(lambda: len(our.receipts) == 100)
            assert len(our.batches) <= 2

    run(play())


def test_a_flood_of_receipts_stops_the_reading_until_they_are_stored(run):
    async def play() -> None:
        may_store = asyncio.Event()
        now = 0.0
        async with (
            await serve(carrier(receipt_window=100_000)) as simulator,
            desk(simulator.port, clock=lambda: now, waiting_receipts_limit=50) as our,
        ):

            async def wait_and_keep(batch) -> None:
                await may_store.wait()
                await our.keep(batch)

            our.store = wait_and_keep
            await our.link.ready()
            for number in range(3_000):
                simulator.accounts[SYSTEM_ID].deliver(owed(number))
            await until(lambda: our.link.waiting_receipts > 50)
            held = our.link.submit(part())
            await until(lambda: simulator.counters.taken == 1)
            # We do not listen, so however long it takes, it is not the carrier who is late.
            now += 1_000.0
            our.link._connection._tick()
            assert not held.done()
            assert our.link.waiting_receipts < 3_000
            may_store.set()
            assert isinstance(await held, Taken)
            await until(lambda: len(our.receipts) == 3_001)

    run(play())


def owed(number: int) -> Owed:
    """A receipt for nothing that was ever submitted."""
    submitted = {"destination_addr": "8613800138000", "source_addr": "10690001"}
    return receipt_for(submitted, f"unknown{number}", PlannedReceipt(0, "DELIVRD", "000"))


def test_when_the_connection_drops_the_unanswered_are_in_doubt_and_nothing_is_sent_twice(run, tmp_path):
    async def play() -> None:
        script = Script(drop_every=20)
        async with await serve(carrier(script)) as simulator, desk(simulator.port, window=10) as our:
            answers = await our.send(*(part(number, text=f"{number}") for number in range(100)))
            lost = [answer for answer in answers if isinstance(answer, InDoubt)]
            assert lost
            assert {type(answer) for answer in answers} <= {Taken, InDoubt, NotSent}
            sent = [answer for answer in answers if not isinstance(answer, NotSent)]
            assert simulator.counters.submitted <= len(sent)
            taken = {answer.carrier_id for answer in answers if isinstance(answer, Taken)}
            assert len(taken) == sum(isinstance(answer, Taken) for answer in answers)

    run(play())


def test_an_idle_link_is_kept_alive(run):
    async def play() -> None:
        now = 0.0
        questions = 0

        async def answer_questions(peer: RawPeer) -> None:
            nonlocal questions
            await peer.let_in()
            while True:
                peer.send(Pdu("enquire_link_resp", (await peer.expect("enquire_link")).sequence))
                questions += 1

        async with (
            raw_carrier(answer_questions) as port,
            desk(port, clock=lambda: now, keep_alive_seconds=0.04) as our,
        ):
            await our.link.ready()
            session = our.link._connection._session
            for number in range(1, 6):
                now += 0.05
                # The link must have read the answer too: its next question is due from then on.
                await until(lambda number=number: questions == number and not session._unanswered_asks)
            assert our.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]

    run(play())


def test_pdus_in_single_octets_are_understood(run):
    async def play() -> None:
        async def drip(peer: RawPeer) -> None:
            await peer.let_in()
            submit = await peer.expect("submit_sm")
            answer = build(Pdu("submit_sm_resp", submit.sequence, 0, {"message_id": "a1b2c3d4"}))
            for octet in answer + GOLDEN["deliver_sm_dlr_tlv"]:
                peer.writer.write(bytes([octet]))
                await peer.writer.drain()
                await asyncio.sleep(0)
            await peer.expect("nothing more")

        async with raw_carrier(drip) as port, desk(port) as our:
            assert await our.send(part()) == [Taken("a1b2c3d4")]
            await until(lambda: our.receipts)
            assert our.receipts[0].carrier_id == "a1b2c3d4"

    run(play())


def test_closing_does_not_wait_for_ever(run):
    async def play() -> None:
        script = Script(silence_rate=1.0)
        async with await serve(carrier(script)) as simulator:
            async with desk(simulator.port, close_timeout_seconds=0.1) as our:
                await our.link.ready()
                future = our.link.submit(part())
            assert future.result() == InDoubt("unbound")

    run(play())


def test_after_closing_nobody_waits_for_capacity(run):
    async def play() -> None:
        async with await serve(carrier()) as simulator:
            async with desk(simulator.port) as our:
                await our.link.ready()
            with pytest.raises(LinkClosedError):
                await our.link.ready()
            assert await our.link.submit(part()) == NotSent("not bound", ended=True)

    run(play())


def test_closing_wakes_those_who_wait_for_capacity(run):
    async def play() -> None:
        our = Desk(settings(1, reconnect_min_seconds=60, reconnect_max_seconds=60))
        running = asyncio.create_task(our.link.run())
        waiting = asyncio.create_task(our.link.ready())
        await until(lambda: LinkPhase.LOST in our.phases)
        await our.link.close()
        await running
        with pytest.raises(LinkClosedError):
            await waiting

    run(play())


def test_a_carrier_that_asks_and_never_reads_is_left_before_it_fills_the_memory(run):
    async def ask_for_ever(peer: RawPeer) -> None:
        narrow(peer.writer.transport)
        await peer.let_in()
        question = build(Pdu("enquire_link", 1)) * 1_000
        while True:
            peer.writer.write(question)
            await peer.writer.drain()

    async def play() -> None:
        async with raw_carrier(ask_for_ever) as port, desk(port) as our:
            await our.link.ready()
            narrow(our.link._connection._transport)
            await until(lambda: LinkPhase.LOST in our.phases)
            lost = next(state for state in our.states if state.phase is LinkPhase.LOST)
            assert lost.reason == "the carrier does not read"

    def narrow(transport: asyncio.BaseTransport) -> None:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 65_536)

    run(play())


def test_a_cancelled_link_answers_everybody(run):
    async def play() -> None:
        script = Script(silence_rate=1.0)
        async with await serve(carrier(script)) as simulator:
            our = Desk(settings(simulator.port))
            running = asyncio.create_task(our.link.run())
            await our.link.ready()
            future = our.link.submit(part())
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert isinstance(await future, InDoubt | NotSent)

    run(play())


def test_no_log_line_names_a_phone(run, caplog):
    async def play() -> None:
        async with await serve(carrier(resend_seconds=60.0)) as simulator, desk(simulator.port) as our:

            async def fail(batch) -> None:
                raise ValueError(f"cannot store {batch[0].phone}")

            our.store = fail
            await our.send(part())
            await until(lambda: simulator.counters.receipts_again)

    with caplog.at_level("DEBUG"):
        run(play())
    assert "not stored: ValueError" in caplog.text
    assert "138138" not in caplog.text
