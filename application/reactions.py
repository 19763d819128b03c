"""What follows from what: the pure table from facts to jobs. The log is the outbox; this reads it."""

from dataclasses import dataclass
from uuid import UUID

from domain.events.message import Accepted, DoubtResolved, SubmissionRefused
from domain.recorded import Recorded
from domain.values import Carrier, Lane

TOPICS = (Accepted.TOPIC, SubmissionRefused.TOPIC, DoubtResolved.TOPIC)
"""The facts that something follows from."""


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Hand this message to a link that serves its carrier, not before so many seconds from now."""

    message: UUID
    carrier: Carrier
    lane: Lane
    delay_seconds: int = 0
    accepted: Accepted | None = None
    """What the route is chosen by; None where the fact at hand does not say it."""


def jobs(recorded: Recorded) -> tuple[SubmitJob, ...]:
    """The jobs that follow from one fact; doing one twice is harmless."""
    match recorded.event:
        case Accepted() as event:
            return (SubmitJob(recorded.stream, event.carrier, event.lane, accepted=event),)
        case SubmissionRefused(retryable=True) as event:
            return (SubmitJob(recorded.stream, event.carrier, event.lane, 2**event.attempt),)
        case DoubtResolved(resend=True) as event:
            return (SubmitJob(recorded.stream, event.carrier, event.lane),)
        case _:
            return ()
