"""One connection of a link in the process that owns it: the carrier on one side, the link's queues on the other.

The event loop drives the connection and the use cases; dramatiq's threads only wait for it.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from dramatiq.errors import Retry

from application.carriage import Answer, PartKey, Receipt, Refused, Reply, Taken
from application.record_late_answers import LateAnswers
from application.record_receipts import ReceiptRecorder
from application.record_replies import ReplyRecorder
from application.settling import Settling
from application.submit_messages import MessageSubmitter, Via
from domain.events import Event
from domain.events.link import Configured, Connected, Lost
from domain.values import Lane
from infrastructure.abandoned import Takeover, doubt_abandoned
from infrastructure.background import Background
from infrastructure.bootstrap import Platform, new_id
from infrastructure.carriage import LinkCarriage
from infrastructure.carriers.figures import Figures
from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import LinkPhase, LinkState
from infrastructure.circuits import Circuits
from infrastructure.condition_log import ConditionLog
from infrastructure.consumers import Consumers
from infrastructure.link_figures import Teller
from infrastructure.link_settings import link_settings
from infrastructure.network import condition_stream

_FINISH_SECONDS = 4.0
"""How long started messages may take to be answered: more than the pauses between a part's tries together."""
_HURRY_SECONDS = 0.5
_STOP_SECONDS = 10.0
"""How long the jobs and Redis are waited for: the supervisor kills a process that takes longer than 15 seconds."""
_HURRY_STOP_SECONDS = 1.0
_LONGEST_REASON = 200
_log = logging.getLogger(__name__)


class LinkGone(Retry):
    """The connection of a job is not here any more; the job goes back to its queue. To dramatiq that is no failure."""


@dataclass(frozen=True, slots=True, order=True)
class SlotId:
    """A link and which of its connections, from 1."""

    link: str
    number: int

    @property
    def lease(self) -> str:
        """What its owner holds."""
        return f"link:{self.link}" if self.number == 1 else f"link:{self.link}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the connections of one process share."""

    platform: Platform
    redis_url: str
    settling: Settling
    receipts: ReceiptRecorder
    late_answers: LateAnswers
    replies: ReplyRecorder
    listeners: SgipListeners
    background: Background
    circuits: Circuits
    holds: Callable[[str], bool]
    """Whether this process is sure to hold a lease at this moment."""
    senders: Counter[str]
    """How many connections of each link take jobs in this process; other threads look at it."""
    worker: str
    """How operators tell this process from others."""
    on_change: Callable[[], None]
    """A connection came or went."""


