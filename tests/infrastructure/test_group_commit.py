"""What arrives together is written together, everybody gets his own outcomes, and nobody is passed over for ever."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import pytest
from eventsourcing.persistence import OperationalError

from application.ports import Committed, Conflict, Entry, Outcome
from domain.recorded import Context
from infrastructure.group_commit import GroupCommit, Overloaded

BY = Context(actor="test")


class Paper:
    """A log that waits for its pen: `write` blocks until it is allowed, and keeps what it was given."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.writing = threading.Semaphore(0)
        self.pen = threading.Semaphore(0)
        self.spoiled: dict[int, Exception] = {}

    def write(self, entries: Sequence[Entry]) -> list[Outcome]:
        self.groups.append([number(entry) for entry in entries])
        self.writing.release()
        assert self.pen.acquire(timeout=30)
        for entry in entries:
            if number(entry) in self.spoiled:
                raise self.spoiled[number(entry)]
        return [Conflict(stream=entry.stream or UUID(int=0), version=number(entry)) for entry in entries]

    async def begun(self) -> None:
        """Wait until a group is being written."""
        assert await asyncio.to_thread(self.writing.acquire, timeout=30)

    def allow(self, groups: int = 1) -> None:
        self.pen.release(groups)


def entries(*numbers: int) -> list[Entry]:
    return [Entry(stream=UUID(int=each), version=0, context=BY) for each in numbers]


def number(entry: Entry) -> int:
    assert entry.stream is not None
    return entry.stream.int


def numbers(outcomes: Sequence[Outcome]) -> list[int]:
    return [outcome.version for outcome in outcomes if isinstance(outcome, Conflict)]


@contextmanager
def group_commit(
    paper: Paper, *, most_entries: int = 1_000, most_waiting: int = 10_000
) -> Iterator[GroupCommit]:
    group = GroupCommit(paper.write, most_entries=most_entries, most_waiting=most_waiting)
    try:
        yield group
    finally:
        paper.allow(10_000)
        group.close()


async def queued(group: GroupCommit, *many: Sequence[Entry]) -> list[asyncio.Task[Sequence[Outcome]]]:
    """Submissions that wait, in this order."""
    tasks = [asyncio.create_task(group.commit(each)) for each in many]
    await asyncio.sleep(0)
    return tasks


def test_nothing_to_write_is_not_written():
    paper = Paper()
    with group_commit(paper) as group:
        assert asyncio.run(group.commit([])) == []
    assert paper.groups == []


def test_what_arrives_while_a_group_is_written_is_the_next_group_and_everybody_gets_his_own():
    paper = Paper()

    async def story(group: GroupCommit) -> None:
        first = await queued(group, entries(1))
        await paper.begun()
        later = await queued(group, entries(2, 3), entries(4), entries(5, 6))
        paper.allow(2)
        assert [numbers(outcome) for outcome in await asyncio.gather(*first, *later)] == [
            [1],
            [2, 3],
            [4],
            [5, 6],
        ]

    with group_commit(paper) as group:
        asyncio.run(story(group))
    assert paper.groups == [[1], [2, 3, 4, 5, 6]]


def test_small_submissions_go_before_a_large_one_that_came_earlier():
    paper = Paper()
    bulk = range(100, 150)

    async def story(group: GroupCommit) -> None:
        first = await queued(group, entries(1))
        await paper.begun()
        later = await queued(group, entries(*bulk), entries(2))
        paper.allow(3)
        await asyncio.gather(*first, *later)

    with group_commit(paper) as group:
        asyncio.run(story(group))
    assert paper.groups[1] == [2, *bulk]


def test_a_large_submission_is_not_passed_over_for_ever():
    paper = Paper()
    bulk = range(100, 150)

    async def story(group: GroupCommit) -> None:
        waiting = await queued(group, entries(1))
        await paper.begun()
        waiting += await queued(group, entries(*bulk))
        for single in range(2, 6):
            waiting += await queued(group, entries(single))
            paper.allow()
            await paper.begun()
        paper.allow(10)
        await asyncio.gather(*waiting)

    with group_commit(paper, most_entries=50) as group:
        asyncio.run(story(group))
    place = paper.groups.index(list(bulk))
    assert place <= 2, "one group of small ones may go before it, no more"


