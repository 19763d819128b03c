"""The worker process: owns connections of links, each of which has exactly one owner, and brings receipts home."""

import asyncio
import logging
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from application.record_late_answers import LateAnswers
from application.record_receipts import ReceiptRecorder
from application.record_replies import ReplyRecorder
from application.reply_origins import Origins
from application.settling import Settling
from domain.aggregates.link import Link
from domain.events.link import Configured
from infrastructure.abandoned import take_over
from infrastructure.background import Background
from infrastructure.bootstrap import Platform
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.circuits import Circuits
from infrastructure.frozen_writers import end_frozen_writers
from infrastructure.lease import BEAT_SECONDS, Leases, Standing
from infrastructure.link_board import Board, BoardWriter
from infrastructure.shares import Portion, decide
from infrastructure.slot import Shared, Slot, SlotId

_LOOK_SECONDS = 1.0
_MATCH_SECONDS = 1.0
_DOUBT_EVERY = 5
_PRESENT_SECONDS = 5.0
"""Who has not shared out connections for so long is not counted on: it waits for something."""
_LOOKS_TO_TAKE_ALL = 4
"""A worker takes the free connections of a link in so many looks, so that workers that start together share them."""
Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class Worker:
    """Runs its share of the connections of all enabled links, until told to stop."""

    def __init__(self, platform: Platform, *, redis_url: str) -> None:
        settling = Settling()
        self._platform = platform
        self._schema = platform.settings.db_schema
        self._leases = Leases(platform.settings.database_url, realm=platform.settings.realm)
        self._lease_thread = ThreadPoolExecutor(1, thread_name_prefix="leases")
        self._slots: dict[SlotId, Slot] = {}
        self._ends: dict[SlotId, asyncio.Task[None]] = {}
        self._hurried: set[SlotId] = set()
        self._unusable: dict[str, Configured] = {}
        self._ports: set[str] = set()
        self._given: set[str] = set()
        self._shared_out = time.monotonic()
        self._background = Background()
        self._circuits = Circuits(platform)
        self._receipts = ReceiptRecorder(
            store=platform.store, vault=platform.vault, settling=settling, now=platform.now
        )
        self._figures = BoardWriter(
            Board(redis_url, schema=platform.settings.db_schema),
            tell=lambda: [slot.tell() for slot in self._slots.values()],
        )
        self._shared = Shared(
            platform=platform,
            redis_url=redis_url,
            settling=settling,
            receipts=self._receipts,
            late_answers=LateAnswers(store=platform.store, vault=platform.vault),
            replies=_reply_recorder(platform),
            listeners=SgipListeners(),
            background=self._background,
            circuits=self._circuits,
            holds=self._leases.holds,
            senders=Counter(),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            on_change=self._figures.soon,
        )

    @property
    def owned(self) -> frozenset[SlotId]:
        """The connections this process runs now."""
        return frozenset(self._slots)

    @property
    def ending(self) -> frozenset[SlotId]:
        """Those of them that are ending."""
        return frozenset(self._ends)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish what is on the wire and take leave of the carriers.

        A worker of which a part ends for another reason hurries to let go of everything, and raises that reason.
        """
        told = asyncio.create_task(stop.wait())
        looking = asyncio.create_task(self._keep_looking(stop))
        keeping = (self._match(stop), self._keep_circuits(stop), self._keep_leases(), self._figures.run())
        chores = [looking, *(asyncio.create_task(chore) for chore in keeping)]
        try:
            ended, _ = await asyncio.wait([told, *chores], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(told, looking)
            ends = [self._end(id_, hurry=not stop.is_set()) for id_ in self._slots]
            await asyncio.gather(self._with_leases(self._withdraw), *ends, return_exceptions=True)
            await _cancel(*chores)
            await self._background.finish()
            await self._with_leases(self._leases.close)
            self._lease_thread.shutdown()
        for each in ended:
            each.result()

    async def _keep_looking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._look()
            await pause(stop, _LOOK_SECONDS)

    async def _keep_leases(self) -> None:
        """Whatever else this process waits for, a connection whose lease is lost ends: it may be somebody else's."""
        while True:
            if time.monotonic() - self._shared_out > _PRESENT_SECONDS:
                await self._with_leases(self._withdraw)
            alive = await self._with_leases(self._leases.keep)
            self._end_lost()
            if alive:
                await self._with_leases(partial(end_frozen_writers, self._leases, self._schema))
                self._end_lost()
            await asyncio.sleep(BEAT_SECONDS)

    def _end_lost(self) -> None:
        """Whichever question had no answer, no other is asked before the connections end: that takes time too."""
        known = self._slots.keys() - self._hurried
        lost = [id_ for id_ in known if not self._leases.holds(id_.lease)]
        if lost:
            _log.error("%d leases are lost: their connections end", len(lost))
        for id_ in lost:
            self._end(id_, hurry=True)

    async def _with_leases(self, ask: Callable[[], Answer]) -> Answer:
        """PostgreSQL is asked from one thread, one question after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._lease_thread, ask)

    async def _look(self) -> None:
        """Start connections that are new, end those that are disabled or made otherwise; nobody waits for an end."""
        try:
            links = await self._platform.directory.links()
        except Exception as error:  # noqa: BLE001  (the database is away: the links go on)
            _log.warning("the links cannot be read: %s", type(error).__name__)
            return
        wanted = {
            SlotId(link.name, number): link
            for link in links
            if link.enabled
            for number in range(1, link.configured.connections + 1)
        }
        for id_, slot in self._slots.items():
            link = wanted.get(id_)
            if id_ not in self._ends and (link is None or slot.is_over or not slot.adopt(link.configured)):
                self._end(id_)
        await self._share_out(wanted)
        await self._release_ports()

    async def _share_out(self, wanted: Mapping[SlotId, Link]) -> None:
        """Take and give up what falls to this worker, by what all workers see."""
        presence = {_presence(link.name) for link in wanted.values() if self._can_use(link)}
        await self._with_leases(partial(self._leases.appear, presence))
        portions = _portions(wanted)
        names = {*portions, *(id_.lease for id_ in wanted), *(_presence(id_.link) for id_ in wanted)}
        standing = await self._with_leases(partial(self._leases.standing, names))
        if standing is not None:
            seen = [_as_seen(name, ids, wanted, standing) for name, ids in portions.items()]
            decision = decide(seen, standing.me)
            mine = {*decision.take, *(each.name for each in seen if each.owner == standing.me)} - self._given
            missing = [id_ for name in mine for id_ in portions[name] if id_ not in self._slots]
            free = [id_ for id_ in missing if not standing.of(id_.lease)]
            await self._start_free({id_: wanted[id_] for id_ in sorted(free)})
            self._give(decision.give, portions)
        self._shared_out = time.monotonic()

    def _can_use(self, link: Link) -> bool:
        return self._unusable.get(link.name) != link.configured

    async def _start_free(self, free: Mapping[SlotId, Link]) -> None:
        taken: Counter[str] = Counter()
        for id_, link in free.items():
            most = -(-link.configured.connections // _LOOKS_TO_TAKE_ALL)
            if self._can_use(link) and taken[id_.link] < most and await self._owned(id_, link.configured):
                taken[id_.link] += 1
                await self._start(id_, link.configured)

    async def _owned(self, id_: SlotId, configured: Configured) -> bool:
        return await self._with_leases(partial(self._own, id_, configured))

    def _give(self, names: Sequence[str], portions: Mapping[str, Sequence[SlotId]]) -> None:
        """End what another worker has less of; it is taken from its queues, and by others, as after any polite end."""
        for name in names:
            for id_ in portions[name]:
                if id_ in self._slots and id_ not in self._ends:
                    _log.info("link %s: connection %d is for another worker", id_.link, id_.number)
                    self._end(id_)
            self._given.add(name)

    def _withdraw(self) -> None:
        """Others share out without this worker, as if what it still has were nobody's to give."""
        self._leases.appear(())

    def _own(self, id_: SlotId, configured: Configured) -> bool:
        """Whether this process owns the connection now, and the port where its carrier comes to us."""
        port = _port_lease(id_, configured)
        if port and not self._leases.acquire(port):
            return False
        self._ports.add(port)
        return self._leases.acquire(id_.lease)

    async def _start(self, id_: SlotId, configured: Configured) -> None:
        """One link whose secret cannot be opened here must not keep the others from working."""
        try:
            slot = Slot(id_, configured, self._shared)
            takeover = await take_over(self._platform)
        except ValueError as error:
            self._unusable[id_.link] = configured
            _log.error("link %s cannot be used until it is configured again: %s", id_.link, error)
        except Exception as error:  # noqa: BLE001  (the database is away: the next look tries again)
            _log.warning("link %s waits for the database: %s", id_.link, type(error).__name__)
        else:
            if await self._with_leases(self._leases.keep) and self._leases.holds(id_.lease):
                self._slots[id_] = slot
                slot.start(takeover)
                return
            _log.warning("link %s waits: its lease was lost while the database was waited for", id_.link)
        await self._release(id_.lease)

    def _end(self, id_: SlotId, *, hurry: bool = False) -> asyncio.Task[None]:
        """Begin to end a connection, once; until that is done it is not started again. It may be hurried later."""
        if id_ not in self._ends:
            self._ends[id_] = asyncio.create_task(self._take_leave(id_, hurry))
        elif hurry and id_ not in self._hurried:
            self._background.spawn(self._slots[id_].hurry)
        if hurry:
            self._hurried.add(id_)
        return self._ends[id_]

    async def _take_leave(self, id_: SlotId, hurry: bool) -> None:
        """What of its figures is left on the board goes last: nobody waits for it."""
        slot = self._slots[id_]
        try:
            await slot.end(hurry=hurry)
        except Exception as error:  # noqa: BLE001  (whatever it is, the connection must not be kept for it)
            _log.error("connection %d of link %s ends badly: %s", id_.number, id_.link, type(error).__name__)
        finally:
            slot.let_go()
            del self._slots[id_], self._ends[id_]
            self._hurried.discard(id_)
            await self._release(id_.lease)
        await self._figures.erase(id_.link, id_.number)

    async def _release(self, lease: str) -> None:
        await self._with_leases(partial(self._leases.release, lease))

    async def _release_ports(self) -> None:
        """All links whose carriers come to one port belong to one worker: let go of it after the last of them."""
        used = {_port_lease(id_, slot.configured) for id_, slot in self._slots.items()}
        for port in self._ports - used:
            await self._release(port)
        self._ports &= used
        self._given &= self._ports

    async def _keep_circuits(self, stop: asyncio.Event) -> None:
        """Take others before links that do badly, and take them again, once a second."""
        while not stop.is_set():
            await pause(stop, _LOOK_SECONDS)
            try:
                links = await self._platform.directory.links()
                here = {id_.link for id_ in self._slots}
                first = {id_.link for id_ in self._slots if id_.number == 1}
                await self._circuits.look(links, here=here, first=first)
            except Exception as error:  # noqa: BLE001  (the database is away: the next look tries again)
                _log.warning("the circuits of links wait: %s", type(error).__name__)

    async def _match(self, stop: asyncio.Event) -> None:
        """Look at held receipts again and again: their messages may be known by now."""
        rounds = 0
        while not stop.is_set():
            await pause(stop, _MATCH_SECONDS)
            rounds += 1
            try:
                await self._receipts.match_held()
                if rounds % _DOUBT_EVERY == 0:
                    await self._receipts.match_doubtful()
            except Exception as error:  # noqa: BLE001  (the database is away: the next round tries again)
                _log.warning("held receipts wait: %s", type(error).__name__)


