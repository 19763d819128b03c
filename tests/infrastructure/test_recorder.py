"""Under one lock many writers make one dense log, and no reader ever misses an event of it."""

import asyncio
import multiprocessing
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import DataError, IntegrityError
from eventsourcing.postgres import PostgresDatastore

from application.ports import (
    Committed,
    Conflict,
    Entry,
    HeldReceipt,
    HeldReleased,
    Outcome,
    PartRow,
    SealedRow,
)
from application.prove_ledgers import Proof
from domain.aggregates import contract, fold
from domain.aggregates.message import RefundDue
from domain.errors import Refusal
from domain.events.contract import Suspended
from domain.events.ledger import RefundReason
from domain.events.link import Connected, Disabled
from domain.recorded import Context, Recorded
from domain.values import stream_id
from infrastructure.log_reader import LogReader
from infrastructure.recorder import LedgerRecorder, connect
from tests.projections.histories import History
from tests.simulation.store import MemoryStore

BY = Context(actor="test")
SIZES = (1, 200)
"""A group that is inserted in a pipeline, and one that is copied."""


def note(stream: UUID, version: int | None, name: str = "x") -> Entry:
    return Entry(stream=stream, version=version, context=BY, events=(Connected(name=name),))


def everything(recorder: LedgerRecorder) -> list[Recorded]:
    with LogReader(recorder) as log:
        return log.page(0, 1_000_000)


def count(recorder: LedgerRecorder, table: str) -> int:
    return recorder.rows(f"SELECT count(*) FROM smsledger.{table}".encode())[0][0]


def proved(recorder: LedgerRecorder) -> bool:
    proof = Proof()
    for recorded in everything(recorder):
        proof.feed(recorded)
    return proof.postings > 1 and proof.findings() == []


def versions_by_stream(log: Sequence[Recorded]) -> dict[UUID, list[int]]:
    found: dict[UUID, list[int]] = defaultdict(list)
    for recorded in log:
        found[recorded.stream].append(recorded.version)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_a_group_is_written_in_order_and_answered_one_by_one(recorder, size):
    streams = [uuid4() for _ in range(size)]
    outcomes = recorder.commit([note(stream, 0) for stream in streams])
    assert [type(outcome) for outcome in outcomes] == [Committed] * size
    assert [recorded.stream for recorded in everything(recorder)] == streams


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_that_is_there_conflicts_and_its_neighbours_are_written(recorder, size):
    there = uuid4()
    recorder.commit([note(there, 0)])
    outcomes = recorder.commit([note(there, 0), *(note(uuid4(), 0) for _ in range(size))])
    assert outcomes[0] == Conflict(stream=there, version=1)
    assert [type(outcome) for outcome in outcomes[1:]] == [Committed] * size
    assert len(everything(recorder)) == 1 + size


@pytest.mark.parametrize("size", SIZES)
def test_a_group_committed_again_meets_itself(recorder, size):
    entries = [note(uuid4(), 0) for _ in range(size)]
    recorder.commit(entries)
    assert [type(outcome) for outcome in recorder.commit(entries)] == [Conflict] * size
    assert len(everything(recorder)) == size


def test_a_version_that_is_behind_or_ahead_conflicts(recorder):
    stream = uuid4()
    recorder.commit([note(stream, 0), note(stream, 1)])
    outcomes = recorder.commit([note(stream, 1), note(stream, 3), note(stream, 2)])
    assert outcomes[:2] == [Conflict(stream=stream, version=2)] * 2
    assert isinstance(outcomes[2], Committed)


def test_the_moment_is_the_database_s(recorder):
    (outcome,) = recorder.commit([note(uuid4(), 0)])
    (clock,) = recorder.rows(b"SELECT clock_timestamp()")[0]
    at = outcome.recorded[0].at
    assert at.tzinfo is UTC
    assert timedelta(0) <= clock - at < timedelta(minutes=1)


@pytest.mark.parametrize("size", SIZES)
def test_side_rows_go_with_their_entry_and_only_with_it(recorder, size):
    there = uuid4()
    recorder.commit([note(there, 0)])
    today = date(2026, 5, 1)
    recorder.ensure_day(today)

    def entry(stream: UUID) -> Entry:
        rows = (
            SealedRow(day=today, message=stream, account="acme", phone_index=b"i", ciphertext=b"c"),
            PartRow(link="one", carrier_id=str(stream), message=stream, part=1),
            HeldReceipt(
                link="one", carrier_id="x", status="DELIVRD", error="", carrier_time="", phone_index=b""
            ),
        )
        return Entry(stream=stream, version=0, context=BY, events=(Connected(name="x"),), rows=rows)

    recorder.commit([entry(there), *(entry(uuid4()) for _ in range(size))])
    assert {
        table: count(recorder, table) for table in ("sealed_messages", "carrier_parts", "held_receipts")
    } == {
        "sealed_messages": size,
        "carrier_parts": size,
        "held_receipts": size,
    }


