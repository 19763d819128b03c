"""`smsledger link` and `smsledger route`: a link of every protocol, changed by what is given, tried, and routed."""

import io
import shlex
import sys
from pathlib import Path

import pytest

from tests.api.network import SECRET, simulated
from tests.infrastructure.carriers.test_encryption import certificate
from tests.support.stand import free_port
from tests.support.terminal import Said, Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
THEIRS = "hush-456"
SMPP = ("--host", "127.0.0.1", "--system-id", "shili", "--source", "10690000", "--carrier", "mobile")
INBOUND = ("--inbound-host", "127.0.0.1", "--inbound-port", "8801", "--inbound-login", "smg")
OF_PROTOCOL: dict[str, tuple[str, ...]] = {
    "smpp34": ("--system-type", "SMS", "--id-format", "resp-hex-dlr-dec", "--tls"),
    "cmpp20": ("--service-id", "MSGOK", "--fee-type", "05", "--fee-code", "000010", "--fee-user-type", "0"),
    "cmpp30": ("--service-id", "MSGOK", "--fee-type", "01", "--connections", "2", "--signs"),
    "sgip12": ("--service-id", "SHILI", "--corp-id", "12345", "--node-id", "3010012345", *INBOUND),
    "smgp30": ("--service-id", "SHILI", "--corp-id", "12345678", "--keep-alive", "60"),
}


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Terminal:
    """A terminal beside a database, with the passwords of a link in its environment."""
    terminal = Terminal(monkeypatch, capfd, database_url=database_url, data_dir=str(tmp_path / "data"))
    terminal.set("LINK_PASSWORD", SECRET)
    return terminal


def code(said: Said) -> tuple[int, str]:
    return said.code, said.err.partition(":")[0]


# Configure.


@pytest.mark.parametrize("protocol", OF_PROTOCOL)
def test_a_link_of_every_protocol_is_configured_and_shown_without_passwords(
    terminal: Terminal, protocol: str
):
    terminal.set("LINK_INBOUND_PASSWORD", THEIRS)
    added = terminal("link", "add", "one", "--protocol", protocol, *SMPP, *OF_PROTOCOL[protocol])
    assert (added.code, added.out) == (0, "link one: configured\n"), added.err
    said = [
        terminal("link", "show", "one", "--json"),
        terminal("link", "show", "one"),
        terminal("link", "list"),
        terminal("link", "list", "--json"),
    ]
    assert [each.code for each in said] == [0] * 4
    shown = said[0].document
    assert shown == said[3].document["links"][0]
    assert (shown["protocol"], shown["state"], shown["condition"]) == (protocol, "enabled", "down")
    options = OF_PROTOCOL[protocol]
    if "--service-id" in options:
        assert shown["tariff"]["service_id"] == options[options.index("--service-id") + 1]
    assert (shown["inbound"] is not None) == (protocol == "sgip12")
    assert (shown["encryption"] is not None) == ("--tls" in options)
    assert shown["signs"] == ("--signs" in options)
    for each in (added, *said):
        assert SECRET not in each.out + each.err
        assert THEIRS not in each.out + each.err


def test_defaults_are_those_of_the_protocol(terminal: Terminal):
    found = {}
    for protocol in ("smpp34", "cmpp30", "smgp30"):
        terminal("link", "add", protocol, "--protocol", protocol, *SMPP)
        shown = terminal("link", "show", protocol, "--json").document
        found[protocol] = (shown["port"], shown["window"], shown["response_timeout_seconds"])
    assert found == {"smpp34": (2775, 64, 10), "cmpp30": (7890, 16, 60), "smgp30": (8890, 16, 60)}


