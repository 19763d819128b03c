"""Places are handed out fairly: never more than the window and the link can take, real-time before batch."""

import asyncio
from typing import cast
from uuid import UUID, uuid4

import pytest

from application.carriage import Answer, NotSent, Part, PartKey, Taken
from domain.values import Lane
from infrastructure.carriage import LinkCarriage
from infrastructure.carriers.link import CarrierLink, LinkClosedError
from tests.application.office import story

PART = Part(destination="8613800138000", payload=b"x", data_coding=8)


class Line:
    """What the carriage asks of a link, moved by the test: `room` is what it can take, `open` whether it lives,
    `ours` whether it is surely owned."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.open = self.ours = True
        self.answers: list[asyncio.Future[Answer]] = []

    def owned(self) -> bool:
        return self.ours

    def capacity(self) -> int:
        return max(0, self.room - sum(not answer.done() for answer in self.answers))

    async def ready(self) -> None:
        while self.capacity() <= 0:
            if not self.open:
                raise LinkClosedError("one")
            await asyncio.sleep(0.001)

    def submit(self, part: Part, *, key: PartKey) -> asyncio.Future[Answer]:  # noqa: ARG002
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return answer


def carriage(line: Line, *, window: int = 8) -> LinkCarriage:
    return LinkCarriage(cast("CarrierLink", line), name="one", window=window)


async def settle() -> None:
    """Let everybody who can move move."""
    await asyncio.sleep(0.05)


@story
async def test_at_most_the_window_is_handed_out():
    places = carriage(Line(room=100), window=8)
    assert await places.reserve(Lane.BATCH, 100) == 8
    waiting = asyncio.create_task(places.reserve(Lane.REALTIME, 1))
    await settle()
    assert not waiting.done()
    places.release(1)
    assert await waiting == 1


@story
async def test_no_more_is_handed_out_than_the_link_can_take():
    places = carriage(Line(room=3), window=8)
    assert await places.reserve(Lane.REALTIME, 100) == 3
    waiting = asyncio.create_task(places.reserve(Lane.REALTIME, 1))
    await settle()
    assert not waiting.done(), "what is promised is not the link's to promise again"
    waiting.cancel()


@story
async def test_nobody_gets_more_than_he_wanted():
    assert await carriage(Line(room=8)).reserve(Lane.BATCH, 2) == 2


@story
async def test_a_place_is_counted_once_while_its_part_is_on_the_wire():
    line = Line(room=2)
    places = carriage(line, window=2)
    assert await places.reserve(Lane.REALTIME, 1) == 1
    sending = asyncio.create_task(places.submit(PART, PartKey(uuid4(), 1, 1)))
    await settle()
    assert await places.reserve(Lane.REALTIME, 1) == 1
    line.answers[0].set_result(Taken("1"))
    assert await sending == Taken("1")


@story
async def test_real_time_goes_before_batches_that_waited_longer():
    places = carriage(Line(room=100), window=1)
    assert await places.reserve(Lane.REALTIME, 1) == 1
    order: list[str] = []

    async def take(lane: Lane, name: str) -> None:
        await places.reserve(lane, 1)
        order.append(name)
        places.release(1)

    tasks = []
    for lane, name in (
        (Lane.BATCH, "batch 0"),
        (Lane.BATCH, "batch 1"),
        (Lane.BATCH, "batch 2"),
        (Lane.REALTIME, "code 1"),
        (Lane.REALTIME, "code 2"),
    ):
        tasks.append(asyncio.create_task(take(lane, name)))
        await asyncio.sleep(0)
    places.release(1)
    await asyncio.gather(*tasks)
    assert order == ["batch 0", "code 1", "code 2", "batch 1", "batch 2"]


@story
async def test_a_batch_waits_a_moment_for_a_quarter_of_the_window_and_no_longer():
    line = Line(room=1)
    places = carriage(line, window=8)
    async with asyncio.timeout(5):
        assert await places.reserve(Lane.BATCH, 8) == 1
    places.release(1)
    waiting = asyncio.create_task(places.reserve(Lane.BATCH, 8))
    await asyncio.sleep(0)
    line.room = 6
    assert await waiting == 6


@story
async def test_who_no_longer_waits_keeps_nobody_else_waiting():
    places = carriage(Line(room=100), window=1)
    await places.reserve(Lane.REALTIME, 1)
    first, second, third = [asyncio.create_task(places.reserve(Lane.REALTIME, 1)) for _ in range(3)]
    await settle()
    second.cancel()
    first.cancel()
    await settle()
    places.release(1)
    async with asyncio.timeout(5):
        assert await third == 1


@story
async def test_who_is_cancelled_in_the_moment_of_his_turn_passes_it_on():
    places = carriage(Line(room=100), window=1)
    await places.reserve(Lane.REALTIME, 1)
    first, second = [asyncio.create_task(places.reserve(Lane.REALTIME, 1)) for _ in range(2)]
    await settle()
    places.release(1)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    given = 0 if first.cancelled() else first.result()
    places.release(given)
    async with asyncio.timeout(5):
        assert await places.reserve(Lane.REALTIME, 1) == 1


@pytest.mark.parametrize("lane", Lane)
@story
async def test_a_link_that_closes_gives_no_place_and_everybody_learns_it(lane):
    line = Line(room=0)
    places = carriage(line)
    waiting = [asyncio.create_task(places.reserve(lane, 1)) for _ in range(3)]
    await settle()
    line.open = False
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [0, 0, 0]


@story
async def test_a_failed_submission_no_longer_counts_as_on_the_wire():
    line = Line(room=1)
    places = carriage(line, window=1)
    assert await places.reserve(Lane.REALTIME, 1) == 1
    sending = asyncio.create_task(places.submit(PART, PartKey(UUID(int=1), 1, 1)))
    await settle()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    line.answers[0].cancel()
    places.release(1)
    async with asyncio.timeout(5):
        assert await places.reserve(Lane.REALTIME, 1) == 1


@story
async def test_everything_that_was_handed_out_and_given_back_can_be_handed_out_again():
    line = Line(room=100)
    places = carriage(line, window=5)

    async def user(number: int) -> None:
        lane = Lane.REALTIME if number % 3 else Lane.BATCH
        given = await places.reserve(lane, 1 + number % 4)
        assert 1 <= given <= 1 + number % 4
        await asyncio.sleep(0.001 * (number % 5))
        places.release(given)

    async with asyncio.timeout(60):
        await asyncio.gather(*(user(number) for number in range(200)))
        assert await places.reserve(Lane.BATCH, 100) == 5


@story
async def test_who_finishes_waits_for_what_is_handed_out_and_hands_out_no_more():
    places = carriage(Line(room=100), window=8)
    assert await places.reserve(Lane.BATCH, 2) == 2
    finishing = asyncio.create_task(places.finish(60))
    await settle()
    assert await places.reserve(Lane.REALTIME, 1) == 0
    assert not finishing.done()
    places.release(1)
    await settle()
    assert not finishing.done()
    places.release(1)
    async with asyncio.timeout(5):
        await finishing


@story
async def test_what_is_never_answered_holds_nobody_who_finishes_for_ever():
    places = carriage(Line(room=100))
    await places.reserve(Lane.REALTIME, 1)
    async with asyncio.timeout(5):
        await places.finish(0.05)


@story
async def test_no_place_is_given_on_a_connection_that_is_somebody_elses():
    line = Line(room=100)
    line.ours = False
    places = carriage(line)
    waiting = asyncio.create_task(places.reserve(Lane.REALTIME, 1))
    await settle()
    assert not waiting.done()
    line.ours = True
    async with asyncio.timeout(5):
        assert await waiting == 1


@pytest.mark.parametrize(
    ("owned", "finishes", "ended"), [(True, True, False), (False, False, False), (False, True, True)]
)
@story
async def test_who_finishes_and_owns_the_connection_no_more_has_nothing_tried_again(owned, finishes, ended):
    line = Line(room=100)
    line.ours = owned
    places = carriage(line)
    if finishes:
        await places.finish(0.05)
    sending = asyncio.create_task(places.submit(PART, PartKey(UUID(int=1), 1, 1)))
    await settle()
    line.answers[0].set_result(NotSent("not owned"))
    assert await sending == NotSent("not owned", ended=ended)
