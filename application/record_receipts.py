"""Record what carriers report: each receipt is durable before it is acknowledged, matched now or later.

Early, late, repeated, unordered and foreign receipts are all kept: what cannot be matched is held and
looked at again when its message is known.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from application.carriage import Receipt
from application.ports import (
    Committed,
    Conflict,
    Entry,
    HeldReceipt,
    HeldReleased,
    Now,
    PartRow,
    Row,
    Store,
    Vault,
)
from application.settling import Remembered, Settling
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.errors import BadInput
from domain.events.message import MessageEvent, SubmittedPart
from domain.numbering import normalise
from domain.recorded import Context
from domain.values import local_day

MAX_TRIES = 50
_PAGE = 500
_DAYS_BACK = 3
"""The longest validity of a message: so long before its receipt it may have been accepted."""
_INDEX_OCTETS = 16
_MOST_TO_ONE_PHONE = 100
"""The store names no more: who has so many may have others that were not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A receipt that found its part; `held` is its place among the held ones, if it was there."""

    part: int
    receipt: HeldReceipt
    held: int | None = None


class ReceiptRecorder:
    """Handles receipts of all links of a process."""

    def __init__(self, *, store: Store, vault: Vault, settling: Settling, now: Now) -> None:
        self._store = store
        self._vault = vault
        self._settling = settling
        self._now = now

    async def __call__(self, link: str, receipts: Sequence[Receipt]) -> None:
        """Store a batch of receipts; durable when it returns."""
        carrier_ids = [receipt.carrier_id for receipt in receipts]
        await self._settling.settled(carrier_ids)
        known = await self._parts(link, carrier_ids)
        reports: dict[UUID, list[Report]] = defaultdict(list)
        unknown: list[Entry] = []
        context = Context(actor=f"link:{link}")
        for receipt in receipts:
            held = self._held(link, receipt)
            if receipt.carrier_id in known:
                id_, part = known[receipt.carrier_id]
                reports[id_].append(Report(part=part, receipt=held))
            else:
                unknown.append(Entry(stream=None, version=None, context=context, rows=(held,)))
        await self._record(reports, context, also=unknown)

    async def _parts(self, link: str, carrier_ids: Sequence[str]) -> Mapping[str, tuple[UUID, int]]:
        """Message and part of carriers' ids: what was submitted a moment ago is at hand, the rest is read."""
        known = {
            carrier_id: found
            for carrier_id in carrier_ids
            if (found := self._settling.part(link, carrier_id)) is not None
        }
        others = [carrier_id for carrier_id in carrier_ids if carrier_id not in known]
        return {**known, **await self._store.parts(link, others)} if others else known

    async def match_held(self) -> int:
        """Record held receipts whose submission is known by now; returns how many."""
        matches = await self._store.held_matches(limit=_PAGE)
        reports: dict[UUID, list[Report]] = defaultdict(list)
        for match in matches:
            reports[match.message].append(Report(part=match.part, receipt=match.receipt, held=match.id))
        await self._record(reports, Context(actor="matcher"))
        return len(matches)

    async def match_doubtful(self) -> int:
        """Match held receipts to submissions in doubt by phone: only where exactly one message is meant."""
        matched = 0
        for id_, held in await self._store.held_unmatched(limit=_PAGE):
            owner = await self._owner(held)
            if owner is not None:
                message_id, part = owner
                report = Report(part=part, receipt=held, held=id_)
                await self._record(
                    {message_id: [report]}, Context(actor="matcher"), rows=_part_row(owner, held)
                )
                matched += 1
        return matched

    async def _known(self, ids: Sequence[UUID]) -> Mapping[UUID, Remembered]:
        """The messages as they stand: at hand, or read from the log."""
        known = {id_: found for id_ in ids if (found := self._settling.message(id_)) is not None}
        others = [id_ for id_ in ids if id_ not in known]
        for id_, history in (await self._store.load(others)).items() if others else ():
            state = fold(message.evolve, history)
            assert state is not None
            known[id_] = Remembered(state, history[-1].version)
        return known

    async def _owner(self, held: HeldReceipt) -> tuple[UUID, int] | None:
        """The message in doubt, and its part, that an unknown carrier id belongs to beyond question."""
        to_phone = [
            id_
            for day, index in _unpack(held.phone_index)
            for id_ in await self._store.find_by_index(day, index)
        ]
        histories = await self._store.load(to_phone)
        states = {id_: fold(message.evolve, history) for id_, history in histories.items()}
        possible = {id_: state for id_, state in states.items() if state and _may_own(state, held.link)}
        if len(possible) != 1 or len(to_phone) >= _MOST_TO_ONE_PHONE:
            return None
        ((id_, state),) = possible.items()
        part = _unanswered_part(state)
        # Asked last: an answer that was recorded since the states were read has made its id known.
        known = await self._store.parts(held.link, [held.carrier_id])
        return None if held.carrier_id in known or not part else (id_, part)

    async def record_late_answer(self, link: str, id_: UUID, part: SubmittedPart) -> None:
        """A submit answer that came after its time: the id is kept, so that the receipt finds its message.

        The late answers of a long message add up, in whatever order, until every part is known to be taken.
        """
        row = PartRow(link=link, carrier_id=part.carrier_id, message=id_, part=part.number)
        context = Context(actor=f"link:{link}")
        for _ in range(MAX_TRIES):
            history = (await self._store.load([id_]))[id_]
            state = fold(message.evolve, history)
            assert state is not None
            events = (
                state.record_submitted(parts=(part,))
                if state.accepted.parts == 1
                else state.record_in_doubt(reason="the answer of a part came late", taken=(part,))
            )
            entry = Entry(
                stream=id_, version=history[-1].version, context=context, events=events, rows=(row,)
            )
            (outcome,) = await self._store.commit([entry])
            if not isinstance(outcome, Conflict):
                return
        raise RuntimeError("a message kept moving while a late answer was recorded")

    def _held(self, link: str, receipt: Receipt) -> HeldReceipt:
        """A receipt in its stored form: the number only as blind indexes, of today and the days before."""
        try:
            phone = normalise(receipt.phone)
        except BadInput:
            indexes = b""
        else:
            indexes = _pack(local_day(self._now()), lambda day: self._vault.phone_index(phone, day))
        return HeldReceipt(
            link=link,
            carrier_id=receipt.carrier_id,
            status=receipt.status[:20],
            error=receipt.error_code[:20],
            carrier_time=receipt.done_text[:20],
            phone_index=indexes,
        )

    async def _record(
        self,
        reports: Mapping[UUID, Sequence[Report]],
        context: Context,
        *,
        also: Sequence[Entry] = (),
        rows: tuple[Row, ...] = (),
    ) -> None:
        """Commit reports (and entries beside them) until all are durable; conflicts are decided again."""
        open_reports = {id_: list(found) for id_, found in reports.items()}
        beside = list(also)
        for _ in range(MAX_TRIES):
            if not open_reports and not beside:
                return
            known = await self._known(list(open_reports))
            planned = [_plan(id_, known[id_], found, context, rows) for id_, found in open_reports.items()]
            outcomes = await self._store.commit([plan.entry for plan in planned] + beside)
            beside = []
            for plan, outcome in zip(planned, outcomes, strict=False):
                self._settling.forget(plan.id)
                if isinstance(outcome, Committed):
                    del open_reports[plan.id][: plan.settled]
                    if not open_reports[plan.id]:
                        del open_reports[plan.id]
        raise RuntimeError("receipts kept meeting other writers")


