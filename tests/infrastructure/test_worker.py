"""Workers on real parts: who owns which connection of a link, and what that means for the messages."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import psycopg
import pytest

from application.choose_route import Network
from application.manage_links import configure_link, disable_link, drain_link
from application.send_messages import Draft, SendMessages, Sent
from application.submit_messages import NOT_ROUTED, Via
from domain.aggregates import fold, message
from domain.aggregates.link import Link
from domain.aggregates.message import Status
from domain.aggregates.route import Fitness
from domain.events.link import Breaker, Configured, Inbound
from domain.events.message import SubmissionStarted
from domain.recorded import Context
from domain.values import Carrier, Lane
from infrastructure import jobs, slot
from infrastructure import worker as worker_process
from infrastructure.bootstrap import Platform, platform
from infrastructure.carriers.link import CarrierLink
from infrastructure.lease import Leases, Standing
from infrastructure.link_board import Board
from infrastructure.link_figures import ConnectionFigures
from infrastructure.link_settings import inbound_purpose
from infrastructure.network import read_network
from infrastructure.simulator.account import Callback
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve
from infrastructure.slot import Shared, Slot, SlotId
from infrastructure.worker import Worker
from tests.infrastructure.carriers.rig import until
from tests.support.ports import free_port
from tests.support.sample import LINK, SIGNATURE, link_to, make_sample, settings_for

BY = Context(actor="test")
CONNECTIONS = 4
Database: TypeAlias = "psycopg.Connection[tuple[object, ...]]"


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


@pytest.mark.parametrize("protocol", ["smpp34", "smgp30"])
def test_what_some_connections_send_others_hear_of_whoever_has_them(ours: Platform, protocol: str):
    """The receipts of what one worker submitted may come to another, sooner than the log knows of it."""

    async def play() -> None:
        await make_sample(ours)
        async with (
            await serve(carrier_of(LINK, protocol=protocol, script=Script(early_rate=0.5))) as simulator,
            workers(ours) as running,
        ):
            await configure(ours, to(ours, simulator.port, protocol=protocol, connections=4, receivers=2))
            first, second = running.start(), running.start()
            await until(lambda: bound(simulator) == 4)
            used = await all_delivered(ours, await accept(ours, 200))
            assert set(used) <= {1, 2}
            await running.stop(first)
            await until(lambda: len(second.owned) == 4 and bound(simulator) == 4)
            assert set(await all_delivered(ours, await accept(ours, 50, start=200))) <= {1, 2}
            assert simulator.counters.submitted == 250

    asyncio.run(play())


@pytest.mark.parametrize("protocol", ["smpp34", "smgp30"])
def test_a_link_whose_receivers_are_not_let_in_sends_and_says_that_it_hears_nothing(
    ours: Platform, protocol: str
):
    async def play() -> None:
        await make_sample(ours)
        only_sends = Script(logins=("send",))
        async with (
            await serve(carrier_of(LINK, protocol=protocol, script=only_sends)) as simulator,
            workers(ours) as running,
        ):
            link = to(ours, simulator.port, protocol=protocol, connections=2, receivers=1)
            await configure(ours, link)
            running.start()
            ids = await accept(ours, 20)
            await until(lambda: simulator.counters.taken == 20)
            await until(lambda: not standing(ours).hears(folded(ours)))
            assert standing(ours).condition(folded(ours)) is Fitness.READY
            assert simulator.owed(LINK) == 20
            simulator.accounts[LINK].script = Script()
            await all_delivered(ours, ids)
            await until(lambda: standing(ours).hears(folded(ours)))

    def standing(ours: Platform) -> Network:
        return read_network(ours.store)

    def folded(ours: Platform) -> Link:
        (found,) = (each for each in standing(ours).links if each.name == LINK)
        return found

    asyncio.run(play())


def test_a_link_that_is_drained_goes_on_to_receive(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        late = Script(receipt_delay_ms_min=3_000, receipt_delay_ms_max=3_000)
        async with (
            await serve(carrier_of(LINK, protocol="smpp34", script=late)) as simulator,
            workers(ours) as running,
        ):
            await configure(ours, to(ours, simulator.port, protocol="smpp34", connections=2, receivers=1))
            running.start()
            ids = await accept(ours, 20)
            await until(lambda: simulator.counters.taken == 20)
            await drain_link(ours.store, name=LINK, reason="test", context=BY)
            assert simulator.counters.receipts_sent == 0
            await all_delivered(ours, ids)

    asyncio.run(play())


def test_a_change_that_is_ours_alone_keeps_the_connections_that_stand(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            first = to(ours, simulator.port, connections=2)
            await configure(ours, first)
            worker = running.start()
            await until(lambda: bound(simulator) == 2)
            one = worker._slots[SlotId(LINK, 1)]
            second = replace(
                first,
                rate_per_second=90,
                breaker=Breaker(least=7),
                carriers=(Carrier.MOBILE,),
                signs=True,
                connections=3,
            )
            await configure(ours, second)
            await until(lambda: bound(simulator) == 3)
            assert (simulator.counters.binds, worker._slots[SlotId(LINK, 1)]) == (3, one)
            assert one.link.rate == 30
            assert one._submitter.signs
            assert one._watch.configured.breaker.least == 7
            assert one._poll_ms(Lane.REALTIME) == 2 * ours.settings.worker_poll_ms
            await all_delivered(ours, await accept(ours, 5))
            await configure(ours, replace(second, window=3))
            await until(lambda: simulator.counters.binds == 6 and bound(simulator) == 3)

    asyncio.run(play())


def test_fewer_connections_take_effect_without_a_restart_and_a_disabled_link_has_none(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            worker = running.start()
            await until(lambda: bound(simulator) == CONNECTIONS)
            await configure(ours, to(ours, simulator.port, connections=1))
            await until(lambda: bound(simulator) == 1)
            assert worker._slots[SlotId(LINK, 1)]._poll_ms(Lane.REALTIME) == ours.settings.worker_poll_ms
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


# Leases that go, and ends that are not smooth.


def test_a_connection_that_a_fault_of_ours_ended_begins_anew(
    ours: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    connect, faults = CarrierLink._connect_and_serve, iter([RuntimeError("nobody thought of this")])

    async def fail_once(link: CarrierLink) -> None:
        for fault in faults:
            raise fault
        await connect(link)

    monkeypatch.setattr(CarrierLink, "_connect_and_serve", fail_once)

    async def play() -> None:
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await make_sample(ours)
            await configure(ours, to(ours, simulator.port))
            running.start()
            await until(lambda: bound(simulator) == 1)
            await all_delivered(ours, await accept(ours, 3))

    asyncio.run(play())
    assert f"link {LINK}: connection 1 ended by itself" in caplog.text


def leases_of(database: Database) -> list[int]:
    """Who holds leases in this database."""
    query = (
        "SELECT DISTINCT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND locktype = 'advisory' AND granted"
    )
    return [pid for (pid,) in database.execute(query)]  # type: ignore[misc]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@contextlib.asynccontextmanager
async def left_unanswered(ours: Platform) -> AsyncIterator[tuple[Simulator, Running, Worker]]:
    """A carrier, the workers, and the first of them: what it has sent is not answered for ten minutes."""
    await make_sample(ours)
    never = Script(submit_delay_ms=600_000)
    async with await serve(carrier_of(LINK, script=never)) as simulator, workers(ours) as running:
        await configure(ours, to(ours, simulator.port, response_timeout_seconds=600))
        worker = running.start()
        await accept(ours, 1)
        await until(lambda: simulator.counters.submitted == 1)
        yield simulator, running, worker


def is_free(database: Database, lease: str) -> bool:
    """Whether nobody had it; this test has it now."""
    row = database.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 7))", (lease,)).fetchone()
    return row is not None and bool(row[0])


def test_a_connection_whose_lease_was_lost_while_it_waited_for_the_log_is_not_started(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker_process, "end_frozen_writers", lambda *_: False)
    waits = "SELECT FROM pg_locks WHERE relation = 'smsledger.stored_events'::regclass AND NOT granted"

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK, "other")) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port), to(ours, simulator.port, "other"))
            with psycopg.connect(ours.settings.database_url) as writer:
                writer.execute("LOCK TABLE smsledger.stored_events IN EXCLUSIVE MODE")
                running.start()
                await until(lambda: database.execute(waits).fetchone() is not None)
                for pid in leases_of(database):
                    database.execute("SELECT pg_terminate_backend(%s)", (pid,))
                await until(lambda: is_free(database, f"link:{LINK}"))
            await until(lambda: bound(simulator) == 1)
            assert simulator.accounts[LINK].most_sessions == 0
            database.execute("SELECT pg_advisory_unlock_all()")
            await all_delivered(ours, await accept(ours, 5))

    asyncio.run(play())


def test_an_end_under_way_is_hurried_when_the_lease_goes(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slot, "_FINISH_SECONDS", 600.0)

    async def play() -> None:
        async with left_unanswered(ours) as (simulator, _, worker):
            await disable_link(ours.store, name=LINK, reason="test", context=BY)
            await until(lambda: bool(worker.ending))
            assert bound(simulator) == 1
            for pid in leases_of(database):
                database.execute("SELECT pg_terminate_backend(%s)", (pid,))
            await until(lambda: bound(simulator) == 0 and not worker.owned)

    asyncio.run(play())


def test_what_ends_here_is_not_taken_again_before_it_has_ended(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    """Its lease may be free already."""
    whole_end, ending, ended, made = Slot.end, [], asyncio.Event(), []

    async def end(self: Slot, *, hurry: bool = False) -> None:
        await whole_end(self, hurry=hurry)
        ending.append(self)
        await ended.wait()

    def noted(id_: SlotId, configured: Configured, shared: Shared) -> Slot:
        made.append(Slot(id_, configured, shared))
        return made[-1]

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK, "other")) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port))
            worker = running.start()
            await until(lambda: bound(simulator) == 1)
            monkeypatch.setattr(Slot, "end", end)
            for pid in leases_of(database):
                database.execute("SELECT pg_terminate_backend(%s)", (pid,))
            await until(lambda: bool(ending) and present(database, LINK) == 1)
            await configure(ours, to(ours, simulator.port), to(ours, simulator.port, "other"))
            try:
                await until(lambda: any(id_.link == "other" for id_ in worker.owned))
                assert [slot for slot in made if slot.carriage.name == LINK] == ending
            finally:
                monkeypatch.undo()
                ended.set()
            await until(lambda: bound(simulator) == 2)

    monkeypatch.setattr(worker_process, "Slot", noted)
    asyncio.run(play())


def test_an_end_that_fails_keeps_neither_the_others_nor_the_lease(
    ours: Platform,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    whole_end, failed = Slot.end, []

    async def end(self: Slot, *, hurry: bool = False) -> None:
        await whole_end(self, hurry=hurry)
        if not failed:
            failed.append(self)
            raise ConnectionError("a queue cannot be reached")

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            worker = running.start()
            await until(lambda: bound(simulator) == CONNECTIONS)
            monkeypatch.setattr(Slot, "end", end)
            await running.stop(worker)
            assert not worker.owned
            assert leases_of(database) == []
            assert bound(simulator) == 0

    asyncio.run(play())
    assert "ends badly: ConnectionError" in caplog.text


def test_a_worker_that_cannot_keep_its_leases_ends_and_says_why(
    ours: Platform, monkeypatch: pytest.MonkeyPatch
):
    def keep(_: Leases) -> bool:
        raise RuntimeError("no thread can be started")

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator:
            await configure(ours, to(ours, simulator.port))
            working = asyncio.create_task(
                Worker(ours, redis_url=ours.settings.redis_url).run(asyncio.Event())
            )
            await until(lambda: bound(simulator) == 1)
            monkeypatch.setattr(Leases, "keep", keep)
            with pytest.raises(RuntimeError, match="no thread"):
                await asyncio.wait_for(working, 30)
            await until(lambda: bound(simulator) == 0)

    asyncio.run(play())


def test_leases_that_a_look_lost_end_their_connections_before_anything_else_is_asked(
    ours: Platform, monkeypatch: pytest.MonkeyPatch
):
    lost, free = threading.Event(), threading.Event()

    def standing(self: Leases, names: Collection[str]) -> None:
        self.close()
        lost.set()

    def slow(*_: object) -> bool:
        return lost.is_set() and free.wait(30)

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port))
            running.start()
            await until(lambda: bound(simulator) == 1)
            monkeypatch.setattr(worker_process, "end_frozen_writers", slow)
            monkeypatch.setattr(Leases, "standing", standing)
            await until(lambda: lost.is_set() and bound(simulator) == 0)
            assert not free.is_set()
            free.set()

    asyncio.run(play())


def test_a_lease_does_not_wait_until_the_figures_are_gone(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    free = threading.Event()
    monkeypatch.setattr(Board, "erase", lambda *_: free.wait(30))

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port))
            running.start()
            await until(lambda: bound(simulator) == 1)
            await disable_link(ours.store, name=LINK, reason="test", context=BY)
            await until(lambda: is_free(database, f"link:{LINK}"))
            assert not free.is_set()
            free.set()

    asyncio.run(play())


def test_figures_that_were_taken_away_are_not_written_again(ours: Platform, monkeypatch: pytest.MonkeyPatch):
    """However long it takes to release the lease."""
    release, write, erase = Leases.release, Board.write, Board.erase
    wrote, erased, late = threading.Event(), threading.Event(), set()

    def slow_release(self: Leases, name: str) -> None:
        wrote.clear()
        wrote.wait(30)
        release(self, name)

    def noted_write(self: Board, connections: Sequence[ConnectionFigures]) -> None:
        write(self, connections)
        if erased.is_set():
            late.update(each.link for each in connections)
        wrote.set()

    def noted_erase(self: Board, link: str, connection: int) -> None:
        erase(self, link, connection)
        erased.set()

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK, "other")) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port), to(ours, simulator.port, "other"))
            worker = running.start()
            await until(lambda: bound(simulator) == 2)
            monkeypatch.setattr(Leases, "release", slow_release)
            monkeypatch.setattr(Board, "write", noted_write)
            monkeypatch.setattr(Board, "erase", noted_erase)
            await disable_link(ours.store, name=LINK, reason="test", context=BY)
            await until(lambda: len(worker.owned) == 1 and "other" in late)
            monkeypatch.undo()

    asyncio.run(play())
    assert late == {"other"}


def test_a_spare_asks_once_a_look_for_all_that_others_own(ours: Platform, monkeypatch: pytest.MonkeyPatch):
    standing, acquire = Leases.standing, Leases.acquire
    looked: list[Standing | None] = []
    tried: list[str] = []

    def noted_standing(self: Leases, names: Collection[str]) -> Standing | None:
        looked.append(standing(self, names))
        return looked[-1]

    def noted_acquire(self: Leases, name: str) -> bool:
        tried.append(name)
        return acquire(self, name)

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port))
            first = running.start()
            await until(lambda: bound(simulator) == 1)
            monkeypatch.setattr(Leases, "standing", noted_standing)
            monkeypatch.setattr(Leases, "acquire", noted_acquire)
            second = running.start()
            await until(lambda: len({each.me for each in looked if each}) == 2 and len(looked) > 4)
            assert (tried, len(first.owned)) == ([], 1)
            await running.stop(first)
            await until(lambda: len(second.owned) == 1)

    asyncio.run(play())


# Shares.


def shares(*each: Worker) -> list[int]:
    """How many connections each has that it does not give up, the smallest first."""
    return sorted(len(worker.owned - worker.ending) for worker in each)


def present(database: Database, link: str) -> int:
    """How many workers say that they are there for the link."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
        " AND classid::bigint << 32 | objid::bigint = hashtextextended(%s, 7)"
    )
    row = database.execute(query, (f"present:{link}",)).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_worker_that_comes_later_gets_its_share_and_no_message_is_lost_or_doubled(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            first = running.start()
            await until(lambda: bound(simulator) == CONNECTIONS)
            ids = await accept(ours, 300)
            second = running.start()
            await until(lambda: shares(first, second) == [2, 2] and bound(simulator) == CONNECTIONS)
            used = await all_delivered(ours, ids + await accept(ours, 100, start=300))
            assert len(used) > 1
            assert simulator.counters.submitted == 400
            assert simulator.accounts[LINK].most_sessions == CONNECTIONS
            await running.stop(first)
            await until(lambda: len(second.owned) == CONNECTIONS)

    asyncio.run(play())


def test_links_of_one_connection_each_are_shared_out_too(ours: Platform):
    names = ("v", "w", "x", "y", "z")

    async def play() -> None:
        async with await serve(carrier_of(*names)) as simulator, workers(ours) as running:
            await configure(ours, *(to(ours, simulator.port, name) for name in names))
            first = running.start()
            await until(lambda: bound(simulator) == len(names))
            second = running.start()
            await until(lambda: shares(first, second) == [2, 3] and bound(simulator) == len(names))
            third = running.start()
            await until(lambda: shares(first, second, third) == [1, 2, 2] and bound(simulator) == len(names))

    asyncio.run(play())


def test_those_that_send_and_those_that_receive_are_shared_out_apart(ours: Platform):
    async def play() -> None:
        async with await serve(carrier_of(LINK, protocol="smpp34")) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, protocol="smpp34", connections=4, receivers=2))
            first = running.start()
            await until(lambda: bound(simulator) == 4)
            second = running.start()
            await until(lambda: shares(first, second) == [2, 2] and bound(simulator) == 4)
            for worker in (first, second):
                assert sorted(id_.number > 2 for id_ in worker.owned) == [False, True]

    asyncio.run(play())