def test_a_receipt_that_is_released_is_held_no_longer(recorder):
    held = HeldReceipt(link="one", carrier_id="x", status="", error="", carrier_time="", phone_index=b"")
    recorder.commit([Entry(stream=None, version=None, context=BY, rows=(held, held))])
    ids = [row[0] for row in recorder.rows(b"SELECT id FROM smsledger.held_receipts ORDER BY id")]
    recorder.commit([Entry(stream=None, version=None, context=BY, rows=(HeldReleased(id=ids[0]),))])
    assert recorder.rows(b"SELECT id FROM smsledger.held_receipts") == [(ids[1],)]


@pytest.mark.parametrize("size", SIZES)
def test_a_day_without_a_partition_fails_its_whole_group_and_leaves_nothing(recorder, size):
    row = SealedRow(day=date(2031, 1, 1), message=uuid4(), account="acme", phone_index=b"", ciphertext=b"")
    bad = Entry(stream=uuid4(), version=0, context=BY, events=(Connected(name="x"),), rows=(row,))
    with pytest.raises(IntegrityError):
        recorder.commit([*(note(uuid4(), 0) for _ in range(size)), bad])
    assert everything(recorder) == []
    recorder.commit([note(uuid4(), 0)])
    assert len(everything(recorder)) == 1


@pytest.mark.parametrize("size", SIZES)
def test_what_cannot_be_stored_leaves_nothing_and_no_lock(recorder, size):
    bad = PartRow(link="one", carrier_id="a\x00b", message=uuid4(), part=1)
    entry = Entry(stream=uuid4(), version=0, context=BY, events=(Connected(name="x"),), rows=(bad,))
    with pytest.raises((DataError, IntegrityError)):
        recorder.commit([*(note(uuid4(), 0) for _ in range(size)), entry])
    unwritable = Entry(stream=uuid4(), version=0, context=BY, events=(Disabled(reason="\ud800"),))
    with pytest.raises(UnicodeEncodeError):
        recorder.commit([*(note(uuid4(), 0) for _ in range(size)), unwritable])
    assert everything(recorder) == []
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(recorder.commit, [note(uuid4(), 0)]).result(timeout=30)


def test_a_refusal_under_the_lock_leaves_nothing(recorder):
    story = History(recorder=recorder)
    suspended = Entry(
        stream=stream_id("contract", story.account),
        version=2,
        context=BY,
        events=(Suspended(reason="unpaid"),),
    )
    recorder.commit([suspended])
    before = everything(recorder)
    with pytest.raises((AssertionError, Refusal)):
        story.accept()
    assert everything(recorder) == before


def test_two_debits_of_a_group_chain_and_the_next_group_goes_on_from_there(recorder):
    story = History(recorder=recorder)
    story.accept(150, segments=2)
    story.accept(3)
    assert proved(recorder)


def test_a_refund_is_posted_to_the_year_of_its_debit(recorder):
    story = History(recorder=recorder)
    (sent,) = story.accept()
    charged = sent.state.accepted.charged
    due = RefundDue(
        account=story.account,
        year=charged.year,
        debit=charged.posting,
        reason=RefundReason.CANCELLED,
        segments=1,
        price_micros=charged.price_micros,
    )
    recorder.commit([Entry(stream=sent.id, version=1, context=BY, charge=due)])
    last = everything(recorder)[-1]
    assert (last.event.TOPIC, last.stream) == (
        "ledger.refunded",
        stream_id("ledger", story.account, charged.year),
    )


# Many writers.


def write(database_url: str, account: str, groups: int, threads: int) -> None:
    """In another process: groups of acceptances from several threads, on one account."""
    datastore = connect(database_url, schema="smsledger", pool_size=threads)
    recorder = LedgerRecorder(datastore)
    story = History.__new__(History)
    story.recorder, story.account, story.everything = recorder, account, []
    with LogReader(recorder) as log:
        mine = [r for r in log.page(0, 10) if r.stream == stream_id("contract", account)]
    agreed = fold(contract.evolve, mine)
    assert agreed is not None
    story.contract, story.terms = agreed, agreed.terms
    story.keys = iter(uuid4, None)  # type: ignore[assignment]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(story.accept, size) for size in [1, 3, 100] * (groups // 3)]:
            done.result()
    datastore.close()


def test_writers_of_several_processes_and_threads_make_one_dense_ledger(recorder, database_url):
    story = History(recorder=recorder)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write, args=(database_url, story.account, 9, 2)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    log = everything(recorder)
    assert sum(r.event.TOPIC == "message.accepted" for r in log) == 2 * 3 * 104
    assert all(found == list(range(1, len(found) + 1)) for found in versions_by_stream(log).values())
    assert [r.position for r in log] == sorted({r.position for r in log})
    assert proved(recorder)


