"""Record what carriers report: each receipt is durable before it is acknowledged, matched now or later.

Early, late, repeated, unordered and foreign receipts are all kept: what cannot be matched is held and
looked at again when its message is known. Ids of carriers recur, so a receipt finds its part by link, id,
number and date together.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application import phone_tokens
from application.carriage import Receipt
from application.part_rows import part_rows
from application.phone_tokens import is_of, number_of
from application.ports import (
    Committed,
    Entry,
    HeldReceipt,
    HeldReleased,
    KnownPart,
    Now,
    Row,
    Store,
    Vault,
)
from application.settling import Remembered, Settling
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.events.message import MessageEvent
from domain.recorded import Context
from domain.values import local_day

MAX_TRIES = 50
_PAGE = 500
_DAYS_BACK = 3
"""The longest validity of a message: so long before its receipt it may have been accepted."""
RECEIPT_WITHIN = timedelta(days=360)
"""A receipt is about a part that was taken not longer ago: ids of CMPP, SGIP and SMGP have month, day and time in
them, so the same one comes again after a year. Within it a late receipt counts, however late."""
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
        self._looked_down_to: int | None = None

    async def __call__(self, link: str, receipts: Sequence[Receipt]) -> Sequence[datetime | None]:
        """Store a batch of receipts; durable when it returns.

        Returns when the part of each was recorded as taken; None where that is not known, or not yet.
        """
        await self._settling.settled(link, [receipt.carrier_id for receipt in receipts])
        numbers = [number_of(receipt.phone) for receipt in receipts]
        parts = await self._parts(link, receipts, numbers)
        reports: dict[UUID, list[Report]] = defaultdict(list)
        unknown: list[Entry] = []
        context = Context(actor=f"link:{link}")
        for receipt, number, part in zip(receipts, numbers, parts, strict=True):
            if part is not None:
                reports[part.message].append(Report(part=part.part, receipt=_stored(link, receipt)))
            else:
                held = _stored(link, receipt, self._tokens(number))
                unknown.append(Entry(stream=None, version=None, context=context, rows=(held,)))
        await self._record(reports, context, also=unknown)
        return [None if part is None else part.taken_at for part in parts]

    async def _parts(
        self, link: str, receipts: Sequence[Receipt], numbers: Sequence[str]
    ) -> list[KnownPart | None]:
        """The part of each receipt: what was submitted a moment ago is at hand, the rest is read."""
        wanted = list(zip((receipt.carrier_id for receipt in receipts), numbers, strict=True))
        since = self._now() - RECEIPT_WITHIN
        at_hand = [
            self._meant(self._settling.parts(link, id_, since=since), number) for id_, number in wanted
        ]
        others = {id_ for (id_, _), found in zip(wanted, at_hand, strict=True) if found is None and id_}
        if not others:
            return at_hand
        read = await self._store.parts(link, list(others), since=since)
        return [
            found or self._meant(read.get(id_, ()), number)
            for (id_, number), found in zip(wanted, at_hand, strict=True)
        ]

    def _meant(self, parts: Iterable[KnownPart], number: str) -> KnownPart | None:
        """The first of some parts that went to a number; a receipt without a number means any."""
        return next((part for part in parts if is_of(self._vault, part.phone, number)), None)

    def _tokens(self, number: str) -> bytes:
        return phone_tokens.tokens(self._vault, number, local_day(self._now()), days_back=_DAYS_BACK)

    async def match_held(self) -> int:
        """Record held receipts whose submission is known by now; returns how many."""
        matches = await self._store.held_matches(within=RECEIPT_WITHIN, limit=_PAGE)
        reports: dict[UUID, list[Report]] = defaultdict(list)
        for match in matches:
            reports[match.message].append(Report(part=match.part, receipt=match.receipt, held=match.id))
        await self._record(reports, Context(actor="matcher"))
        return len(matches)

    async def match_doubtful(self) -> int:
        """Match held receipts to submissions in doubt by phone: only where exactly one message is meant."""
        matched = 0
        for id_, held in await self._unmatched():
            owner = await self._owner(held)
            if owner is not None:
                report = Report(part=owner.part, receipt=held, held=id_)
                rows = part_rows(
                    held.link, held.carrier_id, message=owner.message, part=owner.part, phone=owner.phone
                )
                await self._record({owner.message: [report]}, Context(actor="matcher"), rows=rows)
                matched += 1
        return matched

    async def _unmatched(self) -> Sequence[tuple[int, HeldReceipt]]:
        """The newest held receipts, and some of the older ones: however many there are, each has its turn."""
        newest = await self._store.held_unmatched(limit=_PAGE)
        if len(newest) < _PAGE:
            return newest
        oldest = newest[-1][0] if self._looked_down_to is None else self._looked_down_to
        older = await self._store.held_unmatched(limit=_PAGE, before=oldest)
        self._looked_down_to = older[-1][0] if len(older) == _PAGE else None
        return [*newest, *older]

    async def _known(self, ids: Sequence[UUID]) -> Mapping[UUID, Remembered]:
        """The messages as they stand: at hand, or read from the log."""
        known = {id_: found for id_ in ids if (found := self._settling.message(id_)) is not None}
        others = [id_ for id_ in ids if id_ not in known]
        for id_, history in (await self._store.load(others)).items() if others else ():
            state = fold(message.evolve, history)
            assert state is not None
            known[id_] = Remembered(state, history[-1].version, history[-1].at)
        return known

    async def _owner(self, held: HeldReceipt) -> KnownPart | None:
        """The message in doubt, and its part, that an unknown carrier id belongs to beyond question."""
        to_phone = [
            id_
            for day, index in phone_tokens.each(held.phone_index)
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
        since = self._now() - RECEIPT_WITHIN
        known = await self._store.parts(held.link, [held.carrier_id], since=since)
        if not part or any(
            phone_tokens.is_among(each.phone, held.phone_index) for each in known.get(held.carrier_id, ())
        ):
            return None
        return KnownPart(message=id_, part=part, phone=_token_of(held, state))

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


def _stored(link: str, receipt: Receipt, tokens: bytes = b"") -> HeldReceipt:
    """A receipt in its stored form: the number only as tokens, of today and the days before."""
    return HeldReceipt(
        link=link,
        carrier_id=receipt.carrier_id,
        status=receipt.status[:20],
        error=receipt.error_code[:20],
        carrier_time=receipt.done_text[:20],
        phone_index=tokens,
    )


def _token_of(held: HeldReceipt, state: Message) -> bytes:
    """The token of the held receipt's number on the day its message was accepted."""
    day = state.accepted.sealed.day
    return next(
        (
            phone_tokens.packed(found, index)
            for found, index in phone_tokens.each(held.phone_index)
            if found == day
        ),
        b"",
    )


def _may_own(state: Message, link: str) -> bool:
    """Whether the carrier may have parts of it under ids that nobody knows: on the wire, taken without a word of
    its id, or ever in doubt."""
    unanswered = state.status in (Status.SUBMITTING, Status.IN_DOUBT) or _is_nameless(state)
    return (unanswered and state.link == link) or state.doubted


def _is_nameless(state: Message) -> bool:
    """Whether the carrier took a part and gave no id for it."""
    return any(not part.carrier_id for part in state.taken)


def _unanswered_part(state: Message) -> int:
    """The only part that has neither id nor report; 0 where there is none, or more than one.

    After a resend the same part may be reported twice, so that only a single part is beyond question.
    """
    open_ = state.status is Status.IN_DOUBT or (state.status is Status.SUBMITTED and _is_nameless(state))
    if not open_ or (state.doubted and state.accepted.parts > 1):
        return 0
    settled = {part for part, _ in state.reports} | {part.number for part in state.taken if part.carrier_id}
    open_parts = [part for part in range(1, state.accepted.parts + 1) if part not in settled]
    return open_parts[0] if len(open_parts) == 1 else 0