def test_what_is_not_given_stays_as_it_is(terminal: Terminal):
    before = SMPP[1], SMPP[3]
    terminal("link", "add", "one", "--protocol", "cmpp20", *SMPP, *OF_PROTOCOL["cmpp20"])
    terminal.set("LINK_PASSWORD", "")
    changed = terminal("link", "add", "one", "--window", "8", "--breaker-least", "9", "--fee-type", "01")
    assert (changed.code, changed.out) == (0, "link one: configured\n"), changed.err
    shown = terminal("link", "show", "one", "--json").document
    assert (shown["host"], shown["system_id"]) == before
    assert (shown["window"], shown["breaker"]["least"], shown["breaker"]["open_seconds"]) == (8, 9, 60)
    assert (shown["tariff"]["fee_type"], shown["tariff"]["service_id"]) == ("01", "MSGOK")
    again = terminal("link", "add", "one", "--window", "8", "--json")
    assert again.document == {"link": "one", "changed": False, "notes": []}
    newer = terminal("link", "add", "one", "--protocol", "cmpp30")
    assert newer.code == 0, newer.err
    assert terminal("link", "show", "one", "--json").document["tariff"]["service_id"] == "MSGOK"


def test_another_protocol_has_its_own_defaults_and_leaves_what_it_has_no_room_for(terminal: Terminal):
    terminal("link", "add", "one", "--protocol", "smgp30", *SMPP, *OF_PROTOCOL["smgp30"])
    assert terminal("link", "add", "one", "--connections", "3", "--receivers", "1").code == 0
    assert terminal("link", "add", "one", "--protocol", "smpp34").code == 0
    shown = terminal("link", "show", "one", "--json").document
    assert (shown["protocol"], shown["port"], shown["tariff"]["corp_id"]) == ("smpp34", 2775, "")
    assert (shown["connections"], shown["receivers"]) == (3, 1)
    assert terminal("link", "add", "one", "--protocol", "cmpp20", "--system-id", "901234").code == 0
    assert terminal("link", "show", "one", "--json").document["receivers"] == 0


def test_tls_with_an_authority_and_without_again(terminal: Terminal, tmp_path: Path):
    pem, _ = certificate(tmp_path, "127.0.0.1")
    (tmp_path / "ca.pem").write_text(pem)
    terminal("link", "add", "one", *SMPP, "--authority", tmp_path / "ca.pem")
    assert terminal("link", "show", "one", "--json").document["encryption"] == {"authority": pem}
    terminal("link", "add", "one", "--no-tls")
    assert terminal("link", "show", "one", "--json").document["encryption"] is None
    with_key = terminal("link", "add", "one", "--authority", tmp_path / "127.0.0.1.pem")
    assert code(with_key) == (2, "link_encryption")
    assert code(terminal("link", "add", "one", "--authority", tmp_path / "none.pem")) == (
        2,
        "link_encryption",
    )


def test_passwords_come_from_stdin_in_two_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    terminal.set("LINK_PASSWORD", "")
    options = ("--protocol", "sgip12", *SMPP, *OF_PROTOCOL["sgip12"], "--password-stdin")
    for typed, expected in (
        ("", (2, "password_missing")),
        (f"{SECRET}\n", (2, "password_missing")),
        (f"{SECRET}\n{'x' * 17}\n", (2, "link_password")),
        (f"{SECRET}\n{THEIRS}\n", (0, "")),
    ):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        assert code(terminal("link", "add", "one", *options)) == expected


def test_who_asks_for_a_password_and_gives_none_is_told(terminal: Terminal):
    assert terminal("link", "add", "one", "--protocol", "cmpp20", *SMPP).code == 0
    terminal.set("LINK_PASSWORD", "")
    said = terminal("link", "add", "one", "--ask-password")
    assert code(said) == (2, "password_missing")
    assert "LINK_PASSWORD" in said.err


