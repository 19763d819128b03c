"""The worker process: owns connections of links, each of which has exactly one owner, and brings receipts home."""

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

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
from infrastructure.lease import BEAT_SECONDS, Leases
from infrastructure.link_board import Board, BoardWriter
from infrastructure.slot import Shared, Slot, SlotId

_LOOK_SECONDS = 1.0
_MATCH_SECONDS = 1.0
_DOUBT_EVERY = 5
_LOOKS_TO_TAKE_ALL = 4
"""A worker takes the free connections of a link in so many looks, so that workers that start together share them."""
Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class Worker:
    """Runs every connection of an enabled link that it can get the lease of, until told to stop."""

    def __init__(self, platform: Platform, *, redis_url: str) -> None:
        settling = Settling()
        self._platform = platform
        self._leases, self._schema = Leases(platform.settings.database_url), platform.settings.db_schema
        self._lease_thread = ThreadPoolExecutor(1, thread_name_prefix="leases")
        self._slots: dict[SlotId, Slot] = {}
        self._ends: dict[SlotId, asyncio.Task[None]] = {}
        self._hurried: set[SlotId] = set()
        self._unusable: dict[SlotId, Configured] = {}
        self._ports: set[str] = set()
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
            replies=_reply_recorder(platform),
            listeners=SgipListeners(),
            background=self._background,
            circuits=self._circuits,
            holds=self._leases.holds,
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
            await asyncio.gather(
                *[self._end(id_, hurry=not stop.is_set()) for id_ in self._slots], return_exceptions=True
            )
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
            if await self._with_leases(self._leases.keep):
                await self._with_leases(partial(end_frozen_writers, self._leases, self._schema))
            known = self._slots.keys() - self._hurried
            lost = [id_ for id_ in known if not self._leases.holds(id_.lease)]
            if lost:
                _log.error("%d leases are lost: their connections end", len(lost))
            for id_ in lost:
                self._end(id_, hurry=True)
            await asyncio.sleep(BEAT_SECONDS)

    async def _with_leases(self, ask: Callable[[], Answer]) -> Answer:
        """PostgreSQL is asked from one thread, one question after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._lease_thread, ask)

    async def _look(self) -> None:
        """Start connections that are new, end those that are changed or disabled; nobody waits for an end."""
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
            if not _as_configured(slot, wanted.get(id_)):
                self._end(id_)
        await self._start_free(wanted)
        await self._release_ports()

    async def _start_free(self, wanted: Mapping[SlotId, Link]) -> None:
        taken: Counter[str] = Counter()
        for id_, configured in await self._free(wanted):
            most = -(-configured.connections // _LOOKS_TO_TAKE_ALL)
            if taken[id_.link] < most and await self._with_leases(partial(self._own, id_, configured)):
                taken[id_.link] += 1
                await self._start(id_, configured)

    async def _free(self, wanted: Mapping[SlotId, Link]) -> list[tuple[SlotId, Configured]]:
        """What could be started here and is nobody's."""
        missing = {
            id_.lease: (id_, link.configured)
            for id_, link in wanted.items()
            if id_ not in self._slots and self._unusable.get(id_) != link.configured
        }
        free = await self._with_leases(partial(self._leases.free, missing)) if missing else set()
        return [each for lease, each in missing.items() if lease in free]

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
            self._unusable[id_] = configured
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


def _as_configured(slot: Slot, link: Link | None) -> bool:
    return link is not None and link.configured == slot.configured


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
