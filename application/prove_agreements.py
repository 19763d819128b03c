"""The part of the proof that holds postings against what was agreed: prices, allowances and adjustments.

Few facts in all, so they are kept and compared when the log has been read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import get_args
from uuid import UUID

from application.findings import Finding
from domain.aggregates import adjustment, contract, fold
from domain.aggregates.contract import AmendmentState, Contract
from domain.events.adjustment import AdjustmentEvent
from domain.events.contract import ContractEvent, Signed
from domain.events.ledger import Adjusted, AllowanceChanged, Opened
from domain.periods import day_start
from domain.recorded import Recorded
from domain.values import local_day, stream_id

TOPICS = (
    *(kind.TOPIC for kind in get_args(ContractEvent)),
    *(kind.TOPIC for kind in get_args(AdjustmentEvent)),
)
_EPOCH = date(1970, 1, 1)
_COMMITTED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _State:
    """A contract from one of its facts on."""

    at: datetime
    contract: Contract


@dataclass(slots=True)
class Agreements:
    """What was agreed, and what the postings made of it."""

    contracts: dict[UUID, list[Recorded]] = field(default_factory=lambda: defaultdict(list))
    adjustments: dict[UUID, list[Recorded]] = field(default_factory=lambda: defaultdict(list))
    adjusted: list[Recorded] = field(default_factory=list)
    allowances: list[Recorded] = field(default_factory=list)
    debits: dict[tuple[str, int, int, int, int], int] = field(default_factory=dict)
    """Account, ledger year, day since 1970, price and allowance of debits, with the first such posting."""

    def agreed(self, recorded: Recorded) -> None:
        """One more fact of a contract or an adjustment."""
        noun = self.contracts if isinstance(recorded.event, ContractEvent) else self.adjustments
        noun[recorded.stream].append(recorded)

    def merge(self, later: "Agreements") -> None:
        """Add what was read of a later stretch of the log."""
        for mine, theirs in ((self.contracts, later.contracts), (self.adjustments, later.adjustments)):
            for stream, history in theirs.items():
                mine[stream].extend(history)
        self.adjusted += later.adjusted
        self.allowances += later.allowances
        for key, posting in later.debits.items():
            self.debits.setdefault(key, posting)

    def findings(self) -> Iterator[Finding]:
        """Whatever was posted and not agreed, or agreed and not posted."""
        known: dict[str, list[_State]] = {}
        for history in self.contracts.values():
            try:
                known |= _states(history)
            except Exception as error:  # noqa: BLE001  (an altered history may fail anywhere)
                yield _of(history[0], "history_broken", f"the contract cannot be folded: {error!r}")
        yield from self._prices(known)
        yield from self._allowances(known)
        yield from self._adjustments()

    def _prices(self, known: dict[str, list[_State]]) -> Iterator[Finding]:
        """Each debit at the price, and within the allowance, of the terms in force on its day."""
        for (account, year, number, price, allowance), posting in self.debits.items():
            if account not in known:
                continue
            day = _EPOCH + timedelta(days=number)
            states = _on(known[account], day)
            terms = {state.terms_on(day).overage_price_micros for state in states}
            if price not in terms:
                detail = f"the price on {day} was {sorted(terms)} micro-yuan, not {price}"
                yield Finding(code="price_wrong", account=account, year=year, posting=posting, detail=detail)
            if allowance not in {state.allowance_for(year, on=day) for state in states}:
                detail = f"the allowance on {day} is not the agreed one: {allowance}"
                yield Finding(
                    code="allowance_wrong", account=account, year=year, posting=posting, detail=detail
                )

    def _allowances(self, known: dict[str, list[_State]]) -> Iterator[Finding]:
        """Each year opened, and each allowance changed, as the contract says for that year and day."""
        for recorded in self.allowances:
            event = recorded.event
            assert isinstance(event, Opened | AllowanceChanged)
            if event.account not in known:
                continue
            day = local_day(recorded.at)
            within = min(max(day, date(event.year, 1, 1)), date(event.year, 12, 31))
            edges = {day, within, date(event.year, 12, 31)}
            states = _on(known[event.account], day)
            if event.after.allowance not in {
                state.allowance_for(event.year, on=edge) for state in states for edge in edges
            }:
                yield _posted(recorded, "allowance_wrong", "the contract does not say this allowance")
            elif isinstance(event, AllowanceChanged) and not any(
                _is_agreed(state, event.amendment) for state in states
            ):
                yield _posted(recorded, "allowance_wrong", "the amendment it names is not agreed")

    def _adjustments(self) -> Iterator[Finding]:
        """Each adjustment asked for, approved by as many as it takes, and posted once."""
        posted: Counter[UUID] = Counter()
        for recorded in self.adjusted:
            event = recorded.event
            assert isinstance(event, Adjusted)
            stream = stream_id("adjustment", str(event.adjustment))
            posted[stream] += 1
            wrong = _wrong(event, self.adjustments.get(stream, []))
            if wrong:
                yield _posted(recorded, "adjustment_wrong", wrong)
        for stream, history in self.adjustments.items():
            due = sum(getattr(recorded.event, "posted", False) for recorded in history)
            if due != posted[stream]:
                yield _of(history[0], "adjustment_missing", f"posted {posted[stream]} times, approved {due}")


def _states(history: list[Recorded]) -> dict[str, list[_State]]:
    """A contract's account, and the contract after each of its facts."""
    first = history[0].event
    if not isinstance(first, Signed) or stream_id("contract", first.account) != history[0].stream:
        raise ValueError("it does not begin with its signing")
    states: list[_State] = []
    state: Contract | None = None
    for version, recorded in enumerate(history, 1):
        if recorded.version != version:
            raise ValueError(f"fact {version} is missing")
        assert isinstance(recorded.event, ContractEvent)
        state = contract.evolve(state, recorded.event, recorded.at)
        states.append(_State(recorded.at, state))
    return {first.account: states}