@dataclass(frozen=True, slots=True)
class _Plan:
    """One entry for a message, and how many of its reports it settles."""

    id: UUID
    entry: Entry
    settled: int


def _plan(
    id_: UUID,
    known: Remembered,
    reports: Sequence[Report],
    context: Context,
    rows: tuple[Row, ...],
) -> _Plan:
    """Settle as many reports as one entry can: up to the first that moves money."""
    state = known.state
    events: list[MessageEvent] = []
    released: list[HeldReleased] = []
    charge = None
    settled = 0
    for report in reports:
        made = _events(state, report)
        charge = state.charge_due(made)
        events += made
        settled += 1
        if report.held is not None:
            released.append(HeldReleased(id=report.held))
        if charge is not None:
            break
        if settled < len(reports):
            for event in made:
                state = message.evolve(state, event, state.accepted_at)
    entry = Entry(
        stream=id_,
        version=known.version,
        context=context,
        events=tuple(events),
        charge=charge,
        rows=(*rows, *released),
    )
    return _Plan(id_, entry, settled)


def _events(state: Message, report: Report) -> tuple[MessageEvent, ...]:
    receipt = report.receipt
    return state.record_receipt(
        part=report.part,
        carrier_id=receipt.carrier_id,
        status=receipt.status,
        error=receipt.error,
        carrier_time=receipt.carrier_time,
    )


def _pack(today: date, index: Callable[[date], bytes | None]) -> bytes:
    """A number's blind indexes by day: a message may have been accepted days before its receipt comes."""
    packed = b""
    for back in range(_DAYS_BACK + 1):
        day = today - timedelta(days=back)
        found = index(day)
        if found is not None:
            packed += day.toordinal().to_bytes(4) + found
    return packed


def _unpack(packed: bytes) -> list[tuple[date, bytes]]:
    """The days and indexes that `_pack` wrote."""
    size = 4 + _INDEX_OCTETS
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))
    return [(date.fromordinal(int.from_bytes(piece[:4])), piece[4:]) for piece in pieces]


def _part_row(owner: tuple[UUID, int], held: HeldReceipt) -> tuple[PartRow, ...]:
    """From now on the id is known; a receipt that names none teaches nothing."""
    if not held.carrier_id:
        return ()
    return (PartRow(link=held.link, carrier_id=held.carrier_id, message=owner[0], part=owner[1]),)


def _may_own(state: Message, link: str) -> bool:
    """Whether the carrier may have parts of it under ids that nobody knows: on the wire, or ever in doubt."""
    unanswered = state.status in (Status.SUBMITTING, Status.IN_DOUBT) and state.link == link
    return unanswered or state.doubted


def _unanswered_part(state: Message) -> int:
    """The only part in doubt that has neither id nor report; 0 where there is none, or more than one.

    After a resend the same part may be reported twice, so that only a single part is beyond question.
    """
    if state.status is not Status.IN_DOUBT or (state.doubted and state.accepted.parts > 1):
        return 0
    settled = {part for part, _ in state.reports} | {part.number for part in state.taken}
    open_parts = [part for part in range(1, state.accepted.parts + 1) if part not in settled]
    return open_parts[0] if len(open_parts) == 1 else 0
