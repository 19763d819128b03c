"""State folded from facts: one noun a file, pure commands that return events, one `evolve` each."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from domain.recorded import Recorded

State = TypeVar("State")


def fold(evolve: Callable[[State | None, Any, datetime], State], history: Iterable[Recorded]) -> State | None:
    """The state after a history, None where there is none."""
    state: State | None = None
    for recorded in history:
        state = evolve(state, recorded.event, recorded.at)
    return state
