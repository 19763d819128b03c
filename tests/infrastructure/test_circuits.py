"""Circuits on real parts: a carrier that does badly, another that takes its messages, and who says when it is over."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from application.keep_circuits import breaker_stream, mend_link
from application.manage_links import disable_link, enable_link
from application.send_messages import Draft, SendMessages, Sent
from domain.aggregates import fold, message
from domain.aggregates.message import Status
from domain.aggregates.route import Fitness
from domain.events.link import Breaker, Broken, Mended
from domain.events.message import SubmissionStarted
from domain.values import Lane
from infrastructure.bootstrap import Platform, platform
from infrastructure.dispatcher import Dispatcher
from infrastructure.jobs import make_broker
from infrastructure.processes import dispatcher_of
from infrastructure.rerouting import Rerouting
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, serve
from tests.infrastructure.carriers.rig import until
from tests.infrastructure.test_worker import BY, Running, bound, carrier_of, configure, to, workers
from tests.support.sample import LINK, SIGNATURE, make_sample, settings_for

ONE, TWO = "one", "two"
QUICK = Breaker(least=10, open_seconds=2)
LONG = Breaker(least=10, open_seconds=600)
BUSY = Script(refusal_rate=1.0, refusal_codes=(0x08,))
"""SMPP's "system error": refused for the moment."""
BAD = Script(failed_rate=1.0, failed_codes=(("UNDELIV", "001"),))


@pytest.fixture
def ours(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as made:
        yield made


class Scene:
    """Two links to one carrier's two accounts, workers, and somebody who dispatches and reroutes."""

    def __init__(
        self, ours: Platform, simulator: Simulator, running: Running, dispatcher: Dispatcher, journal: Path
    ) -> None:
        self.ours = ours
        self._dispatcher = dispatcher
        self.simulator = simulator
        self.running = running
        self._journal = journal
        self._sent = 0

    async def configure(self, breaker: Breaker = QUICK, *names: str, **changes: object) -> None:
        port = self.simulator.port
        for name in names or (ONE, TWO):
            link = to(self.ours, port, name, protocol="smpp34", breaker=breaker, **changes)
            await configure(self.ours, link)

    def does(self, name: str, script: Script) -> None:
        self.simulator.accounts[name].script = script

    async def send(self, count: int) -> list[UUID]:
        start, self._sent = self._sent, self._sent + count
        drafts = [
            (f"k{number}", Draft(phone=f"138{number:08d}", signature=SIGNATURE, text=f"第{number}条"))
            for number in range(start, start + count)
        ]
        command = SendMessages(account="demo", drafts=drafts, lane=Lane.BATCH, context=BY)
        answers = [answer.id for answer in await self.ours.sender(command) if isinstance(answer, Sent)]
        assert len(answers) == count
        return answers

    async def dispatched_to(self, *names: str) -> None:
        """Wait until the dispatcher knows that these are ready, and no others."""
        await until(lambda: self._ready() == set(names), seconds=30)

    def _ready(self) -> set[str]:
        standing = self._dispatcher.network()
        return {link.name for link in standing.links if standing.condition(link) is Fitness.READY}

    async def facts(self, name: str = ONE) -> list[Broken | Mended]:
        history = (await self.ours.store.load([breaker_stream(name)])).get(breaker_stream(name), ())
        return [r.event for r in history if isinstance(r.event, Broken | Mended)]

    async def wait_for(self, count: int, kind: type[Broken | Mended], name: str = ONE) -> Broken | Mended:
        """The count-th fact about a circuit, which is of that kind."""
        facts = await self.facts(name)
        async with asyncio.timeout(30):
            while len(facts) < count:
                await asyncio.sleep(0.05)
                facts = await self.facts(name)
        assert isinstance(facts[count - 1], kind), facts
        return facts[count - 1]

    async def settled(self, ids: list[UUID]) -> Counter[Status]:
        """How they ended, once all of them have."""
        open_ones = {Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED}
        async with asyncio.timeout(60):
            while True:
                histories = await self.ours.store.load(ids)
                states = [fold(message.evolve, histories[id_]) for id_ in ids]
                found = Counter(state.status for state in states if state is not None)
                if not open_ones & found.keys():
                    return found
                await asyncio.sleep(0.05)

    async def started_over(self, ids: list[UUID]) -> list[list[str]]:
        """The links that each was started over."""
        histories = await self.ours.store.load(ids)
        return [
            [r.event.link for r in histories[id_] if isinstance(r.event, SubmissionStarted)] for id_ in ids
        ]

    def taken(self) -> Counter[str]:
        """What the carrier took, by the number it goes to; the book is written out every moment."""
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        return Counter(
            line["destination"] for line in lines if line["kind"] == "submit" and not line["status"]
        )


@contextlib.asynccontextmanager
async def scene(ours: Platform, folder: Path, breaker: Breaker = QUICK) -> AsyncIterator[Scene]:
    await make_sample(ours)
    await disable_link(ours.store, name=LINK, reason="others are there", context=BY)
    journal = folder / "journal.jsonl"
    with dispatching(ours) as dispatcher:
        async with (
            await serve(carrier_of(ONE, TWO, protocol="smpp34", journal=journal)) as simulator,
            workers(ours) as running,
        ):
            opened = Scene(ours, simulator, running, dispatcher, journal)
            await opened.configure(breaker)
            running.start()
            await opened.dispatched_to(ONE, TWO)
            yield opened


@contextlib.contextmanager
def dispatching(ours: Platform) -> Iterator[Dispatcher]:
    """A dispatcher that follows the log, and the scheduler's rerouting beside it."""
    broker, stop = make_broker(ours.settings.redis_url), threading.Event()

    def reroute() -> None:
        rerouting = Rerouting(broker, dispatcher)
        while not stop.wait(0.2):
            rerouting.step()

    with dispatcher_of(ours, broker) as dispatcher:
        threads = [
            threading.Thread(target=dispatcher.run, args=(stop,)),
            threading.Thread(target=reroute),
        ]
        for thread in threads:
            thread.start()
        try:
            yield dispatcher
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=30)
            broker.close()


