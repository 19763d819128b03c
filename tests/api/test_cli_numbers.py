"""`smsledger numbers`, `signature file` and `message route`: as a person types them."""

from pathlib import Path

import pytest

from infrastructure import portability
from infrastructure.bootstrap import platform
from tests.support.door import run
from tests.support.networked import MOBILE, make_network, report, send, take
from tests.support.sample import settings_for
from tests.support.terminal import Said, Terminal

PHONE, OTHER = "13800138000", "13000130000"
REASON = ("--reason", "CS-2041")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of the terminal, whose keys a platform beside it shares."""
    return tmp_path / "data"


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path, database_url: str
) -> Terminal:
    monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)
    return Terminal(
        monkeypatch, capfd, database_url=database_url, data_dir=str(folder), keys_dir=str(folder / "keys")
    )


def code(said: Said) -> tuple[int, str]:
    return said.code, said.err.partition(":")[0]


def look(terminal: Terminal, phone: str = PHONE) -> tuple[str | None, str | None]:
    found = terminal("numbers", "show", phone, *REASON, "--json").document
    return found["carrier"], found["found_by"]


def written(folder: Path, octets: bytes) -> Path:
    file = folder.parent / "ported.csv"
    file.write_bytes(octets)
    return file


# Numbers.


def test_a_number_is_set_shown_and_forgotten(terminal: Terminal):
    assert look(terminal) == ("mobile", "segments")
    assert terminal("numbers", "set", PHONE, "unicom", *REASON).out == "the number is of unicom\n"
    assert look(terminal) == ("unicom", "override")
    shown = terminal("numbers", "show", PHONE, *REASON).out
    assert "override" in shown
    assert PHONE not in shown
    assert terminal("numbers", "forget", PHONE, *REASON).code == 0
    assert look(terminal) == ("mobile", "segments")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("set", "1380013800", "unicom", *REASON), "invalid_phone"),
        (("set", PHONE, "unicom", "--reason", PHONE), "reason_required"),
        (("show", "x", *REASON), "invalid_phone"),
        (("show", PHONE, "--reason", " "), "reason_required"),
        (("forget", "x", *REASON), "invalid_phone"),
        (("forget", PHONE, "--reason", " "), "reason_required"),
    ],
)
def test_a_wrong_number_or_reason_is_refused_without_the_number(
    terminal: Terminal, arguments: tuple[str, ...], expected: str
):
    said = terminal("numbers", *arguments)
    assert code(said) == (2, expected)
    assert PHONE not in said.err


LIST = f"phone,carrier\n{PHONE},unicom\n1380013800,telecom\n,\n{OTHER},nobody\n{OTHER},移动,more\n"
CHINESE = f"号码;运营商\n{PHONE};联通\n{OTHER};移动\n"


def test_a_list_is_taken_in_and_bad_lines_are_named(terminal: Terminal, folder: Path):
    said = terminal("numbers", "import", written(folder, LIST.encode("utf-8-sig")), *REASON)
    assert (said.code, said.out) == (1, "2 numbers taken in: mobile 1, unicom 1\n")
    assert said.err.splitlines() == ["line 3: invalid_phone", "line 5: carrier_unknown"]
    assert look(terminal) == ("unicom", "list")
    assert look(terminal, OTHER) == ("mobile", "list")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_list_is_read_as_offices_write_it(terminal: Terminal, folder: Path, encoding: str):
    said = terminal("numbers", "import", written(folder, CHINESE.encode(encoding)), *REASON, "--json")
    assert (said.code, said.document) == (
        0,
        {"taken": 2, "by_carrier": {"mobile": 1, "unicom": 1}, "refused": []},
    )


def test_the_same_list_again_changes_nothing_and_a_newer_one_counts(terminal: Terminal, folder: Path):
    for carrier in ("unicom", "unicom", "telecom"):
        file = written(folder, f"{PHONE},{carrier}\n".encode())
        assert terminal("numbers", "import", file, *REASON).code == 0
        assert look(terminal) == (carrier, "list")


def test_what_a_person_said_stays_whatever_a_list_says(terminal: Terminal, folder: Path):
    terminal("numbers", "set", PHONE, "mobile", *REASON)
    terminal("numbers", "import", written(folder, f"{PHONE},unicom\n".encode()), *REASON)
    assert look(terminal) == ("mobile", "override")


def test_a_list_longer_than_one_piece_is_taken_in_whole(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("application.manage_portability.AT_ONCE", 7)
    lines = [f"138001380{number:02},unicom" for number in range(20)] + ["x,unicom"]
    said = terminal("numbers", "import", written(folder, "\n".join(lines).encode()), *REASON, "--json")
    assert said.document == {
        "taken": 20,
        "by_carrier": {"unicom": 20},
        "refused": [{"line": 21, "code": "invalid_phone"}],
    }


@pytest.mark.parametrize(
    "octets", [f"{PHONE},unicom\n".encode() * 3 + b"\xff\xff\xff", b"PK\x03\x04nonsense"]
)
def test_a_file_that_breaks_off_in_the_middle_changes_nothing(
    terminal: Terminal, folder: Path, octets: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("application.manage_portability.AT_ONCE", 1)
    assert code(terminal("numbers", "import", written(folder, octets), *REASON)) == (2, "file_unreadable")
    assert look(terminal) == ("mobile", "segments")


def test_a_list_for_no_reason_changes_nothing(terminal: Terminal, folder: Path):
    file = written(folder, f"{PHONE},unicom\n".encode())
    assert code(terminal("numbers", "import", file, "--reason", " ")) == (2, "reason_required")
    assert look(terminal) == ("mobile", "segments")


# Filings.


def test_a_signature_is_filed_and_listed(terminal: Terminal):
    terminal("account", "create", "acme", "--name", "示例科技")
    terminal("signature", "add", "acme", "示例科技", "--approve")
    file = ("signature", "file", "acme", "示例科技")
    assert terminal(*file, "--carrier", "mobile", "--state", "filed", "--extension", "12").out == (
        "signature 示例科技: filed with mobile\n"
    )
    again = terminal(*file, "--carrier", "mobile", "--state", "filed", "--extension", "12")
    assert again.out == "signature 示例科技: nothing changed\n"
    terminal(*file, "--carrier", "unicom", "--state", "rejected", "--reason", "no licence")
    (row,) = terminal("signature", "list", "--json").document["signatures"]
    assert row["filings"] == ["mobile filed 12", "unicom rejected (no licence)"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--state", "filed", "--link", "nobody"), "link_unknown"),
        (("--state", "filed", "--extension", "1a"), "filing_invalid"),
        (("--state", "pending", "--reason", "x"), "filing_invalid"),
        (("--state", "rejected", "--reason", f"ask {PHONE}"), "reason_required"),
    ],
)
def test_a_filing_that_cannot_be_is_refused(terminal: Terminal, options: tuple[str, ...], expected: str):
    terminal("account", "create", "acme", "--name", "示例科技")
    terminal("signature", "add", "acme", "示例科技", "--approve")
    said = terminal("signature", "file", "acme", "示例科技", "--carrier", "mobile", *options)
    assert code(said) == (2, expected)
    (row,) = terminal("signature", "list", "--json").document["signatures"]
    assert row["filings"] == []


# Why a message took its link.


def test_a_message_tells_why_in_words_and_as_data(terminal: Terminal, folder: Path, database_url: str):
    with platform(settings_for(database_url, folder)) as opened:
        run(make_network(opened))
        id_, _ = run(send(opened, MOBILE))
        run(take(opened, id_, "mobile-1"))
        run(report(opened, id_, "DELIVRD"))
    said = terminal("message", "route", str(id_))
    assert said.out == (
        "The number was taken to be of mobile: its number segment says so.\n"
        "Attempt 1 went over mobile-1, connection 1. The default route chose it, since no other was for it."
        " Outcome: it was delivered (DELIVRD).\n"
    )
    document = terminal("message", "route", str(id_), "--json").document
    assert document["words"] == said.out.splitlines()
    assert (document["status"], document["attempts"][0]["link"]) == ("delivered", "mobile-1")


def test_a_message_that_never_was_tells_nothing(terminal: Terminal):
    assert code(terminal("message", "route", "5f0a7d0c-3c0b-5b1e-9a53-6d1f5c1e2b11")) == (2, "not_found")
