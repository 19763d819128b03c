"""The turn of the year on a real database whose clock is set: in any time zone, whoever does it, whoever dies of it."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from application import settle_messages
from application.ports import Entry, OpenYear
from application.prove_ledgers import Proof
from application.send_messages import Draft, SendMessages, Sent
from domain.aggregates.message import DebitDue
from domain.events.contract import Signed, Terms, WentLive
from domain.events.ledger import Closed, DebitReason, Opened, Refunded
from domain.recorded import Context, Recorded
from domain.values import stream_id
from infrastructure import bootstrap
from infrastructure.bootstrap import Platform
from infrastructure.mapper import decode_row
from infrastructure.scheduler import Scheduler
from tests.conftest import create_database, drop_database, with_database
from tests.support.db_clock import DatabaseClock
from tests.support.sample import ACCOUNT, SIGNATURE, make_sample, settings_for
from tests.support.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
LAST = datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
FIRST = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
"""Midnight in Shanghai."""
DAYS_LATER = FIRST + timedelta(days=3, hours=2)
TERMS = Terms(allowance_segments=100)
BY = Context(actor="test")
ACCOUNTS = 40
PATIENCE_SECONDS = 60
Value = TypeVar("Value")


@pytest.fixture
def clock(database_url: str) -> DatabaseClock:
    """The database believes that the year has a microsecond left."""
    made = DatabaseClock(database_url)
    made.set(LAST)
    return made


@pytest.fixture
def platform(clock: DatabaseClock, database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """The sample account on that database; its process has the same clock."""
    with bootstrap.platform(settings_for(database_url, tmp_path), now=lambda: LAST) as made:
        run(make_sample(made, terms=TERMS, live_on=date(2026, 1, 1)))
        yield made


def run(work: Coroutine[Any, Any, Value]) -> Value:
    return asyncio.run(work)


def send(platform: Platform, *keys: str) -> list[UUID]:
    draft = Draft(phone="13800138000", signature=SIGNATURE, text="您好")
    command = SendMessages(account=ACCOUNT, drafts=[(key, draft) for key in keys], context=BY)
    answers = run(platform.sender(command))
    assert all(isinstance(answer, Sent) for answer in answers), answers
    return [answer.id for answer in answers if isinstance(answer, Sent)]


def postings(platform: Platform, year: int, account: str = ACCOUNT) -> list[Recorded]:
    return list(run(platform.store.postings(account, year, after=0, limit=1_000)))


def kinds(platform: Platform, year: int) -> list[str]:
    return [type(recorded.event).__name__ for recorded in postings(platform, year)]


def environment(database_url: str, folder: Path, **others: str) -> Mapping[str, str]:
    """What a process of the platform is given, and nothing of the settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SMSLEDGER_")}
    given = {"SMSLEDGER_DATABASE_URL": database_url, "SMSLEDGER_DATA_DIR": str(folder)}
    return inherited | given | others


# On which side of midnight.


@pytest.mark.parametrize(
    ("machine", "client", "server"),
    [
        ("UTC", "UTC", "UTC"),
        ("America/New_York", "Pacific/Kiritimati", "Asia/Kolkata"),
        ("Pacific/Kiritimati", "America/Adak", "America/New_York"),
        ("Asia/Shanghai", "Asia/Shanghai", "Asia/Shanghai"),
    ],
)
def test_a_microsecond_and_midnight_fall_on_their_sides_in_any_time_zone(
    platform: Platform, clock: DatabaseClock, machine: str, client: str, server: str, tmp_path: Path
):
    """`machine` is TZ of the process, `client` the session's zone by PGTZ, `server` the database's own."""
    clock.zone(server)
    url = platform.settings.database_url
    moments = [moment.astimezone(UTC).isoformat() for moment in (LAST, FIRST)]
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.turn", url, str(tmp_path), *moments],
        env=environment(url, tmp_path, TZ=machine, PGTZ=client),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert [json.loads(line) for line in told.stdout.splitlines()] == [
        {"year": 2026, "resets": [2026, 2027]},
        {"year": 2027, "resets": [2027, 2028]},
    ]
    assert [posting.at for posting in postings(platform, 2026)[1:]] == [LAST]
    assert [posting.at for posting in postings(platform, 2027)[1:]] == [FIRST]


def test_a_process_whose_clock_is_off_debits_the_database_s_year(platform: Platform, clock: DatabaseClock):
    clock.set(FIRST)
    send(platform, "k")
    assert kinds(platform, 2026) == []
    assert kinds(platform, 2027) == ["Opened", "Debited"]


