"""The carrier's connection to us: who may come in, what is taken from it, and when it is acknowledged."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import sgip
from infrastructure.carriers.intake import Intake
from infrastructure.carriers.session import Closed, Delivered
from infrastructure.carriers.sgip_inbound import (
    ADMITTED,
    LOGIN_REFUSED,
    TOO_MANY_CONNECTIONS,
    Admitted,
    InboundSession,
)
from infrastructure.carriers.sgip_listener import SgipListener, SgipListeners
from infrastructure.carriers.sgip_pdus import (
    Bind,
    BindResp,
    Deliver,
    Pdu,
    Report,
    ReportResp,
    Submit,
    Unbind,
    UnbindResp,
    UserReport,
    UserReportResp,
    sequence_text,
)
from infrastructure.carriers.traffic import LinkPhase, NotSent, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import serve
from tests.infrastructure.carriers.octets import damaged, golden
from tests.infrastructure.carriers.rig import SYSTEM_ID, Desk, carrier, desk, part, settings, until
from tests.support.ports import free_port

GOLDEN = golden("sgip12")
BIND = Bind(sequence=1, login_type=2, name="smg", password="secret")


def check(login: str, password: str) -> int:
    return ADMITTED if (login, password) == ("smg", "secret") else LOGIN_REFUSED


def session(*said: Pdu) -> InboundSession:
    """A session that has heard these words and answered them."""
    made = InboundSession(check, now=0.0, login_seconds=30, idle_seconds=600)
    made.receive(b"".join(sgip.encode(pdu) for pdu in said), 0.0)
    made.take_output()
    return made


def hears(session: InboundSession, *said: Pdu, now: float = 0.0) -> list:
    return session.receive(b"".join(sgip.encode(pdu) for pdu in said), now)


def report(number: int = 1, submitted: int = 7) -> Report:
    return Report(sequence=number, submit_sequence=submitted, phone="8613800138000")


# The session, without a socket.


def test_the_right_login_is_let_in():
    ours = session()
    assert hears(ours, BIND) == [Admitted("smg")]
    assert sgip.decode(ours.take_output()) == BindResp(sequence=1)


@pytest.mark.parametrize(
    ("bind", "result"),
    [
        (Bind(sequence=1, login_type=2, name="smg", password="wrong"), 1),
        (Bind(sequence=1, login_type=2, name="nobody", password="secret"), 1),
        (Bind(sequence=1, login_type=1, name="smg", password="secret"), 4),
    ],
    ids=["password", "name", "type"],
)
def test_a_wrong_login_is_told_so_and_has_to_go(bind, result):
    ours = session()
    assert hears(ours, bind, report()) == [Closed(f"login refused: {result}")]
    assert sgip.decode(ours.take_output()) == BindResp(sequence=1, result=result)


def test_a_second_login_is_refused_and_the_first_one_holds():
    ours = session(BIND)
    assert hears(ours, BIND) == []
    assert sgip.decode(ours.take_output()) == BindResp(sequence=1, result=2)
    assert [type(event) for event in hears(ours, report())] == [Delivered]


def test_a_command_before_the_login_is_refused_and_ends_it():
    ours = session()
    assert hears(ours, report(5)) == [Closed("a command before the login")]
    assert sgip.decode(ours.take_output()) == ReportResp(sequence=5, result=1)


def test_a_command_that_nobody_knows_ends_it_too_before_the_login():
    ours, trace = session(), bytes.fromhex("00000014" + "00001000" + "00" * 11 + "05")
    assert ours.receive(trace, 0.0) == [Closed("a command before the login")]
    assert ours.take_output()[4:21].hex() == "80001000" + "00" * 11 + "05" + "01"


def test_a_receipt_is_acknowledged_when_it_is_stored_and_not_before():
    ours = session(BIND)
    ((delivered),) = hears(ours, report(5))
    assert ours.take_output() == b""
    ours.answer_delivery(delivered.delivery, stored=True)
    assert sgip.decode(ours.take_output()) == ReportResp(sequence=5)
    ours.answer_delivery(delivered.delivery, stored=False)
    assert sgip.decode(ours.take_output()) == ReportResp(sequence=5, result=11)


def test_a_command_that_is_repeated_while_it_waits_has_one_answer_and_another_one_an_error():
    ours = session(BIND)
    (delivered,) = hears(ours, report(5), report(5), report(5, submitted=8))
    assert sgip.decode(ours.take_output()) == ReportResp(sequence=5, result=9)
    ours.answer_delivery(delivered.delivery, stored=False)
    assert sgip.decode(ours.take_output()) == ReportResp(sequence=5, result=11)
    assert [type(event) for event in hears(ours, report(5))] == [Delivered]


def test_what_needs_no_storing_is_answered_at_once():
    ours = session(BIND)
    assert hears(ours, UserReport(sequence=6, phone="8613800138000")) == []
    assert sgip.decode(ours.take_output()) == UserReportResp(sequence=6)


def test_a_farewell_is_answered_and_ends_it():
    ours = session(BIND)
    assert hears(ours, Unbind(sequence=9), report()) == [Closed("unbound by the carrier")]
    assert sgip.decode(ours.take_output()) == UnbindResp(sequence=9)


def test_a_farewell_waits_for_the_answers_to_what_came_before():
    ours = session(BIND)
    first, second = hears(ours, report(5), report(6), Unbind(sequence=9), report(7))
    assert ours.answer_delivery(first.delivery, stored=True) == []
    assert not ours.closed
    assert ours.answer_delivery(second.delivery, stored=True) == [Closed("unbound by the carrier")]
    said = ours.take_output()
    assert [sgip.decode(said[:29]), sgip.decode(said[29:58]), sgip.decode(said[58:])] == [
        ReportResp(sequence=5),
        ReportResp(sequence=6),
        UnbindResp(sequence=9),
    ]


def test_a_command_that_we_do_not_serve_is_answered_with_an_error():
    ours = session(BIND)
    assert hears(ours, Submit(sequence=3, destinations=("8613800138000",))) == []
    assert ours.take_output()[4:8].hex() == "80000003"
    assert not ours.closed


def test_a_broken_command_ends_it():
    ours = session(BIND)
    broken = GOLDEN["report_state0_err0"][:40]
    events = ours.receive((40).to_bytes(4, "big") + broken[4:], 0.0)
    assert events == [Closed("garbage on the wire")]


def test_who_does_not_log_in_has_to_go_and_who_falls_silent_too():
    assert session().tick(29.9) == []
    assert session().tick(30.0) == [Closed("no login")]
    ours = session(BIND)
    hears(ours, report(), now=500.0)
    assert ours.tick(1_099.0) == []
    assert ours.tick(1_100.0) == [Closed("idle")]


def test_nothing_happens_after_the_end():
    ours = session(BIND)
    ((delivered),) = hears(ours, report())
    assert ours.lost("gone") == [Closed("gone")]
    ours.answer_delivery(delivered.delivery, stored=True)
    assert (ours.lost("again"), hears(ours, report()), ours.take_output()) == ([], [], b"")


@given(st.lists(damaged(list(GOLDEN.values())), max_size=5), st.booleans())
def test_whatever_comes_is_answered_or_ends_it(frames, admitted):
    ours = session(*([BIND] if admitted else []))
    ours.receive(b"".join(frames), 0.0)
    ours.take_output()


# The listener, on a real socket.


class Smg:
    """A carrier's connection, octet for octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, *pdus: Pdu) -> None:
        self.writer.write(b"".join(sgip.encode(pdu) for pdu in pdus))

    async def hear(self) -> Pdu:
        async with asyncio.timeout(20):
            length = await self.reader.readexactly(4)
            return sgip.decode(length + await self.reader.readexactly(int.from_bytes(length, "big") - 4))

    async def ask(self, pdu: Pdu) -> Pdu:
        self.say(pdu)
        return await self.hear()

    async def gone(self) -> bool:
        async with asyncio.timeout(20):
            return await self.reader.read() == b""