def _reply_recorder(platform: Platform) -> ReplyRecorder:
    store, vault, now = platform.store, platform.vault, platform.now
    origins = Origins(store=store, vault=vault, directory=platform.directory, now=now)
    return ReplyRecorder(store=store, vault=vault, origins=origins, now=now)


def _presence(link: str) -> str:
    """What every worker shares that can run the link's connections, as long as it looks after them."""
    return f"present:{link}"


def _portions(wanted: Mapping[SlotId, Link]) -> dict[str, list[SlotId]]:
    """What has one owner as a whole, by the lease that decides: the port's for all first connections at one port."""
    portions: defaultdict[str, list[SlotId]] = defaultdict(list)
    for id_, link in wanted.items():
        portions[_port_lease(id_, link.configured) or id_.lease].append(id_)
    return dict(portions)


def _as_seen(name: str, ids: Sequence[SlotId], wanted: Mapping[SlotId, Link], standing: Standing) -> Portion:
    """Of the workers those that can run most of it: a link that some cannot open must not keep others from working."""
    present = Counter(worker for id_ in ids for worker in standing.of(_presence(id_.link)))
    most = max(present.values(), default=0)
    return Portion(
        name=name,
        links=tuple(f"{id_.link}:{wanted[id_].configured.direction(id_.number)}" for id_ in ids),
        owner=next(iter(standing.of(name)), None),
        able=frozenset(worker for worker, count in present.items() if count == most),
    )


def _port_lease(id_: SlotId, configured: Configured) -> str:
    """What the owner of a link's first connection holds besides, where its carrier comes to us; empty elsewhere."""
    inbound = configured.inbound if id_.number == 1 else None
    return f"listener:{inbound.port}" if inbound is not None else ""


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
