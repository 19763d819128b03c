"""Whether a link does so badly that others should be taken first: its latest answers and receipts, and their share."""

from collections import Counter, deque

from domain.events.link import Breaker

_AGE_SECONDS = 3_600.0
"""What is older says nothing about now."""
_RECENT_SECONDS = 10.0
"""Everything as young as this counts, however much it is: on a busy link the latest fifty are a moment."""
_MOST = 10_000
_TRIAL_SHARE = 5
_TRIAL_LEAST = 5
GOOD = ""
"""The code of an outcome that is as it should be."""


class Latest:
    """The latest outcomes of one kind: the newest `least`, or all of the last ten seconds where these are more.

    None is older than an hour, and there are never more than ten thousand (or `least`). Times only go forward.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._outcomes: deque[tuple[float, str]] = deque()
        self._bad = 0

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def bad(self) -> int:
        """How many of them are not as they should be."""
        return self._bad

    def add(self, code: str, at: float) -> None:
        """One more outcome; `code` says what was wrong, or GOOD."""
        self._outcomes.append((at, code))
        self._bad += code != GOOD
        self.forget(at)

    def forget(self, at: float) -> None:
        """Let go of what counts no more at this moment."""
        while self._outcomes and self._is_past(at):
            _, code = self._outcomes.popleft()
            self._bad -= code != GOOD

    def _is_past(self, at: float) -> bool:
        age, known = at - self._outcomes[0][0], len(self._outcomes)
        return age > _AGE_SECONDS or (known > self._least and (age > _RECENT_SECONDS or known > _MOST))

    def most_frequent(self) -> str:
        """The code of most of the bad ones; of several the first by name."""
        counts = Counter(code for _, code in self._outcomes if code != GOOD)
        return min(counts, key=lambda code: (-counts[code], code), default=GOOD)


class Judge:
    """Of one link, from the moment its circuit was closed. On trial less is enough to judge: a fifth, at least five."""

    def __init__(self, settings: Breaker) -> None:
        self._settings = settings
        self._answers = Latest(settings.least)
        self._receipts = Latest(settings.least)

    def note_answer(self, code: str, at: float) -> None:
        """The carrier took a part (GOOD), refused it with a code, or gave no answer in time."""
        self._answers.add(code, at)

    def note_receipt(self, code: str, at: float) -> None:
        """A part was delivered (GOOD), or finally not."""
        self._receipts.add(code, at)

    def finding(self, at: float, *, on_trial: bool = False) -> str:
        """Why the circuit should be open at this moment, in words for people; empty where it should not."""
        settings = self._settings
        least = settings.least
        if on_trial:
            least = min(least, max(_TRIAL_LEAST, least // _TRIAL_SHARE))
        kinds = (
            (self._answers, settings.refused_percent, "parts refused or unanswered"),
            (self._receipts, settings.undelivered_percent, "receipts not delivered"),
        )
        for latest, percent, words in kinds:
            latest.forget(at)
            known, bad = len(latest), latest.bad
            if percent and known >= least and bad * 100 >= percent * known:
                return f"{bad} of the latest {known} {words}, most often {latest.most_frequent()}"
        return ""
