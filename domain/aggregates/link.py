"""Links: where a carrier is reached and whether messages are routed there."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.events.link import (
    Broken,
    Configured,
    Connected,
    Disabled,
    Draining,
    Enabled,
    LinkEvent,
    Lost,
    Mended,
)
from domain.values import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as it stands."""

    configured: Configured
    enabled: bool = False
    draining: bool = False
    begun_at: datetime | None = None
    """When it was last configured or enabled: what was known of it before says little now."""

    @property
    def name(self) -> str:
        """The link's name."""
        return self.configured.name

    def serves(self, carrier: Carrier) -> bool:
        """Whether messages to this carrier's numbers may take it now."""
        return self.enabled and not self.draining and carrier in self.configured.carriers

    def configure(self, configured: Configured) -> tuple[LinkEvent, ...]:
        """Change how it is reached; nothing to do where nothing changes."""
        return () if configured == self.configured else (configured,)

    def enable(self) -> tuple[LinkEvent, ...]:
        """Route messages to it."""
        return () if self.enabled and not self.draining else (Enabled(),)

    def drain(self, *, reason: str) -> tuple[LinkEvent, ...]:
        """Route no new message to it, and finish what is on the wire; nothing to do where it is off."""
        return (Draining(reason=reason),) if self.enabled and not self.draining else ()

    def disable(self, *, reason: str) -> tuple[LinkEvent, ...]:
        """Route no message to it any more."""
        return (Disabled(reason=reason),) if self.enabled else ()


def evolve(state: Link | None, event: LinkEvent, at: datetime) -> Link | None:
    """The link after one more fact; being connected or lost decides nothing."""
    match event:
        case Configured():
            return replace(state or Link(configured=event), configured=event, begun_at=at)
        case Enabled():
            return replace(state, enabled=True, draining=False, begun_at=at) if state else None
        case Disabled():
            return replace(state, enabled=False, draining=False) if state else None
        case Draining():
            return replace(state, draining=True) if state else None
        case Connected() | Lost() | Broken() | Mended():
            return state
        case _:
            assert_never(event)
