"""Which row belongs to which fact: two streams in the order of the carrier's ids, merged in constant memory.

A row and a fact belong together where their ids are equal and their days differ by one at most: ids recur, and
midnight is not the same for everybody.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from domain.difference import Difference, difference
from domain.reconciling import (
    Case,
    Doubt,
    Fact,
    Finding,
    Reason,
    Row,
    Rules,
    billed,
    charged_micros,
    expected,
    explain,
    in_month,
)

_NEAR = timedelta(seconds=60)
"""So near in time a row without a number may be a submission without an answer, where no other one is."""
_INDEX_OCTETS = 16


@dataclass(slots=True)
class Sums:
    """What a reason, or a whole run, adds up to."""

    differences: int = 0
    segments: int = 0
    amount_micros: int = 0


@dataclass(slots=True, kw_only=True)
class Reconciler:
    """Feed it both streams once by `differences`; afterwards the sums are there.

    carrier_segments - platform_segments is the sum of the segments of all differences, and so it is with money
    where a price is agreed.
    """

    rules: Rules
    link: str
    doubts: Sequence[Doubt] = ()
    platform_segments: int = 0
    carrier_segments: int = 0
    ledger_segments: int = 0
    carrier_micros: int = 0
    rows: int = 0
    totals: dict[Reason, Sums] = field(default_factory=lambda: defaultdict(Sums))
    _digests: list[bytes] = field(default_factory=list)

    @property
    def platform_micros(self) -> int:
        """What the carrier should have charged by the agreed price."""
        return self.platform_segments * self.rules.price_micros

    def differences(self, facts: Iterable[Fact], rows: Iterable[Row]) -> Iterator[Difference]:
        """All differences of a month. Both streams are in the order of their ids as octets of UTF-8."""
        unanswered = Unanswered(self.doubts)
        for taken, listed in _groups(facts, rows):
            for turn, found in enumerate(self._cases(taken, listed)):
                case = _of_one_number(found)
                self._count(case)
                if not unanswered.keeps(case):
                    finding = explain(case, self.rules)
                    if finding is not None:
                        yield self._told(case, finding, turn)
        for turn, case in enumerate(unanswered.settle()):
            finding = explain(case, self.rules)
            assert finding is not None
            yield self._told(case, finding, turn)

    def result_hash(self, inputs: str) -> str:
        """SHA-256 over the inputs and every difference, in an order of their own."""
        made = sha256(inputs.encode())
        for digest in sorted(self._digests):
            made.update(digest)
        return made.hexdigest()

    def _count(self, case: Case) -> None:
        fact, row = case.fact, case.row
        if row is not None:
            self.rows += 1
            self.carrier_segments += billed(row, self.rules)
            self.carrier_micros += charged_micros(row, self.rules)
        if fact is not None and not case.repeated and in_month(fact, self.rules):
            self.platform_segments += expected(fact, self.rules)
            if fact.part == 1 and not fact.copy:
                self.ledger_segments += fact.net

    def _told(self, case: Case, finding: Finding, turn: int) -> Difference:
        found = difference(case, finding, self.rules, link=self.link, turn=turn)
        sums = self.totals[found.reason]
        sums.differences += 1
        sums.segments += found.segments
        sums.amount_micros += found.amount_micros
        self._digests.append(found.digest())
        return found

    def _cases(self, facts: Sequence[Fact], rows: Sequence[Row]) -> Sequence[Case]:
        """What belongs together among facts and rows of one id; a fact of another month needs a row of this."""
        if len(facts) == 1 and len(rows) == 1 and not rows[0].month and _close(facts[0], rows[0]):
            return (Case(fact=facts[0], row=rows[0]),)
        return [
            case
            for case in _paired(facts, rows)
            if case.row is not None or (case.fact is not None and in_month(case.fact, self.rules))
        ]


class Unanswered:
    """Rows that no fact knows against submissions that nobody answered: by number, else by time where only one
    of each is meant."""

    def __init__(self, doubts: Sequence[Doubt]) -> None:
        self._open = sorted(doubts, key=lambda doubt: (doubt.at, doubt.message.bytes))
        self._by_phone: dict[bytes, list[Doubt]] = defaultdict(list)
        self._by_minute: dict[int, list[Doubt]] = defaultdict(list)
        for doubt in self._open:
            if doubt.phone_index:
                self._by_phone[doubt.phone_index].append(doubt)
            minute = _minute(doubt.at)
            for near in (minute - 1, minute, minute + 1):
                self._by_minute[near].append(doubt)
        self._held: list[Row] = []

    def keeps(self, case: Case) -> bool:
        """Keep a case back where a submission may explain it."""
        row = case.row
        if case.fact is not None or row is None or row.problem or row.test or not self._open:
            return False
        if not self._candidates(row):
            return False
        self._held.append(row)
        return True

    def settle(self) -> Iterator[Case]:
        """The cases kept back, each with its submission where that is beyond question."""
        used: set[Doubt] = set()
        rivals = Counter(doubt for row in self._held for doubt in self._candidates(row))
        for row in sorted(self._held, key=_content):
            free = [doubt for doubt in self._candidates(row) if doubt not in used]
            sure = bool(free) and (bool(row.phone_index) or (len(free) == 1 and rivals[free[0]] == 1))
            if sure:
                used.add(free[0])
            yield Case(row=row, doubt=free[0] if sure else None)

    def _candidates(self, row: Row) -> list[Doubt]:
        if row.phone_index:
            indexes = row.phone_index
            pieces = (indexes[at : at + _INDEX_OCTETS] for at in range(0, len(indexes), _INDEX_OCTETS))
            return [doubt for piece in pieces for doubt in self._by_phone.get(piece, ())]
        if row.at is None:
            return []
        return [d for d in self._by_minute.get(_minute(row.at), ()) if abs(d.at - row.at) <= _NEAR]


def _of_one_number(case: Case) -> Case:
    """A row that shows the number of a test shows it for its fact, too: the number may be destroyed here."""
    row = case.row or case.beside
    if case.fact is None or row is None or not row.test or case.fact.test:
        return case
    return replace(case, fact=case.fact._replace(test=True))


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _groups(facts: Iterable[Fact], rows: Iterable[Row]) -> Iterator[tuple[list[Fact], list[Row]]]:
    """Facts and rows of one id after the other; rows without an id come one by one."""
    left, right = iter(facts), iter(rows)
    fact, row = next(left, None), next(right, None)
    while fact is not None or row is not None:
        key = _first(fact, row)
        taken: list[Fact] = []
        listed: list[Row] = []
        while fact is not None and fact.carrier_id == key:
            taken.append(fact)
            fact = next(left, None)
        while row is not None and row.carrier_id == key:
            listed.append(row)
            row = next(right, None)
            if not key:
                break
        yield taken, listed


def _first(fact: Fact | None, row: Row | None) -> str:
    if fact is None:
        assert row is not None
        return row.carrier_id
    return fact.carrier_id if row is None else min(fact.carrier_id, row.carrier_id)


def _paired(facts: Sequence[Fact], rows: Sequence[Row]) -> Iterator[Case]:
    """Facts and rows of one id, paired: the nearest in time first, whatever order they came in."""
    facts = sorted(facts, key=lambda fact: (fact.at, fact.message.bytes, fact.part))
    ordered = sorted(rows, key=_content)
    own = [row for row in ordered if not row.month and not row.problem]
    beside = [row for row in ordered if row.month and not row.problem]
    yield from (Case(row=row) for row in ordered if row.problem)
    mine, theirs = _nearest(facts, own), _nearest(facts, beside)
    for place, fact in enumerate(facts):
        yield Case(fact=fact, row=mine.get(place), beside=theirs.get(place))
    paired = set(map(id, mine.values()))
    for row in own:
        if id(row) not in paired:
            near = next((fact for fact in facts if _close(fact, row)), None)
            yield Case(fact=near, row=row, repeated=near is not None)


def _nearest(facts: Sequence[Fact], rows: Sequence[Row]) -> dict[int, Row]:
    """The row of each fact by the fact's place; each row at most once."""
    possible = sorted(
        (_days_apart(fact, row), fact.copy, place, other)
        for place, fact in enumerate(facts)
        for other, row in enumerate(rows)
        if _close(fact, row)
    )
    found: dict[int, Row] = {}
    used: set[int] = set()
    for _, _, place, other in possible:
        if place not in found and other not in used:
            found[place] = rows[other]
            used.add(other)
    return found


def _close(fact: Fact, row: Row) -> bool:
    return not row.problem and _days_apart(fact, row) <= 1


def _days_apart(fact: Fact, row: Row) -> int:
    return 0 if row.day is None else abs((fact.day - row.day).days)


def _content(row: Row) -> tuple[object, ...]:
    """What a row says, in an order that does not depend on where it stands; its number comes last."""
    return (
        row.carrier_id,
        str(row.day),
        str(row.at),
        row.segments,
        row.status,
        row.network,
        str(row.price_micros),
        str(row.amount_micros),
        row.problem,
        row.number,
    )
