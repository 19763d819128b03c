"""Carry messages to a carrier: `SubmissionStarted` is durable before the first octet, then PDU, answer, fact.

Whatever happens in between, a message that the carrier may have is never sent again by itself.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from application.carriage import Answer, Carriage, InDoubt, NotSent, Part, PartKey, Refused, Taken
from application.part_rows import part_rows
from application.phone_tokens import token
from application.ports import Committed, Conflict, Entry, Now, Sleep, Store, Vault
from application.settling import Settling
from domain import text
from domain.aggregates import fold, message
from domain.aggregates.message import Message, Status
from domain.events.message import MessageEvent, SubmissionStarted, SubmittedPart
from domain.recorded import Context, Recorded
from domain.values import Lane

MAX_TRIES = 20
_PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""Between the tries of a part that the carrier certainly does not have."""
_UCS2 = 8
_PHONES_REMEMBERED = 10_000


_Plain = tuple[str, str]
"""Phone number and whole text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """Why messages come over this link: the route, and the links that were passed over (`mobile-1:down`).

    `extension` are the digits of the route or the filing behind the link's number.
    """

    route: str = ""
    passed_over: tuple[str, ...] = ()
    extension: str = ""


NOT_ROUTED = Via()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that waits for a carrier, as it was read; None where its sealed data is destroyed."""

    id: UUID
    state: Message
    version: int
    ciphertext: bytes | None


@dataclass(frozen=True, slots=True)
class _Started:
    """A message whose start is durable, with what goes on the wire."""

    id: UUID
    state: Message
    version: int
    parts: tuple[Part, ...]
    phone: bytes
    """The token of its number, by which a receipt is known to mean it."""


class _Places:
    """Places reserved for some messages: each is given back once, as soon as its answer is there."""

    def __init__(self, carriage: Carriage, held: set[UUID]) -> None:
        self._carriage = carriage
        self._held = held

    def give_back(self, id_: UUID) -> None:
        if id_ in self._held:
            self._held.remove(id_)
            self._carriage.release(1)

    def give_back_all(self) -> None:
        self._carriage.release(len(self._held))
        self._held.clear()


