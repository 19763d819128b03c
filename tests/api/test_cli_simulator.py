"""`smsledger simulator` as a process: every protocol reached by a link, ports told, orders taken by HTTP."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.carriers.traffic import Taken
from infrastructure.simulator.offers import EVERY_PROTOCOL, INBOUND_PORT, default_ports
from infrastructure.stack import free_ports
from tests.infrastructure.carriers.rig import desk, part, until
from tests.support.terminal import Said, Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE = "8613800138000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process of carriers: what it said of each account, by protocol, and a client of its control port."""

    process: "subprocess.Popen[str]"
    accounts: dict[str, dict[str, Any]]
    control: httpx.Client | None

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        assert self.control is not None
        return self.control.request(method, path, json=body)

    def account(self, protocol: str) -> dict[str, Any]:
        """What the control port says of the only account of a carrier."""
        carriers = self.ask("GET", f"/{protocol}").json()["carriers"]
        found: dict[str, Any] = carriers[protocol]["accounts"]["demo"]
        return found


@contextlib.contextmanager
def simulator(*options: str) -> Iterator[Running]:
    """Carriers on free ports, ended by SIGTERM."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SMSLEDGER_", "SIMULATOR"))
    }
    command = [sys.executable, "-m", "api.cli", "simulator", "--json", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            with httpx.Client(base_url=told["control"] or "http://127.0.0.1", trust_env=False) as client:
                yield Running(
                    process=process,
                    accounts={each["protocol"]: each for each in told["accounts"]},
                    control=client if told["control"] else None,
                )
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def inbound() -> int:
    """The port of ours that China Unicom's gateway comes to."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def running(inbound: int) -> Iterator[Running]:
    """All carriers, for the tests that look at them."""
    with simulator("--all", "--control-port", "0", "--callback", f"127.0.0.1:{inbound}") as found:
        yield found


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Terminal:
    return Terminal(monkeypatch, capfd, database_url=database_url, data_dir=str(tmp_path / "data"))


def link_to(account: dict[str, Any]) -> dict[str, Any]:
    """Settings of a link to a carrier, from what its process said."""
    given = {"protocol": account["protocol"], "system_id": "demo", "password": "demo"}
    inbound = account["inbound"]
    if inbound is None:
        return given
    there = {f"listener_{name}": inbound[name] for name in ("host", "port", "login")}
    return {**given, **there, "listener_password": "demo"}


@pytest.mark.parametrize("protocol", EVERY_PROTOCOL)
def test_a_link_of_every_protocol_sends_and_gets_its_receipt_and_a_reply(running: Running, protocol: str):
    account = running.accounts[protocol]
    assert (account["inbound"] is not None) == (protocol == "sgip12")

    async def play() -> None:
        async with desk(account["port"], **link_to(account)) as our:
            (answer,) = await our.send(part())
            assert isinstance(answer, Taken)
            await until(lambda: our.receipts)
            assert our.receipts[0].carrier_id == answer.carrier_id
            told = {"phone": PHONE, "to": "10690001", "text": "退订"}
            said = await asyncio.to_thread(running.ask, "POST", f"/{protocol}/reply", told)
            assert said.status_code == 200, said.text
            await until(lambda: our.replies)
            assert our.replies[0].payload.decode("utf-16-be") == "退订"

    asyncio.run(play())
    counted = running.account(protocol)["counters"]
    assert (counted["taken"], counted["replies_sent"]) == (1, 1)


@pytest.mark.parametrize("protocol", EVERY_PROTOCOL)
def test_what_is_said_of_a_carrier_configures_a_link_that_is_let_in(
    running: Running, terminal: Terminal, protocol: str
):
    words = running.accounts[protocol]["link_add"].split()
    begin = words.index("smsledger")
    for variable in words[:begin]:
        terminal.set(*variable.split("="))
    added = terminal(*words[begin + 1 :])
    assert added.code == 0, added.err
    assert terminal("link", "test", words[words.index("add") + 1]).code == 0


