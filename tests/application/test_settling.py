"""What a process remembers of its submissions is bounded, in number and in time."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from application import settling
from application.settling import Settling
from domain.aggregates.message import Message
from domain.events.message import SubmittedPart
from tests.domain.facts import NOW, taken

EVER = NOW - timedelta(days=1)


def submitted(number: int) -> tuple[UUID, Message]:
    state = taken()
    part = SubmittedPart(number=1, carrier_id=f"id-{number}")
    return UUID(int=number), replace(state, link="one", taken=(part,))


def remember(known: Settling, number: int, *, seconds: float = 0.0) -> UUID:
    id_, state = submitted(number)
    known.remember(id_, state, 3, phone=b"token", at=NOW + timedelta(seconds=seconds))
    return id_


def knows(known: Settling, number: int) -> tuple[bool, bool]:
    """The message, and its part by the carrier's id."""
    id_, _ = submitted(number)
    return known.message(id_) is not None, bool(known.parts("one", f"id-{number}", since=EVER))


def test_what_had_no_receipt_for_a_minute_is_forgotten_with_the_next_one():
    known = Settling()
    remember(known, 1)
    remember(known, 2, seconds=30)
    remember(known, 3, seconds=61)
    assert [knows(known, number) for number in (1, 2, 3)] == [(False, False), (True, True), (True, True)]


def test_of_too_many_the_oldest_is_forgotten(monkeypatch):
    monkeypatch.setattr(settling, "_MOST", 2)
    known = Settling()
    for number in (1, 2, 3):
        remember(known, number)
    assert [knows(known, number) for number in (1, 2, 3)] == [(False, False), (True, True), (True, True)]


def test_who_is_written_again_is_young_again():
    known = Settling()
    remember(known, 1)
    remember(known, 2, seconds=50)
    remember(known, 1, seconds=55)
    remember(known, 3, seconds=109)
    assert [knows(known, number)[0] for number in (1, 2, 3)] == [True, True, True]
