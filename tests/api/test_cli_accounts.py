"""Accounts, texts, keys and links from the command line, on a real database."""

from pathlib import Path

import pytest

from api.cli_accounts import micro_yuan
from domain.errors import BadInput
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Terminal:
    """A terminal on an empty database."""
    return Terminal(monkeypatch, capfd, database_url=database_url, data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "micros"), [("0.038", 38_000), ("1", 1_000_000), ("0.000001", 1), (" 12.5 ", 12_500_000)]
)
def test_a_price_in_yuan_is_exact_in_micro_yuan(text: str, micros: int):
    assert micro_yuan(text) == micros


@pytest.mark.parametrize("text", ["", "-1", "0,038", "1e3", "0.0000001", ".5", "٣"])
def test_a_price_that_is_no_decimal_in_yuan_is_refused(text: str):
    with pytest.raises(BadInput, match="price_invalid"):
        micro_yuan(text)


def test_a_new_account_is_listed_with_its_terms(terminal: Terminal):
    assert terminal("account", "create", "acme", "--name", "示例科技", "--price", "0.041").code == 0
    (row,) = terminal("account", "list", "--json").document["accounts"]
    assert (row["account"], row["state"], row["allowance"]) == ("acme", "signed", 300_000)
    assert row["price"] == {"yuan": "0.041", "micros": 41_000}


def test_an_account_goes_through_its_states(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技", "--live-on", "today")
    states = [terminal("account", "show", "acme", "--json").document["state"]]
    for command in ("suspend", "resume", "end"):
        assert terminal("account", command, "acme", "--reason", "a test").code == 0
        states.append(terminal("account", "show", "acme", "--json").document["state"])
    assert states == ["live", "suspended", "live", "ended"]


def test_a_second_contract_for_an_account_is_refused_with_its_code(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    said = terminal("account", "create", "acme", "--name", "示例科技")
    assert said.code == 2
    assert said.err.startswith("already_exists: ")


def test_an_account_that_is_not_there_is_refused(terminal: Terminal):
    said = terminal("account", "show", "nobody")
    assert (said.code, said.err.partition(":")[0]) == (2, "not_found")


def test_a_key_is_shown_once_and_listed_without_its_secret(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    token = terminal("key", "issue", "acme", "--name", "shop", "--scope", "messages:send").out.strip()
    (row,) = terminal("key", "list", "--json").document["keys"]
    assert token.startswith(f"sl_{row['key']}_")
    assert (row["state"], row["scopes"]) == ("live", ["messages:send"])
    assert token.rpartition("_")[2] not in terminal("key", "list").out


def test_a_revoked_key_is_listed_as_such(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    key = terminal("key", "issue", "acme", "--name", "shop", "--json").document["key"]
    assert terminal("key", "revoke", key, "--reason", "a test").code == 0
    assert terminal("key", "list", "--json").document["keys"][0]["state"] == "revoked"


def test_signatures_and_templates_are_drafted_then_approved(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    terminal("signature", "add", "acme", "示例科技")
    terminal("template", "add", "acme", "code", "--category", "otp", "--text", "验证码${code}")
    assert terminal("signature", "list", "--json").document["signatures"][0]["state"] == "drafted"
    assert terminal("template", "list", "--json").document["templates"][0]["variables"] == ["code"]
    terminal("signature", "approve", "acme", "示例科技")
    terminal("template", "approve", "acme", "code")
    assert terminal("signature", "list", "--json").document["signatures"][0]["state"] == "approved"
    assert terminal("template", "list", "--json").document["templates"][0]["state"] == "approved"


LINK = ("--host", "127.0.0.1", "--system-id", "sample", "--source", "10690000", "--carrier", "mobile")


def test_a_link_takes_its_password_from_the_environment_and_never_shows_it(terminal: Terminal):
    terminal.set("LINK_PASSWORD", "hush123")
    said = [
        terminal("link", "add", "mobile", *LINK),
        terminal("link", "list"),
        terminal("link", "list", "--json"),
    ]
    assert [each.code for each in said] == [0, 0, 0]
    assert said[2].document["links"][0]["state"] == "enabled"
    assert not any("hush123" in each.out + each.err for each in said)


def test_the_same_link_again_changes_nothing(terminal: Terminal):
    terminal.set("LINK_PASSWORD", "hush123")
    terminal("link", "add", "mobile", *LINK)
    assert terminal("link", "add", "mobile", *LINK).out == "link mobile: nothing changed\n"


def test_a_link_without_a_password_is_refused(terminal: Terminal):
    said = terminal("link", "add", "mobile", *LINK)
    assert (said.code, said.err.partition(":")[0]) == (2, "password_missing")


def test_a_password_that_no_bind_can_carry_is_refused(terminal: Terminal):
    terminal.set("LINK_PASSWORD", "nine-char")
    said = terminal("link", "add", "mobile", *LINK)
    assert (said.code, said.err.partition(":")[0]) == (2, "link_password")


def test_a_link_is_disabled_and_enabled(terminal: Terminal):
    terminal.set("LINK_PASSWORD", "hush123")
    terminal("link", "add", "mobile", *LINK)
    terminal("link", "disable", "mobile", "--reason", "a test")
    assert terminal("link", "list", "--json").document["links"][0]["state"] == "disabled"
    terminal("link", "enable", "mobile")
    assert terminal("link", "list", "--json").document["links"][0]["state"] == "enabled"
