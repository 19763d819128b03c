"""Orders to simulated carriers while they run, each with a real link at the other end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, get_args

import pytest

from domain.errors import BadInput, Conflicting, NotFound
from infrastructure.carriers.traffic import LinkPhase, Refused, Taken
from infrastructure.simulator.account import Callback
from infrastructure.simulator.carriers import DEEDS, Carriers, PortTaken, serve_carriers
from infrastructure.simulator.offers import EVERY_PROTOCOL
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import SimulatorSettings
from infrastructure.simulator.speech import Condition
from infrastructure.stack import free_ports
from tests.infrastructure.carriers.rig import PASSWORD, SYSTEM_ID, Desk, desk, part, until

PHONE = "8613800138000"
LONG = "请问我的订单什么时候可以送到，" * 12
CODECS = {8: "utf-16-be", 0: "ascii", 1: "ascii", 15: "gb18030"}


@pytest.fixture(params=EVERY_PROTOCOL)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings(protocol: str, **changes: object) -> SimulatorSettings:
    given: dict[str, Any] = {"protocol": protocol, "accounts": {SYSTEM_ID: PASSWORD}, **changes}
    return SimulatorSettings(**given)


@contextlib.asynccontextmanager
async def stage(protocol: str) -> AsyncIterator[tuple[Carriers, Desk]]:
    """A carrier that takes orders, and a bound link to it."""
    (inbound,) = free_ports(1)
    called = Callback(port=inbound, login="smg", password="smgpass", again_seconds=0.01)
    here = {
        "listener_host": "127.0.0.1",
        "listener_port": inbound,
        "listener_login": called.login,
        "listener_password": called.password,
    }
    calls = protocol == "sgip12"
    carrier = settings(protocol, callbacks={SYSTEM_ID: called} if calls else {})
    async with serve_carriers({protocol: carrier}) as carriers:
        (simulator,) = carriers
        async with desk(simulator.port, protocol=protocol, **(here if calls else {})) as our:
            await our.link.ready()
            yield carriers, our


def account_of(carriers: Carriers, protocol: str) -> dict[str, Any]:
    found: dict[str, Any] = carriers.state(protocol)["carriers"][protocol]["accounts"][SYSTEM_ID]
    return found


def test_a_script_is_changed_in_single_fields_while_the_carrier_runs(protocol):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            assert isinstance((await our.send(part()))[0], Taken)
            carriers.change_script(protocol, {"refusal_rate": 1})
            carriers.change_script(protocol, {"seed": 7})
            assert isinstance((await our.send(part()))[0], Refused)
            script = account_of(carriers, protocol)["script"]
            assert (script["refusal_rate"], script["seed"]) == (1.0, 7)

    asyncio.run(play())


def test_a_whole_script_gives_the_other_fields_their_defaults():
    async def play() -> None:
        async with serve_carriers({"smpp34": settings("smpp34", script=Script(lost_rate=1.0))}) as carriers:
            carriers.change_script("all", {"seed": 3}, whole=True)
            assert account_of(carriers, "smpp34")["script"] == asdict(Script(seed=3))

    asyncio.run(play())


@pytest.mark.parametrize(
    "changes",
    [
        {"refusal_rate": 2},
        {"refusal_rate": "much"},
        {"refusal_rate": True},
        {"refusal_rate": float("nan")},
        {"submit_delay_ms": -1},
        {"receipt_delay_ms_min": 5},
        {"late_seconds": float("inf")},
        {"drop_every": 1.5},
        {"drop_every": -1},
        {"refusal_codes": [0]},
        {"refusal_codes": [256]},
        {"failed_codes": []},
        {"failed_codes": [["undelivered", "001"]]},
        {"id_format": "roman"},
        {"logins": ["sideways"]},
        {"logins": "send"},
        {"seed": None},
        {"weather": "fine"},
    ],
)
def test_nonsense_is_refused_and_changes_nothing(changes):
    async def play() -> None:
        both = {"smpp34": settings("smpp34"), "cmpp20": settings("cmpp20")}
        async with serve_carriers(both) as carriers:
            before = carriers.state()
            with pytest.raises(BadInput) as refused:
                carriers.change_script("all", {"seed": 9, **changes})
            assert refused.value.code in ("invalid_value", "unknown_field")
            assert carriers.state() == before

    asyncio.run(play())


def test_the_codes_of_a_refusal_are_those_that_fit_the_protocol():
    async def play() -> None:
        async with serve_carriers({"smpp34": settings("smpp34")}) as carriers:
            carriers.change_script("smpp34", {"refusal_codes": [0x0400]})
            assert account_of(carriers, "smpp34")["script"]["refusal_codes"] == (0x0400,)

    asyncio.run(play())


@pytest.mark.parametrize("deed", ["drop", "unbind", "garble"])
def test_a_link_that_was_thrown_out_comes_back(protocol, deed):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            carriers.do(deed, protocol)
            await until(lambda: our.phases.count(LinkPhase.BOUND) >= 2)
            assert isinstance((await our.send(part()))[0], Taken)

    asyncio.run(play())


def test_a_carrier_that_reads_nothing_answers_when_it_reads_again(protocol):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            carriers.do("hold", protocol)
            room = our.link.capacity()
            sending = asyncio.create_task(our.send(part()))
            await until(lambda: our.link.capacity() < room)
            assert account_of(carriers, protocol)["counters"]["submitted"] == 0
            carriers.do("resume", protocol)
            assert isinstance((await sending)[0], Taken)

    asyncio.run(play())


def test_a_frozen_carrier_says_nothing_more():
    async def play() -> None:
        async with stage("smpp34") as (carriers, our):
            carriers.do("freeze", "smpp34")
            room = our.link.capacity()
            sending = asyncio.create_task(our.send(part()))
            await until(lambda: our.link.capacity() < room)
            carriers.do("drop", "smpp34")
            assert not isinstance((await sending)[0], Taken)
            assert account_of(carriers, "smpp34")["counters"]["submitted"] == 0

    asyncio.run(play())


def test_a_carrier_that_is_away_keeps_what_it_owes_and_brings_it_when_it_is_back(protocol):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            await carriers.stop(protocol)
            await carriers.stop(protocol)
            (simulator,) = carriers
            assert (simulator.listening, simulator.peers) == (False, set())
            carriers.reply(protocol, phone=PHONE, to="10690001", text="TD")
            assert account_of(carriers, protocol)["owed"]["waiting"] == 1
            await carriers.start(protocol)
            await carriers.start(protocol)
            await until(lambda: len(our.replies) == 1)
            assert account_of(carriers, protocol)["owed"]["waiting"] == 0

    asyncio.run(play())


def test_a_receipt_whose_time_has_not_come_is_owed():
    async def play() -> None:
        async with stage("smpp34") as (carriers, our):
            carriers.change_script("smpp34", {"receipt_delay_ms_min": 3.6e6, "receipt_delay_ms_max": 3.6e6})
            await our.send(part())
            assert account_of(carriers, "smpp34")["owed"] == {"waiting": 0, "unacknowledged": 0, "planned": 1}

    asyncio.run(play())


def test_a_carrier_cannot_come_back_where_another_listens_now():
    async def play() -> None:
        async with serve_carriers({"smpp34": settings("smpp34")}) as carriers:
            (simulator,) = carriers
            await carriers.stop("smpp34")
            with (
                socket.create_server(("127.0.0.1", simulator.port)),
                pytest.raises(Conflicting, match="port_taken"),
            ):
                await carriers.start("smpp34")
            assert not simulator.listening
            await carriers.start("smpp34")
            assert simulator.listening

    asyncio.run(play())


@pytest.mark.parametrize(("text", "coding"), [("TD", "ascii"), ("退订", "ucs2"), ("退订", "gb18030")])
def test_a_phone_writes_a_short_message(protocol, text, coding):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            assert carriers.reply(protocol, phone=PHONE, to="10690001", text=text, coding=coding) == 1
            await until(lambda: our.replies)
            (reply,) = our.replies
            assert (reply.phone, reply.destination, reply.udh) == (PHONE, "10690001", False)
            assert reply.payload.decode(CODECS[reply.data_coding]) == text

    asyncio.run(play())


def test_a_phone_writes_a_long_message_in_parts(protocol):
    async def play() -> None:
        async with stage(protocol) as (carriers, our):
            assert carriers.reply(protocol, phone=PHONE, to="10690001", text=LONG) == 3
            await until(lambda: len(our.replies) == 3)
            assert {reply.udh for reply in our.replies} == {True}
            parts = sorted((reply.payload[5], reply.payload[6:]) for reply in our.replies)
            assert b"".join(payload for _, payload in parts).decode("utf-16-be") == LONG
            assert account_of(carriers, protocol)["counters"]["replies_sent"] == 3

    asyncio.run(play())


@pytest.mark.parametrize(
    "told",
    [
        {"phone": "many"},
        {"phone": ""},
        {"to": "1" * 21},
        {"text": ""},
        {"text": "退订", "coding": "ascii"},
        {"name": "all"},
    ],
)
def test_what_no_phone_can_write_is_refused_and_owed_to_nobody(told):
    async def play() -> None:
        both = {"smpp34": settings("smpp34"), "cmpp20": settings("cmpp20")}
        async with serve_carriers(both) as carriers:
            given = {"name": "smpp34", "phone": PHONE, "to": "10690001", "text": "TD", **told}
            with pytest.raises(BadInput):
                carriers.reply(given.pop("name"), **given)
            assert [each.owed(SYSTEM_ID) for each in carriers] == [0, 0]

    asyncio.run(play())


@pytest.mark.parametrize("condition", get_args(Condition))
def test_a_carrier_tells_what_became_of_a_subscriber_and_the_link_acknowledges_it(condition):
    async def play() -> None:
        async with stage("sgip12") as (carriers, our):
            await until(lambda: account_of(carriers, "sgip12")["connections"] == 2)
            carriers.user_report("sgip12", phone=PHONE, condition=condition)
            assert account_of(carriers, "sgip12")["owed"]["unacknowledged"] == 1
            await until(lambda: account_of(carriers, "sgip12")["owed"]["unacknowledged"] == 0)
            counters = account_of(carriers, "sgip12")["counters"]
            assert (counters["user_reports_sent"], counters["receipts_again"]) == (1, 0)
            assert isinstance((await our.send(part()))[0], Taken)
            await until(lambda: our.receipts)
            assert (len(our.receipts), our.replies) == (1, [])

    asyncio.run(play())


@pytest.mark.parametrize("name", ["smpp34", "cmpp20", "smgp30", "all"])
def test_carriers_whose_protocol_has_no_words_for_subscribers_are_told_so(name):
    async def play() -> None:
        every = {each: settings(each) for each in ("smpp34", "cmpp20", "smgp30", "sgip12")}
        async with serve_carriers(every) as carriers:
            with pytest.raises(BadInput):
                carriers.user_report(name, phone=PHONE, condition="normal")
            with pytest.raises(BadInput):
                carriers.user_report("sgip12", phone="many", condition="normal")
            assert [each.owed(SYSTEM_ID) for each in carriers] == [0, 0, 0, 0]

    asyncio.run(play())


def test_who_is_not_there_is_refused():
    async def play() -> None:
        async with serve_carriers({"smpp34": settings("smpp34")}) as carriers:
            for deed in DEEDS:
                with pytest.raises(NotFound):
                    carriers.do(deed, "smpp34", "stranger")
                with pytest.raises(NotFound):
                    carriers.do(deed, "cmpp20")
            with pytest.raises(NotFound):
                carriers.change_script("smpp34", {}, account="stranger")

    asyncio.run(play())


def test_an_order_for_one_account_leaves_the_other_as_it_is():
    async def play() -> None:
        two = settings("smpp34", accounts={"one": PASSWORD, "two": PASSWORD})
        async with serve_carriers({"smpp34": two}) as carriers:
            carriers.change_script("smpp34", {"lost_rate": 1}, account="two")
            (simulator,) = carriers
            rates = {name: account.script.lost_rate for name, account in simulator.accounts.items()}
            assert rates == {"one": 0.0, "two": 1.0}

    asyncio.run(play())


def test_counters_begin_anew_and_the_dice_with_them():
    async def play() -> None:
        async with stage("smpp34") as (carriers, our):
            carriers.change_script("smpp34", {"throttle_rate": 0.5})
            rolls = []
            for _ in range(2):
                answers = [(await our.send(part()))[0] for _ in range(8)]
                rolls.append([isinstance(answer, Taken) for answer in answers])
                await until(lambda: account_of(carriers, "smpp34")["counters"]["submitted"] == 8)
                carriers.do("reset", "smpp34")
                assert account_of(carriers, "smpp34")["counters"]["submitted"] == 0
            assert rolls[0] == rolls[1]
            assert len(set(rolls[0])) == 2

    asyncio.run(play())


def test_a_port_that_is_taken_is_told_and_no_other_carrier_stays():
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            (free,) = free_ports(1)
            both = {"smpp34": settings("smpp34", port=free), "cmpp20": settings("cmpp20", port=port)}
            with pytest.raises(PortTaken, match=f"cmpp20 cannot listen on port {port}"):
                async with serve_carriers(both):
                    pytest.fail("it serves")
            with socket.create_server(("127.0.0.1", free)):
                pass

    asyncio.run(play())
