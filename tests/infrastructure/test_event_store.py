"""What the use cases read is what was committed, whole and in order; a bad caller harms no other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import DataError, IntegrityError

from application.ports import Committed, Entry, HeldReceipt, HeldReleased, PartRow, SealedRow
from application.send_messages import Draft, SendMessages, Sent
from domain.events.contract import Terms
from domain.events.ledger import Debited, Opened
from domain.events.link import Connected, Lost
from domain.recorded import Context
from domain.values import local_day
from infrastructure.bootstrap import Platform
from infrastructure.event_store import EventStore, _queries
from tests.support.sample import ACCOUNT, SIGNATURE, make_sample

EVER = datetime(2020, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=31)
BY = Context(actor="test", correlation="request-1", causation="event-1")
DAY = date(2026, 5, 1)


def run(platform: Platform, work: Callable[[EventStore], Awaitable[None]]) -> None:
    asyncio.run(work(platform.store))  # type: ignore[arg-type]


def note(stream: UUID, version: int | None = None, name: str = "x") -> Entry:
    return Entry(stream=stream, version=version, context=BY, events=(Connected(name=name),))


def held(carrier_id: str, link: str = "one") -> HeldReceipt:
    return HeldReceipt(
        link=link,
        carrier_id=carrier_id,
        status="DELIVRD",
        error="000",
        carrier_time="26",
        phone_index=b"\x00p",
    )


async def write_rows(store: EventStore, *rows: SealedRow | PartRow | HeldReceipt | HeldReleased) -> None:
    await store.commit([Entry(stream=None, version=None, context=BY, rows=rows)])


def test_histories_come_back_whole_oldest_first_with_their_context(platform):
    one, two = uuid4(), uuid4()

    async def story(store: EventStore) -> None:
        await store.commit(
            [
                note(one),
                note(two),
                Entry(stream=one, version=1, context=BY, events=(Lost(name="x", reason="r"),)),
            ]
        )
        found = await store.load([one, two, uuid4()])
        assert set(found) == {one, two}
        assert [(r.version, type(r.event)) for r in found[one]] == [(1, Connected), (2, Lost)]
        assert found[one][0].context == BY
        assert [r.position for r in found[one]] == sorted(r.position for r in found[one])
        assert await store.load([]) == {}

    run(platform, story)


def test_the_last_posting_and_pages_of_postings(platform):
    async def story(store: EventStore) -> None:
        await make_sample(platform, terms=Terms(allowance_segments=2))
        drafts = [
            (f"k{number}", Draft(phone="13800138000", signature=SIGNATURE, text="您好"))
            for number in range(3)
        ]
        answers = await platform.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=BY))
        year = next(a.charged.year for a in answers if isinstance(a, Sent))
        last = await store.last_posting(ACCOUNT, year)
        assert last is not None
        assert isinstance(last.event, Debited)
        assert (last.version, last.event.after.net, last.event.after.overage) == (4, 3, 1)
        first = await store.postings(ACCOUNT, year, after=0, limit=2)
        assert [(r.version, type(r.event)) for r in first] == [(1, Opened), (2, Debited)]
        assert [r.version for r in await store.postings(ACCOUNT, year, after=2, limit=10)] == [3, 4]
        assert await store.last_posting(ACCOUNT, year + 1) is None
        assert await store.postings("nobody", year, after=0, limit=10) == []

    run(platform, story)


def test_nouns_are_found_by_their_founding_events(platform):
    async def story(store: EventStore) -> None:
        await make_sample(platform)
        (signed,) = await store.founded("contract.signed")
        assert signed.event.account == ACCOUNT
        (history,) = await store.in_thread(lambda: store.nouns("link.configured"))
        assert [r.event.TOPIC for r in history] == ["link.configured", "link.enabled"]
        assert await store.founded("message.accepted") == [], "only founding events are found this way"

    run(platform, story)


def test_sealed_data_is_found_by_day_and_message_and_by_the_number_s_index_of_each_day(platform):
    async def story(store: EventStore) -> None:
        days = [DAY, DAY + timedelta(days=1)]
        for day in days:
            await store.in_thread(lambda day=day: store.recorder.ensure_day(day))
        ids = [uuid4() for _ in range(3)]
        rows = [
            SealedRow(day=days[0], message=ids[0], account="acme", phone_index=b"one", ciphertext=b"c0"),
            SealedRow(day=days[1], message=ids[1], account="acme", phone_index=b"two", ciphertext=b"c1"),
            SealedRow(day=days[1], message=ids[2], account="bolt", phone_index=b"two", ciphertext=b"c2"),
        ]
        await write_rows(store, *rows)
        wanted = [(days[0], ids[0]), (days[0], ids[1]), (days[1], ids[2])]
        assert await store.sealed(wanted) == {ids[0]: b"c0", ids[2]: b"c2"}
        assert await store.sealed([]) == {}
        indexes = {days[0]: b"one", days[1]: b"two"}
        assert await store.find_by_phone("acme", indexes, limit=9) == [(days[1], ids[1]), (days[0], ids[0])]
        assert await store.find_by_phone("acme", indexes, limit=1) == [(days[1], ids[1])]
        assert await store.find_by_phone("acme", {}, limit=9) == []
        assert set(await store.find_by_index(days[1], b"two")) == {ids[1], ids[2]}
        assert await store.find_by_index(days[0], b"two") == []
        assert await store.find_by_index(date(2020, 1, 1), b"two") == []

    run(platform, story)


def test_a_carrier_s_id_finds_its_part_and_the_newest_where_it_recurs(platform):
    async def story(store: EventStore) -> None:
        old, new = uuid4(), uuid4()
        await write_rows(store, PartRow(link="one", carrier_id="5", message=old, part=1))
        await write_rows(store, PartRow(link="two", carrier_id="5", message=uuid4(), part=1))
        await write_rows(store, PartRow(link="one", carrier_id="5", message=new, part=2))
        found = await store.parts("one", ["5", "6"], since=EVER)
        assert {id_: [(each.message, each.part) for each in parts] for id_, parts in found.items()} == {
            "5": [(new, 2), (old, 1)]
        }
        newest, oldest = (each.taken_at for each in found["5"])
        assert newest is not None
        assert oldest is not None
        assert newest > oldest
        assert await store.parts("three", ["5"], since=EVER) == {}
        assert await store.parts("one", [], since=EVER) == {}

    run(platform, story)


def test_held_receipts_are_matched_when_their_id_is_known_and_then_let_go(platform):
    async def story(store: EventStore) -> None:
        message = uuid4()
        await write_rows(store, held("a"), held("b"), held("a", link="two"))
        assert await store.held_matches(within=MONTH, limit=9) == []
        unmatched = await store.held_unmatched(limit=9)
        assert [receipt.carrier_id for _, receipt in unmatched] == ["a", "b", "a"]
        assert unmatched[-1][1] == held("a")
        older = await store.held_unmatched(limit=9, before=unmatched[0][0])
        assert older == unmatched[1:]
        await write_rows(store, PartRow(link="one", carrier_id="a", message=message, part=3))
        (match,) = await store.held_matches(within=MONTH, limit=9)
        assert (match.receipt, match.message, match.part) == (held("a"), message, 3)
        await write_rows(store, HeldReleased(id=match.id))
        assert await store.held_matches(within=MONTH, limit=9) == []
        assert len(await store.held_unmatched(limit=1)) == 1

    run(platform, story)


def test_a_held_receipt_whose_id_recurs_belongs_to_the_newest_message(platform):
    async def story(store: EventStore) -> None:
        old, new = uuid4(), uuid4()
        for message in (old, new):
            await write_rows(store, PartRow(link="one", carrier_id="a", message=message, part=1))
        await write_rows(store, held("a"))
        assert [match.message for match in await store.held_matches(within=MONTH, limit=9)] == [new]

    run(platform, story)


def test_a_part_and_a_held_receipt_belong_together_by_link_id_number_and_date(platform):
    async def story(store: EventStore) -> None:
        years_ago, mine, theirs = uuid4(), uuid4(), uuid4()
        await write_rows(store, PartRow(link="one", carrier_id="a", message=years_ago, part=1))
        aged = b"UPDATE smsledger.carrier_parts SET at = at - interval '1 year' RETURNING at"
        await store.in_thread(lambda: store.recorder.rows(aged))
        nobodys, known = (replace(held("a"), phone_index=index) for index in (b"", b"DAY0mineDAY1mine"))
        another_day = replace(held("a"), phone_index=b"DAY2mine")
        await write_rows(store, nobodys, known, another_day)
        assert await store.held_matches(within=MONTH, limit=9) == []
        for message, phone in ((mine, b"DAY1mine"), (theirs, b"DAY1theirs")):
            await write_rows(store, PartRow(link="one", carrier_id="a", message=message, part=1, phone=phone))
        found = await store.held_matches(within=MONTH, limit=9)
        assert [(match.receipt.phone_index, match.message) for match in found] == [
            (b"", theirs),
            (b"DAY0mineDAY1mine", mine),
            (b"DAY2mine", theirs),
        ]
        since = await store.now() - MONTH
        assert [each.message for each in (await store.parts("one", ["a"], since=since))["a"]] == [
            theirs,
            mine,
        ]

    run(platform, story)


def test_receipts_that_were_held_too_long_are_let_go(platform):
    async def story(store: EventStore) -> None:
        await write_rows(store, held("old"))
        aged = b"UPDATE smsledger.held_receipts SET at = at - interval '8 days' RETURNING at"
        await store.in_thread(lambda: store.recorder.rows(aged))
        await write_rows(store, held("new"))
        before = await store.now() - timedelta(days=7)
        assert await store.drop_held(before=before) == 1
        assert [each.carrier_id for _, each in await store.held_unmatched(limit=9)] == ["new"]
        assert await store.drop_held(before=before) == 0

    run(platform, story)


def test_the_clock_is_aware_and_the_database_s(platform):
    async def story(store: EventStore) -> None:
        now = await store.now()
        assert now.utcoffset() is not None
        assert abs(now - platform.now()) < timedelta(minutes=1)

    run(platform, story)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Entry(stream=None, version=None, context=BY, rows=(held("nul\x00"),)), DataError),
        (
            Entry(stream=uuid4(), version=0, context=BY, events=(Lost(name="x", reason="\ud800"),)),
            UnicodeEncodeError,
        ),
        (
            Entry(
                stream=None,
                version=None,
                context=BY,
                rows=(
                    SealedRow(
                        day=date(2031, 1, 1), message=uuid4(), account="a", phone_index=b"", ciphertext=b""
                    ),
                ),
            ),
            IntegrityError,
        ),
    ],
    ids=["a nul in a text", "half a surrogate pair", "a day without a partition"],
)
def test_a_caller_whose_entries_cannot_be_written_harms_no_other(platform, bad, error):
    async def story(store: EventStore) -> None:
        good = [note(uuid4(), 0) for _ in range(5)]
        callers = [store.commit([entry]) for entry in (*good[:2], bad, *good[2:])]
        answers = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(answer) for answer in answers].count(list) == 5
        assert isinstance(answers[2], error)
        assert len(await store.load([entry.stream for entry in good])) == 5

    run(platform, story)


def test_many_callers_at_once_each_get_their_own_answer(platform):
    async def story(store: EventStore) -> None:
        entries = [note(uuid4(), 0, name=str(number)) for number in range(300)]
        answers = await asyncio.gather(*(store.commit([entry]) for entry in entries))
        for entry, (outcome,) in zip(entries, answers, strict=True):
            assert isinstance(outcome, Committed)
            assert [(r.stream, r.event) for r in outcome.recorded] == [(entry.stream, entry.events[0])]

    run(platform, story)


def test_what_waits_when_the_store_closes_is_written(platform):
    stream = uuid4()

    async def story(store: EventStore) -> None:
        waiting = asyncio.create_task(store.commit([note(stream, 0)]))
        await asyncio.sleep(0)
        await asyncio.to_thread(store.close)
        assert isinstance((await waiting)[0], Committed)

    run(platform, story)


def test_acceptance_debit_and_sealed_row_are_one_transaction(platform):
    async def story(store: EventStore) -> None:
        await make_sample(platform)
        drafts = [
            (f"k{number}", Draft(phone="13800138000", signature=SIGNATURE, text="您好"))
            for number in range(50)
        ]
        answers = await platform.sender(SendMessages(account=ACCOUNT, drafts=drafts, context=BY))
        ids = [answer.id for answer in answers if isinstance(answer, Sent)]
        day = local_day(platform.now())
        assert (
            len(ids)
            == len(await store.load(ids))
            == len(await store.sealed([(day, id_) for id_ in ids]))
            == 50
        )
        year = answers[0].charged.year if isinstance(answers[0], Sent) else 0
        postings = await store.postings(ACCOUNT, year, after=0, limit=100)
        assert [r.event.message for r in postings if isinstance(r.event, Debited)] == ids

    run(platform, story)


@pytest.mark.parametrize(("name", "more"), [("load", []), ("first_events", [1]), ("last_events", [])])
def test_streams_are_looked_up_by_their_key_even_where_the_whole_log_would_be_cheaper(
    platform, name: str, more: list[int]
):
    """What is cheaper in a small log is so by a guess, and the plan is kept while the log grows."""
    streams = [uuid4() for _ in range(400)]

    async def story(store: EventStore) -> None:
        await store.commit([note(stream) for stream in streams])

    run(platform, story)
    with psycopg.connect(platform.settings.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE smsledger.stored_events")
        explain = b"EXPLAIN " + _queries("smsledger")[name]
        plan = "\n".join(line for (line,) in connection.execute(explain, [streams, *more]))
    assert "Index Scan" in plan
    assert "Seq Scan" not in plan