# By a person.


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], platform: Platform
) -> Terminal:
    settings = platform.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def test_the_reset_names_who_did_it_in_every_posting(
    terminal: Terminal, platform: Platform, clock: DatabaseClock
):
    send(platform, "a", "b")
    clock.set(FIRST)
    (row,) = terminal("quota", "reset", "--year", "2027", "--all", "--json").document["resets"]
    assert (row["account"], row["opened"], row["closed_year"], row["expired_segments"]) == (
        ACCOUNT,
        True,
        "2026",
        98,
    )
    closed, opened = postings(platform, 2026)[-1], postings(platform, 2027)[-1]
    assert isinstance(closed.event, Closed)
    assert isinstance(opened.event, Opened)
    assert closed.context.actor == opened.context.actor
    assert closed.context.actor.startswith("cli:")


def test_the_reset_again_and_again_does_nothing_more(
    terminal: Terminal, platform: Platform, clock: DatabaseClock
):
    send(platform, "a")
    clock.set(DAYS_LATER)
    arguments = ("quota", "reset", "--year", "2027", "--account", ACCOUNT, "--json")
    rows = [terminal(*arguments).document["resets"][0] for _ in range(3)]
    assert [(row["opened"], row["expired_segments"]) for row in rows] == [(True, 99), (False, 0), (False, 0)]
    assert kinds(platform, 2026) == ["Opened", "Debited", "Closed"]
    assert kinds(platform, 2027) == ["Opened"]


def test_a_dry_run_says_what_the_reset_then_does(
    terminal: Terminal, platform: Platform, clock: DatabaseClock
):
    send(platform, "a")
    clock.set(FIRST)
    arguments = ("quota", "reset", "--year", "2027", "--all", "--json")
    (planned,) = terminal(*arguments, "--dry-run").document["resets"]
    assert kinds(platform, 2027) == []
    (done,) = terminal(*arguments).document["resets"]
    assert planned == done | {"dry_run": True}


@pytest.mark.parametrize("arguments", [(), ("--all", "--account", ACCOUNT)])
def test_whose_reset_it_is_has_to_be_said_once(terminal: Terminal, arguments: tuple[str, ...]):
    said = terminal("quota", "reset", "--year", "2027", *arguments)
    assert (said.code, said.err.partition(":")[0]) == (2, "account_or_all")


def test_a_moment_before_midnight_the_next_year_is_opened_and_this_one_stays_open(
    terminal: Terminal, platform: Platform
):
    send(platform, "a")
    terminal("quota", "reset", "--year", "2027", "--all")
    assert kinds(platform, 2026) == ["Opened", "Debited"]
    assert kinds(platform, 2027) == ["Opened"]


# Late refunds.


def test_a_late_refund_goes_to_the_closed_year_and_never_to_the_new_package(
    terminal: Terminal, platform: Platform, clock: DatabaseClock
):
    ids = send(platform, "a", "b", "c")
    clock.set(DAYS_LATER)
    terminal("quota", "reset", "--year", "2027", "--all")
    assert run(settle_messages.cancel(platform.store, ids[:2], reason="late", context=BY)) == 2
    old, new = postings(platform, 2026), postings(platform, 2027)
    assert [type(posting.event) for posting in old[-3:]] == [Closed, Refunded, Refunded]
    after = getattr(old[-1].event, "after", None)
    assert after is not None
    assert (after.net, after.closed) == (1, True)
    assert [type(posting.event) for posting in new] == [Opened]
    assert run(settle_messages.cancel(platform.store, ids[:2], reason="late", context=BY)) == 0


# By the scheduler.


def test_the_scheduler_that_is_awake_turns_the_year_once(platform: Platform, clock: DatabaseClock):
    awake = Scheduler(platform, None, None)  # type: ignore[arg-type]  # the turn needs neither queues nor links
    send(platform, "a")
    run(awake.turn_year())
    assert kinds(platform, 2026) == ["Opened", "Debited"]
    clock.set(FIRST)
    for _ in range(2):
        run(awake.turn_year())
    assert kinds(platform, 2026) == ["Opened", "Debited", "Closed"]
    assert kinds(platform, 2027) == ["Opened"]
    assert {posting.context.actor for posting in postings(platform, 2027)} == {"scheduler"}


def test_a_scheduler_that_was_down_at_midnight_turns_the_year_when_it_starts(
    platform: Platform, clock: DatabaseClock, redis_url: str
):
    send(platform, "a")
    clock.set(DAYS_LATER)
    settings = platform.settings
    assert settings.data_dir is not None
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "--tied", "scheduler"],
        env=environment(settings.database_url, settings.data_dir, SMSLEDGER_REDIS_URL=redis_url),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: kinds(platform, 2027) == ["Opened"], process)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
    closed = postings(platform, 2026)[-1]
    assert (type(closed.event), closed.at, closed.context.actor) == (Closed, DAYS_LATER, "scheduler")