def play(ours: Platform, folder: Path, breaker: Breaker, act) -> None:
    async def acted() -> None:
        async with scene(ours, folder, breaker) as opened:
            await act(opened)

    asyncio.run(acted())


def test_refusals_open_a_circuit_and_everything_goes_over_the_other_link_once(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BUSY)
        first = await stage.send(60)
        broken = await stage.wait_for(1, Broken)
        assert isinstance(broken, Broken)
        assert broken.reason.endswith("parts refused or unanswered, most often 0x08")
        assert broken.open_seconds == 600
        later = await stage.send(60)
        assert await stage.settled(first + later) == {Status.DELIVERED: 120}
        ways = await stage.started_over(first)
        assert [ONE, TWO] in ways
        assert all(way[-1] == TWO for way in ways)
        await until(lambda: len(stage.taken()) == 120)
        assert set(stage.taken().values()) == {1}
        assert (len(await stage.facts()), await stage.facts(TWO)) == (1, [])

    play(ours, tmp_path, LONG, act)


def test_receipts_that_say_undelivered_open_it_too(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BAD)
        await stage.send(60)
        broken = await stage.wait_for(1, Broken)
        assert isinstance(broken, Broken)
        assert broken.reason.endswith("receipts not delivered, most often UNDELIV")
        await stage.dispatched_to(TWO)
        later = await stage.send(40)
        assert await stage.settled(later) == {Status.DELIVERED: 40}
        assert {way[-1] for way in await stage.started_over(later)} == {TWO}

    play(ours, tmp_path, LONG, act)