def test_two_links_that_take_each_other_s_receipts_are_noted(terminal: Terminal):
    terminal.set("LINK_INBOUND_PASSWORD", THEIRS)
    sgip = ("--protocol", "sgip12", *SMPP, *OF_PROTOCOL["sgip12"])
    assert "note: Link" not in terminal("link", "add", "one", *sgip).err
    again = terminal("link", "add", "two", *sgip).err
    assert "note: Link one has this account too" in again
    assert "note: Link one has this login at this port too" in again
    assert "Link two has" in " ".join(terminal("link", "show", "one", "--json").document["notes"])
    other = terminal("link", "add", "three", *sgip, "--port", "8802", "--inbound-port", "8803")
    assert "note: Link" not in other.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--window", "8"), "link_incomplete"),
        (("--protocol", "cmpp20", *SMPP, "--system-id", "sevenl7"), "link_account"),
        (("--protocol", "cmpp20", *SMPP, "--tls"), "link_encryption"),
        (("--protocol", "sgip12", *SMPP, "--node-id", "1"), "link_inbound"),
        (("--protocol", "sgip12", *SMPP, "--node-id", "1", "--inbound-port", "1"), "link_inbound"),
        (("--protocol", "sgip12", *SMPP, *INBOUND), "link_tariff"),
        (("--protocol", "smgp30", *SMPP, "--corp-id", "123456789"), "link_tariff"),
        ((*SMPP, "--source", "1" * 21), "link_number"),
        ((*SMPP, "--port", "70000"), "link_address"),
        ((*SMPP, "--window", "5001"), "link_invalid"),
        ((*SMPP, "--connections", "2", "--receivers", "2"), "link_invalid"),
        (("--protocol", "cmpp20", *SMPP, "--connections", "2", "--receivers", "1"), "link_option"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(terminal: Terminal, options: tuple[str, ...], expected: str):
    said = terminal("link", "add", "one", *options)
    assert code(said) == (2, expected)
    assert len(said.err.strip().splitlines()) == 1
    assert terminal("link", "list", "--json").document == {"links": []}


def test_what_is_often_not_meant_is_noted(terminal: Terminal):
    said = terminal("link", "add", "one", "--protocol", "cmpp20", *SMPP, "--window", "100")
    assert said.code == 0
    assert said.err.count("note: ") == 2


def test_the_commands_of_the_document_are_taken_as_they_stand_there(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pem, _ = certificate(tmp_path, "127.0.0.1")
    (tmp_path / "carrier-ca.pem").write_text(pem)
    monkeypatch.chdir(tmp_path)
    terminal.set("LINK_INBOUND_PASSWORD", THEIRS)
    section = (ROOT / "docs/gateway.md").read_text(encoding="utf-8").partition("## Configure a link")[2]
    block = section.partition("```sh\n")[2].partition("```")[0].replace("\\\n", " ")
    commands = [line.partition("smsledger ")[2] for line in block.splitlines() if "smsledger link" in line]
    said = [terminal(*shlex.split(command)) for command in commands]
    assert [(each.code, each.err) for each in said] == [(0, "")] * 5
    protocols = [link["protocol"] for link in terminal("link", "list", "--json").document["links"]]
    assert protocols == ["cmpp20", "smgp30", "sgip12", "smpp34"]


def test_a_link_that_is_not_there_is_not_shown(terminal: Terminal):
    assert code(terminal("link", "show", "nobody")) == (2, "not_found")


def test_a_link_is_drained_disabled_and_enabled(terminal: Terminal):
    terminal("link", "add", "one", *SMPP)
    assert terminal("link", "drain", "one", "--reason", "x").out == "link one: draining\n"
    disabled = terminal("link", "disable", "one", "--reason", "x", "--json")
    assert disabled.document == {"link": "one", "changed": True}
    assert terminal("link", "disable", "one", "--reason", "x").out == "link one: disabled already\n"
    assert terminal("link", "enable", "one").out == "link one: enabled\n"


def test_a_circuit_that_is_closed_is_not_mended_and_a_link_that_is_not_there_neither(terminal: Terminal):
    terminal("link", "add", "one", *SMPP)
    assert terminal("link", "mend", "one", "--reason", "x").out == "link one: its circuit is closed already\n"
    assert code(terminal("link", "mend", "nobody", "--reason", "x")) == (2, "not_found")


# Try.


@pytest.mark.parametrize("protocol", OF_PROTOCOL)
def test_a_trial_ends_with_0_only_where_the_carrier_let_us_in(terminal: Terminal, protocol: str):
    terminal.set("LINK_INBOUND_PASSWORD", THEIRS)
    options = tuple(option for option in OF_PROTOCOL[protocol] if option != "--tls")
    with simulated(protocol) as port:
        terminal("link", "add", "one", "--protocol", protocol, *SMPP, *options, "--port", str(port))
        bound, as_json = terminal("link", "test", "one"), terminal("link", "test", "one", "--json")
        terminal.set("LINK_PASSWORD", THEIRS)
        terminal("link", "add", "one")
        refused = terminal("link", "test", "one")
    assert (bound.code, bound.out.splitlines()[-1]) == (0, "link one: bound")
    assert "the carrier let us in" in bound.out
    assert (as_json.code, as_json.document["outcome"]) == (0, "bound")
    assert (refused.code, refused.out.splitlines()[-1]) == (1, "link one: refused")
    assert "refused with" in refused.out
    terminal("link", "add", "one", "--port", str(free_port()))
    nobody = terminal("link", "test", "one", "--wait", "1")
    assert (nobody.code, nobody.out.splitlines()[-1]) == (1, "link one: cannot connect")
    assert not any(THEIRS in each.out + each.err for each in (bound, as_json, refused, nobody))


def test_a_link_that_is_not_there_is_not_tried(terminal: Terminal):
    assert code(terminal("link", "test", "nobody")) == (2, "not_found")


# Routes.


def test_a_route_for_names_that_nothing_has_is_set_and_noted(terminal: Terminal):
    terminal("link", "add", "one", "--protocol", "cmpp20", *SMPP)
    terminal("account", "create", "shili", "--name", "示例科技")
    terminal("signature", "add", "shili", "示例科技", "--approve")
    known = ("--account", "shili", "--signature", "示例科技")
    assert terminal("route", "set", "right", "--link", "one", *known).err == ""
    slip = terminal("route", "set", "slip", "--link", "one", "--account", "shilli", "--signature", "示例")
    assert (slip.code, slip.out) == (0, "route slip: set\n")
    assert "note: There is no account shilli" in slip.err
    assert "note: No account has the signature 示例:" in slip.err


def test_a_route_is_set_listed_tried_and_removed(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    terminal("link", "add", "one", *SMPP)
    terminal("link", "add", "two", *SMPP)
    conditions = ("--category", "otp", "--account", "acme", "--extension", "12", "--for-extension", "20")
    made = terminal("route", "set", "codes", "--link", "one:7", "--link", "two:3", *conditions, "--json")
    assert made.document == {"route": "codes", "changed": True, "notes": []}
    (listed,) = terminal("route", "list", "--json").document["routes"]
    assert listed["links"] == [{"link": "one", "weight": 7}, {"link": "two", "weight": 3}]
    assert (listed["extension"], listed["extensions"]) == ("12", ["20"])
    assert "one:7" in terminal("route", "list").out
    asked = ("route", "try", "--account", "acme", "--category", "otp", "--extension", "2048")
    tried = terminal(*asked, "--carrier", "mobile", "--json").document
    assert (tried["link"], tried["route"], tried["among"][0]["percent"]) == ("one", "codes", 70.0)
    terminal("link", "disable", "one", "--reason", "x")
    said = terminal(*asked, "--carrier", "mobile")
    assert said.code == 0
    assert said.out.splitlines()[0] == "link: two"
    assert "passed over: one, none: it is disabled" in said.out
    assert "extension: 122048" in said.out
    nobody = terminal(*asked, "--carrier", "unicom")
    assert (nobody.code, nobody.out.splitlines()[0]) == (1, "link: none")
    assert code(terminal("route", "try", "--account", "x", "--category", "otp", "--carrier", "mobile")) == (
        2,
        "not_found",
    )
    removed = terminal("route", "remove", "codes", "--reason", "x", "--json")
    assert removed.document == {"route": "codes", "changed": True}
    assert terminal("route", "list").out == "routes: every link serves its carriers\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--link", "nobody"), "link_unknown"),
        (("--link", "one:x"), "route_invalid"),
        (("--link", "one", "--extension", "1x"), "route_invalid"),
        (("--link", "one", "--extension", "1234567890123"), "extension_unfit"),
    ],
)
def test_a_route_that_cannot_be_is_refused(terminal: Terminal, options: tuple[str, ...], expected: str):
    terminal("link", "add", "one", *SMPP)
    assert code(terminal("route", "set", "codes", *options)) == (2, expected)