@contextlib.asynccontextmanager
async def smg(port: int) -> AsyncIterator[Smg]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Smg(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Books:
    """What one link's intake stored."""

    def __init__(self, limit: int = 1_000) -> None:
        self.kept: list = []
        self.may_store = asyncio.Event()
        self.may_store.set()
        self.intake = Intake(store_receipts=self.store, store_replies=self.store, limit=limit)

    async def store(self, batch) -> None:
        await self.may_store.wait()
        self.kept.extend(batch)


@contextlib.asynccontextmanager
async def listening(*logins: str, **times: float) -> AsyncIterator[tuple[SgipListener, list[Books]]]:
    """A listener that admits these logins, each with its own books."""
    listener = SgipListener(host="127.0.0.1", port=0, **times)
    await listener.open()
    books = [Books() for _ in logins]
    chores = [asyncio.create_task(each.intake.run()) for each in books]
    for login, each in zip(logins, books, strict=True):
        listener.admit(login, f"of-{login}", each.intake)
    try:
        yield listener, books
    finally:
        listener.close()
        for chore in chores:
            chore.cancel()


def bind(login: str) -> Bind:
    return Bind(sequence=1, login_type=2, name=login, password=f"of-{login}")


def test_carriers_on_one_port_are_told_apart_by_their_logins():
    async def play() -> None:
        async with (
            listening("north", "south") as (listener, (north, south)),
            smg(listener.port) as one,
            smg(listener.port) as other,
        ):
            assert await one.ask(bind("south")) == BindResp(sequence=1)
            assert await other.ask(bind("north")) == BindResp(sequence=1)
            assert await one.ask(report(5, submitted=70)) == ReportResp(sequence=5)
            assert await other.ask(report(5, submitted=80)) == ReportResp(sequence=5)
            deliver = Deliver(sequence=6, phone="8613800138000", destination="10690001", content=b"TD")
            assert (await other.ask(deliver)).result == 0
            assert [each.carrier_id for each in south.kept] == [sequence_text(70)]
            assert [each.carrier_id for each in north.kept] == [sequence_text(80), sequence_text(6)]

    asyncio.run(play())


def test_one_carrier_may_come_over_several_connections_but_not_over_any_number():
    async def play() -> None:
        async with listening("smg") as (listener, (books,)), contextlib.AsyncExitStack() as stack:
            visits = [await stack.enter_async_context(smg(listener.port)) for _ in range(61)]
            results = [(await visit.ask(bind("smg"))).result for visit in visits]
            assert results == [ADMITTED] * 60 + [TOO_MANY_CONNECTIONS]
            assert await visits[60].gone()
            await visits[0].ask(report(1))
            await visits[59].ask(report(2))
            assert len(books.kept) == 2

    asyncio.run(play())


def test_nobody_is_acknowledged_before_the_books_have_it():
    async def play() -> None:
        async with listening("smg") as (listener, (books,)), smg(listener.port) as carrier_:
            await carrier_.ask(bind("smg"))
            books.may_store.clear()
            carrier_.say(report(5))
            await until(lambda: books.intake._owed.total() == 1)
            # Its answer comes at once, so it overtakes that of the receipt before it.
            assert await carrier_.ask(UserReport(sequence=6, phone="1")) == UserReportResp(sequence=6)
            books.may_store.set()
            assert await carrier_.hear() == ReportResp(sequence=5)

    asyncio.run(play())


def test_strangers_have_to_say_who_they_are():
    async def play() -> None:
        async with (
            listening("smg", login_seconds=0.05) as (listener, _),
            smg(listener.port) as silent,
        ):
            assert await silent.gone()

    asyncio.run(play())


def test_strangers_that_fill_the_house_do_not_keep_the_carrier_out():
    async def play() -> None:
        async with listening("smg") as (listener, _), contextlib.AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(smg(listener.port)) for _ in range(100)]
            carrier_ = await stack.enter_async_context(smg(listener.port))
            assert (await carrier_.ask(bind("smg"))).result == ADMITTED
            with contextlib.suppress(ConnectionError):
                assert await crowd[0].gone()
            assert (await crowd[1].ask(bind("smg"))).result == ADMITTED

    asyncio.run(play())


