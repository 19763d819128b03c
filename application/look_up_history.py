"""Customer service looks a phone number up, or opens one message: every look is recorded before it is answered.

Refusals: invalid_phone, reason_required, not_found.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from application.ports import Entry, Store, Vault
from domain import numbering
from domain.aggregates import fold, message
from domain.aggregates.access import Key
from domain.aggregates.message import Message
from domain.errors import BadInput, NotFound, Refusal
from domain.events.access import HistoryLookedUp, Scope
from domain.events.message import Accepted, Failed, ReceiptRecorded, SubmissionRefused
from domain.recorded import Context, Recorded
from domain.values import local_day, stream_id

MAX_REASON = 200
_NUMBER_WITHIN = re.compile(
    r"(?<![0-9A-Za-z])(?:\+?86|0086)?[ -]?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9A-Za-z])"
)
"""A number that stands for itself; digits within a UUID or a longer number are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message with its whole history; `phone` and `text` as the caller may see them."""

    id: UUID
    accepted: Accepted
    state: Message
    history: Sequence[Recorded]
    phone: str
    text: str

    @property
    def code(self) -> str:
        """The last status code a carrier gave, empty before."""
        for recorded in reversed(self.history):
            match recorded.event:
                case ReceiptRecorded(status=code) | SubmissionRefused(code=code) | Failed(code=code):
                    return code
                case _:
                    pass
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """The messages to a number, newest first; `more` says that there are older ones beyond the limit."""

    messages: Sequence[Found]
    unmasked: bool
    more: bool


async def look_up(
    store: Store,
    vault: Vault,
    *,
    key: Key,
    phone: str,
    why: str,
    limit: int,
    context: Context,
) -> LookUp:
    """An account's messages to a number, on every day whose keys exist. Refuses invalid_phone, reason_required."""
    reason = require_reason(why)
    number = numbering.normalise(phone)
    indexes = await asyncio.to_thread(indexes_of, vault, number)
    refs = await store.find_by_phone(key.account, indexes, limit=limit + 1)
    unmasked = Scope.UNMASKED in key.scopes
    found = await _open(
        store, vault, key.account, [message_id for _, message_id in refs[:limit]], unmasked=unmasked
    )
    found.sort(key=lambda one: one.state.accepted_at, reverse=True)
    await record_look(
        store,
        vault,
        account=key.account,
        key=key.key,
        phone=number,
        why=reason,
        hits=len(found),
        unmasked=unmasked,
        context=context,
    )
    return LookUp(messages=found, unmasked=unmasked, more=len(refs) > limit)


async def open_message(
    store: Store, vault: Vault, *, key: Key, message_id: UUID, why: str, context: Context
) -> tuple[str, str]:
    """Number and text of one message, both empty where its day is destroyed.

    Refuses missing_scope, reason_required and not_found.
    """
    key.require(Scope.UNMASKED)
    reason = require_reason(why)
    found = await _open(store, vault, key.account, [message_id], unmasked=True)
    if not found:
        raise NotFound("not_found", "There is no such message.", field="id")
    one = found[0]
    await record_look(
        store,
        vault,
        account=key.account,
        key=key.key,
        phone=one.phone,
        why=reason,
        hits=1,
        unmasked=True,
        context=context,
    )
    return one.phone, one.text


def require_reason(why: str) -> str:
    """The reason of a look-up, 1 to 200 visible characters; it is kept for ever. Refuses reason_required."""
    reason = why.strip()
    if not 1 <= len(reason) <= MAX_REASON or not reason.isprintable() or carries_number(reason):
        raise BadInput(
            "reason_required",
            f"Say why in 1 to {MAX_REASON} characters, for example a ticket's number; no phone number.",
            field="reason",
        )
    return reason


def carries_number(name: str) -> bool:
    """Whether a name that a caller chose, and that is kept for ever, has a phone number in it."""
    return _NUMBER_WITHIN.search(name) is not None


def own_history(
    histories: Mapping[UUID, Sequence[Recorded]], message_id: UUID, account: str
) -> Sequence[Recorded]:
    """The history of a message of this account. Refuses not_found, for foreign ones too."""
    history = histories.get(message_id, ())
    if not history or not isinstance(history[0].event, Accepted) or history[0].event.account != account:
        raise NotFound("not_found", "There is no such message.", field="id")
    return history


def indexes_of(vault: Vault, phone: str) -> dict[date, bytes]:
    """The blind index of a normalised number on every day that has keys."""
    found = {day: vault.phone_index(phone, day) for day in vault.days()}
    return {day: index for day, index in found.items() if index is not None}


def _newest_index(vault: Vault, phone: str, day: date) -> bytes | None:
    """The number's index today, or on the newest day before that has keys; None for a destroyed number."""
    if not phone:
        return None
    known = (vault.phone_index(phone, each) for each in (day, *vault.days()))
    return next((index for index in known if index is not None), None)


async def _open(
    store: Store, vault: Vault, account: str, ids: Sequence[UUID], *, unmasked: bool
) -> list[Found]:
    histories = await store.load(ids)
    found: list[Found] = []
    for message_id in ids:
        try:
            history = own_history(histories, message_id, account)
        except Refusal:
            continue
        accepted, state = history[0].event, fold(message.evolve, history)
        assert isinstance(accepted, Accepted)
        assert state is not None
        found.append(Found(id=message_id, accepted=accepted, state=state, history=history, phone="", text=""))
    ciphertexts = await store.sealed([(one.accepted.sealed.day, one.id) for one in found])
    return [_revealed(vault, one, ciphertexts.get(one.id), unmasked=unmasked) for one in found]


def _revealed(vault: Vault, one: Found, ciphertext: bytes | None, *, unmasked: bool) -> Found:
    """The message with its number and text, masked: the middle of the number, all of the text but its signature."""
    sealed = one.accepted.sealed
    opened = (
        None
        if ciphertext is None
        else vault.open(account=one.accepted.account, message=one.id, sealed=sealed, ciphertext=ciphertext)
    )
    if opened is None:
        return one
    phone, text = opened
    if not unmasked:
        phone, text = numbering.mask(phone), f"【{one.accepted.signature}】…"
    return Found(
        id=one.id, accepted=one.accepted, state=one.state, history=one.history, phone=phone, text=text
    )


async def record_look(
    store: Store,
    vault: Vault,
    *,
    account: str,
    key: str,
    phone: str,
    why: str,
    hits: int,
    unmasked: bool,
    context: Context,
) -> None:
    """One line in the account's access log of the day, durable before anybody sees the answer.

    `phone` is the number that was asked for, empty where none was; `key` is empty for people at a terminal.
    """
    day = local_day(await store.now())
    index = await asyncio.to_thread(_newest_index, vault, phone, day)
    looked_up = HistoryLookedUp(
        account=account,
        key=key,
        why=why,
        subject=index.hex() if index else "",
        hits=hits,
        unmasked=unmasked,
    )
    stream = stream_id("access", account, day.isoformat())
    (outcome,) = await store.commit(
        [Entry(stream=stream, version=None, context=context, events=(looked_up,))]
    )
    if isinstance(outcome, Refusal):
        raise outcome
