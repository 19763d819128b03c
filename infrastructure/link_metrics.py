"""Figures of the links for Prometheus. Counters are of one connection each, never sums: a worker that takes a
connection over begins at 0, which Prometheus knows how to read of a single series only."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from infrastructure.carriers.figures import ANSWER_SECONDS, LAG_SECONDS
from infrastructure.link_figures import Buckets, ConnectionFigures, dense
from infrastructure.link_standing import LinkStanding, NetworkStanding

_EVERY = 4
"""Every fourth bound of ours is one for Prometheus: three to a decade."""
_OF_LINK = ("link",)
_OF_CONNECTION = ("link", "connection")

LinkGauge = tuple[str, str, Callable[[LinkStanding], float | None]]
ConnectionGauge = tuple[str, str, Callable[[ConnectionFigures], float | None]]
"""What has no value now (None) has no series."""

_LINK_GAUGES: tuple[LinkGauge, ...] = (
    ("enabled", "1: messages are routed to it; 0: disabled or draining.", lambda o: o.state == "enabled"),
    ("up", "1: at least one of its connections that send is bound.", lambda of: of.connected),
    (
        "hears",
        "1: receipts can come (SGIP: the carrier can come to us, too).",
        lambda of: of.hears,
    ),
    ("circuit_open", "1: its circuit breaker is open.", lambda of: of.line.broken_since is not None),
    ("connections", "Connections that are bound.", lambda of: of.bound),
    ("connections_configured", "Connections it should have.", lambda of: of.line.connections),
    ("credentials_refused", "Connections that the carrier does not let in.", lambda of: of.refused),
    ("messages_in_doubt", "Messages in doubt now.", lambda of: of.in_doubt_now),
    (
        "state_since_timestamp_seconds",
        "Since when it is ready, broken or down; missing where that is not known.",
        lambda of: of.since.timestamp() if of.since else None,
    ),
)
_CONNECTION_GAUGES: tuple[ConnectionGauge, ...] = (
    ("window_used", "Parts on the wire without an answer.", lambda of: of.window_used),
    ("window_size", "Parts that may be on the wire at once.", lambda of: of.window_size),
    ("waiting_parts", "Parts that wait for the window or for the rate.", lambda of: of.waiting_parts),
    ("waiting_receipts", "Receipts and replies not stored yet.", lambda of: of.waiting_receipts),
    (
        "rate_limit",
        "Parts a second that are allowed now; missing where there is no limit.",
        lambda of: of.rate,
    ),
    (
        "last_error_timestamp_seconds",
        "When its last error was; missing where there was none. Monitoring has the error's text.",
        lambda of: of.last_error_at or None,
    ),
)
_SUBMITS = ("taken", "refused", "in_doubt", "not_sent")
_RECEIPTS = ("delivered", "failed", "pending")


def families(network: NetworkStanding) -> Iterator[Metric]:
    """Every figure of every link as it was last seen."""
    told = [each for of in network.links for each in of.told or ()]
    yield _plain("database_up", "1: the read models could be read.", network.database)
    if network.database:
        yield _plain("redis_up", "1: queues and live figures could be read.", network.board)
    yield _info(network.links)
    for name, text, value in _LINK_GAUGES:
        family = GaugeMetricFamily(f"smsledger_link_{name}", text, labels=_OF_LINK)
        _add(family, (((link.name,), value(link)) for link in network.links))
        yield family
    yield _queues(network.links)
    for name, text, of in _CONNECTION_GAUGES:
        family = GaugeMetricFamily(f"smsledger_link_{name}", text, labels=_OF_CONNECTION)
        _add(family, ((_labels(each), of(each)) for each in told))
        yield family
    yield from _counters(told)
    yield from _histograms(told)


def _add(family: GaugeMetricFamily, series: Iterable[tuple[Sequence[str], float | None]]) -> None:
    for labels, value in series:
        if value is not None:
            family.add_metric(labels, value)


def _info(links: Sequence[LinkStanding]) -> Metric:
    family = GaugeMetricFamily(
        "smsledger_link_info",
        "How a link is configured; always 1.",
        labels=("link", "protocol", "carriers"),
    )
    for of in links:
        family.add_metric((of.name, of.line.protocol, ",".join(of.line.carriers)), 1)
    return family


def _queues(links: Sequence[LinkStanding]) -> Metric:
    family = GaugeMetricFamily(
        "smsledger_link_queue_jobs", "Jobs that wait, by lane.", labels=("link", "lane")
    )
    for of in links:
        for lane, jobs in (of.queued or {}).items():
            family.add_metric((of.name, lane), jobs)
    return family


def _counters(told: Sequence[ConnectionFigures]) -> Iterable[Metric]:
    submits = _counter("submits", "Parts, by what became of their submission.", "result")
    refusals = _counter("refusals", "Parts refused, by the carrier's code.", "code")
    receipts = _counter("receipts", "Receipts stored, by what they say.", "verdict")
    throttled = _counter("throttled", "Parts refused because they were too many at once.")
    replies = _counter("replies", "Messages from phones.")
    for each in told:
        for result in _SUBMITS:
            submits.add_metric((*_labels(each), result), getattr(each, result))
        for code, count in each.refusals.items():
            refusals.add_metric((*_labels(each), code), count)
        for verdict in _RECEIPTS:
            receipts.add_metric((*_labels(each), verdict), getattr(each, verdict))
        throttled.add_metric(_labels(each), each.throttled)
        replies.add_metric(_labels(each), each.replies)
    return submits, refusals, receipts, throttled, replies


def _histograms(told: Sequence[ConnectionFigures]) -> Iterable[Metric]:
    submit = HistogramMetricFamily(
        "smsledger_link_submit_seconds", "From a part to the carrier's answer.", labels=_OF_CONNECTION
    )
    lag = HistogramMetricFamily(
        "smsledger_link_receipt_lag_seconds",
        "From a part that was recorded as taken to its receipt.",
        labels=_OF_CONNECTION,
    )
    for each in told:
        submit.add_metric(_labels(each), _cumulative(each.answers, ANSWER_SECONDS), each.answer_seconds)
        lag.add_metric(_labels(each), _cumulative(each.lags, LAG_SECONDS), each.lag_seconds)
    return submit, lag


def _cumulative(buckets: Buckets, limits: Sequence[float]) -> list[tuple[str, float]]:
    """Counts up to each fourth bound, and all of them."""
    counts = dense([buckets], limits)
    shown = [(str(limits[place]), float(sum(counts[: place + 1]))) for place in range(0, len(limits), _EVERY)]
    return [*shown, ("+Inf", float(sum(counts)))]


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"smsledger_link_{name}", text, labels=(*_OF_CONNECTION, *labels))


def _plain(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"smsledger_{name}", text, value)


def _labels(figures: ConnectionFigures) -> tuple[str, str]:
    return figures.link, str(figures.connection)
