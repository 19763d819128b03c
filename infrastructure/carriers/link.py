"""A link: keeps one connection to a carrier alive, hands parts over and brings answers and receipts back."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from infrastructure.carriers.backoff import Backoff
from infrastructure.carriers.connection import Connection
from infrastructure.carriers.dialects import dialect_of
from infrastructure.carriers.encryption import encryption
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.intake import Intake, StoreReceipts, StoreReplies
from infrastructure.carriers.leaving import take_leave
from infrastructure.carriers.no_connection import why_no_connection
from infrastructure.carriers.reception import Reception
from infrastructure.carriers.session import (
    IDLE,
    Answered,
    BindRefused,
    Bound,
    Closed,
    Delivered,
    Event,
    Limits,
    Session,
)
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.token_bucket import TokenBucket
from infrastructure.carriers.traffic import (
    Answer,
    InDoubt,
    Key,
    LinkPhase,
    LinkSettings,
    LinkState,
    NotSent,
    Part,
    Refused,
)

__all__ = ["CarrierLink", "LinkClosedError"]

_log = logging.getLogger(__name__)


class LinkClosedError(Exception):
    """Nothing can be submitted any more: `close` was called or `run` has ended."""


@dataclass(eq=False, slots=True)
class _Handed:
    """A part that the caller waits for; compared by identity, so that it can be the session's token."""

    part: Part | None
    """None once it was handed to a connection: a part without an answer is remembered for long, its text is not."""
    key: Key
    future: asyncio.Future[Answer]
    sent_at: float | None = None


