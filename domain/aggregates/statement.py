"""The statement of a period: issued once, then accepted or disputed; with the rules its figures obey.

The law: in every ledger the lines add up to the totals after less the totals before, and the rounded amounts of
all statements of a ledger add up to its amount rounded half up, with nothing lost between them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import assert_never

from domain.errors import Conflicting
from domain.events.statement import (
    Accepted,
    Content,
    Disputed,
    DisputeResolved,
    Issued,
    Line,
    LineKind,
    Section,
    StatementEvent,
)
from domain.periods import Period, parse
from domain.values import local_day

FORM = 1
"""The form of the content; a field more is a new form with a hash of its own."""
MICROS_PER_FEN = 10_000


class StatementState(StrEnum):
    """Where a statement stands."""

    ISSUED = "issued"
    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    RESOLVED = "resolved"
    """It was disputed, and the dispute is settled."""


class Unbalanced(Exception):  # noqa: N818  (a fault of the platform, never of the request)
    """The lines do not add up to the ledgers: nothing is issued, and somebody has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An issued statement and what was said to it last."""

    content: Content
    hash: str
    issued_at: datetime
    state: StatementState = StatementState.ISSUED
    by: str = ""
    words: str = ""
    """The note, or the reason."""
    adjustment: str = ""
    at: datetime | None = None

    @property
    def period(self) -> Period:
        """What it is about."""
        return parse(self.content.period)

    @property
    def open_until(self) -> date:
        """The last day (Shanghai) on which it may be accepted or disputed."""
        return local_day(self.issued_at) + timedelta(days=self.content.dispute_days)

    def accept(self, *, by: str, note: str, today: date) -> tuple[StatementEvent, ...]:
        """Agree; nothing to do where it is accepted. A settled dispute may be agreed to at any time.

        Refuses statement_disputed, dispute_window_over.
        """
        if self.state is StatementState.ACCEPTED:
            return ()
        if self.state is StatementState.DISPUTED:
            raise Conflicting("statement_disputed", "It is disputed: the dispute has to be resolved first.")
        if self.state is StatementState.ISSUED:
            self._require_open(today)
        return (Accepted(by=by, note=note),)

    def dispute(self, *, by: str, reason: str, today: date) -> tuple[StatementEvent, ...]:
        """Disagree; nothing to do where it is disputed. Refuses statement_accepted, dispute_window_over."""
        if self.state is StatementState.DISPUTED:
            return ()
        if self.state is StatementState.ACCEPTED:
            raise Conflicting("statement_accepted", "It was accepted: ask for an adjustment instead.")
        self._require_open(today)
        return (Disputed(by=by, reason=reason),)

    def resolve(self, *, by: str, reason: str, adjustment: str) -> tuple[StatementEvent, ...]:
        """Settle the dispute; nothing to do where it is settled with these words. Refuses statement_not_disputed."""
        if self.state is StatementState.RESOLVED and (self.words, self.adjustment) == (reason, adjustment):
            return ()
        if self.state is not StatementState.DISPUTED:
            raise Conflicting("statement_not_disputed", "There is no dispute to resolve.")
        return (DisputeResolved(by=by, reason=reason, adjustment=adjustment),)

    def _require_open(self, today: date) -> None:
        if today > self.open_until:
            raise Conflicting(
                "dispute_window_over",
                f"It could be accepted or disputed until {self.open_until}: ask for an adjustment instead.",
            )


def require_over(period: Period, now: datetime) -> None:
    """Refuse period_not_over before the period's end in Shanghai."""
    if now < period.ends:
        raise Conflicting(
            "period_not_over", f"{period} ends with {period.last_day}: preview it until then.", field="period"
        )