def test_a_login_may_be_padded_with_blanks():
    async def play() -> None:
        async with listening("smg") as (listener, (books,)), smg(listener.port) as carrier_:
            padded = Bind(
                sequence=1, login_type=2, name="smg".ljust(16), password="of-smg".ljust(16), reserve=" " * 8
            )
            assert await carrier_.ask(padded) == BindResp(sequence=1)
            await carrier_.ask(
                Deliver(sequence=6, phone="8613800138000".ljust(21), destination="10690001".ljust(21))
            )
            assert [(each.phone, each.destination) for each in books.kept] == [("8613800138000", "10690001")]

    asyncio.run(play())


def test_a_carrier_that_leaves_before_it_has_its_answers_gets_them_first():
    async def play() -> None:
        async with listening("smg") as (listener, (books,)), smg(listener.port) as carrier_:
            await carrier_.ask(bind("smg"))
            books.may_store.clear()
            carrier_.say(report(5), report(6), Unbind(sequence=7))
            await until(lambda: books.intake._owed.total() == 2 and not len(books.intake))
            books.may_store.set()
            answers = [await carrier_.hear() for _ in range(3)]
            assert answers == [
                ReportResp(sequence=5),
                ReportResp(sequence=6),
                UnbindResp(sequence=7),
            ]
            assert await carrier_.gone()
            assert len(books.kept) == 2

    asyncio.run(play())


