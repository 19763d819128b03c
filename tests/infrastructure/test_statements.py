"""Statements over the real store: issued, followed down, and issued once by many at the same time."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from application.follow_lines import PostingPage, follow_line
from application.forecast import forecast_at
from application.issue_statements import issue, issue_all, issue_due
from application.manage_contracts import sign_contract
from application.read_statements import open_book
from domain.aggregates.statement import Statement, content_hash
from domain.events.contract import Terms
from domain.events.statement import LineKind
from domain.recorded import Context
from domain.values import stream_id
from infrastructure import posting_rows
from infrastructure.bootstrap import Platform
from infrastructure.posting_rows import kind_reader, reader
from tests.support.billed import PRICE, Billed
from tests.support.door import run
from tests.support.poured import last_months, noon, pour, ready
from tests.support.sample import ACCOUNT, make_sample

BY = Context(actor="test")
FIRST, SECOND = last_months()


@pytest.fixture
def history(platform: Platform) -> Platform:
    """Two months that are over."""
    ready(platform)
    return platform


def issued(platform: Platform) -> list[Statement]:
    """Both months."""
    read = reader(platform.store.recorder)
    outcomes = run(issue_due(platform.store, read, last=SECOND, context=BY))
    return [one.statement for one in outcomes if one.statement is not None]


def pages(platform: Platform, statement: Statement, line: int, *, limit: int) -> list[PostingPage]:
    """Every page of a line."""
    found: list[PostingPage] = []
    after: int | None = 0
    while after is not None:
        page = run(
            follow_line(
                platform.store,
                kind_reader(platform.store.recorder),
                account=ACCOUNT,
                period=statement.period,
                line=line,
                after=after,
                limit=limit,
            )
        )
        found.append(page)
        after = page.next_after
    return found


def test_what_is_due_is_issued_in_order_and_once(history: Platform):
    first, second = issued(history)
    assert (first.period, second.period) == (FIRST, SECOND)
    assert first.content.amount_fen == 8
    assert issued(history) == []
    assert content_hash(second.content) == second.hash


def test_many_that_issue_at_once_issue_one_statement(history: Platform):
    read = reader(history.store.recorder)

    async def race() -> list[bool]:
        runs = (issue(history.store, read, account=ACCOUNT, period=FIRST, context=BY) for _ in range(8))
        return [now for _, now in await asyncio.gather(*runs)]

    assert sum(run(race())) == 1
    with psycopg.connect(history.settings.database_url) as connection:
        count = connection.execute(
            "SELECT count(*) FROM smsledger.stored_events WHERE topic = 'statement.issued'"
        ).fetchone()
    assert count == (1,)


def test_every_line_is_the_sum_of_the_postings_it_is_followed_down_to(history: Platform):
    for statement in issued(history):
        for number, line in enumerate(statement.content.lines, 1):
            for limit in (1, 100):
                found = [
                    each for page in pages(history, statement, number, limit=limit) for each in page.postings
                ]
                assert len(found) == line.postings
                assert sum(part.included for _, part in found) == line.included
                assert sum(part.overage for _, part in found) == line.overage
                assert sum(part.allowance for _, part in found) == line.allowance
                assert sum(part.amount_micros for _, part in found) == line.amount_micros


def test_a_line_among_thousands_at_another_price_is_found_page_by_page(platform: Platform):
    run(make_sample(platform, live_on=FIRST.first_day))
    billed = Billed(at=noon(FIRST, 3), account=ACCOUNT)
    billed.debit(1, price_micros=PRICE)
    for _ in range(6_000):
        billed.debit(1, price_micros=41_000)
        billed.at = noon(FIRST, 4)
    billed.debit(1, price_micros=PRICE)
    pour(platform, billed)
    (statement, *_) = issued(platform)
    number, line = next(
        (number, line)
        for number, line in enumerate(statement.content.lines, 1)
        if line.kind is LineKind.DEBITS and line.price_micros == PRICE
    )
    assert line.postings == 2
    found = pages(platform, statement, number, limit=100)
    assert [len(page.postings) for page in found] == [1, 1]


def test_lines_of_rare_postings_are_read_by_their_index(history: Platform):
    query = posting_rows._select(history.store.recorder, posting_rows._OF_A_RARE_KIND)
    stream = stream_id("ledger", ACCOUNT, FIRST.year)
    with psycopg.connect(history.settings.database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            b"EXPLAIN " + query, (stream, "ledger.refunded", 3, "ledger.refunded", 9, 10)
        ).fetchall()
    said = " ".join(row[0] for row in plan)
    assert "stored_events_rare_postings_idx" in said
    assert "Sort" not in said


def test_a_statement_that_was_altered_no_longer_has_its_hash(history: Platform):
    statement = issued(history)[0]
    with psycopg.connect(history.settings.database_url) as connection:
        changed = connection.execute(
            "UPDATE smsledger.stored_events SET state = convert_to(replace(convert_from(state, 'UTF8'),"
            " '\"amount_fen\":8', '\"amount_fen\":9'), 'UTF8') WHERE topic = 'statement.issued'"
            " AND convert_from(state, 'UTF8') LIKE %s",
            (f"%{FIRST}%",),
        )
        assert changed.rowcount >= 1
    found = run(open_book(history.store, ACCOUNT)).one(FIRST)
    assert found.hash == statement.hash
    assert content_hash(found.content) != found.hash


def test_an_account_that_is_refused_keeps_no_other_one(history: Platform):
    run(make_other(history))
    read = reader(history.store.recorder)
    outcomes = run(issue_all(history.store, read, period=FIRST, context=BY))
    assert {one.account: one.code or one.issued for one in outcomes} == {
        ACCOUNT: True,
        "other": "period_before_contract",
    }


async def make_other(platform: Platform) -> None:
    """An account that is signed today."""
    await sign_contract(platform.store, account="other", name="另一家", terms=Terms(), context=BY)


def test_the_forecast_of_the_running_year_is_read_from_the_ledger(history: Platform):
    async def read() -> tuple[int, int]:
        book = await open_book(history.store, ACCOUNT)
        found = await forecast_at(history.store, ACCOUNT, book.contract, cut=datetime.now(UTC))
        return found.net, found.observed_days

    net, days = run(read())
    assert net >= 0
    assert 1 <= days <= 28
