"""The last fact about a connection is its owner's, in whichever order those of two owners reach the log."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from application.ports import Entry, Outcome
from domain.events import Event
from domain.events.link import Connected, Lost
from infrastructure.background import Background
from infrastructure.bootstrap import Platform
from infrastructure.condition_log import ConditionLog
from infrastructure.network import condition_stream
from tests.infrastructure.carriers.rig import until

STREAM = condition_stream("one")
CONNECTED = Connected(name="one")


def lost(reason: str) -> Lost:
    return Lost(name="one", reason=reason)


class Owner:
    """A process that has the connection, or had it; what it commits can be held up on its way to the database."""

    def __init__(self, platform: Platform) -> None:
        self.owns = True
        self.arrived = 0
        self.background = Background()
        self._store = platform.store
        self._open = asyncio.Event()
        self._open.set()
        self.log = ConditionLog(
            self,  # type: ignore[arg-type]  (the store, with a way to it that can be closed)
            stream=STREAM,
            owned=lambda: self.owns,
            background=self.background,
        )
        self.last_events, self.in_thread = platform.store.last_events, platform.store.in_thread

    def cut_off(self) -> None:
        self._open.clear()

    def reconnect(self) -> None:
        self._open.set()

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        self.arrived += 1
        await self._open.wait()
        return await self._store.commit(entries)

    async def note(self, *facts: Event) -> None:
        """Until they stand in the log, or were dropped."""
        for fact in facts:
            self.log.note(fact)
        await self.background.finish()

    async def gone(self) -> None:
        self.log.let_go()
        await self.background.finish()


@pytest.fixture
def facts(platform: Platform) -> Callable[[], list[Event]]:
    return lambda: [recorded.event for recorded in platform.store.histories([STREAM]).get(STREAM, ())]


def test_facts_stand_in_the_order_in_which_they_were_noted(platform: Platform, facts):
    async def play() -> None:
        owner = Owner(platform)
        await owner.note(CONNECTED)
        await owner.note(lost("1"), CONNECTED, lost("2"))
        await owner.note(CONNECTED)

    asyncio.run(play())
    assert facts() == [CONNECTED, lost("1"), CONNECTED, lost("2"), CONNECTED]


def test_what_comes_while_facts_are_being_written_comes_after_them(platform: Platform, facts):
    async def play() -> None:
        owner = Owner(platform)
        owner.cut_off()
        owner.log.note(lost("1"))
        await until(lambda: owner.arrived == 1)
        owner.log.note(CONNECTED)
        owner.log.note(lost("2"))
        owner.reconnect()
        await owner.background.finish()

    asyncio.run(play())
    assert facts() == [lost("1"), CONNECTED, lost("2")]


def test_one_that_was_frozen_does_not_say_that_the_next_owner_lost_its_connection(platform: Platform, facts):
    async def play() -> None:
        frozen, owner = Owner(platform), Owner(platform)
        await frozen.note(CONNECTED)
        frozen.owns = False
        await owner.note(CONNECTED)
        frozen.log.note(lost("closed"))
        await frozen.gone()

    asyncio.run(play())
    assert facts() == [CONNECTED, CONNECTED]


def test_a_loss_that_waited_for_the_database_is_dropped_once_another_is_connected(platform: Platform, facts):
    async def play() -> None:
        cut_off, owner = Owner(platform), Owner(platform)
        await cut_off.note(CONNECTED)
        cut_off.cut_off()
        cut_off.log.note(lost("no answer"))
        await until(lambda: cut_off.arrived == 2)
        cut_off.owns = False
        cut_off.log.let_go()
        await owner.note(CONNECTED)
        cut_off.reconnect()
        await cut_off.background.finish()

    asyncio.run(play())
    assert facts() == [CONNECTED, CONNECTED]


def test_a_loss_that_comes_just_before_the_next_owner_writes_does_not_keep_it_from_writing(
    platform: Platform, facts
):
    async def play() -> None:
        former, owner = Owner(platform), Owner(platform)
        await former.note(CONNECTED)
        owner.cut_off()
        owner.log.note(CONNECTED)
        await until(lambda: owner.arrived == 1)
        await former.note(lost("closed"))
        owner.reconnect()
        await owner.background.finish()

    asyncio.run(play())
    assert facts() == [CONNECTED, lost("closed"), CONNECTED]


def test_a_bind_that_comes_late_is_not_taken_for_the_owners_and_no_loss_follows_it(platform: Platform, facts):
    async def play() -> None:
        former, owner = Owner(platform), Owner(platform)
        owner.cut_off()
        owner.log.note(CONNECTED)
        await until(lambda: owner.arrived == 1)
        await former.note(CONNECTED)
        owner.reconnect()
        await owner.background.finish()
        former.owns = False
        former.log.note(lost("closed"))
        await former.gone()

    asyncio.run(play())
    assert facts() == [CONNECTED, CONNECTED]


def test_the_same_process_that_has_the_connection_again_does_not_lose_it_by_its_earlier_end(
    platform: Platform, facts
):
    async def play() -> None:
        before, again = Owner(platform), Owner(platform)
        await before.note(CONNECTED)
        before.cut_off()
        before.log.note(lost("closed"))
        await until(lambda: before.arrived == 2)
        before.log.let_go()
        await again.note(CONNECTED)
        assert before.owns
        before.reconnect()
        await before.background.finish()

    asyncio.run(play())
    assert facts() == [CONNECTED, CONNECTED]


def test_an_owner_that_is_unsure_for_a_moment_writes_when_it_is_sure_again(platform: Platform, facts):
    async def play() -> None:
        owner = Owner(platform)
        owner.owns = False
        looks: list[object] = []
        owner.last_events = lambda streams: looks.append(streams) or platform.store.last_events(streams)
        owner.log.note(CONNECTED)
        await until(lambda: len(looks) == 2)
        assert facts() == []
        owner.owns = True
        await owner.background.finish()

    asyncio.run(play())
    assert facts() == [CONNECTED]
