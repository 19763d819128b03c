"""What the session engine needs from a protocol: the words to say, and the meaning of the PDUs it hears."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from infrastructure.carriers.framing import Framer
from infrastructure.carriers.traffic import Answer, Part, Receipt, Reply

__all__ = [
    "BindAnswered",
    "Delivery",
    "Dialect",
    "Heard",
    "KeepAliveAsked",
    "Noise",
    "Rejected",
    "SubmitAnswered",
    "UnbindAnswered",
    "UnbindAsked",
    "sequences_to",
]


@dataclass(frozen=True, slots=True)
class BindAnswered:
    """The carrier's answer to our bind; `refusal` is its code, empty when we are in.

    `again` says that the next bind will be worded otherwise, because of this refusal: it is worth a connection.
    `note` is what an operator should know though we are in, in words.
    """

    sequence: int
    refusal: str = ""
    bad_credentials: bool = False
    again: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class SubmitAnswered:
    """The carrier's answer to one part."""

    sequence: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Delivery:
    """A receipt or reply that waits for our answer; `tag` is the dialect's own note for that answer."""

    sequence: int
    content: Receipt | Reply
    tag: int = 0


@dataclass(frozen=True, slots=True)
class KeepAliveAsked:
    """The carrier wants to know whether we live; `answer` are the octets that say so."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class UnbindAsked:
    """The carrier leaves; `answer` are the octets of our farewell."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class UnbindAnswered:
    """The carrier lets us go."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The carrier could not read the PDU that had this sequence number, or any at all (0)."""

    sequence: int
    code: str
    retryable: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing that concerns us but a sign of life; `answer` may be an error for the carrier."""

    answer: bytes = b""


Heard = (
    BindAnswered
    | SubmitAnswered
    | Delivery
    | KeepAliveAsked
    | UnbindAsked
    | UnbindAnswered
    | Rejected
    | Noise
)


class Dialect(Protocol):
    """A protocol's words; `submit` raises ProtocolError for a part that does not fit.

    `sequences` gives the numbers of what one connection sends; those still in use are passed over.
    `keep_alive` is None where the protocol has no such question: an idle connection is then renewed.
    `hear` raises ProtocolError only where the protocol wants the connection closed for what came.
    """

    def framer(self) -> Framer: ...
    def sequences(self) -> Iterator[int]: ...
    def bind(self, sequence: int) -> bytes: ...
    def submit(self, sequence: int, part: Part) -> bytes: ...
    def keep_alive(self, sequence: int) -> bytes | None: ...
    def unbind(self, sequence: int) -> bytes: ...
    def answer_delivery(self, delivery: Delivery, *, stored: bool) -> bytes: ...
    def hear(self, frame: bytes) -> Heard: ...


def sequences_to(last: int, *, lowest: int = 1, first: int = 1) -> Iterator[int]:
    """Count from `first` to `last`, and from `lowest` again, for ever."""
    yield from range(first, last + 1)
    while True:
        yield from range(lowest, last + 1)
