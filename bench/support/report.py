"""How figures are taken and printed: for people as lines, for machines as one JSON object at the end."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

Figures = Mapping[str, object]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum in milliseconds."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    spread = {name: round(percentile(seconds, share) * 1_000, 2) for name, share in shares.items()}
    return {**spread, "max_ms": round(max(seconds, default=float("nan")) * 1_000, 2)}


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    memory = psutil.virtual_memory().total
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
        "system": platform.system(),
    }


@dataclass(slots=True)
class Usage:
    """CPU seconds and memory of named processes and everything below them, between `start` and `figures`."""

    pids: Mapping[str, int]
    _before: dict[str, float] = field(default_factory=dict)
    _peak: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to count."""
        self._before = {name: _cpu(pid) for name, pid in self.pids.items()}
        self.sample()

    def sample(self) -> None:
        """Look at the memory now; the largest look counts."""
        for name, pid in self.pids.items():
            self._peak[name] = max(self._peak.get(name, 0), _memory(pid))

    def figures(self) -> dict[str, object]:
        """CPU seconds since `start` and the largest resident memory in MiB, for each process."""
        self.sample()
        return {
            name: {
                "cpu_s": round(_cpu(pid) - self._before.get(name, 0.0), 2),
                "peak_mib": self._peak[name] >> 20,
            }
            for name, pid in self.pids.items()
        }

    def total_mib(self, *, without: Sequence[str] = ()) -> int:
        """Largest memory of all together, in MiB."""
        return sum(peak >> 20 for name, peak in self._peak.items() if name not in without)


def _family(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu(pid: int) -> float:
    total = 0.0
    for process in _family(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(pid: int) -> int:
    """Memory of its own: what is shared between processes is counted once for each share of it (PSS)."""
    total = 0
    for process in _family(pid):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            continue
    return total


def show(bench: str, figures: Figures) -> None:
    """Lines for people, then the one JSON object."""
    print(f"\n{bench}")
    for name, value in figures.items():
        if isinstance(value, Mapping):
            print(f"  {name}")
            for inner, one in value.items():
                print(f"    {inner:<22} {one}")
        else:
            print(f"  {name:<24} {value}")
    print(json.dumps({"bench": bench, "figures": figures, "machine": machine()}), flush=True)