def test_links_at_one_port_go_to_another_worker_together(ours: Platform):
    async def play() -> None:
        await make_sample(ours)
        ports = {LINK: free_port(), "x": free_port()}
        at = {LINK: ports[LINK], "other": ports[LINK], "x": ports["x"], "y": ports["x"]}
        callbacks = {
            name: Callback(port=port, login=f"smg-{name}", password="secret") for name, port in at.items()
        }
        async with (
            await serve(carrier_of(*at, protocol="sgip12", callbacks=callbacks)) as simulator,
            workers(ours) as running,
        ):
            await configure(
                ours, *(called_back(ours, simulator.port, name, port) for name, port in at.items())
            )
            first = running.start()
            await until(lambda: len(first.owned) == len(at))
            ids = await accept(ours, 100)
            second = running.start()
            await until(lambda: shares(first, second) == [2, 2])
            for worker in (first, second):
                assert len({at[id_.link] for id_ in worker.owned}) == 1
            await all_delivered(ours, ids + await accept(ours, 100, start=100))

    asyncio.run(play())


def test_a_link_that_one_worker_cannot_open_is_left_to_the_others(
    ours: Platform, monkeypatch: pytest.MonkeyPatch
):
    cannot: list[Shared] = []

    def made(id_: SlotId, configured: Configured, shared: Shared) -> Slot:
        cannot[:] = cannot or [shared]
        if shared is cannot[0]:
            raise ValueError("no key")
        return Slot(id_, configured, shared)

    monkeypatch.setattr(worker_process, "Slot", made)

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            both = [running.start(), running.start()]
            await until(lambda: shares(*both) == [0, CONNECTIONS] and bound(simulator) == CONNECTIONS)
            await all_delivered(ours, await accept(ours, 20))
            assert simulator.counters.submitted == 20

    asyncio.run(play())


