"""The proof: every ledger recomputed from its postings, every posting held against the messages' own facts.

Reads the whole log once, in order, in constant memory a ledger. Whatever is wrong becomes a finding with the
account, the year and the posting; an empty list is the proof. Stretches of the log may be proved apart and
merged: each begins with the posting before its first one, which the stretch before proves.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import assert_never, get_args
from uuid import UUID

from application.findings import Finding
from application.prove_agreements import TOPICS as AGREEMENT_TOPICS
from application.prove_agreements import Agreements
from application.prove_statements import TOPICS as STATEMENT_TOPICS
from application.prove_statements import Lookup, Statements
from domain.aggregates.ledger import Ledger, at_posting
from domain.events.adjustment import AdjustmentEvent
from domain.events.contract import ContractEvent
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    Closed,
    Debited,
    DebitReason,
    LedgerEvent,
    Opened,
    Refunded,
)
from domain.events.message import Accepted, Cancelled, Delivered, Expired, Failed
from domain.events.statement import Issued
from domain.recorded import Recorded
from domain.values import local_day, local_year, stream_id

TOPICS = (
    *(kind.TOPIC for kind in get_args(LedgerEvent)),
    *(kind.TOPIC for kind in (Accepted, Expired, Failed, Cancelled, Delivered)),
    *AGREEMENT_TOPICS,
    *STATEMENT_TOPICS,
)
_MODULUS = 2**256
_MOST_FINDINGS = 100
_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_NEVER = datetime(1, 1, 2, tzinfo=UTC)
_AHEAD = timedelta(hours=8)
"""Shanghai before UTC, all year."""


@dataclass(slots=True)
class _Balance:
    """Two multisets held against each other by sums of hashes, with counts and segments for the words."""

    ledger_sum: int = 0
    message_sum: int = 0
    ledger_segments: int = 0
    message_segments: int = 0

    def merge(self, other: "_Balance") -> None:
        """Both together."""
        self.ledger_sum = (self.ledger_sum + other.ledger_sum) % _MODULUS
        self.message_sum = (self.message_sum + other.message_sum) % _MODULUS
        self.ledger_segments += other.ledger_segments
        self.message_segments += other.message_segments


@dataclass(slots=True)
class Proof:
    """Feed it the log in order, then ask `findings`."""

    events: int = 0
    postings: int = 0
    messages: int = 0
    ledgers: dict[UUID, Ledger] = field(default_factory=dict)
    lookup: Lookup | None = None
    """Where other postings are found: those before a stretch, and those that statements name."""
    agreements: Agreements = field(default_factory=Agreements)
    statements: Statements = field(default_factory=Statements)
    _day_begins: datetime = _NEVER
    _day_ends: datetime = _NEVER
    _day: int = 0
    _found: list[Finding] = field(default_factory=list)
    _debits: dict[tuple[str, int], _Balance] = field(default_factory=lambda: defaultdict(_Balance))
    _refunds: dict[tuple[str, int], _Balance] = field(default_factory=lambda: defaultdict(_Balance))

    def __post_init__(self) -> None:
        """Statements look where the ledgers do."""
        self.statements.lookup = self.lookup

    def feed(self, recorded: Recorded) -> None:
        """One more event of the log."""
        self.events += 1
        match recorded.event:
            case Opened() | Debited() | Refunded() | AllowanceChanged() | Adjusted() | Closed() as event:
                self._posting(recorded, event)
            case Accepted() as event:
                self._accepted(recorded, event)
            case Failed(refunded=True) | Expired() | Cancelled() as event:
                balance = self._refunds[event.of.account, local_year(event.of.accepted_at)]
                _add(balance, recorded.stream, event.of.segments, message=True)
            case Delivered(owed_again=True) as event:
                balance = self._refunds[event.of.account, local_year(event.of.accepted_at)]
                _add(balance, recorded.stream, -event.of.segments, message=True)
            case event if isinstance(event, ContractEvent | AdjustmentEvent):
                self.agreements.agreed(recorded)
            case Issued() as event:
                self.statements.feed(recorded, event)
            case _:
                pass

    def unreadable(self, *, stream: UUID | None, version: int, position: int, why: str) -> None:
        """A row of the log that says nothing any more."""
        known = self.ledgers.get(stream) if stream is not None else None
        self._find(
            "unreadable",
            known.account if known else "",
            known.year if known else 0,
            version if known else 0,
            f"the row at position {position} of the log cannot be read: {why}",
        )

    def merge(self, later: "Proof") -> None:
        """Add the proof of the stretch of the log that follows."""
        self.events += later.events
        self.postings += later.postings
        self.messages += later.messages
        self.ledgers |= later.ledgers
        self.agreements.merge(later.agreements)
        self.statements.merge(later.statements)
        self._found += later._found[: _MOST_FINDINGS - len(self._found)]
        for mine, theirs in ((self._debits, later._debits), (self._refunds, later._refunds)):
            for key, balance in theirs.items():
                mine[key].merge(balance)

    def findings(self) -> list[Finding]:
        """All that is wrong, in the order of the log; the sums of each year come last."""
        found = [*self._found, *self.agreements.findings(), *self.statements.findings()]
        for name, balances in (("debits", self._debits), ("refunds", self._refunds)):
            for (account, year), balance in balances.items():
                if balance.ledger_sum != balance.message_sum:
                    found.append(
                        Finding(
                            code=f"{name}_differ",
                            account=account,
                            year=year,
                            posting=0,
                            detail=f"the ledger has {balance.ledger_segments} segments of {name}, "
                            f"the messages have {balance.message_segments}",
                        )
                    )
        return found

    @property
    def opened(self) -> list[Recorded]:
        """Every opening of a ledger."""
        return [one for one in self.agreements.allowances if isinstance(one.event, Opened)]

    def _accepted(self, recorded: Recorded, event: Accepted) -> None:
        self.messages += 1
        balance = self._debits[event.account, event.charged.year]
        charged = event.charged
        figures = (charged.posting, charged.included, charged.overage, charged.price_micros)
        _add(balance, recorded.stream, event.segments, message=True, figures=figures)

    def _posting(self, recorded: Recorded, event: LedgerEvent) -> None:
        self.postings += 1
        ledger = self._ledger(recorded, event)
        if ledger is None:
            return
        self.ledgers[recorded.stream] = self._checked(ledger, recorded, event)
        key = (ledger.account, ledger.year)
        match event:
            case Debited(reason=DebitReason.ACCEPTED):
                figures = (recorded.version, event.included, event.overage, event.price_micros)
                _add(self._debits[key], event.message, event.segments, figures=figures)
                agreed = (*key, self._day_of(recorded.at), event.price_micros, event.after.allowance)
                self.agreements.debits.setdefault(agreed, recorded.version)
            case Debited():
                # A revision takes its refund back.
                _add(self._refunds[key], event.message, -event.segments)
            case Refunded():
                _add(self._refunds[key], event.message, event.segments)
            case Opened() | AllowanceChanged():
                self.agreements.allowances.append(recorded)
            case Adjusted():
                self.agreements.adjusted.append(recorded)
            case Closed():
                pass
            case _:
                assert_never(event)

    def _day_of(self, at: datetime) -> int:
        """The day in Shanghai, in days since 1970; a day is asked for many times before the next one comes."""
        if not self._day_begins <= at < self._day_ends:
            day = local_day(at)
            self._day = day.toordinal() - _EPOCH_ORDINAL
            self._day_begins = datetime(day.year, day.month, day.day, tzinfo=UTC) - _AHEAD
            self._day_ends = self._day_begins + timedelta(days=1)
        return self._day

    def _ledger(self, recorded: Recorded, event: LedgerEvent) -> Ledger | None:
        """The ledger before this posting; a first posting that opens nothing is a finding."""
        known = self.ledgers.get(recorded.stream)
        if known is not None:
            return known
        if isinstance(event, Opened) and stream_id("ledger", event.account, event.year) == recorded.stream:
            return Ledger(account=event.account, year=event.year)
        if recorded.version > 1:
            earlier = self._earlier(recorded)
            if earlier is not None:
                return earlier
        self._find(
            "not_opened", event.account, 0, recorded.version, "the ledger does not begin with its opening"
        )
        return None

    def _earlier(self, recorded: Recorded) -> Ledger | None:
        """The ledger as the stretch of the log before left it."""
        if self.lookup is None:
            return None
        first, before = (recorded.stream, 1), (recorded.stream, recorded.version - 1)
        found = self.lookup([first, before])
        opening = found[first].event if first in found else None
        if not isinstance(opening, Opened):
            return None
        account, year = opening.account, opening.year
        if stream_id("ledger", account, year) != recorded.stream:
            return None
        last = found[before].event if before in found else None
        if not isinstance(last, LedgerEvent):
            return Ledger(account=account, year=year)
        return at_posting(account=account, year=year, version=before[1], event=last)

    def detached(self) -> "Proof":
        """The proof without what it looks up with, so that another process can have it."""
        self.statements.settle()
        self.lookup = self.statements.lookup = None
        return self

    def _checked(self, ledger: Ledger, recorded: Recorded, event: LedgerEvent) -> Ledger:
        """The ledger after the posting as it should be; every difference is a finding."""
        account, year, version = ledger.account, ledger.year, recorded.version
        if version != ledger.version + 1:
            self._find("not_dense", account, year, version, f"posting {ledger.version + 1} is missing")
        again = ledger.again(event, recorded.at)
        if again == event:
            pass
        elif again is None or replace(again, chain=event.chain) != event:
            self._find("totals_wrong", account, year, version, "its figures do not follow from before")
        else:
            self._find(
                "chain_broken", account, year, version, "the hash does not follow from the posting before"
            )
        return Ledger(account=account, year=year, version=version, after=event.after, chain=event.chain)

    def _find(self, code: str, account: str, year: int, posting: int, detail: str) -> None:
        if len(self._found) < _MOST_FINDINGS:
            self._found.append(Finding(code=code, account=account, year=year, posting=posting, detail=detail))


def _add(
    balance: _Balance,
    id_: UUID,
    segments: int,
    *,
    message: bool = False,
    figures: tuple[int, ...] = (),
) -> None:
    """Add a message's segments to one side, with the figures that both sides know; a negative number takes
    them off again."""
    digest = blake2b(id_.bytes + f"{abs(segments)}|{figures}".encode(), digest_size=32).digest()
    value = int.from_bytes(digest) * (1 if segments >= 0 else -1)
    if message:
        balance.message_sum = (balance.message_sum + value) % _MODULUS
        balance.message_segments += segments
    else:
        balance.ledger_sum = (balance.ledger_sum + value) % _MODULUS
        balance.ledger_segments += segments
