"""One account of the simulated carrier: its sessions, what it has seen, and the receipts still owed to it."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Protocol

from infrastructure.simulator.script import Script

__all__ = ["Account", "Callback", "Counters", "Outcome", "Owed", "Receiver", "total"]

_REMEMBERED = 10_000


@dataclass(slots=True)
class Counters:
    """What the carrier has seen and done."""

    binds: int = 0
    submitted: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    silent: int = 0
    dropped: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    receipts_again: int = 0
    replies_sent: int = 0
    user_reports_sent: int = 0


def total(counters: Iterable[Counters]) -> Counters:
    """Return the sums."""
    counted = list(counters)
    return Counters(**{each.name: sum(getattr(of, each.name) for of in counted) for each in fields(Counters)})


@dataclass(frozen=True, slots=True, eq=False)
class Owed:
    """A delivery that the client has to acknowledge; `carrier_id` is empty for what is no receipt.

    `body` is written in the protocol of the carrier, but for its number, which comes with the sending.
    """

    carrier_id: str
    status: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a message that was taken, and when."""

    status: str
    error: str
    done_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Callback:
    """Where the carrier comes to a client with its receipts, and as whom (SGIP).

    A connection that ended is made again after `again_seconds`.
    """

    host: str = "127.0.0.1"
    port: int
    login: str
    password: str = field(repr=False)
    again_seconds: float = 0.1


class Receiver(Protocol):
    """A bound session that takes deliveries."""

    def takes(self) -> bool: ...
    def deliver(self, owed: Owed) -> None: ...


class Account:
    """Deliveries go to the bound receivers in turn; without one they wait, in order.

    With a `callback` only the carrier's own connections to the client receive.
    """

    def __init__(
        self, system_id: str, password: str, script: Script, callback: Callback | None = None
    ) -> None:
        self.system_id = system_id
        self.password = password
        self.script = script
        self.callback = callback
        self.submits = 0
        self.counters = Counters()
        self.sessions = self.most_sessions = 0
        """Connections by which the client submits: now, and at most at one time."""
        self.allowed_sessions = 0
        """How many it may have; 0 is no limit."""
        self.unbinds = 0
        """How many of them the client has ended politely."""
        self.receivers: deque[Receiver] = deque()
        self._waiting: deque[Owed] = deque()
        self._outcomes: dict[str, Outcome] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """It has as many sessions as it may have."""
        return 0 < self.allowed_sessions <= self.sessions

    def enter(self) -> None:
        """A session of the client more."""
        self.sessions += 1
        self.most_sessions = max(self.most_sessions, self.sessions)

    def deliver(self, owed: Owed) -> None:
        self._waiting.append(owed)
        self.pump()

    def again(self, owed: list[Owed]) -> None:
        """What was sent and not acknowledged goes first next time."""
        self._waiting.extendleft(reversed(owed))

    def remember(self, carrier_id: str, outcome: Outcome) -> None:
        """Keep what becomes of a message for whoever asks; of many the newest only."""
        self._outcomes[carrier_id] = outcome
        if len(self._outcomes) > _REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]

    def recall(self, carrier_id: str) -> Outcome | None:
        """Return what becomes of a message, by the id of its answer."""
        return self._outcomes.get(carrier_id)

    def reset(self) -> None:
        """Count from nothing again; with it the dice that go by the count of submits begin anew."""
        self.counters = Counters()
        self.submits = 0

    def pump(self) -> None:
        """Hand waiting deliveries to whoever takes them."""
        while self._waiting:
            receiver = self._next_receiver()
            if receiver is None:
                return
            receiver.deliver(self._waiting.popleft())

    def _next_receiver(self) -> Receiver | None:
        for _ in range(len(self.receivers)):
            receiver = self.receivers[0]
            self.receivers.rotate(-1)
            if receiver.takes():
                return receiver
        return None
