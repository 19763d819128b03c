"""Accept messages: each is checked, segmented, sealed, then debited and recorded in one transaction.

Refusals, one an item, never at its neighbours' cost: invalid_phone, unassigned_phone, text_empty,
text_too_long, text_control_character, text_or_template, signature_not_approved, signature_in_text,
template_*, validity_invalid, extension_unfit, no_route, signature_not_filed, duplicate_recipient,
idempotency_conflict, no_contract and those of the contract. What is refused leaves nothing behind.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from application.choose_route import Network
from application.directory import Directory, Versioned
from application.manage_portability import Book, NothingKnown, Numbers
from application.ports import Acceptance, Committed, Conflict, Entry, Now, Outcome, Store, Vault
from domain import numbering, text
from domain.aggregates import fold, message
from domain.aggregates.contract import Contract
from domain.aggregates.message import Status
from domain.aggregates.route import Wanted
from domain.errors import BadInput, Conflicting, NotAccepting, Refusal
from domain.events.contract import Terms
from domain.events.message import Accepted, Charged
from domain.numbering import Whose
from domain.recorded import Context
from domain.values import Carrier, Category, Lane, local_day, message_id, stream_id

MAX_TRIES = 5
_SLICE = 50
"""Messages prepared before other requests of the process get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a caller wants sent: a free text, or a template with its variables."""

    phone: str
    signature: str
    text: str | None = None
    template: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    category: Category | None = None
    client_reference: str = ""
    validity_seconds: int | None = None
    extension: str = ""
    """Digits that the number shall end with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An accepted message and what it costs; `replayed` says it had been accepted before under this key."""

    id: UUID
    status: Status
    segments: int
    charged: Charged
    replayed: bool = False


Answer = Sent | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessages:
    """One call of one account: one or many messages, in one lane, under one batch or none."""

    account: str
    drafts: Sequence[tuple[str, Draft]]
    """Idempotency key and draft of each message."""
    lane: Lane | None = None
    """None decides by category: marketing waits with the batches, the rest is real-time."""
    batch: str = ""
    refuse_duplicates: bool = False
    """Refuse the second message of the call to the same number with the same text."""
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    entry: Entry
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What holds for all messages of a call while they are prepared."""

    command: SendMessages
    contract: Versioned[Contract]
    terms: Terms
    served: frozenset[Carrier]
    """Carriers whose numbers a link takes now."""
    network: Network | None
    """Where somebody asks for digits: links and routes, by which they have to fit."""
    numbers: Book
    now: datetime
    day: date


