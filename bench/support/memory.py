"""Whether processes keep their memory while they work: samples of each life, and one stated rule over the longest.

A process that was killed begins anew, and what it had leaked is gone with it. So the longest life of each counts.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import psutil

WARM_UP_SECONDS = 45.0
"""Caches fill and connections open: what a life's beginning says is not counted."""
SHORTEST_SECONDS = 120.0
"""A shorter life, its beginning aside, says nothing."""
GROWTH_MIB = 12.0
GROWTH_SHARE = 0.12
"""A worker that takes the links of another over needs some for them, and keeps it."""
RULE = (
    f"over each process's longest life, without its first {WARM_UP_SECONDS:.0f} s: the median of the last quarter"
    f" is above that of the first by no more than {GROWTH_MIB:.0f} MiB or {GROWTH_SHARE:.0%}"
)

Sample = tuple[float, float]
"""Seconds of a clock that only goes forward, and MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a life's samples say; `flat` is None where it was too short to say."""

    first_mib: float
    last_mib: float
    mib_per_minute: float
    seconds: float
    flat: bool | None

    def figures(self) -> dict[str, object]:
        """For the report."""
        return {
            "first_quarter_mib": round(self.first_mib, 1),
            "last_quarter_mib": round(self.last_mib, 1),
            "mib_per_minute": round(self.mib_per_minute, 2),
            "life_s": round(self.seconds),
            "flat": self.flat,
        }


def judge(life: Sequence[Sample]) -> Judgement:
    """Hold one life against the rule; `life` has at least one sample, in the order of time."""
    began = life[0][0]
    counted = [sample for sample in life if sample[0] >= began + WARM_UP_SECONDS] or list(life[-1:])
    seconds = counted[-1][0] - counted[0][0]
    quarter = max(1, len(counted) // 4)
    first = median(mib for _, mib in counted[:quarter])
    last = median(mib for _, mib in counted[-quarter:])
    allowed = max(GROWTH_MIB, first * GROWTH_SHARE)
    return Judgement(
        first_mib=first,
        last_mib=last,
        mib_per_minute=_slope(counted) * 60,
        seconds=life[-1][0] - began,
        flat=last - first <= allowed if seconds >= SHORTEST_SECONDS else None,
    )


def _slope(samples: Sequence[Sample]) -> float:
    """MiB a second, by least squares."""
    mean_at = sum(at for at, _ in samples) / len(samples)
    mean_mib = sum(mib for _, mib in samples) / len(samples)
    spread = sum((at - mean_at) ** 2 for at, _ in samples)
    return sum((at - mean_at) * (mib - mean_mib) for at, mib in samples) / spread if spread else 0.0


@dataclass(slots=True)
class _Life:
    """One process from its start to its end, as far as it was looked at."""

    samples: list[Sample] = field(default_factory=list)
    cpu_before: float = 0.0
    cpu: float = 0.0


@dataclass(slots=True)
class Watched:
    """Resident memory and processor time by name of process, over all its lives."""

    _lives: dict[str, dict[int, _Life]] = field(default_factory=lambda: defaultdict(dict))

    def look(self, pids: Mapping[str, int]) -> None:
        """Take one sample of each process that is there."""
        for name, pid in pids.items():
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times, resident = process.cpu_times(), process.memory_info().rss
            except (psutil.NoSuchProcess, ValueError):
                continue
            cpu = float(times.user + times.system)
            # Who was there before the first look had used some already; who came later began with nothing.
            fresh = _Life(cpu_before=0.0 if self._lives[name] else cpu)
            life = self._lives[name].setdefault(pid, fresh)
            life.cpu = cpu
            life.samples.append((time.monotonic(), resident / 2**20))

    def judgements(self) -> dict[str, Judgement]:
        """The longest life of each."""
        longest = {name: max(lives.values(), key=_length) for name, lives in self._lives.items() if lives}
        return {name: judge(life.samples) for name, life in longest.items()}

    def cpu_seconds(self) -> dict[str, float]:
        """Processor seconds of each since the first look; what a killed one used after its last look is missing."""
        return {
            name: round(sum(life.cpu - life.cpu_before for life in lives.values()), 1)
            for name, lives in self._lives.items()
        }

    def peak_mib(self) -> dict[str, int]:
        """The largest look at each."""
        return {
            name: round(max(mib for life in lives.values() for _, mib in life.samples))
            for name, lives in self._lives.items()
            if lives
        }

    def now_mib(self) -> dict[str, int]:
        """The latest look at each."""
        latest = {name: [*lives.values()][-1] for name, lives in self._lives.items() if lives}
        return {name: round(life.samples[-1][1]) for name, life in latest.items()}


def _length(life: _Life) -> float:
    return life.samples[-1][0] - life.samples[0][0]
