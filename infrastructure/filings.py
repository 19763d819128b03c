"""With which carriers signatures are filed, at most two seconds old: all that are in use are read at once."""

import time

from application.choose_route import Filings
from domain.aggregates import fold, signature
from domain.values import stream_id
from infrastructure.event_store import EventStore

_AGE_SECONDS = 2.0
_MOST = 10_000


class FilingBook:
    """The filings of an account's signature. For threads without an event loop."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[tuple[str, str], Filings] = {}
        self._until = 0.0

    def __call__(self, account: str, name: str) -> Filings:
        """The filings; none of a signature that is not there."""
        if time.monotonic() >= self._until or len(self._known) > _MOST:
            self._read([] if len(self._known) > _MOST else list(self._known))
            self._until = time.monotonic() + _AGE_SECONDS
        if (account, name) not in self._known:
            self._known |= self._filings([(account, name)])
        return self._known[account, name]

    def forget(self) -> None:
        """Read them again when they are asked for next."""
        self._until = 0.0

    def _read(self, wanted: list[tuple[str, str]]) -> None:
        self._known = self._filings(wanted) if wanted else {}

    def _filings(self, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], Filings]:
        streams = {each: stream_id("signature", *each) for each in wanted}
        histories = self._store.histories(list(streams.values()))
        states = {each: fold(signature.evolve, histories.get(id_, ())) for each, id_ in streams.items()}
        return {each: state.filings if state else () for each, state in states.items()}