class CarrierLink:
    """Run `run` as a task; `submit` parts as long as `capacity()` is above 0, `await ready()` when it is not.

    `store_receipts` and `store_replies` get batches; only when they return is the carrier told that we
    have them, and when they raise the carrier sends them again. `on_late_answer` gets the key and the
    answer of a part that was in doubt for want of this answer. `on_answer` gets every answer (a late one is the
    part's second) and the seconds since the part was handed to a connection, 0 where it never was. `clock` gives
    seconds that only go forward, `now` the time of day, which some protocols write, `random` 0 to 1 for the jitter.
    While `owned` says no, no part is handed to a connection: it may be somebody else's by now.
    Links whose carriers come to them share a port by sharing `listeners`.
    Everything runs in one event loop and one thread. Raises ValueError for a protocol that nobody here speaks.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        store_receipts: StoreReceipts,
        on_state: Callable[[LinkState], None],
        clock: Callable[[], float],
        random: Callable[[], float],
        store_replies: StoreReplies | None = None,
        on_late_answer: Callable[[Key, Answer], None] | None = None,
        on_answer: Callable[[Answer, float], None] = lambda _answer, _seconds: None,
        owned: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = china_now,
        listeners: SgipListeners | None = None,
    ) -> None:
        self._settings = settings
        self._dialect = dialect_of(settings, now)
        self._on_state = on_state
        self._clock = clock
        self._on_late_answer = on_late_answer
        self._on_answer = on_answer
        self.owned = owned
        self._bucket = TokenBucket(settings.rate_per_second, now=clock())
        self._intake = Intake(
            store_receipts=store_receipts,
            store_replies=store_replies,
            limit=settings.waiting_receipts_limit,
        )
        self._connection: Connection | None = None
        self._connecting: asyncio.Timeout | None = None
        self._queue: deque[_Handed] = deque()
        self._waiters: set[asyncio.Future[None]] = set()
        self._token_timer: asyncio.TimerHandle | None = None
        self._closing, self._ended = asyncio.Event(), asyncio.Event()
        self._something_happened = asyncio.Event()
        self._leaving = asyncio.Lock()
        self._running = False
        self._backoff = Backoff(
            shortest=settings.reconnect_min_seconds, longest=settings.reconnect_max_seconds, random=random
        )
        self._refusal: BindRefused | None = None
        self._bound_at: float | None = None
        self._renewing = False
        self._reception = Reception(settings, listeners or SgipListeners(), self._intake)

    # What the caller uses.

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until `close` is called."""
        self._running = True
        chores = [asyncio.create_task(each) for each in (self._intake.run(), self._reception.open())]
        try:
            while not self._closing.is_set():
                await self._connect_and_serve()
                await self._sleep(self._next_pause())
            # What the carrier brought to our port is stored and answered, though our own connection broke.
            async with self._leaving:
                pass
        finally:
            self._closing.set()
            if self._connection is not None:
                self._connection.give_up("link stopped")
            for chore in chores:
                chore.cancel()
            self._reception.close()
            self._wake_all()
            self._say(LinkPhase.CLOSED)
            self._ended.set()

    def submit(self, part: Part, *, key: Key = None) -> asyncio.Future[Answer]:
        """Hand one part over; the future never raises, it always becomes an Answer.

        Beyond `capacity()` the part waits in a queue; it becomes NotSent if the connection goes first.
        """
        handed = _Handed(part, key, asyncio.get_running_loop().create_future())
        bound = self._connection is not None and self._connection.bound
        if self._closing.is_set() or not (bound or self._changes_over):
            self._resolve(handed, NotSent("not bound", ended=self._closing.is_set()))
        elif self._connection is None or self._queue or self.capacity() <= 0:
            self._queue.append(handed)
            self._wake()
        else:
            self._send(self._connection, handed)
        return handed.future

    def capacity(self) -> int:
        """Return how many parts can be submitted now: places in the window, and tokens; 0 when not bound."""
        if self._connection is None or self._closing.is_set():
            return 0
        free = self._connection.free
        if free > 0:
            free = min(free, self._bucket.available(self._clock()))
        return max(free - len(self._queue), 0)

    @property
    def _changes_over(self) -> bool:
        """An idle connection makes room for the next one: what comes now waits for that."""
        return self._renewing or bool(self._connection and self._connection.renewing)

    @property
    def rate(self) -> float:
        """Parts a second that are allowed now; infinite without a limit, 0 where it only receives."""
        return 0.0 if self._settings.direction == "receive" else self._bucket.rate

    def limit(self, rate_per_second: float) -> None:
        """Another rate from now on, 0 for none; what the carrier's haste has taken off the old one is forgotten."""
        self._bucket = TokenBucket(rate_per_second, now=self._clock())
        self._wake()

    @property
    def pending(self) -> int:
        """Parts on the wire that wait for an answer."""
        return 0 if self._connection is None else self._connection.pending

    @property
    def queued(self) -> int:
        """Parts that wait for a place in the window, or for a token."""
        return len(self._queue)

    @property
    def deaf(self) -> str:
        """Why the carrier cannot come to us, where it has to for its receipts; else empty."""
        return self._reception.deaf

    @property
    def waiting_receipts(self) -> int:
        """The number of receipts and replies that are not stored yet."""
        return len(self._intake)

    async def ready(self) -> None:
        """Return when `capacity()` is above 0; raises LinkClosedError when it never will be."""
        while self.capacity() <= 0:
            if self._closing.is_set():
                raise LinkClosedError(self._settings.name)
            await self._change()

    async def close(self, *, hurry: bool = False) -> None:
        """Let window and receipts finish (for a bounded time) and take leave, or `hurry` to hang up; `run` ends."""
        self._closing.set()
        self._wake_all()
        self._drop_queue("link closed")
        if self._connecting is not None:
            self._connecting.reschedule(asyncio.get_running_loop().time())
        if (connection := self._connection) is not None:
            if connection.bound and not hurry:
                happened, intake, reception = self._something_happened, self._intake, self._reception
                async with self._leaving:
                    await take_leave(connection, self._settings, happened, intake=intake, reception=reception)
            connection.give_up("link closed")
        if self._running:
            await self._ended.wait()

    # Connecting.

    async def _connect_and_serve(self) -> None:
        if not self._renewing:
            self._say(LinkPhase.CONNECTING)
        self._refusal = self._bound_at = None
        connection = self._new_connection()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds) as self._connecting:
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    self._settings.host,
                    self._settings.port,
                    ssl=encryption(self._settings),
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            # UnicodeError is what a host that can be no name raises.
            # It may have been made just when the time ran out, and have taken parts.
            connection.give_up("cannot connect")
            self._connection, self._renewing = None, False
            self._drop_queue("cannot connect")
            why = why_no_connection(error, seconds=self._settings.connect_timeout_seconds)
            self._say(LinkPhase.LOST, f"cannot connect: {why}")
            return
        finally:
            self._connecting = None
        self._connection = connection
        self._intake.join(connection)
        await asyncio.wait([connection.closed])
        self._intake.leave(connection)
        self._connection = None
        self._renewing = connection.closed.result() == IDLE
        if not (self._renewing or self._closing.is_set()):
            refused = self._refusal is not None
            self._say(LinkPhase.REFUSED if refused else LinkPhase.LOST, connection.closed.result())

    def _new_connection(self) -> Connection:
        settings = self._settings
        limits = Limits(
            window=0 if settings.direction == "receive" else settings.window,
            response_seconds=settings.response_timeout_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
            keep_alive_limit=settings.keep_alive_limit,
        )
        return Connection(
            Session(self._dialect, limits),
            clock=self._clock,
            tick_seconds=min(settings.response_timeout_seconds, settings.keep_alive_seconds) / 4,
            on_events=self._happened,
            on_writable=self._wake,
        )

    def _next_pause(self) -> float:
        """Refused credentials are not tried again soon: carriers block an address that does."""
        if self._renewing:
            return 0.0
        if self._refusal is not None and self._refusal.bad_credentials:
            return self._settings.credentials_retry_seconds
        return self._backoff.after(0.0 if self._bound_at is None else self._clock() - self._bound_at)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _note_bound(self) -> None:
        """Nobody has to hear that an idle connection made room for the next one."""
        if not self._renewing:
            self._say(LinkPhase.BOUND)
        self._renewing = False

    def _say(self, phase: LinkPhase, reason: str = "") -> None:
        _log.info("link %s: %s", self._settings.name, f"{phase} {reason}".rstrip())
        self._on_state(LinkState(phase, reason))

    # Handing over.

    def _send(self, connection: Connection, handed: _Handed) -> None:
        if not self.owned():
            self._resolve(handed, NotSent("not owned", ended=self._closing.is_set()))
            return
        part, handed.part = handed.part, None
        assert part is not None
        handed.sent_at = self._clock()
        try:
            connection.submit(part, handed)
        except ProtocolError:
            self._resolve(handed, Refused("local:unfit"))
        else:
            self._bucket.take(handed.sent_at)

    def _pump(self) -> None:
        """Send what waits in the queue, as far as window and tokens allow."""
        while self._queue and (connection := self._connection) is not None:
            if connection.free <= 0 or self._bucket.available(self._clock()) <= 0:
                return
            self._send(connection, self._queue.popleft())

    def _drop_queue(self, reason: str) -> None:
        while self._queue:
            self._resolve(self._queue.popleft(), NotSent(reason, ended=self._closing.is_set()))

    def _resolve(self, handed: _Handed, answer: Answer) -> None:
        """A caller who no longer waits gets a real answer as a late one."""
        self._on_answer(answer, 0.0 if handed.sent_at is None else self._clock() - handed.sent_at)
        if not handed.future.done():
            handed.future.set_result(answer)
        elif self._on_late_answer is not None and not isinstance(answer, NotSent | InDoubt):
            self._on_late_answer(handed.key, answer)

    # What happens on the connection.

    def _happened(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answered():
                    self._answered(event)
                case Delivered():
                    self._intake.put(connection, event.delivery)
                case Bound():
                    # A quick carrier answers the bind before the loop has told us that we are connected.
                    self._connection = connection
                    self._bound_at = self._clock()
                    self._note_bound()
                case BindRefused():
                    self._refusal = event
                case Closed() if event.reason != IDLE:
                    self._drop_queue(event.reason)
        self._something_happened.set()
        self._wake()

    def _answered(self, event: Answered) -> None:
        if isinstance(event.answer, Refused) and event.answer.throttled:
            self._bucket.throttled(self._clock())
        self._resolve(cast("_Handed", event.token), event.answer)

    # Waiting for capacity.

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        self._wake()
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        """Something changed: send what is queued, and let those who wait look again."""
        self._pump()
        if self._waiters and (self.capacity() > 0 or self._closing.is_set()):
            self._wake_all()
        elif self._waiters or self._queue:
            self._wake_when_a_token_is_there()

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _wake_when_a_token_is_there(self) -> None:
        starved = self._connection is not None and self._connection.free > 0
        if starved and self._token_timer is None:
            seconds = self._bucket.wait(self._clock())
            self._token_timer = asyncio.get_running_loop().call_later(seconds, self._token_came)

    def _token_came(self) -> None:
        self._token_timer = None
        self._wake()
