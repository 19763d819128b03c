"""What-if over HTTP and from the command line, over a ledger with everything in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import what_if
from infrastructure.bootstrap import Platform, platform
from tests.support.door import Door, open_door, run
from tests.support.past import ACCOUNT, past, write
from tests.support.sample import SIGNATURE, Sample, make_sample, settings_for
from tests.support.terminal import Said, Terminal

ADDRESS = "/v1/billing/what-if"


@pytest.fixture
def made(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose account sent and was billed long ago."""
    write(database_url, past().log())
    with platform(settings_for(database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made: Platform) -> Terminal:
    """A terminal on that platform."""
    settings = made.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    return tmp_path / "terms.toml"


def command(terminal: Terminal, terms: Path, text: str, *more: str) -> Said:
    terms.write_text(text, encoding="utf-8")
    period = more or ("--year", "2025")
    return terminal("what-if", "--terms", terms, "--account", ACCOUNT, *period, "--json")


def test_an_empty_file_is_the_bill(terminal: Terminal, terms: Path):
    found = command(terminal, terms, "").document
    assert found["other"] == found["billed"]
    assert found["difference"]["payable"] == {"yuan": "0.00", "micros": 0}
    assert [month["month"] for month in found["months"]] == ["2025-11", "2025-12", "2026-01"]
    assert found["billed"]["payable"]["micros"] == 150_000


def test_another_price_and_allowance_are_another_bill(terminal: Terminal, terms: Path):
    found = command(terminal, terms, 'allowance_segments = 0\noverage_price = "0.1"\n').document
    assert found["terms"] == {"allowance_segments": 0, "overage_price_micros": 100_000}
    assert (found["other"]["segments"], found["other"]["overage"]) == (6, 6)
    assert found["other"]["payable"]["micros"] == 6 * 100_000 + 150_000
    assert found["difference"]["payable"]["micros"] == 600_000


def test_what_no_carrier_ever_had_is_not_given_up_for_want_of_a_report(terminal: Terminal, terms: Path):
    text = 'charge_on = "delivered"\nunknown_policy = "refunded"\n'
    found = command(terminal, terms, text).document
    assert found["other"] == found["billed"]


def test_days_are_a_piece_of_the_bill(terminal: Terminal, terms: Path):
    found = command(terminal, terms, "", "--from", "2025-12-01", "--to", "2025-12-15").document
    assert (found["from"], found["to"], found["billed"]["segments"]) == ("2025-12-01", "2025-12-15", 2)


def test_a_person_reads_a_line_a_month(terminal: Terminal, terms: Path):
    terms.write_text('overage_price = "0.1"\nspending_cap = "0"\n', encoding="utf-8")
    said = terminal("what-if", "--terms", terms, "--account", ACCOUNT, "--year", "2025")
    assert said.code == 0
    assert "2025-12" in said.out
    assert "the spending cap would have refused" in said.out


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        ("prize = 1\n", (), "terms_unknown"),
        ("notice_days = 1\n", (), "terms_unknown"),
        ("allowance_segments = -1\n", (), "terms_invalid"),
        ('allowance_segments = "x"\n', (), "terms_invalid"),
        ('charge_on = "sometimes"\n', (), "terms_invalid"),
        ('overage_price = "0.1"\noverage_price_micros = 1\n', (), "terms_invalid"),
        ('overage_price = "cheap"\n', (), "price_invalid"),
        ("not toml", (), "terms_unreadable"),
        ("", ("--from", "2025-12-01"), "period_missing"),
        ("", ("--from", "2025-12-02", "--to", "2025-12-01"), "span_invalid"),
        ("", ("--from", "soon", "--to", "2025-12-01"), "day_invalid"),
        ("", ("--year", "2020"), "not_found"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    terminal: Terminal, terms: Path, text: str, more: tuple[str, ...], code: str
):
    said = command(terminal, terms, text, *more)
    assert (said.code, said.err.partition(":")[0]) == (2, code)


def test_a_file_that_is_not_there_is_refused(terminal: Terminal, tmp_path: Path):
    said = terminal("what-if", "--terms", tmp_path / "no.toml", "--account", ACCOUNT, "--year", "2025")
    assert (said.code, said.err.partition(":")[0]) == (2, "terms_unreadable")


@pytest.fixture
def own(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """An API whose account has sent two messages within its allowance."""
    with platform(settings_for(database_url, tmp_path)) as opened:
        sample: Sample = run(make_sample(opened))
        with open_door(opened, sample) as door:
            for text in ("您好", "字" * 80):
                body = {"phone": "13800138000", "signature": SIGNATURE, "text": text}
                assert door.client.post("/v1/messages", json=body).status_code == 202
            yield door


def this_year(door: Door) -> int:
    year: int = door.client.get("/v1/billing/ledger").json()["year"]
    return year


def test_the_api_replays_the_callers_own_ledger(own: Door):
    body = {"terms": {"allowance_segments": 1}, "year": this_year(own)}
    found = own.client.post(ADDRESS, json=body).json()
    assert (found["billed"]["payable"]["micros"], found["other"]["overage"]) == (0, 2)
    assert found["other"]["payable"]["micros"] == 2 * 38_000
    assert (found["messages"], found["uncertain_messages"]) == (2, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"terms": {}}, "period_missing"),
        ({"terms": {}, "year": 2026, "from": "2026-01-01"}, "span_invalid"),
        ({"terms": {"prize": 1}, "year": 2026}, "unknown_field"),
        ({"terms": {"allowance_segments": -1}, "year": 2026}, "wrong_type"),
        ({"terms": {}, "year": 2001}, "not_found"),
        ({"year": 2026}, "missing_field"),
    ],
)
def test_the_api_refuses_what_cannot_be_tried(own: Door, body: dict[str, Any], code: str):
    assert own.client.post(ADDRESS, json=body).json()["code"] == code


def test_too_many_postings_are_for_the_command_line(own: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(what_if, "MOST_POSTINGS", 1)
    refused = own.client.post(ADDRESS, json={"terms": {}, "year": this_year(own)})
    assert (refused.status_code, refused.json()["code"]) == (422, "what_if_too_large")


def test_a_key_without_the_scope_may_not_ask(own: Door):
    assert own.client.post(ADDRESS, json={"terms": {}}, headers=own.as_key("sl_x_y")).status_code == 401