def test_a_connection_that_died_without_a_word_is_noticed_by_tcp():
    async def play() -> None:
        async with listening("smg") as (listener, _), smg(listener.port) as carrier_:
            await carrier_.ask(bind("smg"))
            (visit,) = listener._guests["smg"].visits
            connection = visit._transport.get_extra_info("socket")
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    asyncio.run(play())


def test_a_login_that_is_refused_is_told_to_the_operator_without_names(caplog):
    async def play() -> None:
        async with listening("smg") as (listener, _), smg(listener.port) as carrier_:
            wrong = Bind(sequence=1, login_type=2, name="smg", password="hush-123")
            assert (await carrier_.ask(wrong)).result == LOGIN_REFUSED
            assert await carrier_.gone()

    asyncio.run(play())
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert warning.getMessage() == "sgip listener: a login was refused: unknown name or wrong password"


def test_garbage_ends_a_connection_and_nothing_else():
    async def play() -> None:
        async with (
            listening("smg") as (listener, _),
            smg(listener.port) as rude,
            smg(listener.port) as polite,
        ):
            rude.writer.write(b"\xff" * 100)
            assert await rude.gone()
            assert (await polite.ask(bind("smg"))).result == ADMITTED

    asyncio.run(play())


def test_a_carrier_that_is_dismissed_is_cut_off_and_not_let_in_again():
    async def play() -> None:
        async with listening("smg") as (listener, _), smg(listener.port) as first:
            await first.ask(bind("smg"))
            listener.dismiss("smg")
            with contextlib.suppress(ConnectionError):
                assert await first.gone()
            async with smg(listener.port) as second:
                assert (await second.ask(bind("smg"))).result == LOGIN_REFUSED

    asyncio.run(play())


@pytest.mark.parametrize(("login", "password"), [("smg", "other"), ("", "x"), ("new", "")])
def test_a_login_is_not_given_twice_and_never_without_a_password(login, password):
    async def play() -> None:
        async with listening("smg") as (listener, (books,)):
            with pytest.raises(ValueError, match="login"):
                listener.admit(login, password, books.intake)

    asyncio.run(play())


