"""The worker process: owns its links, takes their jobs from the queues and brings receipts home.

One event loop drives the links and the use cases; dramatiq's threads only wait for it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import dramatiq

from application.carriage import Answer, PartKey, Receipt, Taken
from application.ports import Entry
from application.record_receipts import ReceiptRecorder
from application.settling import Settling
from application.submit_messages import MessageSubmitter, Via
from domain.aggregates.link import Link
from domain.events import Event
from domain.events.link import Configured, Connected, Lost
from domain.events.message import SubmittedPart
from domain.recorded import Context
from domain.values import Lane
from infrastructure.abandoned import Takeover, doubt_abandoned, take_over
from infrastructure.bootstrap import Platform, new_id
from infrastructure.carriage import LinkCarriage
from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.traffic import LinkPhase, LinkSettings, LinkState
from infrastructure.jobs import define_submit, make_broker, queue_name
from infrastructure.lease import Leases
from infrastructure.network import condition_stream

_LOOK_SECONDS = 1.0
_MATCH_SECONDS = 1.0
_DOUBT_EVERY = 5
_FINISH_SECONDS = 4.0
"""How long started messages may take to be answered: more than the pauses between a part's tries together."""
_STOP_MS = 15_000
_log = logging.getLogger(__name__)


class LinkGone(Exception):  # noqa: N818
    """The link of a job is not here any more; the job goes back to its queue."""


@dataclass(slots=True)
class _Running:
    """A link that this process owns."""

    configured: Configured
    link: CarrierLink
    carriage: LinkCarriage
    submitter: MessageSubmitter
    task: asyncio.Task[None]
    doubting: asyncio.Task[None]
    """Puts what an earlier owner left on the wire into doubt."""
    workers: list[dramatiq.Worker]