def issue(state: Statement | None, content: Content, *, now: datetime) -> tuple[StatementEvent, ...]:
    """Issue a statement; nothing to do where the same is issued.

    Refuses statement_exists, period_not_over. Raises Unbalanced where it does not add up.
    """
    if state is not None:
        if state.content == content:
            return ()
        raise Conflicting("statement_exists", f"The statement of {content.period} is issued and final.")
    require_over(parse(content.period), now)
    faults = list(faults_of(content))
    if faults:
        raise Unbalanced(f"{content.account} {content.period}: {'; '.join(faults)}")
    return (Issued(content=content, hash=content_hash(content)),)


def evolve(state: Statement | None, event: StatementEvent, at: datetime) -> Statement:
    """The statement after one more fact."""
    if isinstance(event, Issued):
        return Statement(content=event.content, hash=event.hash, issued_at=at)
    if state is None:
        raise ValueError("a statement begins with statement.issued")
    match event:
        case Accepted():
            return replace(state, state=StatementState.ACCEPTED, by=event.by, words=event.note, at=at)
        case Disputed():
            return replace(state, state=StatementState.DISPUTED, by=event.by, words=event.reason, at=at)
        case DisputeResolved():
            return replace(
                state,
                state=StatementState.RESOLVED,
                by=event.by,
                words=event.reason,
                adjustment=event.adjustment,
                at=at,
            )
        case _:
            assert_never(event)


# The figures.


def half_up(micros: int) -> int:
    """Micro-yuan in whole fen, halves up."""
    return (micros + MICROS_PER_FEN // 2) // MICROS_PER_FEN


def rounded(lines: Sequence[Line], *, opening_micros: int) -> tuple[Line, ...]:
    """The lines of one ledger with their amounts in fen: each takes the running amount to its rounded value."""
    made: list[Line] = []
    running = opening_micros
    for line in lines:
        fen = half_up(running + line.amount_micros) - half_up(running)
        running += line.amount_micros
        difference = fen * MICROS_PER_FEN - line.amount_micros
        made.append(replace(line, amount_fen=fen, difference_micros=difference))
    return tuple(made)


def content_hash(content: Content) -> str:
    """SHA-256 over the canonical JSON: keys in order, no spaces, UTF-8, days as 2026-11-30."""
    return sha256(canonical(content)).hexdigest()


def canonical(content: Content) -> bytes:
    """The octets that are hashed."""
    text = json.dumps(
        asdict(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )
    return text.encode()


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a statement")


def faults_of(content: Content) -> Iterator[str]:
    """What does not add up in a statement; nothing where it is true to its own figures."""
    years = {section.year for section in content.sections}
    if any(line.year not in years for line in content.lines):
        yield "a line of a ledger that the statement does not cover"
    for section in content.sections:
        lines = [line for line in content.lines if line.year == section.year]
        for name, have, want in _sums(section, lines):
            if have != want:
                yield f"ledger {section.year}: {name} of the lines {have}, of the ledger {want}"
        if rounded(lines, opening_micros=section.opening.payable_micros) != tuple(lines):
            yield f"ledger {section.year}: a line is not rounded as it has to be"
    for name in ("amount_micros", "amount_fen", "difference_micros"):
        if sum(getattr(line, name) for line in content.lines) != getattr(content, name):
            yield f"{name} is not the sum of the lines"


def _sums(section: Section, lines: Sequence[Line]) -> Iterator[tuple[str, int, int]]:
    """The figures of a ledger that its lines have to add up to: name, as added up, as it has to be."""
    before, after = section.opening, section.closing
    yield "segments", sum(line.segments for line in lines), after.net - before.net
    yield "overage", sum(line.overage for line in lines), after.overage - before.overage
    included = (after.net - after.overage) - (before.net - before.overage)
    yield "included", sum(line.included for line in lines), included
    package = sum(line.allowance for line in lines if line.kind is LineKind.ALLOWANCE)
    yield "allowance", package, after.allowance - before.allowance
    yield "amount", sum(line.amount_micros for line in lines), after.payable_micros - before.payable_micros
