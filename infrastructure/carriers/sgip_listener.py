"""Where China Unicom's gateways come to us: one port for several carriers, told apart by their logins."""

import asyncio
import hmac
import logging
import socket
from dataclasses import dataclass, field
from typing import cast

from infrastructure.carriers.dialect import Delivery
from infrastructure.carriers.intake import Intake
from infrastructure.carriers.session import Closed, Delivered
from infrastructure.carriers.sgip_inbound import (
    ADMITTED,
    LOGIN_REFUSED,
    TOO_MANY_CONNECTIONS,
    Admitted,
    InboundEvent,
    InboundSession,
)
from infrastructure.carriers.traffic import LinkSettings

__all__ = ["SgipListener", "SgipListeners"]

_LOGIN_SECONDS = 30.0
_IDLE_SECONDS = 600.0
_LINGER_SECONDS = 1.0
_ARRIVAL_SECONDS = 0.05
_MOST_STRANGERS = 100
_MOST_CONNECTIONS = 60
"""Of one login, as the gateways themselves allow (SGIP 1.3)."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Guest:
    """A carrier that may come in, and its connections that are in."""

    password: str = field(repr=False)
    intake: Intake
    visits: set["_Visit"] = field(default_factory=set)
    turned_away: bool = False
    """Whoever came last under its login had another password."""


class SgipListener:
    """Listens from `open` to `close`; `admit` carriers at any time. Port 0 takes a free one, see `port`.

    Whatever a carrier sends is put into the intake it was admitted with, and acknowledged when that has
    stored it. Everything runs in one event loop and one thread.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        login_seconds: float = _LOGIN_SECONDS,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self.port = port
        self.login_seconds = login_seconds
        self.idle_seconds = idle_seconds
        self._host = host
        self._server: asyncio.Server | None = None
        self._guests: dict[str, _Guest] = {}
        # A dictionary keeps the order in which they came.
        self._strangers: dict[_Visit, None] = {}

    async def open(self) -> None:
        """Listen; raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Visit(self), self._host or None, self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening and hang up: what was not acknowledged comes again."""
        if self._server is not None:
            self._server.close()
        for login in list(self._guests):
            self.dismiss(login)
        for stranger in list(self._strangers):
            stranger.abort()

    def admit(self, login: str, password: str, intake: Intake) -> None:
        """Let a carrier in from now on; raises ValueError for a login that is taken, or a door without a key."""
        if not (login and password) or login in self._guests:
            raise ValueError("another link has this login there, or login or password is empty")
        self._guests[login] = _Guest(password, intake)

    async def finish(self, login: str) -> None:
        """Take nothing more of a carrier; return when all that it brought is answered and the answers are there."""
        guest = self._guests[login]
        for visit in guest.visits:
            visit.take_no_more()
        for visit in list(guest.visits):
            await guest.intake.drained(visit)
        await asyncio.sleep(_ARRIVAL_SECONDS)

    def is_turned_away(self, login: str) -> bool:
        """Whether a carrier keeps coming with a wrong password, and has no connection with the right one."""
        guest = self._guests[login]
        return guest.turned_away and not guest.visits

    def dismiss(self, login: str) -> None:
        """Let the carrier in no more, and end its connections."""
        guest = self._guests.pop(login, None)
        for visit in list(guest.visits) if guest is not None else ():
            visit.abort()

    @property
    def empty(self) -> bool:
        """Nobody may come in."""
        return not self._guests

    # What the connections need.

    def check(self, login: str, password: str) -> int:
        """Return the result of a bind; how long it takes says nothing about the password.

        Blanks at the end of a password count for nothing, since some gateways pad with them.
        """
        guest = self._guests.get(login)
        expected = "" if guest is None else guest.password
        said, kept = password.rstrip().encode("latin-1"), expected.rstrip().encode("utf-8")
        right = hmac.compare_digest(said, kept)
        if guest is not None:
            guest.turned_away = not right
        if guest is None or not right:
            # The name could be anything, so it is not written down.
            _log.warning("sgip listener: a login was refused: unknown name or wrong password")
            return LOGIN_REFUSED
        return TOO_MANY_CONNECTIONS if len(guest.visits) >= _MOST_CONNECTIONS else ADMITTED

    def arrive(self, visit: "_Visit") -> None:
        """Note a connection. Of too many that have not said who they are the first goes: a carrier says it at once."""
        self._strangers[visit] = None
        if len(self._strangers) > _MOST_STRANGERS:
            next(iter(self._strangers)).abort()

    def seat(self, visit: "_Visit", login: str) -> Intake:
        """Return where the deliveries of a connection that logged in go."""
        guest = self._guests[login]
        self._strangers.pop(visit, None)
        guest.visits.add(visit)
        _log.info("sgip listener: %s came in", login)
        return guest.intake

    def forget(self, visit: "_Visit", login: str) -> None:
        self._strangers.pop(visit, None)
        if login in self._guests:
            self._guests[login].visits.discard(visit)


