"""A long reply: parts come in any order, twice or never; the whole is there with the last of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from domain.events.reply import PartReceived, ReplyEvent, ReplyReceived
from domain.values import stream_id

JOIN_WITHIN = timedelta(hours=24)
"""A part that comes later belongs to another reply: phones count their references to 255 and begin again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as far as it came."""

    began_at: datetime
    parts: tuple[PartReceived, ...] = ()
    whole: bool = False

    def knows(self, identities: frozenset[str]) -> bool:
        """Whether a part that goes by any of these identities is there."""
        return any(part.identity in identities for part in self.parts)

    def misses(self, number: int, *, now: datetime) -> bool:
        """Whether a part of this number may still belong to it."""
        in_time = now - self.began_at <= JOIN_WITHIN
        return in_time and not self.whole and all(part.part != number for part in self.parts)

    @property
    def nearly_whole(self) -> bool:
        """One part more, and it is all there."""
        return bool(self.parts) and len(self.parts) + 1 == self.parts[0].parts


def part_row(stream: UUID, part: int) -> UUID:
    """The id under which a part of a long reply is sealed."""
    return stream_id("reply-part", stream.hex, part)


def evolve(state: Reply | None, event: ReplyEvent, at: datetime) -> Reply:
    """The reply after one more fact."""
    found = state or Reply(began_at=at)
    match event:
        case PartReceived():
            return replace(found, parts=(*found.parts, event))
        case ReplyReceived():
            return replace(found, whole=True)
        case _:
            assert_never(event)
