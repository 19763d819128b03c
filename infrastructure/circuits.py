"""The circuit breakers of the links of one process: what its connections hear is judged, and openings are facts.

Each process judges by what it hears itself. That the time of an open circuit is over says the owner of the link's
first connection, whoever that is by then. While the database is away nothing is said, and nothing breaks.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from application.carriage import Answer, InDoubt, Receipt, Refused, Taken
from application.keep_circuits import breaker_stream, end_pause, must_close, open_circuit
from domain.aggregates import circuit
from domain.aggregates.circuit import Circuit
from domain.aggregates.link import Link
from domain.events.link import Broken, Configured, Mended
from domain.judge import GOOD, Judge
from domain.receipts import Verdict, verdict
from domain.recorded import Context, Recorded
from infrastructure.bootstrap import Platform

NO_ANSWER = "no answer in time"
_OURS = "local:"
_CONTEXT = Context(actor="worker")
_log = logging.getLogger(__name__)


class Watch:
    """What one process hears of a link, of all its connections here; told of everything by them.

    It counts from the circuit's last fact on, and not while the circuit is open.
    """

    def __init__(self, configured: Configured, clock: Callable[[], float] = time.monotonic) -> None:
        self.configured = configured
        self._clock = clock
        self._judge = Judge(configured.breaker)
        self._since: tuple[int, datetime | None] | None = None
        self._counts = True
        self._trial_since: datetime | None = None

    def answered(self, answer: Answer, seconds: float) -> None:
        """A part was answered, or its time is over; what comes after that was counted then.

        The carrier's "slow down" is not a refusal, and a part lost with its connection says nothing about answers.
        """
        if not self._counts:
            return
        too_late = seconds >= self.configured.response_timeout_seconds
        match answer:
            case InDoubt() if too_late:
                self._judge.note_answer(NO_ANSWER, self._clock())
            case Refused(throttled=False) if not (too_late or answer.code.startswith(_OURS)):
                self._judge.note_answer(answer.code, self._clock())
            case Taken() if not too_late:
                self._judge.note_answer(GOOD, self._clock())

    def reported(self, receipts: Sequence[Receipt], taken: Sequence[datetime | None]) -> None:
        """Receipts that are stored, and when the part of each was recorded as taken, by whichever process.

        On trial those of parts that went out before, or of which that is not known, say nothing about now.
        """
        for receipt, at in zip(receipts, taken, strict=True) if self._counts else ():
            found = verdict(receipt.status)
            if found is Verdict.PENDING or not self._is_of_now(at):
                continue
            self._judge.note_receipt(
                GOOD if found is Verdict.DELIVERED else receipt.status[:20], self._clock()
            )

    def follow(self, standing: Circuit, *, since: tuple[int, datetime | None], on_trial: bool) -> None:
        """How the circuit stands, and `since` which fact about it or its link: after a new one counting begins anew."""
        if self._since is not None and since != self._since:
            self._judge = Judge(self.configured.breaker)
        self._since, self._counts = since, not standing.is_open
        self._trial_since = standing.tried_since if on_trial else None

    def finding(self) -> str:
        """Why the circuit should be open now, empty where it should not."""
        on_trial = self._trial_since is not None
        return self._judge.finding(self._clock(), on_trial=on_trial) if self._counts else ""

    def _is_of_now(self, taken: datetime | None) -> bool:
        return self._trial_since is None or (taken is not None and taken >= self._trial_since)


class Circuits:
    """Of all links that one process has connections of."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._watches: dict[str, Watch] = {}

    def watch(self, configured: Configured) -> Watch:
        """The one that all connections of a link here tell; a new one where the link was configured anew."""
        known = self._watches.get(configured.name)
        if known is None or known.configured != configured:
            known = self._watches[configured.name] = Watch(configured)
        return known

    async def look(self, links: Sequence[Link], *, here: Collection[str], first: Collection[str]) -> None:
        """Open and close what has to be; to be called once a second with the names of the links that this process
        has connections `here` of, and of those whose `first` connection it has."""
        watched = [link for link in links if link.name in here and link.name in self._watches]
        last = await self._last_facts([link.name for link in watched])
        for link in watched:
            await self._keep(link, last.get(breaker_stream(link.name)), is_first=link.name in first)

    async def _last_facts(self, names: Sequence[str]) -> Mapping[UUID, Recorded]:
        store, streams = self._platform.store, [breaker_stream(name) for name in names]
        return await store.in_thread(lambda: store.last_events(streams)) if streams else {}

    async def _keep(self, link: Link, last: Recorded | None, *, is_first: bool) -> None:
        store, now, watch = self._platform.store, self._platform.now(), self._watches[link.name]
        standing = Circuit()
        if last is not None and isinstance(last.event, Broken | Mended):
            standing = circuit.evolve(None, last.event, last.at)
        since = last.version if last is not None else 0, link.begun_at
        watch.follow(standing, since=since, on_trial=standing.on_trial(watch.configured.breaker, now))
        if is_first and must_close(standing, link, now):
            await end_pause(store, link=link, now=now, context=_CONTEXT)
            _log.info("link %s: its circuit is closed again", link.name)
        elif reason := watch.finding():
            await open_circuit(store, link=watch.configured, reason=reason, now=now, context=_CONTEXT)
            _log.warning("link %s: its circuit is open: %s", link.name, reason)
