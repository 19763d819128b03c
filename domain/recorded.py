"""The envelope of every fact: where it stands in the log, when it was recorded, by whom and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who acts, and which request or event made them."""

    actor: str
    """For example `key:ab12cd34`, `link:mobile`, `scheduler`, `cli:operator`."""
    correlation: str = ""
    causation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as it stands in the log. Versions begin at 1 in each stream; `at` is the store's clock in UTC."""

    stream: UUID
    version: int
    at: datetime
    context: Context
    event: Event
    position: int = 0
    """Place in the whole log, 0 where it is not known yet."""