def test_a_submission_larger_than_a_group_is_a_group_of_its_own():
    paper = Paper()
    paper.allow(5)
    with group_commit(paper, most_entries=10) as group:
        assert len(asyncio.run(group.commit(entries(*range(30))))) == 30
    assert paper.groups == [list(range(30))]


def test_too_much_is_refused_before_anything_of_it_is_taken():
    paper = Paper()

    async def story(group: GroupCommit) -> None:
        first = await queued(group, entries(1))
        await paper.begun()
        fits = await queued(group, entries(*range(2, 12)))
        with pytest.raises(Overloaded):
            await group.commit(entries(99))
        assert group.waiting == 10
        paper.allow(2)
        await asyncio.gather(*first, *fits)
        assert group.waiting == 0
        paper.allow()
        assert numbers(await group.commit(entries(100))) == [100]

    with group_commit(paper, most_waiting=10) as group:
        asyncio.run(story(group))
    assert 99 not in [each for written in paper.groups for each in written]


def test_a_database_that_is_away_is_everybody_s_error_and_the_next_group_is_written():
    paper = Paper()
    paper.spoiled = {2: OperationalError("away")}

    async def story(group: GroupCommit) -> None:
        first = await queued(group, entries(1))
        await paper.begun()
        later = await queued(group, entries(2), entries(3))
        paper.allow(2)
        answers = await asyncio.gather(*first, *later, return_exceptions=True)
        assert [type(answer) for answer in answers] == [list, OperationalError, OperationalError]
        paper.allow()
        assert numbers(await group.commit(entries(4))) == [4]

    with group_commit(paper) as group:
        asyncio.run(story(group))
    assert paper.groups == [[1], [2, 3], [4]]


def test_what_cannot_be_written_is_the_error_of_its_own_caller_only():
    paper = Paper()
    paper.spoiled = {3: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")}

    async def story(group: GroupCommit) -> None:
        first = await queued(group, entries(1))
        await paper.begun()
        later = await queued(group, entries(2), entries(3, 4), entries(5))
        paper.allow(5)
        answers = await asyncio.gather(*first, *later, return_exceptions=True)
        assert isinstance(answers[2], UnicodeEncodeError)
        assert [numbers(a) for a in answers if not isinstance(a, BaseException)] == [[1], [2], [5]]

    with group_commit(paper) as group:
        asyncio.run(story(group))


def test_a_caller_that_no_longer_waits_disturbs_nobody():
    paper = Paper()

    async def story(group: GroupCommit) -> None:
        (gone,) = await queued(group, entries(1))
        await paper.begun()
        (stays,) = await queued(group, entries(2))
        gone.cancel()
        paper.allow(2)
        assert numbers(await stays) == [2]

    with group_commit(paper) as group:
        asyncio.run(story(group))


def test_a_loop_that_ended_disturbs_no_other():
    paper = Paper()
    with group_commit(paper) as group:

        async def leave() -> None:
            await queued(group, entries(1))
            await paper.begun()

        asyncio.run(leave())
        paper.allow(2)
        assert numbers(asyncio.run(group.commit(entries(2)))) == [2]


def test_callers_in_several_loops_are_served_by_one_thread():
    paper = Paper()
    paper.allow(100)
    answers: list[list[int]] = []

    def call(each: int) -> None:
        answers.append(numbers(asyncio.run(group.commit(entries(each)))))

    with group_commit(paper) as group:
        threads = [threading.Thread(target=call, args=(each,)) for each in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [[each] for each in range(1, 9)]


def test_closing_writes_what_waits_and_takes_nothing_more():
    paper = Paper()
    paper.allow(10)

    async def story(group: GroupCommit) -> None:
        tasks = await queued(group, entries(1), entries(2))
        await asyncio.to_thread(group.close)
        assert [numbers(outcome) for outcome in await asyncio.gather(*tasks)] == [[1], [2]]
        with pytest.raises(Overloaded):
            await group.commit(entries(3))

    with group_commit(paper) as group:
        asyncio.run(story(group))


def test_an_outcome_is_passed_on_as_it_is():
    committed = Committed(recorded=())
    group = GroupCommit(lambda entries: [committed] * len(entries), most_entries=10, most_waiting=10)
    assert asyncio.run(group.commit(entries(1))) == [committed]
    group.close()