def until(done: Any, process: "subprocess.Popen[bytes]") -> None:  # noqa: ANN401
    """Wait for a fact, as long as the process that is to bring it lives."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert process.poll() is None, "the process ended before"
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


# Killed.


@pytest.fixture(scope="module")
def crowd(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with many accounts that used some of 2026, whose clock says that it is 2027."""
    name = f"smsledger_test_{secrets.token_hex(4)}"
    create_database(server_url, name, template=template_database)
    url = with_database(server_url, name)
    clock = DatabaseClock(url)
    clock.set(LAST)
    try:
        with bootstrap.platform(settings_for(url, tmp_path_factory.mktemp("crowd"))) as made:
            for number in range(ACCOUNTS):
                run(join(made, f"account-{number:02d}", number))
        clock.set(DAYS_LATER)
        yield name
    finally:
        drop_database(server_url, name)


async def join(made: Platform, account: str, used: int) -> None:
    """An account that used so much of this year; the first of them nothing, so that it was never opened."""
    signed = Signed(account=account, name="示例", terms=TERMS)
    contract = Entry(
        stream=stream_id("contract", account),
        version=0,
        context=BY,
        events=(signed, WentLive(on=date(2026, 1, 1))),
    )
    debit = DebitDue(
        account=account, year=2026, reason=DebitReason.REVISED, segments=used, price_micros=38_000
    )
    year = OpenYear(account=account, year=2026, allowance=100)
    message = Entry(stream=stream_id("message", account), version=None, context=BY, charge=debit)
    opening = Entry(stream=None, version=None, context=BY, charge=year)
    await made.store.commit([contract, opening, message] if used else [contract])


def ledgers(url: str) -> list[tuple[Any, ...]]:
    """Every ledger to its last octet, without its place in the log."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT originator_id, originator_version, topic, state FROM smsledger.stored_events"
            " WHERE topic LIKE 'ledger.%' ORDER BY originator_id, originator_version"
        ).fetchall()


def opened_of_2027(url: str) -> int:
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(
            "SELECT count(*) FROM smsledger.stored_events WHERE topic = 'ledger.opened'"
            " AND convert_from(state, 'UTF8')::json->'fact'->>'year' = '2027'"
        ).fetchall()
        return int(row[0])


@pytest.fixture
def copies(server_url: str, crowd: str) -> Iterator[list[str]]:
    """Two databases of the same accounts."""
    names = [f"{crowd}_{number}" for number in range(2)]
    for name in names:
        create_database(server_url, name, template=crowd)
    try:
        urls = [with_database(server_url, name) for name in names]
        for url in urls:
            DatabaseClock(url)
        yield urls
    finally:
        for name in names:
            drop_database(server_url, name)


def start_reset(url: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", "quota", "reset", "--year", "2027", "--all", "--json"],
        env=environment(url, folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def reset_whole(url: str, folder: Path) -> list[dict[str, Any]]:
    """A reset that nobody disturbs; what it prints."""
    process = start_reset(url, folder)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err.decode()
    rows: list[dict[str, Any]] = json.loads(out)["resets"]
    return rows


def test_killed_at_any_point_and_run_again_the_ledgers_are_those_of_an_undisturbed_run(
    copies: list[str], tmp_path: Path
):
    quiet, disturbed = copies
    whole = reset_whole(quiet, tmp_path)
    assert sum(row["opened"] for row in whole) == ACCOUNTS
    expired = sum(100 - number for number in range(1, ACCOUNTS))
    assert sum(row["expired_segments"] for row in whole) == expired
    killed_at = []
    for wanted in (1, 7, 15, 24, 33):
        process = start_reset(disturbed, tmp_path)
        try:
            until(lambda wanted=wanted: opened_of_2027(disturbed) >= wanted, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        killed_at.append(opened_of_2027(disturbed))
    assert any(0 < done < ACCOUNTS for done in killed_at), killed_at
    reset_whole(disturbed, tmp_path)
    assert ledgers(disturbed) == ledgers(quiet)
    again = reset_whole(disturbed, tmp_path)
    assert not any(row["opened"] or row["closed_year"] for row in again)
    assert ledgers(disturbed) == ledgers(quiet)
    assert proved(disturbed) == []


def proved(url: str) -> list[str]:
    """What the proof finds in the ledgers and contracts of a database."""
    proof = Proof()
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT originator_id, originator_version, topic, state FROM smsledger.stored_events"
            " WHERE topic NOT LIKE 'message.%' ORDER BY notification_id"
        ).fetchall()
    for row in rows:
        proof.feed(decode_row(*row))
    return [finding.code for finding in proof.findings() if finding.code != _OF_MESSAGES]


_OF_MESSAGES = "refunds_differ"
"""The crowd's debits are of messages that nobody sent: the turn of the year does not look at them."""
