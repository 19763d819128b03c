"""The stored form of facts: one JSON object an event, envelope outside, fact inside. Upcasting lives here."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from eventsourcing.persistence import StoredEvent

from domain.events import TOPICS
from domain.recorded import Context, Recorded

Fact = TypeVar("Fact")


class Envelope(
    msgspec.Struct, Generic[Fact], omit_defaults=True, rename={"correlation": "cor", "causation": "cause"}
):
    """`{"at": …, "actor": …, "cor": …, "cause": …, "fact": {…}}`; times are UTC with microseconds."""

    at: datetime
    actor: str
    fact: Fact
    correlation: str = ""
    causation: str = ""


_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Envelope[Any]]] = {
    topic: msgspec.json.Decoder(Envelope[kind])  # type: ignore[valid-type]
    for topic, kind in TOPICS.items()
}


def encode(recorded: Recorded) -> bytes:
    """The state column of an event."""
    context = recorded.context
    return _encoder.encode(
        Envelope(
            at=recorded.at,
            actor=context.actor,
            fact=recorded.event,
            correlation=context.correlation,
            causation=context.causation,
        )
    )


def decode(stored: StoredEvent, position: int = 0) -> Recorded:
    """The event a stored row says. An unknown topic raises KeyError: a fact is never skipped in silence."""
    stream = cast("UUID", stored.originator_id)
    return decode_row(stream, stored.originator_version, stored.topic, stored.state, position)


def decode_row(stream: UUID, version: int, topic: str, state: bytes, position: int = 0) -> Recorded:
    """As `decode`, from the columns: a reader of many rows need not build the library's object for each."""
    envelope = _decoders[topic].decode(state)
    return Recorded(
        stream=stream,
        version=version,
        at=envelope.at,
        context=_context(envelope.actor, envelope.correlation, envelope.causation),
        event=envelope.fact,
        position=position,
    )


@lru_cache(maxsize=1_000)
def _context(actor: str, correlation: str, causation: str) -> Context:
    """Few actors write most events: one object serves them all."""
    return Context(actor=actor, correlation=correlation, causation=causation)
