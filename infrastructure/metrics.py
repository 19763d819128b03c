"""Figures of a process for Prometheus. Labels are routes, statuses, codes and names of ours: never anybody's data.

Requests are tallied in plain numbers on the event loop and turned into metrics when somebody reads the page:
counting must cost nothing beside a request of a tenth of a millisecond.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
LATENCY_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
GROUP_ENTRIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

Lags = Callable[[], Iterable[tuple[str, int]]]
"""Name and events behind of each read model, as last looked at."""


@dataclass(slots=True)
class Tally:
    """A histogram in the making: how many values fell up to each bound, the last beyond them all."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin at nothing."""
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by bound, as Prometheus wants them."""
        running, found = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


class Metrics:
    """The figures of one API process. Written on its event loop only, but for `wrote_group`."""

    def __init__(
        self, *, waiting: Callable[[], int], lags: Lags, links: Callable[[], Iterable[Metric]]
    ) -> None:
        self._waiting = waiting
        self._lags = lags
        self._links = links
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Tally] = {}
        self._refused: Counter[str] = Counter()
        self._messages = 0
        self._segments = 0
        self._groups = Tally(GROUP_ENTRIES)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[method, route, status] += 1
        tally = self._seconds.get(route)
        if tally is None:
            tally = self._seconds[route] = Tally(LATENCY_SECONDS)
        tally.add(seconds)

    def refused(self, code: str) -> None:
        """A request, or one message of a call, was refused."""
        self._refused[code] += 1

    def accepted(self, segments: int, *, messages: int = 1) -> None:
        """Messages were accepted, with so many segments together."""
        self._messages += messages
        self._segments += segments

    def wrote_group(self, entries: int) -> None:
        """A transaction wrote so many entries; called by the writing thread."""
        self._groups.add(entries)

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead: the registry must not ask for figures when it is made."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every figure as it stands."""
        yield self._request_counts()
        yield self._request_seconds()
        yield _counter("refused", "Refusals, by code.", "code", self._refused)
        yield CounterMetricFamily(
            "smsledger_messages_accepted", "Messages accepted (repeats included).", self._messages
        )
        yield CounterMetricFamily(
            "smsledger_segments_accepted", "Segments of accepted messages.", self._segments
        )
        groups = HistogramMetricFamily("smsledger_group_entries", "Entries written in one transaction.")
        groups.add_metric([], self._groups.buckets(), self._groups.total)
        yield groups
        yield GaugeMetricFamily("smsledger_waiting_entries", "Entries waiting for the log.", self._waiting())
        yield _gauge("read_model_lag_events", "Events a read model is behind the log.", "name", self._lags())
        yield from self._links()
        yield _gauge("process", "The process these figures are of.", "pid", [(str(os.getpid()), 1)])

    def _request_counts(self) -> Metric:
        family = CounterMetricFamily(
            "smsledger_http_requests",
            "Requests answered, by route and status.",
            labels=("method", "route", "status"),
        )
        for (method, route, status), count in list(self._requests.items()):
            family.add_metric((method, route, str(status)), count)
        return family

    def _request_seconds(self) -> Metric:
        family = HistogramMetricFamily(
            "smsledger_http_seconds", "Time to answer, by route.", labels=("route",)
        )
        for route, tally in list(self._seconds.items()):
            family.add_metric((route,), tally.buckets(), tally.total)
        return family


def _counter(name: str, text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(f"smsledger_{name}", text, labels=(label,))
    for value, count in list(counts.items()):
        family.add_metric((value,), count)
    return family


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(f"smsledger_{name}", text, labels=(label,))
    for value, number in list(values):
        family.add_metric((value,), number)
    return family
