"""Nobody keeps the log's lock who does nothing with it, however far into its commit it was when it froze."""

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ports import Committed, Entry
from domain.events.link import Connected
from domain.recorded import Context
from infrastructure.frozen_writers import end_frozen_writers
from infrastructure.lease import Leases
from tests.conftest import create_database, drop_database, with_database

LOCK = "LOCK TABLE smsledger.stored_events IN EXCLUSIVE MODE"
NOTE = Entry(stream=UUID(int=1), version=None, context=Context(actor="test"), events=(Connected(name="x"),))


@pytest.fixture
def leases(database_url: str) -> Iterator[Leases]:
    made = Leases(database_url)
    yield made
    made.close()


def in_a_transaction(writer: psycopg.Connection, then: Callable[[], None]) -> None:
    with writer.transaction():
        writer.execute(LOCK)
        then()


def in_a_pipeline(writer: psycopg.Connection, then: Callable[[], None]) -> None:
    with writer.pipeline():
        writer.execute("BEGIN")
        writer.execute(LOCK)
        writer.execute("SELECT 1").fetchall()
        then()


def in_a_copy(writer: psycopg.Connection, then: Callable[[], None]) -> None:
    with writer.transaction():
        writer.execute(LOCK)
        with writer.cursor().copy("COPY smsledger.stored_events FROM STDIN") as copy:
            copy.write("")
            then()


@pytest.mark.parametrize("middle", [in_a_transaction, in_a_pipeline, in_a_copy])
def test_a_writer_that_freezes_in_the_middle_of_its_commit_is_ended_and_others_write(
    recorder, leases, database_url, middle
):
    def end_it() -> None:
        deadline = time.monotonic() + 30
        while not end_frozen_writers(leases, "smsledger", silent_seconds=0.1):
            assert time.monotonic() < deadline, "it still has the lock"
            time.sleep(0.02)
        assert isinstance(recorder.commit([NOTE])[0], Committed)

    with psycopg.connect(database_url) as writer, pytest.raises(psycopg.OperationalError):
        middle(writer, end_it)


def test_a_writer_that_works_is_left_alone(leases, database_url):
    def work() -> None:
        with psycopg.connect(database_url, autocommit=True) as writer:
            # One message to the server: a test's own process that gets no time is not a writer that stands still.
            writer.execute(f"BEGIN; {LOCK}; SELECT pg_sleep(0.5); COMMIT")

    working = threading.Thread(target=work)
    working.start()
    while working.is_alive():
        assert not end_frozen_writers(leases, "smsledger", silent_seconds=0.2)
    working.join()


def test_a_writer_of_a_copy_of_the_database_is_left_alone(leases, server_url, template_database):
    """A copy has the same tables under the same numbers."""
    copy = f"smsledger_test_copy_{uuid4().hex[:8]}"
    create_database(server_url, copy, template=template_database)
    try:
        with psycopg.connect(with_database(server_url, copy)) as writer:
            writer.execute(LOCK)
            idle = f"SELECT wait_event = 'ClientRead' FROM pg_stat_activity WHERE pid = {writer.info.backend_pid}"
            deadline = time.monotonic() + 30
            while not leases.ask(idle):
                assert time.monotonic() < deadline, "it does not wait for its client"
            assert not end_frozen_writers(leases, "smsledger", silent_seconds=0)
            writer.execute("SELECT true")
    finally:
        drop_database(server_url, copy)


def test_whoever_may_not_end_a_writer_keeps_its_leases(leases, database_url):
    assert leases.acquire("a")
    assert leases.ask("SELECT set_config('role', 'pg_monitor', false) <> ''")
    with psycopg.connect(database_url) as writer:
        writer.execute(LOCK)
        assert not end_frozen_writers(leases, "smsledger", silent_seconds=0)
        writer.execute("SELECT true")
    assert leases.holds("a")