class Slot:
    """Runs from `start` to `end`. Raises ValueError when made with secrets that cannot be opened here."""

    def __init__(self, id_: SlotId, configured: Configured, shared: Shared) -> None:
        platform = shared.platform
        self.configured = configured
        self._sends = configured.direction(id_.number) != "receive"
        self._id = id_
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._watch = shared.circuits.watch(configured)
        self._figures = Figures(since=time.monotonic())

        def owned() -> bool:
            return shared.holds(id_.lease)

        self._condition = ConditionLog(
            platform.store,
            stream=condition_stream(id_.link, id_.number),
            owned=owned,
            background=shared.background,
        )
        self.link = CarrierLink(
            link_settings(configured, platform.vault, connection=id_.number),
            store_receipts=self._store,
            store_replies=self._store_replies,
            on_state=self._note_state,
            clock=time.monotonic,
            random=random.random,
            on_late_answer=self._note_late,
            on_answer=self._note_answer,
            owned=owned,
            listeners=shared.listeners,
        )
        self.carriage = LinkCarriage(self.link, name=id_.link, window=configured.window)
        self.tell = Teller(
            link=id_.link,
            connection=id_.number,
            worker=shared.worker,
            window=configured.window if self._sends else 0,
            carrier=self.link,
            figures=self._figures,
            now=time.monotonic,
            wall=time.time,
        )
        self._submitter = MessageSubmitter(
            store=platform.store,
            vault=platform.vault,
            carriage=self.carriage,
            settling=shared.settling,
            now=platform.now,
            sleep=asyncio.sleep,
            run=new_id()[:12],
            connection=id_.number,
            signs=configured.signs,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._consumers = Consumers(
            id_.link,
            self._handle,
            redis_url=shared.redis_url,
            realm=platform.settings.realm,
            threads=platform.settings.worker_threads,
            poll_ms=self._poll_ms,
        )
        self._ending = False

    def start(self, takeover: Takeover) -> None:
        """Connect and, where it sends, take jobs; what an earlier owner left on the wire is put into doubt."""
        running = asyncio.create_task(self.link.run(), name=f"link-{self._id.link}-{self._id.number}")
        running.add_done_callback(self._note_end)
        doubting = self._shared.background.spawn(lambda: self._doubt_abandoned(takeover))
        if self._sends:
            self._shared.senders[self._id.link] += 1
            self._consumers.start()
        self._tasks = [running, doubting, self._shared.background.spawn(self._consumers.keep)]

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended though nobody ended it: a fault of ours, after which it begins anew."""
        return bool(self._tasks) and self._tasks[0].done() and not self._ending

    def _note_end(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            _log.error(
                "link %s: connection %d ended by itself", self._id.link, self._id.number, exc_info=error
            )

    def adopt(self, configured: Configured) -> bool:
        """Go by another configuration of the link, where that changes nothing of what was agreed with the carrier.

        If it does, nothing is changed: the connection has to end, and to begin anew.
        """
        number = self._id.number
        if not configured.keeps(self.configured, number):
            return False
        if configured != self.configured:
            self.configured = configured
            self._watch = self._shared.circuits.watch(configured)
            self._submitter.signs = configured.signs
            self.link.limit(configured.rate_of(number))
        return True

    async def end(self, *, hurry: bool = False) -> None:
        """Take no more jobs, finish the window, unbind; what was not started goes back to its queue.

        In a `hurry` only answers that come at once are waited for: the connection is somebody else's soon.
        """
        self._ending = True
        running, *others = self._tasks
        for other in others:
            other.cancel()
        stopping = self._consumers.stop(_HURRY_STOP_SECONDS if hurry else _STOP_SECONDS)
        # The closing link is what ends the jobs that the threads of the consumers wait for.
        for failed in await asyncio.gather(stopping, self._close(hurry), return_exceptions=True):
            if failed is not None:
                _log.error("link %s did not end as it should: %s", self._id.link, type(failed).__name__)
                running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def hurry(self) -> None:
        """End sooner what is ending already."""
        await self._close(hurry=True)

    def let_go(self) -> None:
        """The connection may be another owner's from now on; to be called before its lease is released."""
        self._shared.senders[self._id.link] -= self._sends
        self._condition.let_go()

    async def _close(self, hurry: bool) -> None:
        await self.carriage.finish(_HURRY_SECONDS if hurry else _FINISH_SECONDS)
        await self.link.close(hurry=hurry)

    # Jobs.

    def _poll_ms(self, lane: Lane) -> int:
        """The lane that can wait is looked at less often. Of several that look at one queue each may do it less often:
        on average a job waits as long as with one, and hardly ever for more than twice the setting."""
        alone = self._shared.platform.settings.worker_poll_ms * (1 if lane is Lane.REALTIME else 6)
        return alone * (1 + self._shared.senders[self._id.link]) // 2

    def _handle(self, link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:  # noqa: ARG002
        """A dramatiq thread waits here until the messages of its job wait no more."""
        asyncio.run_coroutine_threadsafe(self._submit(lane, messages, via), self._loop).result()

    async def _submit(self, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        if self._ending or not await self._submitter(messages, lane, via):
            raise LinkGone(self._id.link)

    async def _doubt_abandoned(self, takeover: Takeover) -> None:
        """Receipts for what the earlier owner sent may be there already: look at them at once."""
        link, number = self._id.link, self._id.number
        count = await doubt_abandoned(self._shared.platform, link, takeover, connection=number)
        if count:
            _log.warning("link %s: %d submissions of an earlier worker are in doubt", link, count)
            await self._shared.receipts.match_doubtful()

    # What the carrier says.

    async def _store(self, receipts: Sequence[Receipt]) -> None:
        came = self._shared.platform.now()
        taken = await self._shared.receipts(self._id.link, receipts)
        now = time.monotonic()
        for receipt, at in zip(receipts, taken, strict=True):
            self._figures.reported(receipt.status, now)
            if at is not None:
                self._figures.lags.add(max((came - at).total_seconds(), 0.0), now)
        self._watch.reported(receipts, taken)

    async def _store_replies(self, replies: Sequence[Reply]) -> None:
        await self._shared.replies(self._id.link, replies)
        self._figures.replies += len(replies)

    def _note_answer(self, answer: Answer, seconds: float) -> None:
        self._figures.answered(answer, seconds, time.monotonic())
        self._watch.answered(answer, seconds)

    def _note_state(self, state: LinkState) -> None:
        """Connected and lost are facts too; nobody waits for them."""
        self._figures.moved(state, time.monotonic())
        self._shared.on_change()
        fact = self._fact(state)
        if fact is not None:
            self._condition.note(fact)

    def _fact(self, state: LinkState) -> Event | None:
        name, number = self._id.link, self._id.number
        match state.phase:
            case LinkPhase.BOUND:
                return Connected(name=name, connection=number)
            case LinkPhase.LOST | LinkPhase.REFUSED:
                return Lost(name=name, reason=state.reason[:_LONGEST_REASON], connection=number)
            case LinkPhase.CLOSED:
                return Lost(name=name, reason="closed", connection=number)
            case LinkPhase.CONNECTING:
                return None

    def _note_late(self, key: object, answer: Answer) -> None:
        """An answer after its time ends a doubt, or makes the carrier's id known."""
        if isinstance(answer, Taken | Refused) and isinstance(key, PartKey):
            self._shared.background.spawn(lambda: self._shared.late_answers(self._id.link, key, answer))
