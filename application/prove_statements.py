"""The part of the proof that holds issued statements against the ledgers: range, chain, totals, sums and hash."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from application.findings import Finding
from domain.aggregates.statement import content_hash, faults_of
from domain.events.ledger import LedgerEvent, Totals
from domain.events.statement import Balance, Content, Issued, Rest, Section
from domain.recorded import Recorded
from domain.values import stream_id

TOPICS = (Issued.TOPIC,)
_WAITING = 500

Place = tuple[UUID, int]
Lookup = Callable[[Sequence[Place]], Mapping[Place, Recorded]]
"""Events by stream and version, as they stand in the log; what is not there is not in the answer."""


@dataclass(frozen=True, slots=True)
class _Stated:
    """A section that waits to be held against its ledger."""

    account: str
    period: str
    section: Section


@dataclass(slots=True)
class Statements:
    """Feed it the issued statements in the order of the log; sections are compared in groups, by one look-up."""

    lookup: Lookup | None = None
    count: int = 0
    issued: dict[tuple[str, str], str] = field(default_factory=dict)
    """The hash of each statement by account and period."""
    ranges: list[tuple[str, int, str, int, int]] = field(default_factory=list)
    """Account, ledger year, month, after and upto of each section of a monthly statement."""
    rests: list[tuple[str, str, Rest]] = field(default_factory=list)
    _waiting: list[_Stated] = field(default_factory=list)
    _found: list[Finding] = field(default_factory=list)

    def feed(self, recorded: Recorded, event: Issued) -> None:
        """One more statement."""
        self.count += 1
        content = event.content
        account, period = content.account, content.period
        if recorded.stream != stream_id("statement", account, period) or recorded.version != 1:
            self._find("statement_strange", account, 0, 0, f"{period} is issued outside its own stream")
        if event.hash != content_hash(content):
            self._find("statement_hash_wrong", account, 0, 0, f"{period} is not what its hash was made of")
        for fault in faults_of(content):
            self._find("statement_sums_wrong", account, 0, 0, f"{period}: {fault}")
        self.issued[account, period] = event.hash
        self.rests += [(account, period, rest) for rest in content.rests_on]
        self._sections(content)

    def _sections(self, content: Content) -> None:
        monthly = "-" in content.period
        for section in content.sections:
            if section.upto or section.after:
                self._waiting.append(_Stated(content.account, content.period, section))
            if monthly and section.upto > section.after:
                self.ranges.append(
                    (content.account, section.year, content.period, section.after, section.upto)
                )
        if len(self._waiting) >= _WAITING:
            self.settle()

    def settle(self) -> None:
        """Compare what waits with the ledgers; without a look-up nothing can be compared."""
        waiting, self._waiting = self._waiting, []
        if self.lookup is None or not waiting:
            return
        places = {
            (stream_id("ledger", one.account, one.section.year), version)
            for one in waiting
            for version in (one.section.after, one.section.upto)
            if version
        }
        found = self.lookup(sorted(places))
        for one in waiting:
            self._compare(one, found)

    def _compare(self, one: _Stated, found: Mapping[Place, Recorded]) -> None:
        section, stream = one.section, stream_id("ledger", one.account, one.section.year)
        if not 0 <= section.after <= section.upto:
            self._differs(one, section.upto, "its range of postings is none")
        for version, balance, chain in (
            (section.after, section.opening, None),
            (section.upto, section.closing, section.chain),
        ):
            recorded = found.get((stream, version)) if version else None
            event = recorded.event if recorded is not None else None
            if version and not isinstance(event, LedgerEvent):
                self._differs(one, version, "the ledger has no such posting")
            elif isinstance(event, LedgerEvent) and chain not in (None, event.chain):
                self._differs(one, version, "its chain is not that of the posting")
            elif balance != _balance(event.after if isinstance(event, LedgerEvent) else Totals(allowance=0)):
                self._differs(one, version, "its totals are not those of the posting")

    def merge(self, later: "Statements") -> None:
        """Add what was read of a later stretch of the log."""
        self.count += later.count
        self.issued |= later.issued
        self.ranges += later.ranges
        self.rests += later.rests
        self._found += later._found

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the statements; asked when all are fed."""
        self.settle()
        yield from self._found
        yield from self._gaps()
        for account, period, rest in self.rests:
            if self.issued.get((account, rest.period)) != rest.hash:
                yield Finding(
                    code="statement_rest_wrong",
                    account=account,
                    year=0,
                    posting=0,
                    detail=f"{period} rests on {rest.period}, which was not issued so",
                )

    def _gaps(self) -> Iterator[Finding]:
        """Each monthly statement begins in a ledger where the one before ended."""
        covered: dict[tuple[str, int], int] = {}
        for account, year, period, after, upto in sorted(self.ranges):
            if after != covered.get((account, year), 0):
                yield Finding(
                    code="statement_gap",
                    account=account,
                    year=year,
                    posting=after + 1,
                    detail=f"{period} begins after posting {after}, the one before ended elsewhere",
                )
            covered[account, year] = upto

    def _differs(self, one: _Stated, posting: int, why: str) -> None:
        self._find("statement_differs", one.account, one.section.year, posting, f"{one.period}: {why}")

    def _find(self, code: str, account: str, year: int, posting: int, detail: str) -> None:
        self._found.append(Finding(code=code, account=account, year=year, posting=posting, detail=detail))


def _balance(after: Totals) -> Balance:
    """A ledger's totals in the form that statements have."""
    return Balance(
        allowance=after.allowance,
        net=after.net,
        overage=after.overage,
        by_price=after.overage_by_price,
        amount_micros=after.amount_micros,
        adjusted_micros=after.adjusted_micros,
        closed=after.closed,
    )
