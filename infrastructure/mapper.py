"""The stored form of facts: one JSON object an event, envelope outside, fact inside. Upcasting lives here."""

from datetime import datetime
from typing import Any, Generic, TypeVar

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
    envelope = _decoders[stored.topic].decode(stored.state)
    return Recorded(
        stream=stored.originator_id,  # type: ignore[arg-type]
        version=stored.originator_version,
        at=envelope.at,
        context=Context(actor=envelope.actor, correlation=envelope.correlation, causation=envelope.causation),
        event=envelope.fact,
        position=position,
    )
