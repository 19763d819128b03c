"""Carriers teach whose a number is not: a receipt or a refusal whose code says that it was ported out.

The message itself is not sent again; the next one to the number goes by what was learned. A delivery in the
same network, of a message that was on its way at that moment, says the contrary.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from application.manage_portability import Numbers, NumberVault, record, subject_of
from application.ports import Now, NumberRow, Store
from domain.aggregates import fold, message
from domain.aggregates.link import Link
from domain.aggregates.message import Message, Status
from domain.events.message import Delivered, ReceiptRecorded, SubmissionRefused
from domain.events.portability import PortedOut, SeenAgain
from domain.recorded import Context, Recorded
from domain.values import Carrier, local_day

TOPICS = (ReceiptRecorded.TOPIC, SubmissionRefused.TOPIC, Delivered.TOPIC)
"""The facts that may teach something."""
_CONTEXT = Context(actor="learner")
_DAYS_BACK = 3
"""Messages to the number that may be on their way were accepted not longer ago."""
_BOOKS_ARE_OLD = timedelta(seconds=3)
"""At most."""
_ON_ITS_WAY = frozenset({Status.ACCEPTED, Status.SUBMITTING, Status.SUBMITTED, Status.IN_DOUBT})
_NO_NETWORK_OF_ITS_OWN = frozenset({Carrier.BROADNET})
"""Reached through the gateways of another carrier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortedCodes:
    """Codes that say a number is not the carrier's any more: over any protocol, or over one (`cmpp20/9`)."""

    codes: frozenset[str]

    def of(self, protocol: str, *said: str) -> str:
        """The first of some codes that says so; empty where none does."""
        return next((c for c in said if c in self.codes or f"{protocol}/{c}" in self.codes), "")

    def may_be(self, *said: str) -> bool:
        """Whether one of some codes says so over some protocol."""
        return any(c in self.codes or c in self._bare for c in said)

    @property
    def _bare(self) -> frozenset[str]:
        return frozenset(code.rpartition("/")[2] for code in self.codes)