def called_back(to_port: int, own_port: int) -> contextlib.AbstractAsyncContextManager[Desk]:
    """A link whose carrier comes to our port, as smg."""
    return desk(
        to_port,
        protocol="sgip12",
        listener_host="127.0.0.1",
        listener_port=own_port,
        listener_login="smg",
        listener_password="secret",
    )


def test_links_share_a_listener_and_the_last_one_closes_it():
    async def play() -> None:
        listeners, books = SgipListeners(), Books()
        port = free_port()
        one, other = (
            settings(1, listener_host="127.0.0.1", listener_port=port, listener_login=login, **secret)
            for login, secret in (("a", {"listener_password": "x"}), ("b", {"listener_password": "y"}))
        )
        await asyncio.gather(listeners.join(one, books.intake), listeners.join(other, books.intake))
        listeners.leave(one)
        async with smg(port) as visit:
            login = Bind(sequence=1, login_type=2, name="b", password="y")
            assert (await visit.ask(login)).result == ADMITTED
        listeners.leave(other)
        with pytest.raises(OSError, match=r".+"):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(play())


# A whole link.


def test_two_links_share_a_port_and_each_gets_its_own_receipts():
    async def play() -> None:
        port, listeners = free_port(), SgipListeners()
        async with contextlib.AsyncExitStack() as stack:
            ours = []
            for login in ("north", "south"):
                callback = Callback(port=port, login=login, password=f"of-{login}", again_seconds=0.01)
                there = await stack.enter_async_context(
                    await serve(carrier(protocol="sgip12", callbacks={SYSTEM_ID: callback}))
                )
                ours.append(
                    await stack.enter_async_context(
                        desk(
                            there.port,
                            listeners=listeners,
                            name=login,
                            protocol="sgip12",
                            listener_host="127.0.0.1",
                            listener_port=port,
                            listener_login=login,
                            listener_password=f"of-{login}",
                        )
                    )
                )
            for number, each in enumerate(ours, start=1):
                answers = await each.send(*(part(n) for n in range(10 * number)))
                await until(lambda each=each, number=number: len(each.receipts) == 10 * number)
                assert {a.carrier_id for a in answers} == {r.carrier_id for r in each.receipts}

    asyncio.run(play())


def test_a_gateway_may_bring_receipts_over_our_own_connection():
    async def play() -> None:
        async with (
            await serve(carrier(protocol="sgip12")) as simulator,
            desk(simulator.port, protocol="sgip12") as our,
        ):
            (answer,) = await our.send(part())
            await until(lambda: our.receipts)
            assert our.receipts[0].carrier_id == answer.carrier_id

    asyncio.run(play())


def test_a_link_whose_port_is_taken_sends_all_the_same_and_listens_when_it_is_free():
    async def play() -> None:
        # It listens and accepts nobody: the carrier's call waits, and is reset when it closes.
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        callback = Callback(port=port, login="smg", password="secret", again_seconds=0.01)
        async with (
            await serve(carrier(protocol="sgip12", callbacks={SYSTEM_ID: callback})) as simulator,
            called_back(simulator.port, port) as our,
        ):
            (answer,) = await our.send(part())
            assert our.receipts == []
            assert our.link.deaf == f"the carrier cannot come to us: another program has port {port}"
            taken.close()
            await until(lambda: our.receipts)
            assert our.receipts[0].carrier_id == answer.carrier_id
            assert our.link.deaf == ""

    asyncio.run(play())


def test_a_link_says_that_its_carrier_comes_with_another_password_until_it_comes_with_the_right_one():
    async def play() -> None:
        port = free_port()
        async with (
            await serve(carrier(protocol="sgip12")) as simulator,
            called_back(simulator.port, port) as our,
        ):
            await our.link.ready()
            assert our.link.deaf == ""
            for password, admitted in (("other", False), ("secret", True), ("other", False)):
                async with smg(port) as visitor:
                    answer = await visitor.ask(Bind(sequence=1, login_type=2, name="smg", password=password))
                    assert (answer.result == ADMITTED) is admitted
                    assert ("another password" in our.link.deaf) is not admitted

    asyncio.run(play())