# The control port.


def test_it_answers_on_this_machine_only(running: Running):
    assert running.control is not None
    assert running.control.base_url.host == "127.0.0.1"


def test_no_port_takes_orders_unless_it_was_asked_for():
    with simulator() as found:
        assert found.control is None
        assert list(found.accounts) == ["smpp34"]


def test_a_script_is_changed_in_single_fields_and_as_a_whole(running: Running):
    changed = running.ask("PATCH", "/cmpp20/script", {"refusal_rate": 0.25, "seed": 5})
    script = changed.json()["carriers"]["cmpp20"]["accounts"]["demo"]["script"]
    assert (changed.status_code, script["refusal_rate"], script["seed"]) == (200, 0.25, 5)
    whole = running.ask("PUT", "/cmpp20/script", {"late_rate": 0.5})
    script = whole.json()["carriers"]["cmpp20"]["accounts"]["demo"]["script"]
    assert (script["late_rate"], script["refusal_rate"], script["seed"]) == (0.5, 0.0, 1)
    assert running.account("cmpp30")["script"]["late_rate"] == 0.0
    running.ask("PUT", "/cmpp20/script", {})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PATCH", "/all/script", {"refusal_rate": 1.5}, 422, "invalid_value"),
        ("PATCH", "/all/script", {"weather": 1}, 422, "unknown_field"),
        ("PATCH", "/all/script", [1], 422, "wrong_type"),
        ("PATCH", "/all/script?account=nobody", {"seed": 2}, 404, "not_found"),
        ("PUT", "/all/script", {"failed_codes": [["delivered", "1"]]}, 422, "invalid_value"),
        ("POST", "/cmpp40/drop", None, 404, "not_found"),
        ("POST", "/cmpp20/explode", None, 404, "not_found"),
        ("POST", "/cmpp20/drop", {"acount": "demo"}, 422, "unknown_field"),
        ("POST", "/cmpp20/drop", {"account": "nobody"}, 404, "not_found"),
        ("POST", "/cmpp20/stop", {"now": True}, 422, "unknown_field"),
        ("POST", "/cmpp20/reply", {"phone": PHONE}, 422, "missing_field"),
        ("POST", "/cmpp20/reply", {"phone": "x", "to": "1069", "text": "T"}, 422, "invalid_value"),
        ("POST", "/all/reply", {"phone": PHONE, "to": "1069", "text": "T"}, 422, "invalid_value"),
        ("POST", "/sgip12/user-report", {"phone": PHONE, "condition": "ill"}, 422, "invalid_value"),
        ("POST", "/cmpp20/user-report", {"phone": PHONE, "condition": "normal"}, 422, "invalid_value"),
        ("DELETE", "/", None, 405, "method_not_allowed"),
        ("GET", "/cmpp20/accounts/demo", None, 404, "unknown_route"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(
    running: Running, method: str, path: str, body: object, status: int, code: str
):
    before = running.ask("GET", "/").json()
    refused = running.ask(method, path, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert running.ask("GET", "/").json() == before


def test_what_is_no_json_or_too_much_is_refused(running: Running):
    assert running.control is not None
    for octets, code in ((b"{", "malformed_json"), (b" " * 70_000, "body_too_large")):
        assert running.control.patch("/all/script", content=octets).json()["code"] == code


def test_a_carrier_says_what_became_of_a_subscriber_when_it_is_told_to(running: Running):
    told = running.ask("POST", "/sgip12/user-report", {"phone": PHONE, "condition": "suspended"})
    account = told.json()["carriers"]["sgip12"]["accounts"]["demo"]
    assert (told.status_code, account["counters"]["user_reports_sent"]) == (200, 1)
    running.ask("POST", "/sgip12/reset")


def test_a_carrier_goes_away_and_comes_back(running: Running):
    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    port = running.accounts["smgp30"]["port"]
    assert running.ask("POST", "/smgp30/stop").json()["carriers"]["smgp30"]["listening"] is False
    assert not listens()
    assert running.ask("POST", "/smgp30/start").json()["carriers"]["smgp30"]["listening"] is True
    assert listens()


def test_counters_begin_anew(running: Running):
    with_reply = running.ask("POST", "/smpp34/reply", {"phone": PHONE, "to": "1069", "text": "字" * 100})
    counted = with_reply.json()["carriers"]["smpp34"]["counters"]["replies_sent"]
    assert counted >= 2
    reset = running.ask("POST", "/all/reset").json()["carriers"]
    assert {name: set(each["counters"].values()) for name, each in reset.items()} == {
        name: {0} for name in EVERY_PROTOCOL
    }


# Ports and scripts on the command line.


def test_each_protocol_has_its_own_port_and_none_is_given_twice():
    ports = default_ports(EVERY_PROTOCOL)
    expected = {"cmpp20": 7890, "cmpp30": 7891, "sgip12": 8801, "smgp30": 8890, "smpp34": 2775}
    assert ports == expected
    assert default_ports(["cmpp30"]) == {"cmpp30": 7890}
    assert INBOUND_PORT not in ports.values()


def test_a_script_of_one_carrier_is_above_that_of_all():
    options = ("--failed-rate", "0.5", "--script", "cmpp20.failed_rate=0.1", "--control-port", "0")
    with simulator("--protocol", "cmpp20", "--protocol", "smgp30", *options) as found:
        rates = [found.account(name)["script"]["failed_rate"] for name in ("cmpp20", "smgp30")]
        assert rates == [0.1, 0.5]


def test_the_carrier_brings_receipts_over_our_connection_where_it_is_not_to_come():
    with simulator("--protocol", "sgip12", "--callback", "none") as found:
        assert found.accounts["sgip12"]["inbound"] is None


def test_a_password_that_was_given_is_not_shown():
    with simulator("--account", "shili:hush-123") as found:
        assert found.accounts["smpp34"]["account"] == "shili"
        assert "hush-123" not in json.dumps(found.accounts)


def refused(terminal: Terminal, *options: str) -> Said:
    said = terminal("simulator", *options)
    assert "Traceback" not in said.err
    return said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--all", "--protocol", "cmpp20"), "leave --protocol out"),
        (("--all", "--port", "2775"), "cannot share a port"),
        (("--port", "smgp30=2775"), "PROTOCOL=PORT"),
        (("--port", "70000"), "PROTOCOL=PORT"),
        (("--account", "demo"), "ID:PASSWORD"),
        (("--callback", "8805"), "HOST:PORT"),
        (("--receipt-delay-ms", "soon"), "MIN:MAX"),
        (("--refusal-rate", "2"), "refusal_rate must be between 0 and 1"),
        (("--script", "smpp34.weather=fine"), "The fields of a script"),
        (("--script", "cmpp20.seed=1"), "PROTOCOL.FIELD=VALUE"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(
    terminal: Terminal, options: tuple[str, ...], words: str
):
    said = refused(terminal, *options)
    assert said.code == 2
    assert words in " ".join(said.err.replace("│", " ").split())


def test_a_port_that_is_in_use_is_told(terminal: Terminal):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(terminal, "--protocol", "cmpp20", "--port", str(port))
        assert said.code == 1
        assert f"cmpp20 cannot listen on port {port}" in said.err
        control = refused(terminal, "--port", "0", "--control-port", str(port))
        assert control.code == 1
        assert f"the control port cannot be {port}" in control.err


def test_up_says_before_it_starts_anything_that_a_port_of_a_carrier_is_in_use(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr("infrastructure.simulator.offers.default_ports", lambda _: {"smgp30": port})
        terminal.set("SMSLEDGER_HTTP_PORT", "0")
        said = terminal("up", "--with-simulator")
    assert said.code == 1
    assert f"port {port} is in use" in said.err
    assert "starting" not in said.err
