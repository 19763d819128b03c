"""The decision under the lock: versions, ledgers and database time turn entries into postings and outcomes.

Pure: given what stands in the log at one moment, it says what to append. The store calls it between its
reads and its writes, while no other writer can append.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never
from uuid import UUID

from application.ports import (
    Acceptance,
    Charge,
    CloseYear,
    Committed,
    Conflict,
    Entry,
    OpenYear,
    Outcome,
    PostAdjustment,
    SetAllowance,
)
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger
from domain.aggregates.message import DebitDue, RefundDue
from domain.errors import NotAccepting, Refusal
from domain.events import Event
from domain.events.contract import Terms
from domain.events.ledger import DebitReason, LedgerEvent, Totals
from domain.events.message import Charged
from domain.recorded import Context, Recorded
from domain.values import local_day, local_year, stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What stands in the log under the lock. A stream that is not in `versions` is new."""

    at: datetime
    versions: Mapping[UUID, int]
    ledgers: Mapping[tuple[str, int], Ledger]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    """What a contract says about the moment of the stamp."""

    refusal: Refusal | None
    terms: Terms
    allowance: int
    amendment: int


@dataclass(slots=True)
class Stamp:
    """One pass over a group of entries; later entries see what earlier ones posted."""

    at: datetime
    versions: dict[UUID, int]
    ledgers: dict[tuple[str, int], Ledger]
    appended: list[Recorded] = field(default_factory=list)
    year: int = field(init=False)
    _agreements: dict[int, _Agreement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The year is decided once for the whole group."""
        self.year = local_year(self.at)

    def entry(self, entry: Entry) -> Outcome:
        """The outcome of one entry; only a committed one leaves anything behind."""
        if entry.stream is not None and entry.version is not None:
            current = self.versions.get(entry.stream, 0)
            if current != entry.version:
                return Conflict(stream=entry.stream, version=current)
        charge = entry.charge
        if isinstance(charge, Acceptance):
            return self._accept(entry, charge)
        if isinstance(charge, PostAdjustment):
            return self._adjust(entry, charge)
        mark = len(self.appended)
        self._append(entry.stream, entry.events, entry.context)
        if charge is not None:
            self._post(charge, entry)
        return Committed(recorded=tuple(self.appended[mark:]))

    def _accept(self, entry: Entry, charge: Acceptance) -> Outcome:
        contract = charge.contract
        stream = stream_id("contract", contract.account)
        version = self.versions.get(stream, 0)
        agreed = self._agreement(contract)
        if agreed.refusal is not None and version == charge.contract_version:
            return agreed.refusal
        same_terms = agreed.terms is charge.terms or agreed.terms == charge.terms
        if version != charge.contract_version or not same_terms:
            return Conflict(stream=stream, version=version)
        assert entry.stream is not None
        mark = len(self.appended)
        before = self._ledger(contract.account, self.year)
        ledger = self._open_ledger(before, agreed, entry.context)
        (debited,) = ledger.debit(
            message=entry.stream,
            reason=DebitReason.ACCEPTED,
            segments=charge.segments,
            price_micros=agreed.terms.overage_price_micros,
            at=self.at,
        )
        if debited.overage and _beyond_cap(agreed.terms, debited.after):
            del self.appended[mark:]
            self.ledgers[before.account, before.year] = before
            return _CAP_REACHED
        charged = Charged(
            year=ledger.year,
            posting=ledger.version + 1,
            included=debited.included,
            overage=debited.overage,
            price_micros=debited.price_micros,
        )
        self._append(entry.stream, (charge.accept(charged), *entry.events), entry.context)
        self._append_posting(ledger, debited, entry.context)
        return Committed(recorded=tuple(self.appended[mark:]), charged=charged)

    def _agreement(self, contract: Contract) -> _Agreement:
        """What the contract says about this moment: asked once for all messages that rely on it."""
        key = id(contract)
        if key not in self._agreements:
            self._agreements[key] = _agreement(contract, self.at)
        return self._agreements[key]

    def _open_ledger(self, ledger: Ledger, agreed: _Agreement, context: Context) -> Ledger:
        """The ledger of the moment's year, with the allowance of the day: a year opens by itself."""
        for event in ledger.open(allowance=agreed.allowance, at=self.at):
            ledger = self._append_posting(ledger, event, context)
        changed = ledger.change_allowance(
            allowance=agreed.allowance,
            amendment=agreed.amendment,
            price_micros=agreed.terms.overage_price_micros,
            at=self.at,
        )
        for event in changed:
            ledger = self._append_posting(ledger, event, context)
        return ledger

    def _adjust(self, entry: Entry, charge: PostAdjustment) -> Outcome:
        ledger = self._ledger(charge.account, charge.year)
        opened = ledger.open(allowance=charge.allowance, at=self.at)
        try:
            made = _adjusted(ledger.after_posting(opened[0]) if opened else ledger, charge, self.at)
        except Refusal as refusal:
            return refusal
        mark = len(self.appended)
        self._append(entry.stream, entry.events, entry.context)
        for event in (*opened, *made):
            ledger = self._append_posting(ledger, event, entry.context)
        return Committed(recorded=tuple(self.appended[mark:]))

    def _post(self, charge: Charge, entry: Entry) -> None:
        ledger = self._ledger_of(charge)
        made: tuple[LedgerEvent, ...]
        match charge:
            case DebitDue():
                assert entry.stream is not None
                made = ledger.debit(
                    message=entry.stream,
                    reason=charge.reason,
                    segments=charge.segments,
                    price_micros=charge.price_micros,
                    at=self.at,
                )
            case RefundDue():
                assert entry.stream is not None
                made = ledger.refund(
                    message=entry.stream,
                    debit=charge.debit,
                    reason=charge.reason,
                    segments=charge.segments,
                    price_micros=charge.price_micros,
                    at=self.at,
                )
            case OpenYear():
                made = ledger.open(allowance=charge.allowance, at=self.at)
            case CloseYear():
                made = ledger.close(at=self.at)
            case SetAllowance():
                made = ledger.change_allowance(
                    allowance=charge.allowance,
                    amendment=charge.amendment,
                    price_micros=charge.price_micros,
                    at=self.at,
                )
            case PostAdjustment():
                raise TypeError("an adjustment is stamped with its approval")
            case Acceptance():
                raise TypeError("an acceptance is stamped with its message")
            case _:
                assert_never(charge)
        for event in made:
            ledger = self._append_posting(ledger, event, entry.context)

    def _ledger_of(self, charge: Charge) -> Ledger:
        if isinstance(charge, Acceptance):
            return self._ledger(charge.contract.account, self.year)
        return self._ledger(charge.account, charge.year)

    def _ledger(self, account: str, year: int) -> Ledger:
        return self.ledgers.get((account, year)) or Ledger(account=account, year=year)

    def _append_posting(self, ledger: Ledger, event: LedgerEvent, context: Context) -> Ledger:
        after = ledger.after_posting(event)
        self.ledgers[ledger.account, ledger.year] = after
        self.appended.append(
            Recorded(stream=ledger.stream, version=after.version, at=self.at, context=context, event=event)
        )
        return after

    def _append(self, stream: UUID | None, events: Sequence[Event], context: Context) -> None:
        if not events:
            return
        assert stream is not None
        version = self.versions.get(stream, 0)
        for event in events:
            version += 1
            self.appended.append(
                Recorded(stream=stream, version=version, at=self.at, context=context, event=event)
            )
        self.versions[stream] = version


_CAP_REACHED = NotAccepting(
    "spending_cap_reached",
    "The overage of this year has reached the contract's spending cap: raise it by an amendment.",
)


def _agreement(contract: Contract, at: datetime) -> _Agreement:
    day = local_day(at)
    refusal: Refusal | None = None
    try:
        contract.require_accepting(at)
    except Refusal as found:
        refusal = found
    amendment = contract.amendment_on(day)
    return _Agreement(
        refusal=refusal,
        terms=contract.terms_on(day),
        allowance=contract.allowance_for(day.year, on=day),
        amendment=amendment.number if amendment else 0,
    )


def _beyond_cap(terms: Terms, after: Totals) -> bool:
    return terms.spending_cap_micros is not None and after.payable_micros > terms.spending_cap_micros


def _adjusted(ledger: Ledger, charge: PostAdjustment, at: datetime) -> tuple[LedgerEvent, ...]:
    wanted = charge.requested
    return ledger.adjust(
        adjustment=wanted.adjustment,
        segments=wanted.segments,
        amount_micros=wanted.amount_micros,
        price_micros=charge.price_micros,
        period=wanted.period,
        reason=wanted.reason,
        reference=wanted.reference,
        requested_by=wanted.by,
        approved_by=charge.approved_by,
        at=at,
    )


def stamp(entries: Sequence[Entry], snapshot: Snapshot) -> tuple[list[Outcome], list[Recorded]]:
    """One outcome an entry, and all events to append, in order."""
    work = Stamp(at=snapshot.at, versions=dict(snapshot.versions), ledgers=dict(snapshot.ledgers))
    outcomes = [work.entry(entry) for entry in entries]
    return outcomes, work.appended


def streams_of(entries: Sequence[Entry], *, new: bool) -> set[UUID]:
    """The streams whose versions the stamp needs; those that entries take for new only where `new`."""
    streams = {entry.stream for entry in entries if entry.stream is not None and (new or entry.version != 0)}
    accounts = {entry.charge.contract.account for entry in entries if isinstance(entry.charge, Acceptance)}
    return streams | {stream_id("contract", account) for account in accounts}


def ledgers_of(entries: Sequence[Entry], at: datetime) -> set[tuple[str, int]]:
    """The ledgers whose last posting the stamp needs."""
    wanted: set[tuple[str, int]] = set()
    year = local_year(at)
    for entry in entries:
        charge = entry.charge
        if isinstance(charge, Acceptance):
            wanted.add((charge.contract.account, year))
        elif charge is not None:
            wanted.add((charge.account, charge.year))
    return wanted
