"""Figures of a process for Prometheus. Labels are routes, statuses, codes and names of ours: never anybody's data."""

import os
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

disable_created_metrics()  # type: ignore[no-untyped-call]
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_LATENCY_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_GROUP_ENTRIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

Lags = Callable[[], Iterable[tuple[str, int]]]
"""Name and events behind of each read model, as last looked at."""


class Metrics:
    """The figures of one API process, in a registry of its own."""

    def __init__(self, *, waiting: Callable[[], int], lags: Lags) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "smsledger_http_requests",
            "Requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "smsledger_http_seconds",
            "Time to answer, by route.",
            ("route",),
            buckets=_LATENCY_SECONDS,
            registry=self._registry,
        )
        self._refused = Counter("smsledger_refused", "Refusals, by code.", ("code",), registry=self._registry)
        self._accepted = Counter(
            "smsledger_messages_accepted", "Messages accepted (repeats included).", registry=self._registry
        )
        self._segments = Counter(
            "smsledger_segments_accepted", "Segments of accepted messages.", registry=self._registry
        )
        self._group = Histogram(
            "smsledger_group_entries",
            "Entries written in one transaction.",
            buckets=_GROUP_ENTRIES,
            registry=self._registry,
        )
        Gauge("smsledger_process", "This process.", ("pid",), registry=self._registry).labels(
            str(os.getpid())
        ).set(1)
        gauge = Gauge("smsledger_waiting_entries", "Entries waiting for the log.", registry=self._registry)
        gauge.set_function(waiting)
        self._registry.register(_LagCollector(lags))
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        key = (method, route, status)
        found = self._known.get(key)
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._known[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def refused(self, code: str) -> None:
        """A request, or one message of a call, was refused."""
        self._refused.labels(code).inc()

    def accepted(self, segments: int, *, messages: int = 1) -> None:
        """Messages were accepted, with so many segments together."""
        self._accepted.inc(messages)
        self._segments.inc(segments)

    def wrote_group(self, entries: int) -> None:
        """A transaction wrote so many entries."""
        self._group.observe(entries)

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


class _LagCollector:
    """The read models' lags as gauges, asked for when the page is read."""

    def __init__(self, lags: Lags) -> None:
        self._lags = lags

    def describe(self) -> Iterable[Metric]:
        """One family."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """The family with a sample for each read model."""
        family = self._family()
        for name, behind in self._lags():
            family.add_metric([name], behind)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "smsledger_read_model_lag_events", "Events a read model is behind the log.", labels=["name"]
        )
