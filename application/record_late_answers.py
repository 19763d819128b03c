"""Record what a carrier answers to a submit after its time, when the message is in doubt already."""

from typing import assert_never
from uuid import UUID

from application import phone_tokens
from application.carriage import PartKey, Refused, Taken
from application.part_rows import part_rows
from application.ports import Conflict, Entry, PartRow, Store, Vault
from domain.aggregates import fold, message
from domain.aggregates.message import Message
from domain.events.message import MessageEvent, SubmittedPart
from domain.recorded import Context

MAX_TRIES = 50


class LateAnswers:
    """Records them for all links of a process."""

    def __init__(self, *, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def __call__(self, link: str, key: PartKey, answer: Taken | Refused) -> None:
        """Taken: the id is kept, so that the receipt finds its message. Refused: the doubt is over, and the message
        waits again or fails, refunded, as after a refusal in time.

        The late answers of a long message add up, in whatever order, until every part is known to be taken; that one
        part was refused says nothing of the others, so there the doubt stays. What is answered to an attempt after
        which another one began decides nothing about that one.
        """
        context = Context(actor=f"link:{link}")
        for _ in range(MAX_TRIES):
            history = (await self._store.load([key.message]))[key.message]
            state = fold(message.evolve, history)
            assert state is not None
            events = _decide(state, key, answer)
            entry = Entry(
                stream=key.message,
                version=history[-1].version,
                context=context,
                events=events,
                charge=state.charge_due(events),
                rows=await self._rows(link, key, answer, state),
            )
            (outcome,) = await self._store.commit([entry])
            if not isinstance(outcome, Conflict):
                return
        raise RuntimeError("a message kept moving while a late answer was recorded")

    async def _rows(
        self, link: str, key: PartKey, answer: Taken | Refused, state: Message
    ) -> tuple[PartRow, ...]:
        if isinstance(answer, Refused):
            return ()
        phone = await self._token(key.message, state)
        return part_rows(link, answer.carrier_id, message=key.message, part=key.part, phone=phone)

    async def _token(self, id_: UUID, state: Message) -> bytes:
        """The token of a message's number; empty where its sealed data is destroyed or was altered."""
        sealed = state.accepted.sealed
        ciphertext = (await self._store.sealed([(sealed.day, id_)])).get(id_)
        if ciphertext is None:
            return b""
        try:
            opened = self._vault.open(
                account=state.accepted.account, message=id_, sealed=sealed, ciphertext=ciphertext
            )
        except ValueError:
            return b""
        return phone_tokens.token(self._vault, opened[0], sealed.day) if opened else b""


def _decide(state: Message, key: PartKey, answer: Taken | Refused) -> tuple[MessageEvent, ...]:
    alone, attempt = state.accepted.parts == 1, key.attempt
    match answer:
        case Refused():
            if not alone:
                return ()
            return state.record_refused(code=answer.code, retryable=answer.retryable, attempt=attempt)
        case Taken():
            part = SubmittedPart(number=key.part, carrier_id=answer.carrier_id)
            if alone:
                return state.record_submitted(parts=(part,), attempt=attempt)
            reason = "the answer of a part came late"
            return state.record_in_doubt(reason=reason, taken=(part,), attempt=attempt)
        case _:
            assert_never(answer)
