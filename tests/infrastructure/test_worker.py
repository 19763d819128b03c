"""Workers on real parts: who owns which connection of a link, and what that means for the messages."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from application.manage_links import configure_link, disable_link
from application.send_messages import Draft, SendMessages, Sent
from application.submit_messages import NOT_ROUTED, Via
from domain.aggregates import fold, message
from domain.aggregates.message import Status
from domain.events.link import Configured, Inbound
from domain.events.message import SubmissionStarted
from domain.recorded import Context
from domain.values import Lane
from infrastructure import jobs
from infrastructure.bootstrap import Platform, platform
from infrastructure.link_settings import inbound_purpose
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve
from infrastructure.worker import Worker
from tests.infrastructure.carriers.rig import until
from tests.infrastructure.carriers.test_contract import free_port
from tests.support.sample import LINK, SIGNATURE, link_to, make_sample, settings_for

BY = Context(actor="test")
CONNECTIONS = 4


@pytest.fixture
def ours(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as made:
        yield made


def carrier_of(*names: str, protocol: str = "cmpp30", **changes: object) -> SimulatorSettings:
    return SimulatorSettings(protocol=protocol, accounts=dict.fromkeys(names, "secret"), **changes)  # type: ignore[arg-type]


def to(ours: Platform, port: int, name: str = LINK, **changes: object) -> Configured:
    """A link with an account of its own name."""
    made = link_to(ours, host="127.0.0.1", port=port, name=name)
    return replace(made, **{"system_id": name, "protocol": "cmpp30", "window": 8, **changes})  # type: ignore[arg-type]


def called_back(ours: Platform, to_port: int, name: str, own_port: int, **changes: object) -> Configured:
    """A link whose carrier comes to us."""
    password = ours.vault.seal_secret("secret", purpose=inbound_purpose(name))
    inbound = Inbound(host="127.0.0.1", port=own_port, login=f"smg-{name}", sealed_password=password)
    return to(ours, to_port, name, protocol="sgip12", inbound=inbound, **changes)


async def configure(ours: Platform, *links: Configured) -> None:
    for link in links:
        await configure_link(ours.store, configured=link, context=BY)
    ours.directory.forget("links")


class Running:
    """Workers of one process, each as if it were alone."""

    def __init__(self, ours: Platform) -> None:
        self._ours = ours
        self._tasks: dict[Worker, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def start(self) -> Worker:
        worker, stop = Worker(self._ours, redis_url=self._ours.settings.redis_url), asyncio.Event()
        self._tasks[worker] = asyncio.create_task(worker.run(stop)), stop
        return worker

    async def stop(self, worker: Worker) -> None:
        task, stop = self._tasks.pop(worker)
        stop.set()
        await task

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(worker) for worker in list(self._tasks)))


@contextlib.asynccontextmanager
async def workers(ours: Platform) -> AsyncIterator[Running]:
    running = Running(ours)
    try:
        yield running
    finally:
        await running.stop_all()


async def accept(
    ours: Platform, count: int, start: int = 0, *, via: Via = NOT_ROUTED, extension: str = ""
) -> list[UUID]:
    drafts = [
        (
            f"k{number}",
            Draft(phone=f"138{number:08d}", signature=SIGNATURE, text=f"第{number}条", extension=extension),
        )
        for number in range(start, start + count)
    ]
    answers = await ours.sender(SendMessages(account="demo", drafts=drafts, lane=Lane.BATCH, context=BY))
    ids = [answer.id for answer in answers if isinstance(answer, Sent)]
    broker = jobs.make_broker(ours.settings.redis_url)
    for begin in range(0, len(ids), 10):
        jobs.enqueue(broker, link=LINK, lane=Lane.BATCH, messages=ids[begin : begin + 10], via=via)
    broker.close()
    return ids


async def all_delivered(ours: Platform, ids: list[UUID]) -> Counter[int]:
    """Wait for it; returns how many starts each connection has."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        histories = await ours.store.load(ids)
        states = Counter(
            state.status for id_ in ids if (state := fold(message.evolve, histories[id_])) is not None
        )
        if states == {Status.DELIVERED: len(ids)}:
            break
        assert asyncio.get_running_loop().time() < deadline, states
        await asyncio.sleep(0.05)
    starts = [
        r.event for history in histories.values() for r in history if isinstance(r.event, SubmissionStarted)
    ]
    assert len(starts) == len(ids)
    return Counter(start.connection for start in starts)