def test_a_worker_that_stops_attracts_nothing_while_it_finishes(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slot, "_FINISH_SECONDS", 600.0)
    monkeypatch.setattr(worker_process, "_PRESENT_SECONDS", 600.0)

    async def play() -> None:
        async with left_unanswered(ours) as (simulator, running, first):
            second = running.start()
            await until(lambda: present(database, LINK) == 2)
            stopping = asyncio.create_task(running.stop(first))
            try:
                await until(lambda: present(database, LINK) == 1)
                assert len(first.ending) == 1
            finally:
                simulator.drop(LINK)
            await stopping
            await until(lambda: len(second.owned) == 1)
            monkeypatch.setattr(slot, "_FINISH_SECONDS", 1.0)

    asyncio.run(play())


def test_who_waits_for_something_when_it_should_look_is_not_counted_on(
    ours: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker_process, "_PRESENT_SECONDS", 2.0)

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK, "other")) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=2))
            first, second = running.start(), running.start()
            await until(lambda: shares(first, second) == [1, 1])
            monkeypatch.setattr(first, "_look", asyncio.Event().wait)
            await until(lambda: present(database, LINK) == 1)
            await configure(ours, to(ours, simulator.port, "other", connections=2))
            await until(lambda: len(second.owned) == 3)
            assert len(first.owned) == 1

    asyncio.run(play())
