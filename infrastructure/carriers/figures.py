"""What operators want to know of one connection to a carrier, counted as it happens.

No clock and no I/O inside: the caller gives the time, seconds of a clock that only goes forward. Nobody's data can
get in: only counts, times, the carrier's codes and our own words.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from domain.receipts import Verdict, verdict
from infrastructure.carriers.rolling import Rolling, bounds
from infrastructure.carriers.traffic import Answer, InDoubt, LinkPhase, LinkState, Refused, Taken

__all__ = ["ANSWER_SECONDS", "LAG_SECONDS", "LATELY_SECONDS", "OTHER", "REPORTED_SECONDS", "Figures"]

ANSWER_SECONDS = bounds(0.001, decades=6)
LAG_SECONDS = bounds(0.1, decades=7)
LATELY_SECONDS = 60
"""Over how long answers are looked at."""
REPORTED_SECONDS = 600
"""Over how long receipts are looked at: fewer come, and later."""
OTHER = "other"
"""The code of what has none that could be shown, or came after too many others."""

_OURS = "local:"
"""Codes with which we refuse a part ourselves begin so: no carrier answered it."""
_MOST_CODES = 32
_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9:_.-]{1,20}", re.ASCII)
"""Carriers' codes are short numbers; seven digits on end could be part of somebody's number."""
_LONGEST_WORDS = 200


def _answers() -> Rolling:
    return Rolling(ANSWER_SECONDS, slice_seconds=1.0, slices=LATELY_SECONDS)


def _reported(*limits: float) -> Rolling:
    return Rolling(limits, slice_seconds=10.0, slices=REPORTED_SECONDS // 10)


@dataclass(slots=True)
class Figures:
    """Counts since the start, and what was lately. Parts, not messages. `phase` holds since `since`."""

    since: float
    phase: LinkPhase = LinkPhase.CONNECTING
    reason: str = ""
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    """Of those refused: because it was too much at once."""
    in_doubt: int = 0
    not_sent: int = 0
    pending: int = 0
    """Receipts that decide nothing yet."""
    replies: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    last_error: str = ""
    last_error_at: float = 0.0
    answers: Rolling = field(default_factory=_answers)
    lags: Rolling = field(default_factory=lambda: _reported(*LAG_SECONDS))
    verdicts: Rolling = field(default_factory=lambda: _reported(0.0))
    """Two buckets: delivered, failed."""

    def answered(self, answer: Answer, seconds: float, now: float) -> None:
        """What became of a part after so long; what is in doubt was not answered, what was not sent not asked."""
        kind = type(answer)
        if kind is Taken:
            self.taken += 1
            self.answers.add(seconds, now)
        elif isinstance(answer, Refused):
            self._refuse(answer, now)
            if not answer.code.startswith(_OURS):
                self.answers.add(seconds, now)
        elif isinstance(answer, InDoubt):
            self.in_doubt += 1
            self._fail(f"in doubt: {answer.reason}", now)
        else:
            self.not_sent += 1

    def reported(self, status: str, now: float) -> None:
        """A receipt was stored."""
        match verdict(status):
            case Verdict.DELIVERED:
                self.verdicts.add(0.0, now)
            case Verdict.FAILED:
                self.verdicts.add(1.0, now)
            case Verdict.PENDING:
                self.pending += 1

    def moved(self, state: LinkState, now: float) -> None:
        """The connection came or went."""
        self.phase, self.since, self.reason = state.phase, now, state.reason[:_LONGEST_WORDS]
        if state.phase in (LinkPhase.LOST, LinkPhase.REFUSED):
            self._fail(self.reason, now)

    def _refuse(self, refused: Refused, now: float) -> None:
        self.refused += 1
        self.throttled += refused.throttled
        code = refused.code if refused.code in self.refusals else self._shown(refused.code)
        self.refusals[code] += 1
        self._fail(f"refused with {code}", now)

    def _shown(self, code: str) -> str:
        """A code that was not counted before; there is room for so many."""
        return code if len(self.refusals) < _MOST_CODES and _CODE.fullmatch(code) else OTHER

    def _fail(self, words: str, now: float) -> None:
        self.last_error, self.last_error_at = words[:_LONGEST_WORDS], now
