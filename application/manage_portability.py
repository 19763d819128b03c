"""Whose a number is that may be ported: set, imported from a list, looked at, forgotten.

A number is never in an event and never in clear in a table. Refusals: invalid_phone, reason_required.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from application.look_up_history import record_look, require_reason
from application.ports import Committed, Entry, NumberRow, Store, Vault
from domain import numbering
from domain.errors import BadInput, Refusal
from domain.events import Event
from domain.events.portability import CarrierSet, Forgotten, ListImported
from domain.numbering import Known, Whose
from domain.recorded import Context
from domain.values import Carrier, local_day, stream_id

AT_ONCE = 5_000
"""Rows of a list that are written in one commit."""


class NumberVault(Vault, Protocol):
    """A vault that also knows the digest under which a number stands in the table, the same on every day."""

    def number_digest(self, phone: str) -> int:
        """64 bits of a keyed digest of a normalised number, signed."""
        ...


class Book(Protocol):
    """What is known about numbers at one moment."""

    def find(self, phone: str) -> Known | None:
        """What is known about a normalised number beyond its segment."""
        ...


class Numbers(Protocol):
    """Keeps the book: in memory, so that accepting a message asks no database; at most a second or two old."""

    async def book(self) -> Book:
        """The book as it is now."""
        ...


class NothingKnown:
    """A platform whose every number is of the carrier that its segment says."""

    async def book(self) -> Book:
        """A book with nothing in it."""
        return self

    def find(self, phone: str) -> Known | None:  # noqa: ARG002
        """Nothing."""
        return None


async def set_carrier(
    store: Store, vault: NumberVault, *, phone: str, carrier: Carrier, why: str, context: Context
) -> None:
    """A person says whose a number is; that goes before all else. Refuses invalid_phone, reason_required."""
    number, reason = numbering.normalise(phone), require_reason(why)
    day = local_day(await store.now())
    event = CarrierSet(subject=subject_of(vault, number, day), carrier=carrier, reason=reason)
    row = NumberRow(digest=vault.number_digest(number), day=day, carrier=carrier)
    await record(store, day, event, (row,), context)


async def forget_number(store: Store, vault: NumberVault, *, phone: str, why: str, context: Context) -> None:
    """Know nothing about a number any more but its segment. Refuses invalid_phone, reason_required."""
    number, reason = numbering.normalise(phone), require_reason(why)
    day = local_day(await store.now())
    event = Forgotten(subject=subject_of(vault, number, day), reason=reason)
    row = NumberRow(digest=vault.number_digest(number), day=day, forget=True)
    await record(store, day, event, (row,), context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is known about a number, whose it is by its segment, and whose it is taken to be; None: nobody's."""

    known: Known | None
    segment: Carrier | None
    whose: Whose | None


async def show_number(
    store: Store,
    vault: Vault,
    numbers: Numbers,
    *,
    phone: str,
    why: str,
    order: Sequence[Carrier],
    served: frozenset[Carrier],
    key: str,
    context: Context,
) -> Shown:
    """Look a number up; the look is in the access log before it is answered. `key` is empty at a terminal.

    Refuses invalid_phone, reason_required.
    """
    number, reason = numbering.normalise(phone), require_reason(why)
    known = (await numbers.book()).find(number)
    try:
        whose = numbering.whose(number, known, order=order, served=served)
    except BadInput:
        whose = None
    try:
        segment = numbering.carrier_of(number)
    except BadInput:
        segment = None
    await record_look(
        store,
        vault,
        account="",
        key=key,
        phone=number,
        why=reason,
        hits=int(known is not None),
        unmasked=False,
        context=context,
    )
    return Shown(known=known, segment=segment, whose=whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a piece of a list: rows by carrier, and the code of each row that was left out."""

    taken: Counter[Carrier] = field(default_factory=Counter)
    refused: dict[int, str] = field(default_factory=dict)
    """By the row's number."""


async def import_numbers(
    store: Store,
    vault: NumberVault,
    *,
    rows: Sequence[tuple[int, str, str]],
    why: str,
    context: Context,
) -> Imported:
    """A piece of a list of ported numbers: number of the row, phone and carrier of each, at most AT_ONCE of them.

    What a person said about a number stays. Bad rows are left out, each with invalid_phone or carrier_unknown.
    Refuses reason_required.
    """
    reason, done = require_reason(why), Imported()
    day = local_day(await store.now())
    made: list[NumberRow] = []
    for number, phone, name in rows:
        try:
            carrier = carrier_named(name)
            digest = vault.number_digest(numbering.normalise(phone))
        except BadInput as refusal:
            done.refused[number] = refusal.code
            continue
        done.taken[carrier] += 1
        made.append(NumberRow(digest=digest, day=day, carrier=carrier, listed=True))
    if made:
        await record(store, day, ListImported(numbers=len(made), reason=reason), tuple(made), context)
    return done


def carrier_named(name: str) -> Carrier:
    """A carrier by its name, in any case, or its Chinese one. Refuses carrier_unknown."""
    wanted = name.strip().lower()
    try:
        return _CHINESE.get(wanted) or Carrier(wanted)
    except ValueError:
        raise BadInput(
            "carrier_unknown", f"A carrier is one of {', '.join(Carrier)}.", field="carrier"
        ) from None


_CHINESE = {
    "移动": Carrier.MOBILE,
    "中国移动": Carrier.MOBILE,
    "联通": Carrier.UNICOM,
    "中国联通": Carrier.UNICOM,
    "电信": Carrier.TELECOM,
    "中国电信": Carrier.TELECOM,
    "广电": Carrier.BROADNET,
    "中国广电": Carrier.BROADNET,
}


def subject_of(vault: Vault, phone: str, day: date) -> str:
    """Which number an event is about, for as long as the key of the day lives."""
    vault.ensure(day)
    index = vault.phone_index(phone, day)
    return "" if index is None else index.hex()


async def record(
    store: Store, day: date, event: Event, rows: tuple[NumberRow, ...], context: Context
) -> None:
    """The fact and the rows, both or neither, in the stream of the day."""
    stream = stream_id("portability", day.isoformat())
    entry = Entry(stream=stream, version=None, context=context, events=(event,), rows=rows)
    (outcome,) = await store.commit([entry])
    if isinstance(outcome, Refusal):
        raise outcome
    assert isinstance(outcome, Committed)