class References:
    """Concatenation references: a counter a phone, so that two long texts to one phone never mix.

    Kept for the most recent phones of a connection; 3GPP TS 23.040 §9.2.3.24.1 asks only that messages on their
    way to a phone at the same time differ. A phone that is not known begins where the id of its message says.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()

    def next(self, phone: str, message: UUID) -> int:
        """The next reference for a phone, 0 to 255."""
        value = (self._last.pop(phone, message.int) + 1) % 256
        self._last[phone] = value
        if len(self._last) > _PHONES_REMEMBERED:
            self._last.popitem(last=False)
        return value


class MessageSubmitter:
    """Submits over one connection of a link. `run` is like no other submitter's, ever: by it a submitter knows
    its own facts again where the answer to a commit was lost. `signs` says that the carrier writes the
    signature of the number itself."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        carriage: Carriage,
        settling: Settling,
        now: Now,
        sleep: Sleep,
        run: str = "",
        connection: int = 1,
        signs: bool = False,
    ) -> None:
        self._store = store
        self._vault = vault
        self._carriage = carriage
        self._settling = settling
        self._now = now
        self._sleep = sleep
        self._references = References()
        self._context = Context(actor=f"link:{carriage.name}")
        self._run = run
        self._connection = connection
        self.signs = signs
        self._starts = itertools.count(1)

    async def __call__(self, ids: Sequence[UUID], lane: Lane, via: Via = NOT_ROUTED) -> bool:
        """Carry the messages that still wait; others (sent before, cancelled, expired) are nothing to do.

        Returns when none of them waits any more, or False when the link takes no more of them.
        """
        waiting = await self._waiting(ids)
        carrying: list[asyncio.Task[None]] = []
        start = 0
        while start < len(waiting):
            places = await self._carriage.reserve(lane, len(waiting) - start)
            if not places:
                break
            chosen = waiting[start : start + places]
            carrying.append(asyncio.create_task(self._submit(chosen, via)))
            start += places
        await _all(carrying)
        return start >= len(waiting)

    async def _waiting(self, ids: Sequence[UUID]) -> list[_Waiting]:
        """Those of the ids that wait for a carrier, with their sealed data."""
        histories = await self._store.load(ids)
        states = {id_: fold(message.evolve, histories.get(id_, ())) for id_ in dict.fromkeys(ids)}
        found = [(id_, s) for id_, s in states.items() if s is not None and s.status is Status.ACCEPTED]
        rows = await self._store.sealed([(state.accepted.sealed.day, id_) for id_, state in found])
        return [_Waiting(id_, state, histories[id_][-1].version, rows.get(id_)) for id_, state in found]

    async def _submit(self, chosen: Sequence[_Waiting], via: Via) -> None:
        """Start, send and record these; every reserved place is given back, whatever happens."""
        places = _Places(self._carriage, {one.id for one in chosen})
        try:
            opened, altered = self._open_each(chosen)
            started = await self._start(opened, via)
            for id_ in {one.id for one in chosen} - {one.id for one in started}:
                places.give_back(id_)
            await _all([asyncio.create_task(self._carry(one, places)) for one in started])
        finally:
            places.give_back_all()
        if altered:
            raise altered[0]

    def _open_each(
        self, chosen: Sequence[_Waiting]
    ) -> tuple[list[tuple[_Waiting, _Plain | None]], list[ValueError]]:
        """Number and text of each. Where somebody altered the sealed octets the message is not sent: it
        waits until it expires, and its neighbours do not wait for it."""
        opened: list[tuple[_Waiting, _Plain | None]] = []
        altered: list[ValueError] = []
        for one in chosen:
            try:
                opened.append((one, self._open(one)))
            except ValueError as error:
                altered.append(error)
        return opened, altered

    async def _start(self, opened: Sequence[tuple[_Waiting, _Plain | None]], via: Via) -> list[_Started]:
        """Record the start of each; what expired, moved meanwhile or is destroyed is not started."""
        now = self._now()
        context = replace(self._context, correlation=f"{self._run}.{next(self._starts)}" if self._run else "")
        entries = []
        for one, plain in opened:
            if plain is None:
                # The keys of its day are destroyed: nobody can send it any more, so its validity is over.
                events = one.state.expire(now=one.state.accepted.expires_at)
            else:
                events = one.state.start_submission(
                    link=self._carriage.name,
                    now=now,
                    route=via.route,
                    passed_over=via.passed_over,
                    connection=self._connection,
                    extension=via.extension + one.state.accepted.extension,
                )
            charge = one.state.charge_due(events)
            entries.append(
                Entry(stream=one.id, version=one.version, context=context, events=events, charge=charge)
            )
        outcomes = await self._store.commit(entries)
        firsts = {
            o.recorded[0].stream: o.recorded[0] for o in outcomes if isinstance(o, Committed) and o.recorded
        }
        if self._run:
            firsts |= await self._own([o.stream for o in outcomes if isinstance(o, Conflict)], context)
        started: list[_Started] = []
        for one, plain in opened:
            recorded = firsts.get(one.id)
            if recorded and plain and isinstance(recorded.event, SubmissionStarted):
                after = message.evolve(one.state, recorded.event, recorded.at)
                phone = token(self._vault, plain[0], after.accepted.sealed.day)
                parts = self._parts(one.id, after, via, *plain)
                started.append(_Started(one.id, after, recorded.version, parts, phone))
        return started

    async def _own(self, ids: Sequence[UUID], context: Context) -> dict[UUID, Recorded]:
        """The newest facts of messages in conflict, where they are ours: the answer to their commit was lost."""
        histories = await self._store.load(ids) if ids else {}
        return {id_: history[-1] for id_, history in histories.items() if history[-1].context == context}

    def _open(self, one: _Waiting) -> _Plain | None:
        if one.ciphertext is None:
            return None
        accepted = one.state.accepted
        return self._vault.open(
            account=accepted.account, message=one.id, sealed=accepted.sealed, ciphertext=one.ciphertext
        )

    def _parts(self, id_: UUID, state: Message, via: Via, phone: str, whole: str) -> tuple[Part, ...]:
        """The parts as they were counted; what the carrier writes itself is left out of the first one only."""
        pieces = text.split_ucs2(whole)
        if self.signs:
            pieces = (pieces[0].removeprefix(f"【{state.accepted.signature}】"), *pieces[1:])
        left = max(60, int((state.accepted.expires_at - self._now()).total_seconds()))
        reference = self._references.next(phone, id_) if len(pieces) > 1 else 0
        return tuple(
            Part(
                destination=phone.removeprefix("+"),
                payload=_udh(reference, len(pieces), number) + piece.encode("utf-16-be"),
                data_coding=_UCS2,
                udh=len(pieces) > 1,
                validity_seconds=left,
                extension=via.extension + state.accepted.extension,
            )
            for number, piece in enumerate(pieces, 1)
        )

    async def _carry(self, started: _Started, places: _Places) -> None:
        if len(started.parts) == 1:
            answers = [await self._send(started, 1)]
        else:
            numbers = range(1, len(started.parts) + 1)
            answers = await asyncio.gather(*(self._send(started, number) for number in numbers))
        places.give_back(started.id)
        try:
            await self._record(started, answers)
        finally:
            self._settling.end(self._carriage.name, _ids(answers))

    async def _send(self, started: _Started, number: int) -> Answer:
        """One part; what the carrier certainly does not have is tried again for a while."""
        part = started.parts[number - 1]
        key = PartKey(started.id, number, started.state.attempt)
        answer = await self._carriage.submit(part, key)
        for pause in _PAUSES_SECONDS:
            if not _worth_another_try(answer):
                break
            await self._sleep(pause)
            answer = await self._carriage.submit(part, key)
        if isinstance(answer, Taken):
            self._settling.begin(self._carriage.name, answer.carrier_id)
        return answer

    async def _record(self, started: _Started, answers: Sequence[Answer]) -> None:
        """The fact that the answers make; decided again where somebody came between.

        Where a later attempt has begun meanwhile, only the ids are kept, so that receipts find the message.
        """
        taken = tuple(
            SubmittedPart(number=number, carrier_id=answer.carrier_id)
            for number, answer in enumerate(answers, 1)
            if isinstance(answer, Taken)
        )
        rows = tuple(
            row
            for part in taken
            for row in part_rows(
                self._carriage.name,
                part.carrier_id,
                message=started.id,
                part=part.number,
                phone=started.phone,
            )
        )
        state, version = started.state, started.version
        for _ in range(MAX_TRIES):
            events = _decide(state, started.state.attempt, answers, taken)
            (outcome,) = await self._store.commit(
                [
                    Entry(
                        stream=started.id,
                        version=version,
                        context=self._context,
                        events=events,
                        charge=state.charge_due(events),
                        rows=rows,
                    )
                ]
            )
            if isinstance(outcome, Committed):
                self._remember(started, state, outcome)
            if not isinstance(outcome, Conflict):
                return
            history = (await self._store.load([started.id]))[started.id]
            folded = fold(message.evolve, history)
            assert folded is not None
            state, version = folded, history[-1].version
        raise RuntimeError("a message kept moving while its submission was recorded")

    def _remember(self, started: _Started, state: Message, outcome: Committed) -> None:
        """Its receipt comes soon: keep what it will need."""
        own = [recorded for recorded in outcome.recorded if recorded.stream == started.id]
        for recorded in own:
            state = message.evolve(state, cast("MessageEvent", recorded.event), recorded.at)
        if own and state.taken:
            last = own[-1]
            self._settling.remember(started.id, state, last.version, phone=started.phone, at=last.at)


