"""The carrier's own SGIP connection to us, over which it brings receipts and replies, without socket and clock.

The carrier is the client here: it binds, sends and unbinds, and we do nothing but answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from infrastructure.carriers import sgip
from infrastructure.carriers.dialect import Delivery, Noise, UnbindAsked
from infrastructure.carriers.framing import Framer, ProtocolError
from infrastructure.carriers.session import Closed, Delivered
from infrastructure.carriers.sgip_dialect import answer_to, said_by_carrier, unknown_command
from infrastructure.carriers.sgip_pdus import Bind, BindResp, Pdu

__all__ = [
    "ADMITTED",
    "LOGIN_REFUSED",
    "TOO_MANY_CONNECTIONS",
    "Admitted",
    "InboundEvent",
    "InboundSession",
]

ADMITTED, LOGIN_REFUSED, TOO_MANY_CONNECTIONS = 0, 1, 3
"""What a check of a login says: results of a bind."""

_REPEATED_LOGIN, _WRONG_LOGIN_TYPE, _REPEATED_SEQUENCE = 2, 4, 9
_CARRIER_COMES = 2


@dataclass(frozen=True, slots=True)
class Admitted:
    """The carrier of this login is in: its deliveries follow."""

    login: str


InboundEvent = Admitted | Delivered | Closed


class InboundSession:
    """`receive`, `tick` and `lost` return what happened, in order; send what `take_output` gives.

    `check` gets login and password and returns the result of the bind. Who has not logged in within
    `login_seconds`, or says nothing for `idle_seconds`, has to go: `deadline` says when, in seconds of the
    clock of `now`. After Closed nothing happens any more.
    """

    def __init__(
        self,
        check: Callable[[str, str], int],
        *,
        now: float,
        login_seconds: float,
        idle_seconds: float,
    ) -> None:
        self.deadline = now + login_seconds
        self.closed = False
        self._check = check
        self._idle_seconds = idle_seconds
        self._framer = Framer(shortest=sgip.HEADER_OCTETS, longest=sgip.LONGEST_PDU)
        self._admitted = False
        self._unanswered: dict[tuple[int, int], Delivery] = {}
        self._farewell: UnbindAsked | None = None
        self._output: list[bytes] = []

    def receive(self, data: bytes, now: float) -> list[InboundEvent]:
        """Take what came from the carrier, in whatever pieces."""
        events: list[InboundEvent] = []
        try:
            for frame in self._framer.feed(data):
                if self.closed or self._farewell is not None:
                    continue
                self._hear(frame, events)
                if self._admitted:
                    self.deadline = now + self._idle_seconds
        except ProtocolError:
            self._close("garbage on the wire", events)
        return events

    def tick(self, now: float) -> list[InboundEvent]:
        """Let the time pass."""
        events: list[InboundEvent] = []
        if now >= self.deadline:
            self._close("idle" if self._admitted else "no login", events)
        return events

    def lost(self, reason: str) -> list[InboundEvent]:
        """The connection is gone, or is given up."""
        events: list[InboundEvent] = []
        self._close(reason, events)
        return events

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> list[InboundEvent]:
        """Acknowledge a receipt or reply, or (not `stored`) ask for it again; nothing on a closed session."""
        events: list[InboundEvent] = []
        if not self.closed:
            self._output.append(answer_to(delivery, stored=stored))
            self._unanswered.pop((delivery.tag, delivery.sequence), None)
            self._let_go(events)
        return events

    def take_output(self) -> bytes:
        """Return the octets to write now."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    def _hear(self, frame: bytes, events: list[InboundEvent]) -> None:
        pdu, unknown = _read(frame)
        if isinstance(pdu, Bind):
            self._bind(pdu, events)
        elif not self._admitted:
            self._output.append(sgip.refusal(frame, LOGIN_REFUSED))
            self._close("a command before the login", events)
        elif pdu is None:
            self._output.append(unknown)
        else:
            self._obey(pdu, frame, events)

    def _bind(self, pdu: Bind, events: list[InboundEvent]) -> None:
        result = self._result(pdu)
        self._output.append(sgip.encode(BindResp(sequence=pdu.sequence, result=result)))
        if result == ADMITTED:
            self._admitted = True
            events.append(Admitted(pdu.name.rstrip()))
        elif not self._admitted:
            self._close(f"login refused: {result}", events)

    def _result(self, pdu: Bind) -> int:
        if self._admitted:
            return _REPEATED_LOGIN
        if pdu.login_type != _CARRIER_COMES:
            return _WRONG_LOGIN_TYPE
        return self._check(pdu.name.rstrip(), pdu.password)

    def _obey(self, pdu: Pdu, frame: bytes, events: list[InboundEvent]) -> None:
        match said_by_carrier(pdu):
            case Delivery() as delivery:
                self._take(delivery, frame, events)
            case Noise(answer):
                self._output.append(answer)
            case UnbindAsked() as farewell:
                self._farewell = farewell
                self._let_go(events)
            case None:
                self._output.append(sgip.refusal(frame, sgip.BAD_COMMAND))

    def _take(self, delivery: Delivery, frame: bytes, events: list[InboundEvent]) -> None:
        """A command that is repeated while it waits has one answer, one of another content an error."""
        waiting = self._unanswered.setdefault((delivery.tag, delivery.sequence), delivery)
        if waiting is delivery:
            events.append(Delivered(delivery))
        elif waiting != delivery:
            self._output.append(sgip.refusal(frame, _REPEATED_SEQUENCE))

    def _let_go(self, events: list[InboundEvent]) -> None:
        """A carrier that leaves before it has our answers gets them first, else it would bring everything again."""
        if self._farewell is not None and not self._unanswered:
            self._output.append(self._farewell.answer)
            self._close("unbound by the carrier", events)

    def _close(self, reason: str, events: list[InboundEvent]) -> None:
        if not self.closed:
            self.closed = True
            events.append(Closed(reason))


def _read(frame: bytes) -> tuple[Pdu | None, bytes]:
    """Return the PDU, or None and what to answer where nobody knows it; raises ProtocolError where it is broken."""
    try:
        return sgip.decode(frame), b""
    except ProtocolError as error:
        return None, unknown_command(frame, error).answer