def test_what_the_carrier_brought_is_answered_though_our_own_connection_breaks_while_we_leave():
    async def play() -> None:
        port, may_store = free_port(), asyncio.Event()
        async with (
            await serve(carrier(protocol="sgip12")) as simulator,
            called_back(simulator.port, port) as our,
        ):
            await our.link.ready()

            async def store(batch) -> None:
                await may_store.wait()
                await our.keep(batch)

            our.store = store
            async with smg(port) as visitor:
                await visitor.ask(Bind(sequence=1, login_type=2, name="smg", password="secret"))
                visitor.say(report(5))
                await until(lambda: our.link.waiting_receipts == 0 and our.link._intake._owed.total() == 1)
                closing = asyncio.create_task(our.link.close())
                await asyncio.sleep(0)
                simulator.drop(SYSTEM_ID)
                await until(lambda: our.link._connection is None)
                await asyncio.sleep(0.1)
                may_store.set()
                async with asyncio.timeout(2):
                    assert await visitor.hear() == ReportResp(sequence=5)
                    await closing
                assert len(our.receipts) == 1

    asyncio.run(play())


def test_an_idle_link_is_renewed_without_a_word():
    async def play() -> None:
        now = 0.0
        async with (
            await serve(carrier(Script(), protocol="sgip12")) as simulator,
            desk(simulator.port, clock=lambda: now, protocol="sgip12", keep_alive_seconds=0.1) as our,
        ):
            await our.link.ready()
            for renewals in (2, 3, 4):
                now += 0.2
                await until(lambda renewals=renewals: simulator.counters.binds == renewals)
                await our.link.ready()
            assert our.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]
            assert (await our.send(part()))[0].carrier_id

    asyncio.run(play())


def test_a_part_that_comes_while_an_idle_link_is_renewed_goes_over_the_next_connection():
    async def play() -> None:
        now = 0.0
        async with (
            await serve(carrier(protocol="sgip12")) as simulator,
            desk(simulator.port, clock=lambda: now, protocol="sgip12", keep_alive_seconds=0.1) as our,
        ):
            await our.link.ready()
            now += 0.2
            our.link._connection._tick()
            assert our.link.capacity() == 0
            first, second = our.link.submit(part(1)), our.link.submit(part(2))
            assert {type(await first), type(await second)} == {Taken}
            assert (simulator.counters.binds, simulator.counters.submitted) == (2, 2)

    asyncio.run(play())


def test_a_part_that_waits_for_a_renewal_that_fails_was_not_sent():
    async def play() -> None:
        now = 0.0
        simulator = await serve(carrier(protocol="sgip12"))
        async with desk(simulator.port, clock=lambda: now, protocol="sgip12", keep_alive_seconds=0.1) as our:
            await our.link.ready()
            simulator._server.close()
            now += 0.2
            our.link._connection._tick()
            assert our.link.capacity() == 0
            assert await our.link.submit(part()) == NotSent("cannot connect")
            await simulator.close()

    asyncio.run(play())


def test_a_carrier_that_is_away_when_an_idle_link_is_renewed_is_told():
    async def play() -> None:
        now = 0.0
        simulator = await serve(carrier(protocol="sgip12"))
        async with desk(simulator.port, clock=lambda: now, protocol="sgip12", keep_alive_seconds=0.1) as our:
            await our.link.ready()
            simulator._server.close()
            now += 0.2
            await until(lambda: LinkPhase.LOST in our.phases)
            assert our.states[our.phases.index(LinkPhase.LOST)].reason.startswith("cannot connect")
            await simulator.close()

    asyncio.run(play())
