"""Amendments, the fixed fee and adjustments from the command line: one person asks, two agree, the ledger follows."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from application.send_messages import Draft, SendMessages
from domain.events.contract import Terms
from domain.recorded import Context
from domain.values import local_day
from infrastructure.bootstrap import Platform, platform
from tests.support.door import run
from tests.support.sample import ACCOUNT, SIGNATURE, make_sample, settings_for
from tests.support.terminal import Terminal

ALLOWANCE = 3
SENT = 5


@pytest.fixture
def made(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """An account with a fixed fee that has sent five segments, two beyond its allowance."""
    terms = Terms(allowance_segments=ALLOWANCE, fixed_fee_micros=98_000_010_000)
    with platform(settings_for(database_url, tmp_path)) as opened:
        run(make_sample(opened, terms=terms))
        send(opened, SENT)
        yield opened


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made: Platform) -> Terminal:
    """A terminal on that platform."""
    settings = made.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def send(made: Platform, count: int, *, prefix: str = "a") -> None:
    drafts = [
        (f"{prefix}-{number}", Draft(phone=f"1380013800{number}", signature=SIGNATURE, text="您好"))
        for number in range(count)
    ]
    run(made.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=Context(actor="test"))))


def today(made: Platform, *, days: int = 0) -> str:
    return (local_day(run(made.store.now())) + timedelta(days=days)).isoformat()


def ledger(terminal: Terminal) -> dict[str, object]:
    (row,) = terminal("ledger", "show", "--json").document["ledgers"]
    found: dict[str, object] = row
    return found


def test_an_amendment_of_the_allowance_holds_when_two_people_agree(terminal: Terminal, made: Platform):
    options = ("--allowance", "4", "--waive-notice", "--reason", "补充协议一", "--by", "zhang")
    assert terminal("contract", "amend", ACCOUNT, "--from", today(made), *options).code == 0
    first = terminal("contract", "approve", ACCOUNT, "1", "--by", "zhang", "--json").document
    again = terminal("contract", "approve", ACCOUNT, "1", "--by", "zhang", "--json").document
    assert first["state"] == again["state"] == "proposed"
    assert ledger(terminal)["allowance"] == ALLOWANCE
    agreed = terminal("contract", "approve", ACCOUNT, "1", "--by", "li", "--json").document
    assert (agreed["state"], agreed["approved_by"]) == ("agreed", ["cli:zhang", "cli:li"])
    row = ledger(terminal)
    assert (row["allowance"], row["net"], row["overage"]) == (4, SENT, 1)
    assert row["amount"] == {"yuan": "0.038", "micros": 38_000}


def test_a_retroactive_price_changes_the_bill_by_the_difference_once(terminal: Terminal, made: Platform):
    options = ("--price", "0.030", "--retroactive", "--waive-notice", "--reason", "a new price")
    options += ("--by", "zhang")
    terminal("contract", "amend", ACCOUNT, "--from", today(made), *options)
    for person in ("zhang", "li", "wang"):
        terminal("contract", "approve", ACCOUNT, "1", "--by", person)
    (posted,) = terminal("adjustment", "list", "--json").document["adjustments"]
    assert posted["amount"]["micros"] == 2 * (30_000 - 38_000)
    assert (posted["state"], posted["approved_by"]) == ("posted", ["cli:zhang", "cli:li"])
    send(made, 1, prefix="b")
    assert ledger(terminal)["amount"] == {"yuan": "0.106", "micros": 2 * 38_000 + 30_000}


def test_an_amendment_without_notice_is_refused_with_its_code(terminal: Terminal, made: Platform):
    asked = terminal(
        "contract", "amend", ACCOUNT, "--from", today(made), "--price", "0.03", "--reason", "a test"
    )
    assert (asked.code, asked.err.partition(":")[0]) == (2, "amendment_notice")
    assert terminal("contract", "show", ACCOUNT, "--json").document["amendments"] == []


def test_an_amendment_that_changes_nothing_is_refused(terminal: Terminal, made: Platform):
    asked = terminal("contract", "amend", ACCOUNT, "--from", today(made, days=40), "--reason", "a test")
    assert (asked.code, asked.err.partition(":")[0]) == (2, "terms_invalid")


def test_a_withdrawn_amendment_is_never_agreed(terminal: Terminal, made: Platform):
    terminal(
        "contract", "amend", ACCOUNT, "--from", today(made, days=40), "--price", "0.03", "--reason", "a test"
    )
    assert terminal("contract", "withdraw", ACCOUNT, "1", "--reason", "too dear").code == 0
    late = terminal("contract", "approve", ACCOUNT, "1", "--by", "li")
    assert (late.code, late.err.partition(":")[0]) == (2, "amendment_decided")


def test_the_stages_of_the_fee_are_whole_fen_and_go_from_due_to_paid(terminal: Terminal, made: Platform):
    stages = terminal("contract", "show", ACCOUNT, "--json").document["stages"]
    assert [stage["amount"]["yuan"] for stage in stages] == ["49000.00", "39200.00", "9800.01"]
    assert [stage["state"] for stage in stages] == ["due", "due", "pending"]
    early = terminal("contract", "invoice", ACCOUNT, "3", "--invoice", "INV-3", "--due", today(made))
    assert (early.code, early.err.partition(":")[0]) == (2, "stage_not_due")
    assert terminal("contract", "invoice", ACCOUNT, "1", "--invoice", "INV-1", "--due", today(made)).code == 0
    assert terminal("contract", "pay", ACCOUNT, "1", "--reference", "transfer 4711").code == 0
    stages = terminal("contract", "show", ACCOUNT, "--json").document["stages"]
    assert [stage["state"] for stage in stages] == ["paid", "due", "pending"]


def test_a_small_adjustment_takes_one_person_and_a_large_one_two(terminal: Terminal, made: Platform):
    period = today(made)[:7]
    asked = ("adjustment", "request", ACCOUNT, "--period", period, "--reason", "billed twice", "--json")
    small = terminal(*asked, "--segments", "-1").document
    large = terminal(*asked, "--amount", "-500").document
    assert (small["approvals_needed"], large["approvals_needed"]) == (1, 2)
    assert terminal("adjustment", "approve", small["id"], "--json").document["state"] == "posted"
    assert terminal("adjustment", "approve", large["id"], "--by", "li", "--json").document["state"] == (
        "requested"
    )
    row = ledger(terminal)
    assert (row["net"], row["overage"]) == (SENT - 1, 1)
    assert terminal("adjustment", "approve", large["id"], "--by", "wang", "--json").document["state"] == (
        "posted"
    )
    assert terminal("verify").code == 0


def test_a_rejected_adjustment_is_never_posted(terminal: Terminal, made: Platform):
    period = today(made)[:4]
    asked = terminal(
        "adjustment", "request", ACCOUNT, "--period", period, "--reason", "x", "--segments", "3", "--json"
    ).document
    assert terminal("adjustment", "reject", asked["id"], "--reason", "no evidence").code == 0
    late = terminal("adjustment", "approve", asked["id"])
    assert (late.code, late.err.partition(":")[0]) == (2, "adjustment_rejected")
    assert ledger(terminal)["net"] == SENT


def test_more_cannot_be_credited_than_the_year_has(terminal: Terminal, made: Platform):
    period = today(made)[:7]
    asked = terminal(
        "adjustment", "request", ACCOUNT, "--period", period, "--reason", "x", "--segments", "-6", "--json"
    ).document
    refused = terminal("adjustment", "approve", asked["id"])
    assert (refused.code, refused.err.partition(":")[0]) == (2, "adjustment_too_large")
    assert terminal("adjustment", "list", "--json").document["adjustments"][0]["state"] == "requested"