def bound(simulator: Simulator) -> int:
    return sum(peer.account is not None for peer in simulator.peers)


def test_two_workers_share_the_connections_of_a_link_and_one_alone_has_them_all(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            first, second = running.start(), running.start()
            await until(lambda: bound(simulator) == CONNECTIONS)
            assert sorted(id_.number for each in (first, second) for id_ in each.owned) == [1, 2, 3, 4]
            assert first.owned
            assert second.owned
            used = await all_delivered(ours, await accept(ours, 200))
            assert len(used) > 1
            await running.stop(first)
            await until(lambda: len(second.owned) == CONNECTIONS and bound(simulator) == CONNECTIONS)
            await all_delivered(ours, await accept(ours, 200, start=200))
            assert simulator.counters.submitted == 400

    asyncio.run(play())


def test_fewer_connections_take_effect_without_a_restart_and_a_disabled_link_has_none(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            running.start()
            await until(lambda: bound(simulator) == CONNECTIONS)
            await configure(ours, to(ours, simulator.port, connections=1))
            await until(lambda: bound(simulator) == 1)
            await all_delivered(ours, await accept(ours, 20))
            await disable_link(ours.store, name=LINK, reason="test", context=BY)
            await until(lambda: bound(simulator) == 0)

    asyncio.run(play())


def test_links_whose_carriers_come_to_one_port_have_one_owner_and_their_receipts_arrive(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        port = free_port()
        names = (LINK, "other")
        callbacks = {name: Callback(port=port, login=f"smg-{name}", password="secret") for name in names}
        async with (
            await serve(carrier_of(*names, protocol="sgip12", callbacks=callbacks)) as simulator,
            workers(ours) as running,
        ):
            await configure(
                ours, *(called_back(ours, simulator.port, name, port, connections=2) for name in names)
            )
            both = [running.start(), running.start()]
            await until(lambda: sum(len(each.owned) for each in both) == 4)
            first_connections = [{id_.link for id_ in each.owned if id_.number == 1} for each in both]
            assert sorted(map(len, first_connections)) == [0, 2]
            await all_delivered(ours, await accept(ours, 100))
            await running.stop(both[first_connections.index({*names})])
            await all_delivered(ours, await accept(ours, 100, start=100))

    asyncio.run(play())


def test_a_carrier_that_finds_nobody_at_our_port_comes_again_with_its_receipts(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        port = free_port()
        callbacks = {LINK: Callback(port=port, login=f"smg-{LINK}", password="secret")}
        later = Script(receipt_delay_ms_min=400, receipt_delay_ms_max=400)
        async with (
            await serve(carrier_of(LINK, protocol="sgip12", callbacks=callbacks, script=later)) as simulator,
            workers(ours) as running,
        ):
            await configure(ours, called_back(ours, simulator.port, LINK, port))
            first = running.start()
            ids = await accept(ours, 20)
            await until(lambda: simulator.counters.taken == 20)
            await running.stop(first)
            await until(lambda: simulator.owed(LINK) > 0)
            running.start()
            await all_delivered(ours, ids)

    asyncio.run(play())


def test_a_link_that_nobody_here_can_speak_keeps_no_other_from_working(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(
                ours, to(ours, simulator.port, "strange", protocol="x25"), to(ours, simulator.port)
            )
            worker = running.start()
            await all_delivered(ours, await accept(ours, 20))
            assert {id_.link for id_ in worker.owned} == {LINK}

    asyncio.run(play())
