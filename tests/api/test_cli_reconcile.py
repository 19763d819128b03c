"""`smsledger reconcile`: a month run from the command line, and the platform held against itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from application.manage_links import configure_link
from application.send_messages import Draft, SendMessages
from domain.recorded import Context
from domain.values import Carrier
from infrastructure.bootstrap import Platform, platform
from tests.support.billed_months import LINK, NOVEMBER, TEST_PHONE, GoldenMonths, Story, moment
from tests.support.door import run
from tests.support.read_models import catch_up
from tests.support.sample import ACCOUNT, BY, SIGNATURE, link_to, make_sample, settings_for
from tests.support.terminal import Terminal

MAPPING = (
    *(
        "--carrier-id",
        "消息ID",
        "--time",
        "提交时间",
        "--phone",
        "号码",
        "--segments",
        "条数",
        "--status",
        "状态",
    ),
    *("--network", "归属", "--price-column", "单价", "--amount", "金额", "--billed-on", "delivered"),
    *("--price", "0.031", "--test-number", TEST_PHONE),
)


@pytest.fixture
def months(database_url: str, tmp_path: Path) -> Iterator[GoldenMonths]:
    """A log with a month in which everything agrees but two rows."""
    with platform(settings_for(database_url, tmp_path)) as made:
        golden = GoldenMonths(story=Story(platform=made))
        golden.clean()
        golden.november.bill("F0000001", golden.story.send(moment("11-20 10:00:00")).at)
        golden.story.write()
        run(make_sample(made, live_on=date(2025, 1, 1)))
        link = link_to(made, host="127.0.0.1", port=2775, name=LINK)
        run(configure_link(made.store, configured=replace(link, carriers=(Carrier.MOBILE,)), context=BY))
        yield golden


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], months: GoldenMonths
) -> Terminal:
    settings = months.story.platform.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def test_a_file_is_run_shown_listed_and_resolved(terminal: Terminal, months: GoldenMonths, tmp_path: Path):
    file = months.november.write(tmp_path / "file.csv")
    assert terminal("reconcile", "mapping", "set", LINK, *MAPPING, "--json").document["version"] == 1
    assert TEST_PHONE[3:] not in terminal("reconcile", "mapping", "show", LINK).out
    done = terminal("reconcile", "run", file, "--link", LINK, "--month", NOVEMBER, "--json").document
    sums = {one["reason"]: one["differences"] for one in done["result"]["totals"]}
    assert sums == {"UNEXPLAINED": 0, "MISSING_AT_PLATFORM": 1, "MISSING_AT_CARRIER": 1}
    assert file.exists(), "the file of a person stays"
    assert "MISSING_AT_PLATFORM" in terminal("reconcile", "show", done["id"]).out
    (missing,) = terminal(
        "reconcile", "differences", done["id"], "--reason", "MISSING_AT_CARRIER", "--json"
    ).document["differences"]
    resolved = terminal(
        *(
            "reconcile",
            "resolve",
            done["id"],
            missing["id"],
            "--reason",
            "agreed",
            "--segments",
            "-1",
            "--json",
        )
    ).document
    again = terminal("reconcile", "rerun", done["id"], "--json").document
    assert again["result"]["supersedes"] == done["id"]
    rows = terminal("reconcile", "differences", again["id"], "--json").document["differences"]
    assert [row["adjustment"] for row in rows if row["id"] == missing["id"]] == [resolved["adjustment"]]
    listed = terminal("reconcile", "list", "--json").document["reconciliations"]
    assert [row["id"] for row in listed] == [again["id"], done["id"]]


def test_a_file_that_does_not_fit_its_mapping_ends_with_one(terminal: Terminal, tmp_path: Path):
    (tmp_path / "file.csv").write_text("x,y\n1,2\n")
    terminal("reconcile", "mapping", "set", LINK, *MAPPING)
    said = terminal("reconcile", "run", tmp_path / "file.csv", "--link", LINK, "--month", NOVEMBER)
    assert (said.code, "column_missing" in said.out) == (1, True)


def send(made: Platform) -> None:
    """Five messages, and the read models brought up to them."""
    drafts = [
        (f"key-{number}", Draft(phone=f"1380013800{number}", signature=SIGNATURE, text="您好"))
        for number in range(5)
    ]
    run(made.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=Context(actor="test"))))
    catch_up(made)


@pytest.fixture
def living(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform on which five messages were sent today."""
    with platform(settings_for(database_url, tmp_path)) as made:
        run(make_sample(made))
        send(made)
        yield made


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], living: Platform) -> Terminal:
    settings = living.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def test_all_books_of_the_platform_agree(desk: Terminal):
    said = desk("reconcile", "self", "--json")
    assert (said.code, said.document["agrees"], said.document["messages"]) == (0, True, 5)
    assert "everything agrees" in desk("reconcile", "self", "--account", ACCOUNT).out
    assert desk("reconcile", "self", "--account", "nobody", "--json").document["messages"] == 0


@pytest.mark.parametrize(
    ("damage", "left", "right"),
    [
        (
            "UPDATE smsledger_read.messages_v1 SET segments = 7 WHERE id = {id}",
            "messages",
            "read model messages",
        ),
        ("DELETE FROM smsledger_read.messages_v1 WHERE id = {id}", "messages", "read model messages"),
        ("UPDATE smsledger_read.statistics_v1 SET total = total + 1", "messages", "read model statistics"),
        ("UPDATE smsledger_read.ledger_days_v2 SET debited = debited - 1", "ledger", "read model ledger"),
        ("DELETE FROM smsledger.stored_events WHERE originator_id = {id}", "ledger", "messages"),
        (
            "DELETE FROM smsledger.stored_events WHERE topic = 'ledger.debited' AND originator_version = 3",
            "ledger",
            "messages",
        ),
    ],
)
def test_a_book_that_was_changed_is_told_with_both_numbers(
    desk: Terminal, living: Platform, damage: str, left: str, right: str
):
    with psycopg.connect(living.settings.database_url, autocommit=True) as connection:
        (id_,) = connection.execute(
            "SELECT id FROM smsledger_read.messages_v1 ORDER BY id LIMIT 1"
        ).fetchone()
        connection.execute(damage.format(id=f"'{id_}'").encode())
    said = desk("reconcile", "self", "--json")
    told = {(row["left"], row["right"]) for row in said.document["differences"]}
    assert (said.code, (left, right) in told) == (1, True)
    assert all(row["left_value"] != row["right_value"] for row in said.document["differences"])