class Worker:
    """Runs every enabled link it can get the lease of, until told to stop."""

    def __init__(self, platform: Platform, *, redis_url: str) -> None:
        self._platform = platform
        self._redis_url = redis_url
        self._leases = Leases(platform.settings.database_url)
        self._running: dict[str, _Running] = {}
        self._unusable: dict[str, Configured] = {}
        self._settling = Settling()
        self._receipts = ReceiptRecorder(
            store=platform.store, vault=platform.vault, settling=self._settling, now=platform.now
        )
        self._background: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish what is on the wire and take leave of the carriers."""
        matcher = asyncio.create_task(self._match(stop))
        try:
            while not stop.is_set():
                await self._look()
                await pause(stop, _LOOK_SECONDS)
        finally:
            await asyncio.gather(*(self._end(name) for name in list(self._running)))
            matcher.cancel()
            await asyncio.gather(matcher, *self._background, return_exceptions=True)
            self._leases.close()

    async def _look(self) -> None:
        """Start links that are new or changed, end those that are disabled or whose lease is lost."""
        if not await asyncio.to_thread(self._leases.check):
            _log.error("the leases are lost: all links end")
            await asyncio.gather(*(self._end(name) for name in list(self._running)))
        try:
            links = await self._platform.directory.links()
        except Exception as error:  # noqa: BLE001  (the database is away: the links go on)
            _log.warning("the links cannot be read: %s", type(error).__name__)
            return
        wanted = {link.name: link for link in links if link.enabled}
        for name in list(self._running):
            if name not in wanted or wanted[name].configured != self._running[name].configured:
                await self._end(name)
        for name, link in wanted.items():
            known_unusable = self._unusable.get(name) == link.configured
            if name in self._running or known_unusable:
                continue
            if await asyncio.to_thread(self._leases.acquire, f"link:{name}"):
                self._start_if_usable(link, await take_over(self._platform))

    def _start_if_usable(self, link: Link, takeover: Takeover) -> None:
        """One link whose secret cannot be opened here must not keep the others from working."""
        try:
            self._start(link, takeover)
        except ValueError as error:
            self._unusable[link.name] = link.configured
            self._leases.release(f"link:{link.name}")
            _log.error("link %s cannot be used until it is configured again: %s", link.name, error)

    def _start(self, link: Link, takeover: Takeover) -> None:
        configured = link.configured
        carrier_link = CarrierLink(
            self._settings(configured),
            store_receipts=lambda receipts: self._store(configured.name, receipts),
            on_state=lambda state: self._note_state(configured.name, state),
            clock=time.monotonic,
            random=random.random,
            on_late_answer=lambda key, answer: self._note_late(configured.name, key, answer),
        )
        carriage = LinkCarriage(carrier_link, name=configured.name, window=configured.window)
        submitter = MessageSubmitter(
            store=self._platform.store,
            vault=self._platform.vault,
            carriage=carriage,
            settling=self._settling,
            now=self._platform.now,
            sleep=asyncio.sleep,
            run=new_id()[:12],
        )
        task = asyncio.create_task(carrier_link.run(), name=f"link-{configured.name}")
        doubting = self._spawn(lambda: self._doubt_abandoned(configured.name, takeover))
        running = _Running(configured, carrier_link, carriage, submitter, task, doubting, [])
        self._running[configured.name] = running
        running.workers = [self._consume(configured.name, lane) for lane in Lane]

    def _settings(self, configured: Configured) -> LinkSettings:
        password = self._platform.vault.open_secret(
            configured.sealed_password, purpose=f"link:{configured.name}"
        )
        return LinkSettings(
            name=configured.name,
            host=configured.host,
            port=configured.port,
            system_id=configured.system_id,
            password=password,
            source_address=configured.source_address,
            window=configured.window,
            rate_per_second=configured.rate_per_second,
            response_timeout_seconds=configured.response_timeout_seconds,
            id_format=configured.id_format,
        )

    def _consume(self, link: str, lane: Lane) -> dramatiq.Worker:
        """Threads that take the jobs of a lane; each waits while its job is on the wire."""
        settings = self._platform.settings
        queue = queue_name(link, lane)
        broker = make_broker(self._redis_url)
        define_submit(broker, self._handle)
        broker.declare_queue(queue)
        # An idle thread looks at its queue once a poll, so the lane that can wait has the longer one.
        poll = settings.worker_poll_ms * (1 if lane is Lane.REALTIME else 6)
        worker = dramatiq.Worker(
            broker, queues={queue}, worker_timeout=poll, worker_threads=settings.worker_threads
        )
        worker.start()
        return worker

    async def _end(self, name: str) -> None:
        """Take no more jobs, finish the window, unbind; what was not started goes back to its queue."""
        running = self._running.pop(name)
        running.doubting.cancel()
        stopping = (asyncio.to_thread(worker.stop, _STOP_MS) for worker in running.workers)
        # The closing link is what ends the jobs that the threads of the workers wait for.
        await asyncio.gather(*stopping, _close(running))
        await asyncio.gather(running.task, return_exceptions=True)
        self._leases.release(f"link:{name}")

    def _handle(self, link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        """A dramatiq thread waits here until the messages of its job wait no more."""
        asyncio.run_coroutine_threadsafe(self._submit(link, lane, messages, via), self._loop).result()

    async def _submit(self, name: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        running = self._running.get(name)
        if running is None:
            raise LinkGone(name)
        if not await running.submitter(messages, lane, via):
            raise LinkGone(name)

    async def _doubt_abandoned(self, name: str, takeover: Takeover) -> None:
        """Receipts for what the earlier owner sent may be there already: look at them at once."""
        count = await doubt_abandoned(self._platform, name, takeover)
        if count:
            _log.warning("link %s: %d submissions of an earlier worker are in doubt", name, count)
            await self._receipts.match_doubtful()

    async def _store(self, link: str, receipts: Sequence[Receipt]) -> None:
        await self._receipts(link, receipts)

    def _note_state(self, name: str, state: LinkState) -> None:
        """Connected and lost are facts too; losing one of them is no harm, so nobody waits."""
        events: dict[LinkPhase, Event] = {
            LinkPhase.BOUND: Connected(name=name),
            LinkPhase.LOST: Lost(name=name, reason=state.reason[:200]),
            LinkPhase.REFUSED: Lost(name=name, reason=state.reason[:200]),
            LinkPhase.CLOSED: Lost(name=name, reason="closed"),
        }
        if state.phase in events:
            entry = Entry(
                stream=condition_stream(name),
                version=None,
                context=Context(actor="worker"),
                events=(events[state.phase],),
            )
            self._spawn(lambda: self._platform.store.commit([entry]))

    def _note_late(self, link: str, key: object, answer: Answer) -> None:
        """An answer after its time: the carrier's id is worth keeping."""
        if isinstance(answer, Taken) and isinstance(key, tuple):
            part_key: PartKey = key
            part = SubmittedPart(number=part_key[1], carrier_id=answer.carrier_id)
            self._spawn(lambda: self._receipts.record_late_answer(link, part_key[0], part))

    def _spawn(self, work: Callable[[], object]) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await work()  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001  (nobody waits for it; the log line is all it is worth)
                _log.warning("background work failed: %s", type(error).__name__)

        task = self._loop.create_task(guarded())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

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


async def _close(running: _Running) -> None:
    await running.carriage.finish(_FINISH_SECONDS)
    await running.link.close()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
