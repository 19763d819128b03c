"""One TCP connection with a session in it: the only place where octets, the clock and the event loop meet."""

import asyncio
import socket
from collections.abc import Callable, Hashable
from typing import cast

from infrastructure.carriers.dialect import Delivery
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.session import Closed, Event, Phase, Session
from infrastructure.carriers.traffic import Part

__all__ = ["Connection"]

_LONGEST_TICK_SECONDS = 0.25
_SHORTEST_TICK_SECONDS = 0.01
_LINGER_SECONDS = 1.0
_MOST_UNREAD_OCTETS = 1 << 20
"""Submits wait long before so much is unread: what is left are answers to a carrier that asks and never listens."""
_PARTS_A_WRITE = 4
"""The carrier can work on the first parts of a window while the next ones are made."""


class Connection(asyncio.Protocol):
    """Feeds the session and hands its events to `on_events`, in the loop's thread.

    `closed` becomes the reason when the connection is over; until then every submitted part is answered.
    `tick_seconds` is how exactly response timers are kept.
    """

    def __init__(
        self,
        session: Session,
        *,
        clock: Callable[[], float],
        tick_seconds: float,
        on_events: Callable[["Connection", list[Event]], None],
        on_writable: Callable[[], None],
    ) -> None:
        self._session = session
        self._clock = clock
        self._tick_seconds = min(max(tick_seconds, _SHORTEST_TICK_SECONDS), _LONGEST_TICK_SECONDS)
        self._on_events = on_events
        self._on_writable = on_writable
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""
        self._flush_waits = False
        self._unflushed = 0
        self._congested = False
        # The session's clock stands still while we do not read: it is not the carrier who is late then.
        self._deaf_since: float | None = None
        self._deaf_seconds = 0.0
        self.closed: asyncio.Future[str] = self._loop.create_future()

    @property
    def bound(self) -> bool:
        return self._session.phase is Phase.BOUND

    @property
    def renewing(self) -> bool:
        """It ends for want of traffic, and the next one follows at once."""
        return self._session.renewing

    @property
    def pending(self) -> int:
        """The number of parts that wait for an answer."""
        return self._session.pending

    @property
    def free(self) -> int:
        """The number of parts that can be submitted now; 0 while the carrier does not read."""
        return 0 if self._congested else self._session.free

    def submit(self, part: Part, token: Hashable) -> None:
        """Send one part with the next flush, which is before the loop waits; raises ProtocolError if unfit."""
        self._session.submit(part, token, self._now())
        self._unflushed += 1
        if self._unflushed < _PARTS_A_WRITE:
            self._flush_soon()
        else:
            self._flush()

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> None:
        self._session.answer_delivery(delivery, stored=stored)
        self._flush_soon()

    def unbind(self) -> None:
        """Take leave of the carrier; `closed` follows."""
        self._session.unbind(self._now())
        self._flush_soon()

    def hold_reading(self) -> None:
        """Take nothing more from the socket: whoever stores the receipts is behind."""
        if self._deaf_since is None and self._transport is not None:
            self._deaf_since = self._clock()
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._deaf_since is not None and self._transport is not None:
            self._deaf_seconds += self._clock() - self._deaf_since
            self._deaf_since = None
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def give_up(self, reason: str) -> None:
        """End it now; what was written and not answered is in doubt."""
        self._tell(self._session.lost(reason))
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # With Nagle's algorithm a single message in flight waits for a delayed acknowledgement: 40 ms.
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._session.start(self._now())
        except ProtocolError as error:
            self.give_up(f"cannot bind: {error}")
            return
        self._flush()
        self._tick_later()

    def data_received(self, data: bytes) -> None:
        self._tell(self._session.receive(data, self._now()))
        self._flush()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tell(self._session.lost("connection lost" if exc is None else f"connection lost: {exc!r}"))
        self.closed.set_result(self._reason)

    # The rest.

    def _now(self) -> float:
        reading = self._clock() if self._deaf_since is None else self._deaf_since
        return reading - self._deaf_seconds

    def _tick_later(self) -> None:
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        self._tell(self._session.tick(self._now()))
        self._flush()
        if self._session.phase is not Phase.CLOSED:
            self._tick_later()

    def _flush_soon(self) -> None:
        """Everything that is submitted in one turn of the loop goes out in one write."""
        if not self._flush_waits:
            self._flush_waits = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        self._unflushed = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        octets = self._session.take_output()
        if octets:
            transport.write(octets)
        if self._session.phase is Phase.CLOSED:
            self._hang_up(transport)
        elif transport.get_write_buffer_size() > _MOST_UNREAD_OCTETS:
            self.give_up("the carrier does not read")

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Let the farewell go out, but do not wait for ever for a carrier that does not read."""
        transport.close()
        self._timer = self._loop.call_later(_LINGER_SECONDS, transport.abort)

    def _tell(self, events: list[Event]) -> None:
        if events and isinstance(events[-1], Closed):
            self._reason = events[-1].reason
        if events:
            self._on_events(self, events)
