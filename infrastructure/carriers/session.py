"""The life of one connection to a carrier, without socket and clock: driven by octets and by the time.

One engine for every protocol: a `Dialect` says what to write and what a heard PDU means; window, response
timers, keep-alive, bind and unbind are here. Times are seconds of any clock that only goes forward.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto

from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Dialect,
    Heard,
    KeepAliveAsked,
    Noise,
    Rejected,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
)
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.traffic import Answer, InDoubt, NotSent, Part, Refused

__all__ = [
    "IDLE",
    "Answered",
    "BindRefused",
    "Bound",
    "Closed",
    "Delivered",
    "Event",
    "Limits",
    "Phase",
    "Session",
]

IDLE = "idle"
"""Why a session without keep-alive ended of its own accord: the next one can begin at once."""

_REMEMBERED_LATE_PARTS = 10_000
_UNBOUND = "unbound by the carrier"
_LET_GO = "unbound"
_FAREWELL_SECONDS = 2.0
"""How long a carrier that takes leave may still answer what it has been sent."""
_QUIET_SECONDS = 5.0
"""A carrier that takes leave after so long a silence found us idle; one that is quicker does not want us."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Parts can be submitted from now on."""


@dataclass(frozen=True, slots=True)
class BindRefused:
    """The carrier does not let us in; followed by Closed."""

    code: str
    bad_credentials: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a submitted part; `late` = it had been given up as in doubt before."""

    token: Hashable
    answer: Answer
    late: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """A receipt or reply came; give it to `answer_delivery` when it is stored or cannot be."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: write what is left of the output and close the connection."""

    reason: str


Event = Bound | BindRefused | Answered | Delivered | Closed


class Phase(Enum):
    """The stations of a session, in this order."""

    NEW = auto()
    BINDING = auto()
    BOUND = auto()
    UNBINDING = auto()
    CLOSED = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """`window` = parts that may wait for an answer; `keep_alive_limit` = unanswered questions that end it."""

    window: int
    response_seconds: float
    keep_alive_seconds: float
    keep_alive_limit: int = 3