def test_when_its_time_is_over_it_is_tried_again_and_opens_for_longer(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BUSY)
        ids = await stage.send(60)
        await stage.wait_for(1, Broken)
        assert await stage.wait_for(2, Mended) == Mended(name=ONE)
        await stage.dispatched_to(ONE, TWO)
        ids += await stage.send(20)
        again = await stage.wait_for(3, Broken)
        assert isinstance(again, Broken)
        assert again.open_seconds == 4
        stage.does(ONE, Script())
        await stage.wait_for(4, Mended)
        await stage.dispatched_to(ONE, TWO)
        ids += await stage.send(60)
        assert await stage.settled(ids) == {Status.DELIVERED: 140}
        assert ONE in {way[-1] for way in await stage.started_over(ids[80:])}
        await until(lambda: len(stage.taken()) == 140)
        assert set(stage.taken().values()) == {1}
        assert len(await stage.facts()) == 4

    play(ours, tmp_path, QUICK, act)


def test_another_worker_that_takes_the_link_over_knows_when_the_time_is_over(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BUSY)
        await stage.send(60)
        await stage.wait_for(1, Broken)
        await stage.running.stop_all()
        stage.does(ONE, Script())
        stage.running.start()
        await stage.wait_for(2, Mended)
        await stage.dispatched_to(ONE, TWO)
        ids = await stage.send(20)
        assert await stage.settled(ids) == {Status.DELIVERED: 20}
        assert {way[-1] for way in await stage.started_over(ids)} == {ONE, TWO}

    play(ours, tmp_path, QUICK, act)


def test_a_person_closes_it_before_its_time_and_it_counts_from_then_on(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BUSY)
        await stage.send(60)
        await stage.wait_for(1, Broken)
        stage.does(ONE, Script())
        done = await mend_link(ours.store, name=ONE, reason="repaired", context=BY)
        assert done == (Mended(name=ONE, reason="repaired"),)
        assert await mend_link(ours.store, name=ONE, reason="repaired", context=BY) == ()
        ids = await stage.send(40)
        assert await stage.settled(ids) == {Status.DELIVERED: 40}
        assert len(await stage.facts()) == 2

    play(ours, tmp_path, LONG, act)


@pytest.mark.parametrize("how", ["configured", "enabled"])
def test_a_link_that_is_configured_or_enabled_anew_begins_with_a_closed_circuit(
    ours: Platform, tmp_path: Path, how: str
):
    async def act(stage: Scene) -> None:
        stage.does(ONE, BUSY)
        await stage.send(60)
        await stage.wait_for(1, Broken)
        stage.does(ONE, Script())
        if how == "configured":
            await stage.configure(LONG, ONE, window=16)
        else:
            await disable_link(ours.store, name=ONE, reason="a test", context=BY)
            await enable_link(ours.store, name=ONE, context=BY)
        mended = await stage.wait_for(2, Mended)
        assert isinstance(mended, Mended)
        assert mended.reason == "the link was configured or enabled anew"

    play(ours, tmp_path, LONG, act)


def test_several_workers_and_connections_say_it_once(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        stage.running.start()
        await stage.configure(LONG, ONE, connections=4)
        await until(lambda: bound(stage.simulator) == 5)
        stage.does(ONE, BUSY)
        ids = await stage.send(200)
        await stage.wait_for(1, Broken)
        assert await stage.settled(ids) == {Status.DELIVERED: 200}
        assert len(await stage.facts()) == 1

    play(ours, tmp_path, LONG, act)


def test_where_no_other_link_is_there_a_broken_one_is_better_than_none(ours: Platform, tmp_path: Path):
    async def act(stage: Scene) -> None:
        await disable_link(ours.store, name=TWO, reason="a test", context=BY)
        await stage.dispatched_to(ONE)
        stage.does(ONE, BUSY)
        ids = await stage.send(30)
        await stage.wait_for(1, Broken)
        stage.does(ONE, Script())
        ids += await stage.send(30)
        assert await stage.settled(ids) == {Status.DELIVERED: 60}

    play(ours, tmp_path, LONG, act)
