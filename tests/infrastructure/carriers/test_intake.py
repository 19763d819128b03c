"""What a carrier brings is stored before it is acknowledged, and what cannot be stored keeps nothing else out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from infrastructure.carriers.dialect import Delivery
from infrastructure.carriers.intake import Intake
from infrastructure.carriers.traffic import Receipt, Reply

POISON = "poison"


@dataclass(eq=False)
class Line:
    """A connection, and what it answered: the numbers of what is stored and of what has to come again."""

    answers: dict[bool, list[int]] = field(default_factory=lambda: {True: [], False: []})

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> None:
        self.answers[stored].append(delivery.sequence)

    def hold_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@dataclass
class Books:
    """Takes everything but poison; nothing at all while it is away."""

    away: bool = False
    kept: list[str] = field(default_factory=list)
    calls: int = 0

    async def __call__(self, batch: Sequence[Receipt]) -> None:
        self.calls += 1
        ids = [each.carrier_id for each in batch]
        if self.away or POISON in ids:
            raise ValueError(f"not these: {ids}")
        self.kept += ids


async def bring(line: Line, books: Books, *ids: str) -> None:
    """Deliveries that come at once, in one batch, until all are answered."""

    async def read(replies: Sequence[Reply]) -> None:
        raise AssertionError("nobody replied")

    intake = Intake(store_receipts=books, store_replies=read, limit=10_000)
    for number, id_ in enumerate(ids):
        intake.put(line, Delivery(number, Receipt(carrier_id=id_, status="DELIVRD")))
    running = asyncio.create_task(intake.run())
    await intake.drained(line)
    running.cancel()


@pytest.mark.parametrize("places", [[0], [3], [0, 1, 2], [1, 4]])
def test_what_can_never_be_stored_keeps_nothing_else_out(places: list[int], caplog: pytest.LogCaptureFixture):
    line, books = Line(), Books()
    ids = [POISON if place in places else f"id-{place}" for place in range(5)]
    asyncio.run(bring(line, books, *ids))
    assert line.answers[False] == places
    assert sorted(books.kept) == sorted(set(ids) - {POISON})
    assert f"{len(places)} of 5 deliveries of a carrier were not stored: ValueError" in caplog.text
    assert POISON not in caplog.text


def test_where_all_can_be_stored_they_are_stored_together():
    line, books = Line(), Books()
    asyncio.run(bring(line, books, *"abc"))
    assert (line.answers[True], books.calls) == ([0, 1, 2], 1)


def test_while_the_books_are_away_each_is_not_tried_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infrastructure.carriers.intake._ONE_BY_ONE_SECONDS", 0.0)
    line, books = Line(), Books(away=True)
    asyncio.run(bring(line, books, *map(str, range(1_000))))
    assert len(line.answers[False]) == 1_000
    assert books.calls == 1