class Session:
    """Call `start` once, `receive` with what came, `tick` now and then; send what `take_output` gives.

    `receive`, `tick` and `lost` return what happened, in order. After Closed nothing happens any more.
    """

    def __init__(self, dialect: Dialect, limits: Limits) -> None:
        self.phase = Phase.NEW
        self._dialect = dialect
        self._limits = limits
        self._framer = dialect.framer()
        self._output: list[bytes] = []
        self._sequences = dialect.sequences()
        self._spare: int | None = None
        # A dictionary keeps the order of sending, so the oldest deadline is always the first one.
        self._pending: dict[int, tuple[Hashable, float]] = {}
        self._unwritten: set[int] = set()
        self._late: OrderedDict[int, Hashable] = OrderedDict()
        self._phase_sequence = 0
        self._phase_deadline = 0.0
        self._ask_at = 0.0
        self._heard_at = 0.0
        self._quiet_seconds = 0.0
        self._unanswered_asks = 0
        self._renewing = False
        self._farewell: bytes | None = None
        self._owed = 0
        self._let_go = False

    @property
    def pending(self) -> int:
        """The number of parts that wait for an answer."""
        return len(self._pending)

    @property
    def free(self) -> int:
        """The number of parts that can be submitted now."""
        return self._limits.window - len(self._pending) if self.phase is Phase.BOUND else 0

    @property
    def renewing(self) -> bool:
        """It takes leave, or has taken it, only to make room for the next session."""
        return self._renewing

    def start(self, now: float) -> None:
        """Ask to be let in."""
        self._heard_at = now
        self._phase_sequence = self._next_sequence()
        self._enter(Phase.BINDING, now)
        self._output.append(self._dialect.bind(self._phase_sequence))

    def submit(self, part: Part, token: Hashable, now: float) -> None:
        """Send one part; `token` comes back in Answered.

        Raises ProtocolError, and sends nothing, if the part fits no PDU.
        """
        if self.free <= 0:
            raise RuntimeError("submit without a free place in the window")
        sequence = self._next_sequence()
        try:
            self._output.append(self._dialect.submit(sequence, part))
        except ProtocolError:
            self._spare = sequence
            raise
        self._pending[sequence] = (token, now + self._limits.response_seconds)
        self._unwritten.add(sequence)

    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> None:
        """Acknowledge a receipt or reply, or (not `stored`) ask for it again; nothing on a closed session."""
        self._owed -= 1
        if self.phase is not Phase.CLOSED:
            self._output.append(self._dialect.answer_delivery(delivery, stored=stored))

    def unbind(self, now: float) -> None:
        """Take leave; Closed follows with the answer, or without one after the response time."""
        if self.phase is not Phase.BOUND:
            return
        self._enter(Phase.UNBINDING, now)
        self._phase_sequence = self._next_sequence()
        self._output.append(self._dialect.unbind(self._phase_sequence))

    def take_output(self) -> bytes:
        """Return the octets to write now. What was taken counts as sent: without an answer it is in doubt."""
        octets = b"".join(self._output)
        self._output.clear()
        self._unwritten.clear()
        return octets

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take what came from the carrier, in whatever pieces."""
        events: list[Event] = []
        try:
            for frame in self._framer.feed(data):
                if self.phase is Phase.CLOSED:
                    break
                self._ask_at = now + self._limits.keep_alive_seconds
                self._quiet_seconds, self._heard_at = now - self._heard_at, now
                self._unanswered_asks = 0
                self._hear(self._dialect.hear(frame), now, events)
        except ProtocolError:
            self._close("garbage on the wire", events)
        return events

    def tick(self, now: float) -> list[Event]:
        """Let the time pass: answers overdue, keep-alive, bind and unbind unanswered."""
        events: list[Event] = []
        if self._farewell is not None and now >= self._phase_deadline:
            self._close(_UNBOUND, events, farewell=self._farewell)
        elif self._let_go and (self._owed <= 0 or now >= self._phase_deadline):
            self._close(self._ours, events)
        elif self.phase in (Phase.BINDING, Phase.UNBINDING) and now >= self._phase_deadline:
            word = "bind" if self.phase is Phase.BINDING else "unbind"
            self._close(f"{word} unanswered", events)
        elif self.phase in (Phase.BOUND, Phase.UNBINDING):
            self._give_up_overdue(now, events)
            if self.phase is Phase.BOUND:
                self._keep_alive(now, events)
        return events

    def lost(self, reason: str) -> list[Event]:
        """The connection is gone, or is given up."""
        events: list[Event] = []
        if self._farewell is not None:
            reason = _UNBOUND
        elif self._let_go:
            reason = _LET_GO
        self._close(IDLE if self._renewing else reason, events)
        return events

    def _next_sequence(self) -> int:
        """A number that a part had which was never written comes first: there are carriers that miss one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            return spare
        while True:
            sequence = next(self._sequences)
            if sequence not in self._pending:
                self._late.pop(sequence, None)
                return sequence

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self._phase_deadline = now + self._limits.response_seconds
        self._ask_at = now + self._limits.keep_alive_seconds

    def _hear(self, heard: Heard, now: float, events: list[Event]) -> None:
        match heard:
            case SubmitAnswered():
                self._submit_answered(heard.sequence, heard.answer, events)
            case Delivery():
                self._owed += 1
                events.append(Delivered(heard))
            case KeepAliveAsked() | Noise():
                self._output.append(heard.answer)
            case BindAnswered():
                self._bind_answered(heard, events)
            case Rejected():
                self._rejected(heard, now, events)
            case UnbindAsked():
                self._unbind_asked(heard.answer, now, events)
            case UnbindAnswered():
                if self.phase is Phase.UNBINDING:
                    self._unbound(now, events)

    @property
    def _ours(self) -> str:
        """Why it ends when we took leave."""
        return IDLE if self._renewing else _LET_GO

    def _unbound(self, now: float, events: list[Event]) -> None:
        """What the carrier brought before it let us go has its answer yet: many hang up only after us."""
        if self._owed <= 0:
            self._close(self._ours, events)
        elif not self._let_go:
            self._let_go = True
            self._phase_deadline = now + min(_FAREWELL_SECONDS, self._limits.response_seconds)

    def _submit_answered(self, sequence: int, answer: Answer, events: list[Event]) -> None:
        found = self._pending.pop(sequence, None)
        if found is not None:
            events.append(Answered(found[0], answer))
        elif sequence in self._late:
            events.append(Answered(self._late.pop(sequence), answer, late=True))
        if self._farewell is not None and not self._pending:
            self._close(_UNBOUND, events, farewell=self._farewell)

    def _unbind_asked(self, farewell: bytes, now: float, events: list[Event]) -> None:
        """The farewell waits a moment for the answers that are on their way: without them parts are in doubt."""
        if self.phase is not Phase.BINDING:
            self._take_back(_UNBOUND, events)
        if self._pending and self._farewell is None:
            self._farewell = farewell
            self.phase = Phase.UNBINDING
            self._phase_deadline = now + min(_FAREWELL_SECONDS, self._limits.response_seconds)
        else:
            idle = self._renewing or self._found_idle()
            self._close(IDLE if idle else _UNBOUND, events, farewell=farewell)

    def _found_idle(self) -> bool:
        """Without keep-alives a carrier ends what is idle, and the next session can begin at once."""
        quiet = self.phase is Phase.BOUND and self._quiet_seconds >= _QUIET_SECONDS
        return quiet and self._dialect.keep_alive(self._next_sequence()) is None

    def _bind_answered(self, heard: BindAnswered, events: list[Event]) -> None:
        """Anything else may come before the answer to the bind, and only the answer to ours counts."""
        if self.phase is not Phase.BINDING or heard.sequence != self._phase_sequence:
            return
        if heard.refusal:
            events.append(BindRefused(heard.refusal, heard.bad_credentials))
            self._close(f"bind refused: {heard.refusal}", events)
        else:
            self.phase = Phase.BOUND
            events.append(Bound())

    def _rejected(self, heard: Rejected, now: float, events: list[Event]) -> None:
        if self.phase is Phase.BINDING and heard.sequence in (0, self._phase_sequence):
            self._bind_answered(BindAnswered(self._phase_sequence, heard.code), events)
        elif self.phase is Phase.UNBINDING and heard.sequence == self._phase_sequence:
            self._unbound(now, events)
        else:
            refused = Refused(heard.code, heard.retryable, heard.throttled)
            self._submit_answered(heard.sequence, refused, events)

    def _give_up_overdue(self, now: float, events: list[Event]) -> None:
        while self._pending:
            sequence = next(iter(self._pending))
            token, deadline = self._pending[sequence]
            if deadline > now:
                return
            del self._pending[sequence]
            self._late[sequence] = token
            if len(self._late) > _REMEMBERED_LATE_PARTS:
                self._late.popitem(last=False)
            events.append(Answered(token, InDoubt("no answer in time")))

    def _keep_alive(self, now: float, events: list[Event]) -> None:
        if now < self._ask_at:
            return
        if self._unanswered_asks >= self._limits.keep_alive_limit:
            self._close("keep-alive unanswered", events)
            return
        question = self._dialect.keep_alive(self._next_sequence())
        if question is None:
            self._renew(now, events)
            return
        self._unanswered_asks += 1
        self._ask_at = now + min(self._limits.keep_alive_seconds, self._limits.response_seconds)
        self._output.append(question)

    def _renew(self, now: float, events: list[Event]) -> None:
        """Leave an idle connection before the carrier does, who might close it over a part on its way.

        With parts on their way it is not idle; where their answers stay away, and every other word, it is dead.
        """
        limits = self._limits
        self._ask_at = now + min(limits.keep_alive_seconds, limits.response_seconds)
        if self.phase is not Phase.BOUND:
            return
        if not self._pending:
            self._renewing = True
            self.unbind(now)
        elif now - self._heard_at >= limits.keep_alive_seconds + limits.response_seconds:
            self._close("answers stay away", events)

    def _close(self, reason: str, events: list[Event], *, farewell: bytes = b"") -> None:
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self._renewing = reason == IDLE
        written = [token for sequence, (token, _) in self._pending.items() if sequence not in self._unwritten]
        events += [Answered(token, InDoubt(reason)) for token in written]
        self._take_back(reason, events)
        self._output.append(farewell)
        self._pending.clear()
        events.append(Closed(reason))

    def _take_back(self, reason: str, events: list[Event]) -> None:
        """What is reported as not sent must not go out any more."""
        if self._unwritten:
            self._output.clear()
        for sequence in [each for each in self._pending if each in self._unwritten]:
            token, _ = self._pending.pop(sequence)
            events.append(Answered(token, NotSent(reason)))
        self._unwritten.clear()
