"""What the simulated carrier needs from a protocol: what a client's PDU asks, and the octets of each answer.

Beside every dialect of infrastructure.carriers stands a speech here; what a carrier does (fates, delays,
receipts that are owed) is the same for all of them and lives in peer.py and server.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from domain.events.link import Direction
from infrastructure.simulator.account import Outcome, Owed
from infrastructure.simulator.script import Codes, PlannedReceipt, Script

__all__ = [
    "Acked",
    "CallingSpeech",
    "Codes",
    "Condition",
    "Entry",
    "Farewell",
    "Heard",
    "Login",
    "QueriedSpeech",
    "Query",
    "Said",
    "Speech",
    "Submit",
    "SubscribersSpeech",
    "Welcome",
]


Condition = Literal["cancelled", "suspended", "normal"]
"""What became of a subscriber."""


@dataclass(frozen=True, slots=True)
class Login:
    """A client wants in: `proves` tells whether it knows the secret; `note` is the speech's, for the answer.

    A `status` other than 0 is a refusal that needs no secret, a version that is not spoken for example.
    """

    sequence: int
    account: str
    proves: Callable[[str], bool] = field(repr=False)
    receives: bool = True
    submits: bool = True
    status: int = 0
    note: object = field(default=None, repr=False)

    @property
    def direction(self) -> Direction:
        """What the client wants to do."""
        if self.receives and self.submits:
            return "both"
        return "send" if self.submits else "receive"


@dataclass(frozen=True, slots=True)
class Submit:
    """A part to carry; `receipts` are those that the client asked for, `note` is the speech's own.

    `udh` says that the payload begins with a user data header.
    """

    sequence: int
    destination: str = field(repr=False)
    payload: bytes = field(repr=False)
    receipts: Literal["always", "failures", "never"] = "always"
    note: object = field(default=None, repr=False)
    udh: bool = False


@dataclass(frozen=True, slots=True)
class Acked:
    """The client has (`status` 0) or refuses the delivery of this number."""

    sequence: int
    status: int


@dataclass(frozen=True, slots=True)
class Farewell:
    """The client goes, or lets us go: say the `answer` and hang up."""

    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Said:
    """Something that changes nothing: a question for a sign of life, a PDU that cannot be read."""

    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Query:
    """The client asks what became of the message to which we gave this id."""

    sequence: int
    carrier_id: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The client's answer to a carrier that came to it; `status` 0 lets it in."""

    status: int


Heard = Login | Submit | Acked | Farewell | Said | Query | Welcome


class Entry(NamedTuple):
    """The protocol's codes for who may not come in, or not yet, or not so; already = a second login."""

    unknown_account: int
    wrong_secret: int
    already: int
    wrong_state: int
    not_so: int


class Speech(Protocol):
    """A carrier's side of a protocol, without state: one serves every connection of a simulator.

    `split` raises WireError when the octets are out of step for good; `hear` never raises. `deliver` gives
    the octets of something owed, numbered by us from 1 to `last_sequence`; Acked brings that number back.
    """

    codes: Codes
    entry: Entry
    last_sequence: int

    def split(self, buffer: bytearray) -> list[bytes]: ...
    def hear(self, frame: bytes) -> Heard: ...
    def login_answer(self, login: Login, status: int, secret: str) -> bytes: ...
    def submit_answer(self, submit: Submit, status: int, carrier_id: str) -> bytes: ...

    def ids(self, submit: Submit, number: int, script: Script) -> tuple[str, str]:
        """Return the id as the answer writes it and as the receipt does; `number` never comes again."""
        ...

    def receipt(self, submit: Submit, carrier_id: str, planned: PlannedReceipt) -> Owed: ...
    def reply(self, *, phone: str, to: str, payload: bytes, data_coding: int, udh: bool) -> Owed: ...
    def deliver(self, sequence: int, owed: Owed) -> bytes: ...
    def leave(self, sequence: int) -> bytes: ...


@runtime_checkable
class CallingSpeech(Speech, Protocol):
    """A protocol in which the carrier comes to its clients."""

    def call(self, sequence: int, *, login: str, password: str) -> bytes: ...


@runtime_checkable
class QueriedSpeech(Speech, Protocol):
    """A protocol in which clients ask for the state of a message; `unknown_message` is the code for no such one."""

    unknown_message: int

    def query_answer(self, query: Query, status: int, outcome: Outcome | None) -> bytes: ...


@runtime_checkable
class SubscribersSpeech(Speech, Protocol):
    """A protocol in which the carrier tells what became of a subscriber."""

    def user_report(self, *, phone: str, condition: Condition) -> Owed: ...