class MessageSender:
    """Handles `SendMessages`; one for each process."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        directory: Directory,
        now: Now,
        validity_seconds: Mapping[Category, int],
        numbers: Numbers | None = None,
        ported_order: Sequence[Carrier] = tuple(Carrier),
        require_filing: bool = False,
    ) -> None:
        self._store = store
        self._vault = vault
        self._directory = directory
        self._now = now
        self._validity = validity_seconds
        self._numbers = numbers or NothingKnown()
        self._ported_order = ported_order
        self._require_filing = require_filing

    async def __call__(self, command: SendMessages) -> list[Answer]:
        """One answer a draft, in order."""
        answers: list[Answer | None] = [None] * len(command.drafts)
        open_places = list(range(len(answers)))
        for attempt in range(MAX_TRIES):
            # A day's new terms begin by the store's clock: where ours differs, it has to be believed.
            now = await self._store.now() if attempt else self._now()
            prepared = await self._prepare(command, open_places, answers, now)
            outcomes = await self._store.commit([p.entry for p in prepared.values()])
            await self._settle(command, prepared, outcomes, answers)
            open_places = [place for place in open_places if answers[place] is None]
            if not open_places:
                break
        busy = Conflicting("busy", "The contract is being changed: try again.")
        return [busy if answer is None else answer for answer in answers]

    async def _prepare(
        self, command: SendMessages, places: Sequence[int], answers: list[Answer | None], now: datetime
    ) -> dict[int, _Prepared]:
        contract = await self._directory.contract(command.account)
        if contract is None:
            for place in places:
                answers[place] = NotAccepting("no_contract", "The account has no contract.")
            return {}
        moment = await self._moment(command, contract, now)
        prepared: dict[int, _Prepared] = {}
        seen: set[str] = set()
        for count, place in enumerate(places):
            if count % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            key, draft = command.drafts[place]
            try:
                made = await self._prepare_one(moment, key, draft)
                if command.refuse_duplicates and made.body in seen:
                    raise BadInput(
                        "duplicate_recipient", "The call has this text to this number already.", field="phone"
                    )
                seen.add(made.body)
                prepared[place] = made
            except Refusal as refusal:
                answers[place] = refusal
        return prepared

    async def _moment(self, command: SendMessages, contract: Versioned[Contract], now: datetime) -> _Moment:
        links = await self._directory.links()
        return _Moment(
            command=command,
            contract=contract,
            terms=contract.state.terms_on(local_day(now)),
            served=frozenset(carrier for carrier in Carrier if any(link.serves(carrier) for link in links)),
            network=await self._network() if any(draft.extension for _, draft in command.drafts) else None,
            numbers=await self._numbers.book(),
            now=now,
            day=local_day(now),
        )

    async def _network(self) -> Network:
        standing = Network(
            links=await self._directory.links(),
            conditions={},
            table=await self._directory.routes(),
            require_filing=self._require_filing,
        )
        return standing.all_ready()

    async def _prepare_one(self, moment: _Moment, key: str, draft: Draft) -> _Prepared:
        phone = numbering.normalise(draft.phone)
        whose = numbering.whose(
            phone, moment.numbers.find(phone), order=self._ported_order, served=moment.served
        )
        category, whole = await self._compose(moment.command.account, draft, whose.carrier)
        if whose.carrier not in moment.served:
            raise NotAccepting("no_route", "No link takes numbers of this carrier now.", field="phone")
        if draft.extension and moment.network is not None:
            signature = await self._directory.signature(moment.command.account, draft.signature)
            wanted = Wanted(
                message=message_id(moment.command.account, key),
                account=moment.command.account,
                category=category,
                carrier=whose.carrier,
                signature=draft.signature,
                extension=draft.extension,
            )
            moment.network.require_room(wanted, signature.state.filings if signature else ())
        return self._entry(moment, key, draft, phone, whose, category, whole)

    async def _compose(self, account: str, draft: Draft, carrier: Carrier) -> tuple[Category, str]:
        """Category and whole text, signature first."""
        if (draft.text is None) == (draft.template is None):
            raise BadInput("text_or_template", "Give either a text or a template.", field="text")
        signature = await self._directory.signature(account, draft.signature)
        if signature is None:
            raise NotAccepting(
                "signature_not_approved",
                "The signature is not approved: have it approved first.",
                field="signature",
            )
        if self._require_filing and not signature.state.is_filed(carrier):
            raise NotAccepting(
                "signature_not_filed",
                f"The signature is not filed with {carrier}, the carrier of this number.",
                field="signature",
            )
        if draft.text is not None:
            text.require_sendable(draft.text)
            return draft.category or Category.NOTICE, signature.state.sign(draft.text)
        assert draft.template is not None
        template = await self._directory.template(account, draft.template)
        if template is None:
            raise NotAccepting("template_not_found", "There is no such template.", field="template")
        body = template.state.render(draft.variables)
        text.require_sendable(body)
        return template.state.category, signature.state.sign(body)

    def _entry(
        self,
        moment: _Moment,
        key: str,
        draft: Draft,
        phone: str,
        whose: Whose,
        category: Category,
        whole: str,
    ) -> _Prepared:
        command, contract, day = moment.command, moment.contract, moment.day
        message = message_id(command.account, key)
        terms = moment.terms
        size = text.measure(whole, terms.counting)
        sealed, row = self._vault.seal(
            account=command.account, message=message, day=day, phone=phone, text=whole
        )
        said = (phone, whole, category.value, draft.client_reference, str(draft.validity_seconds))
        # Digits are there only where they are asked for: what was accepted before there were any is the same body.
        body = "\x1f".join((*said, draft.extension) if draft.extension else said)
        digest = self._vault.digest(body, day)
        assert digest is not None
        lane = command.lane or (Lane.BATCH if category is Category.MARKETING else Lane.REALTIME)
        accept = partial(
            Accepted,
            account=command.account,
            category=category,
            lane=lane,
            carrier=whose.carrier,
            carrier_by=whose.by,
            segment_carrier=whose.segment_carrier,
            signature=draft.signature,
            template=draft.template or "",
            batch=command.batch,
            client_reference=draft.client_reference,
            segments=size.segments,
            parts=size.parts,
            units=size.units,
            charge_on=terms.charge_on,
            expires_at=moment.now + timedelta(seconds=self._valid_for(draft, category)),
            sealed=sealed,
            body_digest=digest,
            extension=draft.extension,
        )
        entry = Entry(
            stream=message,
            version=0,
            context=command.context,
            charge=Acceptance(
                contract=contract.state,
                contract_version=contract.version,
                terms=terms,
                segments=size.segments,
                accept=lambda charged: accept(charged=charged),
            ),
            rows=(row,),
        )
        return _Prepared(entry=entry, body=body)

    def _valid_for(self, draft: Draft, category: Category) -> int:
        if draft.validity_seconds is None:
            return self._validity[category]
        if not 10 <= draft.validity_seconds <= 259_200:
            raise BadInput(
                "validity_invalid", "The validity is 10 seconds to 3 days.", field="validity_seconds"
            )
        return draft.validity_seconds

    async def _settle(
        self,
        command: SendMessages,
        prepared: Mapping[int, _Prepared],
        outcomes: Sequence[Outcome],
        answers: list[Answer | None],
    ) -> None:
        """Turn outcomes into answers; what stays None is prepared again with the contract as it is now."""
        repeated: dict[int, tuple[_Prepared, Refusal | None]] = {}
        for (place, made), outcome in zip(prepared.items(), outcomes, strict=True):
            match outcome:
                case Committed(charged=Charged() as charged):
                    answers[place] = _sent(made, charged)
                case Conflict(stream=stream) if stream == made.entry.stream:
                    repeated[place] = (made, None)
                case Conflict():
                    self._directory.forget("contract", command.account)
                case Refusal():
                    repeated[place] = (made, outcome)
                case Committed():
                    raise TypeError("an acceptance always has a charge")
        if repeated:
            await self._replay(repeated, answers)

    async def _replay(
        self, repeated: Mapping[int, tuple[_Prepared, Refusal | None]], answers: list[Answer | None]
    ) -> None:
        """The first answer again where the body is the same, idempotency_conflict where it is another.

        What the contract refuses now may have been accepted before: then the first answer stands.
        """
        streams = [made.entry.stream for made, _ in repeated.values() if made.entry.stream is not None]
        histories = await self._store.load(streams)
        for place, (made, refusal) in repeated.items():
            assert made.entry.stream is not None
            first = fold(message.evolve, histories.get(made.entry.stream, ()))
            answers[place] = self._compare(made, first) if first is not None else refusal

    def _compare(self, made: _Prepared, first: message.Message) -> Answer:
        assert made.entry.stream is not None
        digest = self._vault.digest(made.body, first.accepted.sealed.day)
        if digest is not None and digest != first.accepted.body_digest:
            return Conflicting(
                "idempotency_conflict", "The key was used for another message: take a new key.", field="key"
            )
        return Sent(
            id=made.entry.stream,
            status=first.status,
            segments=first.accepted.segments,
            charged=first.accepted.charged,
            replayed=True,
        )


def _sent(made: _Prepared, charged: Charged) -> Sent:
    assert made.entry.stream is not None
    return Sent(
        id=made.entry.stream,
        status=Status.ACCEPTED,
        segments=charged.included + charged.overage,
        charged=charged,
    )


def batch_stream(account: str, batch: str) -> UUID:
    """The stream of a batch."""
    return stream_id("batch", account, batch)