class _Visit(asyncio.Protocol):
    """One connection of a carrier: the socket around an InboundSession."""

    def __init__(self, listener: SgipListener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._session = InboundSession(
            listener.check,
            now=self._loop.time(),
            login_seconds=listener.login_seconds,
            idle_seconds=listener.idle_seconds,
        )
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._login = ""
        self._intake: Intake | None = None
        self._flush_waits = False
        self._held = False
        self._congested = False
        self._takes = True

    # What the intake calls.

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> None:
        self._tell(self._session.answer_delivery(delivery, stored=stored))
        if not self._flush_waits:
            self._flush_waits = True
            self._loop.call_soon(self._flush)

    def hold_reading(self) -> None:
        self._held = True
        self._read_or_not()

    def resume_reading(self) -> None:
        self._held = False
        self._read_or_not()

    def take_no_more(self) -> None:
        """What comes from now on is to come again. It is read all the same: to hang up on what nobody has read is a
        reset, which overtakes the answers to what was stored."""
        self._takes = False

    def abort(self) -> None:
        """End it now."""
        self._tell(self._session.lost("given up"))
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _notice_the_dead(connection)
        self._listener.arrive(self)
        self._tick_later()

    def data_received(self, data: bytes) -> None:
        self._tell(self._session.receive(data, self._loop.time()))
        self._flush()

    def pause_writing(self) -> None:
        """Who does not read our answers is not listened to either."""
        self._congested = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._congested = False
        self._read_or_not()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        self._tell(self._session.lost("connection lost"))
        if self._timer is not None:
            self._timer.cancel()

    # The rest.

    def _tell(self, events: list[InboundEvent]) -> None:
        for event in events:
            match event:
                case Admitted(login):
                    self._login = login
                    self._intake = self._listener.seat(self, login)
                    self._intake.join(self)
                case Delivered(delivery) if not self._takes:
                    self.answer_delivery(delivery, stored=False)
                case Delivered(delivery) if self._intake is not None:
                    self._intake.put(self, delivery)
                case Closed(reason):
                    self._leave(reason)

    def _leave(self, reason: str) -> None:
        _log.info("sgip listener: a connection of '%s' ended: %s", self._login, reason)
        self._listener.forget(self, self._login)
        if self._intake is not None:
            self._intake.leave(self)

    def _tick_later(self) -> None:
        self._timer = self._loop.call_at(self._session.deadline, self._tick)

    def _tick(self) -> None:
        self._tell(self._session.tick(self._loop.time()))
        self._flush()
        if not self._session.closed:
            self._tick_later()

    def _read_or_not(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._held or self._congested:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _flush(self) -> None:
        self._flush_waits = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        octets = self._session.take_output()
        if octets:
            transport.write(octets)
        if self._session.closed:
            transport.close()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(_LINGER_SECONDS, transport.abort)


def _notice_the_dead(connection: socket.socket) -> None:
    """SGIP has no question for a sign of life, so TCP asks: dead connections would use up what a login may have."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class SgipListeners:
    """The listeners of a process by their addresses: opened for the first link that needs one, closed by the last."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], SgipListener] = {}
        self._opening = asyncio.Lock()

    async def join(self, settings: LinkSettings, intake: Intake) -> None:
        """Let the link's carrier in; raises OSError when the port, ValueError when the login is taken."""
        address = (settings.listener_host, settings.listener_port)
        async with self._opening:
            listener = self._open.get(address)
            if listener is None:
                listener = SgipListener(host=settings.listener_host, port=settings.listener_port)
                await listener.open()
                self._open[address] = listener
        try:
            listener.admit(settings.listener_login, settings.listener_password, intake)
        finally:
            self._close_if_empty(address)

    async def finish(self, settings: LinkSettings) -> None:
        """Answer what the link's carrier brought, and read nothing more of it; only for a link that has joined."""
        await self._open[settings.listener_host, settings.listener_port].finish(settings.listener_login)

    def is_turned_away(self, settings: LinkSettings) -> bool:
        """Whether the link's carrier comes with a wrong password; only for a link that has joined."""
        listener = self._open[settings.listener_host, settings.listener_port]
        return listener.is_turned_away(settings.listener_login)

    def leave(self, settings: LinkSettings) -> None:
        """Let the link's carrier in no more; only for a link that has joined."""
        address = (settings.listener_host, settings.listener_port)
        self._open[address].dismiss(settings.listener_login)
        self._close_if_empty(address)

    def _close_if_empty(self, address: tuple[str, int]) -> None:
        if self._open[address].empty:
            self._open.pop(address).close()
