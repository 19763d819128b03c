"""Ledger, quota, messages and the proof from the command line, over a log that was really written."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from application.send_messages import Draft, SendMessages, Sent
from domain.events.contract import Terms
from domain.recorded import Context
from domain.values import local_year
from infrastructure.bootstrap import Platform, platform
from tests.support.door import run
from tests.support.sample import ACCOUNT, SIGNATURE, make_sample, settings_for
from tests.support.terminal import Terminal

SENT = 5
ALLOWANCE = 3


@pytest.fixture
def made(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose account has sent five messages of one segment, two of them beyond its allowance."""
    with platform(settings_for(database_url, tmp_path)) as opened:
        run(make_sample(opened, terms=Terms(allowance_segments=ALLOWANCE)))
        send(opened)
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made: Platform) -> Terminal:
    """A terminal on that platform."""
    settings = made.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def send(made: Platform) -> list[Sent]:
    """Have five messages accepted."""
    drafts = [
        (f"key-{number}", Draft(phone=f"1380013800{number}", signature=SIGNATURE, text="您好"))
        for number in range(SENT)
    ]
    answers = run(made.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=Context(actor="test"))))
    return [answer for answer in answers if isinstance(answer, Sent)]


def this_year(made: Platform) -> int:
    """The year of the database's clock."""
    return local_year(run(made.store.now()))


def test_the_ledger_shows_the_totals_of_the_year(terminal: Terminal):
    (row,) = terminal("ledger", "show", "--json").document["ledgers"]
    assert (row["net"], row["included"], row["overage"]) == (5, 3, 2)
    assert row["amount"] == {"yuan": "0.076", "micros": 76_000}


def test_the_postings_begin_with_the_opening_and_end_with_the_totals(terminal: Terminal):
    rows = terminal("ledger", "show", "--account", ACCOUNT, "--postings", "--json").document["postings"]
    assert [row["kind"] for row in rows] == ["opened", *["debited"] * SENT]
    assert rows[-1]["overage_after"] == 2


def test_the_ledger_of_an_unknown_account_is_refused(terminal: Terminal):
    assert terminal("ledger", "show", "--account", "nobody").code == 2


def test_a_dry_run_of_the_reset_says_what_would_be_and_writes_nothing(terminal: Terminal, made: Platform):
    year = str(this_year(made) + 1)
    (row,) = terminal("quota", "reset", "--year", year, "--all", "--dry-run", "--json").document["resets"]
    assert (row["account"], row["opened"], row["dry_run"]) == (ACCOUNT, True, True)
    assert terminal("ledger", "show", "--year", year, "--json").document == {"ledgers": []}


def test_a_reset_opens_the_next_year_once(terminal: Terminal, made: Platform):
    year = str(this_year(made) + 1)
    opened = [
        terminal("quota", "reset", "--year", year, "--account", ACCOUNT, "--json").document["resets"][0][
            "opened"
        ]
        for _ in range(2)
    ]
    assert opened == [True, False]


def test_a_reset_of_a_year_far_away_is_refused(terminal: Terminal):
    said = terminal("quota", "reset", "--year", "2020", "--all")
    assert (said.code, said.err.partition(":")[0]) == (2, "year_invalid")


def test_a_message_is_told_from_its_events_with_its_debit(terminal: Terminal, made: Platform):
    id_ = send(made)[0].id
    story = terminal("message", "show", id_.hex, "--json").document
    assert [event["event"] for event in story["events"]] == ["ledger.debited", "message.accepted"]
    assert story["status"] == "accepted"


def test_no_number_and_no_text_is_in_the_story_of_a_message(terminal: Terminal, made: Platform):
    said = terminal("message", "show", str(send(made)[0].id))
    assert "13800138000" not in said.out
    assert "您好" not in said.out


def test_a_message_that_no_carrier_has_is_cancelled_and_refunded_once(terminal: Terminal, made: Platform):
    id_ = str(send(made)[0].id)
    codes = [terminal("message", "cancel", id_, "--reason", "a test").code for _ in range(2)]
    assert codes == [0, 1]
    assert terminal("ledger", "show", "--json").document["ledgers"][0]["net"] == 4


def test_a_message_that_is_not_there_is_refused(terminal: Terminal):
    said = terminal("message", "show", "00000000-0000-0000-0000-000000000000")
    assert (said.code, said.err.partition(":")[0]) == (2, "not_found")


def test_resolving_needs_one_decision(terminal: Terminal, made: Platform):
    id_ = str(send(made)[0].id)
    assert terminal("message", "resolve", id_, "--reason", "x").code == 2
    assert terminal("message", "resolve", id_, "--reason", "x", "--resend", "--give-up").code == 2


def test_verify_of_a_true_log_is_clean_and_counts_what_it_read(terminal: Terminal):
    said = terminal("verify", "--json")
    assert said.code == 0
    found = said.document
    assert (found["clean"], found["postings"], found["messages"]) == (True, SENT + 1, SENT)
    assert {row["name"].partition("_")[0] for row in found["read_models"]} >= {"messages", "ledger"}


def test_verify_finds_a_posting_that_is_gone(terminal: Terminal, made: Platform):
    with psycopg.connect(made.settings.database_url) as connection:
        gone = connection.execute(
            "DELETE FROM smsledger.stored_events WHERE topic = 'ledger.debited' AND originator_version = 3"
        )
        assert gone.rowcount == 1
    said = terminal("verify", "--no-read-models", "--json")
    assert said.code == 1
    assert {finding["code"] for finding in said.document["findings"]} >= {"not_dense", "debits_differ"}


def test_verify_of_an_account_without_ledger_is_refused(terminal: Terminal):
    assert terminal("verify", "--account", "nobody").code == 2


def test_read_models_are_rebuilt_and_then_equal_the_log(terminal: Terminal):
    rebuilt = terminal("projections", "rebuild", "--json")
    assert rebuilt.code == 0
    lags = terminal("projections", "lag", "--json").document["projections"]
    assert [lag["behind"] for lag in lags] == [0] * len(lags)
    verified = terminal("projections", "verify", "--json")
    assert verified.code == 0
    assert all(row["differences"] == [] for row in verified.document["verified"])


def test_projections_verify_finds_a_row_that_was_changed(terminal: Terminal, made: Platform):
    terminal("projections", "rebuild", "messages")
    with psycopg.connect(made.settings.database_url) as connection:
        connection.execute("UPDATE smsledger_read.messages_v1 SET segments = 9")
    said = terminal("projections", "verify", "messages", "--json")
    assert said.code == 1
    assert "messages_v1" in said.document["verified"][0]["differences"][0]


def test_an_unknown_read_model_is_refused_with_those_there_are(terminal: Terminal):
    said = terminal("projections", "rebuild", "weather")
    assert said.code == 2
    assert "messages, ledger" in said.err