def _on(states: list[_State], day: date) -> list[Contract]:
    """The contract as it was known on a day: as the day began, and after each fact of the day.

    A fact is stamped shortly before it is committed, so what was known ten minutes before the day counts as well.
    """
    begins, ends = day_start(day) - _COMMITTED_WITHIN, day_start(day + timedelta(days=1))
    before = [state.contract for state in states if state.at < begins][-1:]
    return before + [state.contract for state in states if begins <= state.at < ends]


def _is_agreed(state: Contract, amendment: int) -> bool:
    """Whether an amendment holds; 0 is the contract as it was signed."""
    return amendment == 0 or any(
        one.number == amendment and one.state is AmendmentState.AGREED for one in state.amendments
    )


def _wrong(event: Adjusted, history: list[Recorded]) -> str:
    """Why an adjustment should not have been posted so; empty where it is as it was approved."""
    try:
        state = fold(adjustment.evolve, history)
    except Exception as error:  # noqa: BLE001  (an altered history may fail anywhere)
        return f"the adjustment cannot be folded: {error!r}"
    if state is None:
        return "nobody asked for it"
    wanted = state.requested
    asked = (wanted.adjustment, wanted.account, wanted.year, wanted.segments, wanted.amount_micros)
    made = (event.adjustment, event.account, event.year, event.segments, event.amount_micros)
    words = (wanted.period, wanted.reason, wanted.reference, wanted.by)
    if asked != made or words != (event.period, event.reason, event.reference, event.requested_by):
        return "it is not what was asked for"
    if state.approved_by != event.approved_by or len(set(event.approved_by)) < max(1, wanted.approvals):
        return f"it takes {wanted.approvals} approvals of different people"
    return ""


def _posted(recorded: Recorded, code: str, detail: str) -> Finding:
    event = recorded.event
    assert isinstance(event, Opened | AllowanceChanged | Adjusted)
    return Finding(code=code, account=event.account, year=event.year, posting=recorded.version, detail=detail)


def _of(recorded: Recorded, code: str, detail: str) -> Finding:
    event = recorded.event
    return Finding(
        code=code,
        account=getattr(event, "account", ""),
        year=getattr(event, "year", 0),
        posting=0,
        detail=detail,
    )
