"""The log is read by position, in order and whole, and a wait ends as soon as there is more."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.sql import SQL

from domain.events.ledger import Debited, Opened
from domain.events.message import Accepted
from infrastructure import embedded, migrations
from infrastructure.log_reader import LogReader
from infrastructure.recorder import LedgerRecorder, connect
from tests.projections.histories import History


@pytest.fixture
def recorder(database_url: str) -> Iterator[LedgerRecorder]:
    datastore = connect(database_url, schema="smsledger", pool_size=4)
    yield LedgerRecorder(datastore)
    datastore.close()


@pytest.fixture
def reader(recorder: LedgerRecorder) -> Iterator[LogReader]:
    with LogReader(recorder, poll_seconds=30) as reader:
        yield reader


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def test_an_empty_log_has_no_head_and_no_events(reader: LogReader):
    assert reader.head() == 0
    assert reader.page(0, 10) == []
    assert reader.window(0, 10).end == 0


def test_pages_read_the_whole_log_in_order(reader: LogReader, recorder: LedgerRecorder):
    story = History(recorder=recorder)
    sent = story.accept(7)
    pages: list[list[int]] = []
    after = 0
    while page := reader.page(after, 4):
        pages.append([recorded.position for recorded in page])
        after = page[-1].position
    assert [position for page in pages for position in page] == list(range(1, 2 + 1 + 14 + 1))
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    accepted = [r for r in reader.page(0, 100) if isinstance(r.event, Accepted)]
    assert [(r.stream, r.version, r.context.actor) for r in accepted] == [(s.id, 1, "key:test") for s in sent]


def test_a_page_of_some_topics_reaches_as_far_as_it_must(reader: LogReader, recorder: LedgerRecorder):
    History(recorder=recorder).accept(5)
    page = reader.page(0, 3, [Opened.TOPIC, Debited.TOPIC])
    assert [type(recorded.event) for recorded in page] == [Opened, Debited, Debited]


def test_a_window_says_how_far_it_looked_where_nothing_in_it_is_wanted(
    reader: LogReader, recorder: LedgerRecorder
):
    History(recorder=recorder).accept(5)
    nothing = reader.window(0, 3, [Debited.TOPIC])
    assert (list(nothing.events), nothing.end) == ([], 3)
    rest = reader.window(3, 1_000, [Debited.TOPIC])
    assert (len(rest.events), rest.end) == (5, reader.head())


def test_a_window_passes_over_holes_that_rolled_back_transactions_left(
    reader: LogReader, recorder: LedgerRecorder
):
    story = History(recorder=recorder)
    recorder.rows(
        SQL("SELECT nextval('smsledger.stored_events_notification_id_seq') FROM generate_series(1, 10)")
    )
    story.accept(1)
    seen, after = [], 0
    while after < reader.head():
        window = reader.window(after, 2)
        assert window.end > after
        seen += [recorded.position for recorded in window.events]
        after = window.end
    assert seen == [1, 2, 13, 14, 15]


def test_a_wait_ends_when_something_is_committed(reader: LogReader, recorder: LedgerRecorder):
    story = History(recorder=recorder)
    head = reader.head()
    assert reader.wait(0, 60)
    thread, results = in_thread(lambda: reader.wait(head, 120))
    story.accept(1)
    # The reader polls every thirty seconds only: a notification is what ends this wait.
    thread.join(timeout=20)
    assert results == [True]


def test_a_wait_ends_without_news_when_its_time_is_over(reader: LogReader):
    assert not reader.wait(0, 0.01)


def test_a_commit_whose_notification_was_missed_is_found_by_polling(recorder: LedgerRecorder):
    History(recorder=recorder)
    with LogReader(recorder, poll_seconds=0.02) as reader:
        assert reader.wait(0, 60)
        head = reader.head()
        recorder.rows(
            SQL(
                "INSERT INTO smsledger.stored_events (originator_id, originator_version, topic, state)"
                " SELECT gen_random_uuid(), 1, topic, state FROM smsledger.stored_events LIMIT 1 RETURNING 1"
            )
        )
        assert reader.wait(head, 60)


def test_closing_ends_a_wait(recorder: LedgerRecorder):
    reader = LogReader(recorder, poll_seconds=0.02)
    thread, results = in_thread(lambda: reader.wait(0, 120))
    reader.close()
    thread.join(timeout=20)
    assert results == [False]


def test_a_wait_survives_the_death_and_return_of_postgresql():
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-tests-") as folder,
        embedded.start(Path(folder), postgres_options={"fsync": "off"}) as servers,
    ):
        migrations.upgrade(servers.database_url)
        datastore = connect(servers.database_url, schema="smsledger", pool_size=4)
        recorder = LedgerRecorder(datastore)
        story = History(recorder=recorder)
        with LogReader(recorder, poll_seconds=0.05) as reader:
            assert reader.wait(0, 60)
            head = reader.head()
            thread, results = in_thread(lambda: reader.wait(head, 120))
            restarts = servers.postgres_restarts
            os.kill(servers.postgres_pid, signal.SIGKILL)
            deadline = time.monotonic() + 60
            while servers.postgres_restarts == restarts:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            story.accept(1)
            thread.join(timeout=60)
            assert results == [True]
            assert len(reader.window(head, 100).events) == 3
        datastore.close()