def _decide(
    state: Message, attempt: int, answers: Sequence[Answer], taken: tuple[SubmittedPart, ...]
) -> tuple[MessageEvent, ...]:
    if len(taken) == len(answers):
        return state.record_submitted(parts=taken, attempt=attempt)
    for answer in answers:
        if isinstance(answer, InDoubt):
            return state.record_in_doubt(reason=answer.reason, taken=taken, attempt=attempt)
    refused = next((a for a in answers if isinstance(a, Refused)), None)
    if refused is not None:
        return state.record_refused(
            code=refused.code, retryable=refused.retryable, taken=taken, attempt=attempt
        )
    if taken:
        return state.record_in_doubt(reason="only some parts were sent", taken=taken, attempt=attempt)
    return state.record_refused(code="local:not-sent", retryable=True, attempt=attempt)


def _worth_another_try(answer: Answer) -> bool:
    """Whether the carrier certainly does not have the part and may soon take it over this link."""
    match answer:
        case NotSent():
            return not answer.ended
        case Refused():
            return answer.retryable
        case _:
            return False


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all of them, then raise what the first failed one met: a failure ends no neighbour."""
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _ids(answers: Sequence[Answer]) -> list[str]:
    return [answer.carrier_id for answer in answers if isinstance(answer, Taken)]


def _udh(reference: int, total: int, number: int) -> bytes:
    """The concatenation header `05 00 03 RR TT NN` (3GPP TS 23.040 §9.2.3.24.1), empty for a single part."""
    return bytes((5, 0, 3, reference, total, number)) if total > 1 else b""