@dataclass(slots=True, kw_only=True)
class NumberLearner:
    """Looks at facts in their order. `watched` are messages whose delivery would be the contrary (the one that
    taught it among them), with the digest of their number: rows keep them for the next learner."""

    store: Store
    vault: NumberVault
    numbers: Numbers
    codes: PortedCodes
    now: Now
    oldest: timedelta
    """Facts from longer ago teach nothing any more."""
    watched: dict[UUID, int]
    _lately: dict[tuple[int, Carrier], datetime] = field(default_factory=dict)

    async def __call__(self, facts: Sequence[Recorded], links: Sequence[Link]) -> int:
        """Learn from some facts; returns how many times something was learned."""
        after = self.now() - self.oldest
        telling = [fact for fact in facts if fact.at >= after and self._may_teach(fact)]
        if not telling:
            return 0
        known = {link.name: link for link in links}
        opened = await self._open({fact.stream for fact in telling})
        learned = 0
        for fact in telling:
            if fact.stream in opened:
                learned += await self._learn(fact, *opened[fact.stream], known)
        return learned

    def _may_teach(self, fact: Recorded) -> bool:
        match fact.event:
            case ReceiptRecorded() as said:
                return self.codes.may_be(said.status, said.error)
            case SubmissionRefused() as said:
                return self.codes.may_be(said.code)
            case Delivered():
                return fact.stream in self.watched
            case _:
                return False

    async def _learn(self, fact: Recorded, state: Message, phone: str, links: Mapping[str, Link]) -> bool:
        link = links.get(getattr(fact.event, "link", state.link))
        carrier = state.accepted.carrier
        if link is None or not _speaks_for(link, carrier):
            return False
        protocol = link.configured.protocol
        match fact.event:
            case ReceiptRecorded() as said:
                code = self.codes.of(protocol, said.status, said.error)
            case SubmissionRefused() as said:
                code = self.codes.of(protocol, said.code)
            case _:
                return await self._seen_again(fact.stream, carrier, phone, link.name)
        return bool(code) and await self._ported_out(fact.stream, carrier, phone, link.name, code)

    async def _ported_out(self, id_: UUID, carrier: Carrier, phone: str, link: str, code: str) -> bool:
        """Once for each number and carrier; what is known already is not said again."""
        day, digest = local_day(self.now()), self.vault.number_digest(phone)
        known = (await self.numbers.book()).find(phone)
        if (known is not None and carrier in known.gone) or self._just_learned(digest, carrier):
            return False
        in_flight = [id_, *await self._in_flight(phone, carrier, other_than=id_)]
        self.watched |= dict.fromkeys(in_flight, digest)
        event = PortedOut(subject=subject_of(self.vault, phone, day), carrier=carrier, link=link, code=code)
        row = NumberRow(digest=digest, day=day, gone=carrier, in_flight=tuple(in_flight))
        await record(self.store, day, event, (row,), _CONTEXT)
        return True

    def _just_learned(self, digest: int, carrier: Carrier) -> bool:
        """Whether it was learned so lately that the book may not have it yet."""
        now = self.now()
        self._lately = {each: at for each, at in self._lately.items() if now - at < _BOOKS_ARE_OLD}
        return self._lately.setdefault((digest, carrier), now) is not now

    async def _seen_again(self, id_: UUID, carrier: Carrier, phone: str, link: str) -> bool:
        day, digest = local_day(self.now()), self.watched.pop(id_)
        for other in [other for other, its in self.watched.items() if its == digest]:
            del self.watched[other]
        event = SeenAgain(subject=subject_of(self.vault, phone, day), carrier=carrier, link=link)
        await record(self.store, day, event, (NumberRow(digest=digest, day=day, back=carrier),), _CONTEXT)
        return True

    async def _in_flight(self, phone: str, carrier: Carrier, *, other_than: UUID) -> list[UUID]:
        """Other messages to the number in this network whose outcome is open."""
        today = local_day(self.now())
        days = [today - timedelta(days=back) for back in range(_DAYS_BACK + 1)]
        indexes = [(day, self.vault.phone_index(phone, day)) for day in days]
        ids = [
            id_
            for day, index in indexes
            if index is not None
            for id_ in await self.store.find_by_index(day, index)
            if id_ != other_than
        ]
        states = await self._states(ids)
        return [
            id_
            for id_, state in states.items()
            if state.status in _ON_ITS_WAY and state.accepted.carrier is carrier
        ]

    async def _states(self, ids: Collection[UUID]) -> dict[UUID, Message]:
        histories = await self.store.load(list(ids)) if ids else {}
        found = {id_: fold(message.evolve, history) for id_, history in histories.items()}
        return {id_: state for id_, state in found.items() if state is not None}

    async def _open(self, ids: Collection[UUID]) -> dict[UUID, tuple[Message, str]]:
        """Each message with its number; those whose day is destroyed, or that were altered, are left out."""
        states = await self._states(ids)
        rows = await self.store.sealed([(state.accepted.sealed.day, id_) for id_, state in states.items()])
        opened = {id_: (state, self._phone(id_, state, rows.get(id_))) for id_, state in states.items()}
        return {id_: found for id_, found in opened.items() if found[1]}

    def _phone(self, id_: UUID, state: Message, ciphertext: bytes | None) -> str:
        accepted = state.accepted
        if ciphertext is None:
            return ""
        try:
            opened = self.vault.open(
                account=accepted.account, message=id_, sealed=accepted.sealed, ciphertext=ciphertext
            )
        except ValueError:
            return ""
        return opened[0] if opened else ""


def _speaks_for(link: Link, carrier: Carrier) -> bool:
    """Whether what comes over a link is this carrier's word: a link to several networks does not say whose."""
    networks = set(link.configured.carriers) - _NO_NETWORK_OF_ITS_OWN
    return carrier in link.configured.carriers and len(networks) <= 1
