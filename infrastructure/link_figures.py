"""Figures of connections as workers tell them, and of a link as the sum of its connections."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import Struct

from infrastructure.carriers.figures import ANSWER_SECONDS, LAG_SECONDS, Figures
from infrastructure.carriers.link import CarrierLink
from infrastructure.carriers.rolling import added, quantile
from infrastructure.carriers.traffic import LinkPhase

Buckets = dict[int, int]
"""Counts by number of bucket; those that are missing are 0."""


class ConnectionFigures(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One connection of a link at one moment. Times are seconds since 1970; counts are of parts, since the worker
    took the connection over. `lately` is the last 60 seconds of answers, the last 10 minutes of receipts."""

    link: str
    connection: int
    worker: str
    at: float
    phase: LinkPhase
    since: float
    reason: str = ""
    deaf: str = ""
    """Why its carrier cannot bring receipts and replies, where it comes to us for that (SGIP)."""
    window_size: int
    window_used: int = 0
    rate: float | None = None
    """Parts a second that are allowed now; None: no limit."""
    waiting_parts: int = 0
    waiting_receipts: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    in_doubt: int = 0
    not_sent: int = 0
    delivered: int = 0
    failed: int = 0
    pending: int = 0
    replies: int = 0
    refusals: dict[str, int] = {}
    tps: float = 0.0
    tps_10s: float = 0.0
    answers: Buckets = {}
    answers_lately: Buckets = {}
    answer_seconds: float = 0.0
    lags: Buckets = {}
    lags_lately: Buckets = {}
    lag_seconds: float = 0.0
    delivered_lately: int = 0
    failed_lately: int = 0
    last_error: str = ""
    last_error_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Teller:
    """Tells the figures of one connection. `now` gives the seconds the figures are counted by, `wall` the time of
    day; both at once, so that one can be said in the other."""

    link: str
    connection: int
    worker: str
    window: int
    carrier: CarrierLink
    figures: Figures
    now: Callable[[], float]
    wall: Callable[[], float]

    def __call__(self) -> ConnectionFigures:
        """The figures as they stand."""
        figures, carrier = self.figures, self.carrier
        now, wall = self.now(), self.wall()
        delivered, failed = figures.verdicts.ever()
        delivered_lately, failed_lately = figures.verdicts.lately(now)
        return ConnectionFigures(
            link=self.link,
            connection=self.connection,
            worker=self.worker,
            at=wall,
            phase=figures.phase,
            since=wall - (now - figures.since),
            reason=figures.reason,
            deaf=carrier.deaf,
            window_size=self.window,
            window_used=carrier.pending,
            rate=None if carrier.rate == float("inf") else carrier.rate,
            waiting_parts=carrier.queued,
            waiting_receipts=carrier.waiting_receipts,
            taken=figures.taken,
            refused=figures.refused,
            throttled=figures.throttled,
            in_doubt=figures.in_doubt,
            not_sent=figures.not_sent,
            delivered=delivered,
            failed=failed,
            pending=figures.pending,
            replies=figures.replies,
            refusals=dict(figures.refusals),
            tps=figures.answers.a_second(now, slices=1),
            tps_10s=figures.answers.a_second(now, slices=10),
            answers=_sparse(figures.answers.ever()),
            answers_lately=_sparse(figures.answers.lately(now)),
            answer_seconds=figures.answers.total_seconds,
            lags=_sparse(figures.lags.ever()),
            lags_lately=_sparse(figures.lags.lately(now)),
            lag_seconds=figures.lags.total_seconds,
            delivered_lately=delivered_lately,
            failed_lately=failed_lately,
            last_error=figures.last_error,
            last_error_at=wall - (now - figures.last_error_at) if figures.last_error else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFigures:
    """What its connections add up to. Percentiles are those of all answers together; None where there were none."""

    tps: float
    tps_10s: float
    window_used: int
    window_size: int
    rate_per_second: float | None
    waiting_parts: int
    waiting_receipts: int
    submit_ms_p50: float | None
    submit_ms_p99: float | None
    receipt_lag_seconds_p50: float | None
    receipt_lag_seconds_p99: float | None
    delivered_percent: float | None
    delivered_lately: int
    failed_lately: int
    taken: int
    refused: int
    throttled: int
    in_doubt: int
    not_sent: int
    delivered: int
    failed: int
    pending: int
    replies: int
    refusals: dict[str, int] = field(default_factory=dict)
    last_error: str = ""
    last_error_at: datetime | None = None


_SUMS = (
    "window_used",
    "window_size",
    "waiting_parts",
    "waiting_receipts",
    "delivered_lately",
    "failed_lately",
    "taken",
    "refused",
    "throttled",
    "in_doubt",
    "not_sent",
    "delivered",
    "failed",
    "pending",
    "replies",
)


def merge(connections: Sequence[ConnectionFigures]) -> LinkFigures:
    """Several connections, or one alone, as a link."""
    sums = {name: sum(getattr(each, name) for each in connections) for name in _SUMS}
    refusals: Counter[str] = Counter()
    for each in connections:
        refusals.update(each.refusals)
    reported = sums["delivered_lately"] + sums["failed_lately"]
    answers = dense([each.answers_lately for each in connections], ANSWER_SECONDS)
    lags = dense([each.lags_lately for each in connections], LAG_SECONDS)
    last = max(connections, key=lambda each: each.last_error_at, default=None)
    return LinkFigures(
        **sums,
        tps=round(sum(each.tps for each in connections), 1),
        tps_10s=round(sum(each.tps_10s for each in connections), 1),
        rate_per_second=_rate(connections),
        submit_ms_p50=_rounded(quantile(ANSWER_SECONDS, answers, 0.5), 1_000),
        submit_ms_p99=_rounded(quantile(ANSWER_SECONDS, answers, 0.99), 1_000),
        receipt_lag_seconds_p50=_rounded(quantile(LAG_SECONDS, lags, 0.5)),
        receipt_lag_seconds_p99=_rounded(quantile(LAG_SECONDS, lags, 0.99)),
        delivered_percent=round(100 * sums["delivered_lately"] / reported, 1) if reported else None,
        refusals=dict(refusals.most_common()),
        last_error=last.last_error if last else "",
        last_error_at=moment(last.last_error_at) if last and last.last_error else None,
    )


def dense(buckets: Sequence[Buckets], limits: Sequence[float]) -> list[int]:
    """Counts of several connections by bucket, those that are 0 included; one more than there are limits."""
    numbers = range(len(limits) + 1)
    return added([[0] * len(numbers), *([each.get(number, 0) for number in numbers] for each in buckets)])


def moment(seconds: float) -> datetime:
    """A time of day as others read it."""
    return datetime.fromtimestamp(seconds, UTC)


def _sparse(counts: Sequence[int]) -> Buckets:
    return {number: count for number, count in enumerate(counts) if count}


def _rate(connections: Sequence[ConnectionFigures]) -> float | None:
    """What is allowed together, None as soon as one of them has no limit."""
    rates = [each.rate for each in connections]
    known = [rate for rate in rates if rate is not None]
    return round(sum(known), 1) if known and len(known) == len(rates) else None


def _rounded(seconds: float | None, factor: int = 1) -> float | None:
    return None if seconds is None else round(seconds * factor, 1)