def test_a_reader_that_follows_four_writers_never_misses_an_event(recorder):
    done = threading.Event()
    seen: list[Recorded] = []

    def follow(log: LogReader) -> None:
        after = 0
        while True:
            last_look = done.is_set()
            window = log.window(after, 50)
            seen.extend(window.events)
            if window.end == after:
                if last_look:
                    return
                log.wait(after, 0.05)
            after = window.end

    def work(each: int) -> None:
        for number in range(60):
            size = 40 if number % 10 == 0 else 1 + number % 3
            recorder.commit([note(uuid4(), 0, name=str(each)) for _ in range(size)])

    with LogReader(recorder, poll_seconds=0.01) as log:
        reader = threading.Thread(target=follow, args=(log,))
        reader.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        done.set()
        reader.join(timeout=60)
    assert [r.position for r in seen] == [r.position for r in everything(recorder)]
    assert len(seen) == count(recorder, "stored_events") > 800


def test_a_writer_whose_connections_are_cut_goes_on(recorder, database_url):
    recorder.commit([note(uuid4(), 0)])
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    stream = uuid4()
    (outcome,) = recorder.commit([note(stream, 0)])
    assert isinstance(outcome, Committed | Conflict)
    assert [r.stream for r in everything(recorder)].count(stream) == 1


def test_a_connection_cut_at_any_moment_loses_nothing_that_was_answered(recorder, database_url):
    stop = threading.Event()
    answered: list[UUID] = []
    cuts: list[int] = []

    def cut() -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            while not stop.wait(0.7):
                if cuts and cuts[-1] == len(answered):
                    # A commit that takes long here is not cut again and again.
                    continue
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database() AND backend_type = 'client backend'"
                )
                cuts.append(len(answered))

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        while len(cuts) < 4:
            streams = [uuid4() for _ in range(30 if len(answered) % 2 else 1)]
            outcomes = recorder.commit([note(stream, 0) for stream in streams])
            assert all(isinstance(outcome, Committed | Conflict) for outcome in outcomes)
            answered += streams
    finally:
        stop.set()
        cutter.join()
    log = everything(recorder)
    assert {r.stream for r in log} == set(answered)
    assert len(log) == len(answered)


# Partitions and the rest.


def test_several_threads_make_the_partition_of_a_day_at_once(recorder):
    day = date(2026, 12, 31)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(recorder.ensure_day, [day] * 6))
    attached = b"SELECT inhparent::regclass::text, count(*) FROM pg_inherits JOIN pg_class ON oid = inhparent"
    found = recorder.rows(attached + b" WHERE relkind = 'p' GROUP BY 1 ORDER BY 1")
    assert [(name.rpartition(".")[2], partitions) for name, partitions in found] == [
        ("sealed_messages", 1),
        ("sealed_replies", 1),
    ]


def test_neighbouring_days_have_partitions_of_their_own(recorder):
    for day in (date(2026, 12, 31), date(2027, 1, 1)):
        recorder.ensure_day(day)
        row = SealedRow(day=day, message=uuid4(), account="acme", phone_index=b"", ciphertext=b"")
        recorder.commit([Entry(stream=None, version=None, context=BY, rows=(row,))])
    tables = b"SELECT tableoid::regclass::text FROM smsledger.sealed_messages ORDER BY day"
    names = [name.rpartition(".")[2] for (name,) in recorder.rows(tables)]
    assert names == ["sealed_messages_20261231", "sealed_messages_20270101"]


def test_a_partition_is_made_while_others_write(recorder):
    stop = threading.Event()

    def keep_writing() -> int:
        written = 0
        while not stop.is_set():
            recorder.commit([note(uuid4(), 0)])
            written += 1
        return written

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(keep_writing) for _ in range(2)]
        try:
            for ahead in range(5):
                recorder.ensure_day(date(2026, 5, 1) + timedelta(days=ahead))
        finally:
            stop.set()
        assert all(writer.result() > 0 for writer in writers)


def test_the_library_s_insert_function_which_leaves_the_lock_out_is_refused(database_url):
    with psycopg.connect(database_url) as known:
        info = known.info
        datastore = PostgresDatastore(
            dbname=info.dbname,
            host=info.host,
            port=str(info.port),
            user=info.user,
            password=info.password,
            enable_db_functions=True,
        )
    with pytest.raises(ValueError, match="lock"):
        LedgerRecorder(datastore)
    datastore.close()


@pytest.fixture
def random_entries() -> list[list[Entry]]:
    """Groups that conflict, repeat and follow each other in every way on a few streams."""
    random = Random(5)
    streams = [UUID(int=number) for number in range(1, 5)]
    return [
        [
            note(random.choice(streams), random.choice((None, 0, 1, 2, 3, 5)))
            for _ in range(random.choice((1, 2, 70)))
        ]
        for _ in range(25)
    ]


def test_the_store_in_memory_and_the_one_on_postgresql_give_the_same_answers(recorder, random_entries):
    memory = MemoryStore(now=lambda: datetime(2026, 5, 1, tzinfo=UTC))

    def plain(outcomes: Sequence[Outcome]) -> list[object]:
        return [
            [(r.stream, r.version, r.event) for r in outcome.recorded]
            if isinstance(outcome, Committed)
            else outcome
            for outcome in outcomes
        ]

    for group in random_entries:
        assert plain(recorder.commit(group)) == plain(asyncio.run(memory.commit(group)))
