"""Record what phones write to us: each reply is durable before the carrier is answered, and stored once.

A reply is known again by the carrier's id of it and its octets, where the protocol has no id by the number of
its PDU, its octets and the time (docs/decisions/0023). Parts of a long reply are durable one by one, and the
whole is recorded with the last of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from application.carriage import Reply
from application.phone_tokens import number_of
from application.ports import Committed, Conflict, Entry, Now, SealedReply, Store, Vault
from application.reply_origins import Origins
from domain.aggregates import fold
from domain.aggregates import reply as long_reply
from domain.aggregates.reply import part_row
from domain.errors import Refusal
from domain.events.reply import Origin, PartReceived, ReplyReceived
from domain.recorded import Context
from domain.reply_text import Place, Read, keyword, read, split_header
from domain.values import Sealed, local_day, stream_id

MAX_TRIES = 20
DAYS_REPEATED = 3
"""So long after its first coming a carrier may repeat a reply that has an id; the ids themselves recur yearly."""
REPEATED_SECONDS = 600
"""So long, and up to twice as long, a reply without an id is known again by the number of its PDU."""
_BEHIND = "\x1e"
"""Stands between a sealed text and its octets in hexadecimal, where they are kept with it."""
_SERIES = 8
"""Long replies of one phone with the same reference within a day; the ninth is kept in its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A reply on its way into the log."""

    reply: Reply
    phone: str
    """In normal form, or as the carrier wrote it."""
    origin: Origin
    place: Place
    body: bytes
    text: Read
    names: tuple[str, ...]
    """Keyed digests by which it may be known; the first is the one to record."""


class ReplyRecorder:
    """Handles the replies of all links of a process."""

    def __init__(self, *, store: Store, vault: Vault, origins: Origins, now: Now) -> None:
        self._store = store
        self._vault = vault
        self._origins = origins
        self._now = now

    async def __call__(self, link: str, replies: Sequence[Reply]) -> None:
        """Store a batch of replies; durable when it returns."""
        now = self._now()
        self._vault.ensure(local_day(now))
        numbers = await self._origins.numbers()
        whole: list[_Heard] = []
        for reply in replies:
            phone = number_of(reply.phone)
            origin = await self._origins.find(numbers, link=link, number=reply.destination, phone=phone)
            heard = self._heard(reply, phone or reply.phone, origin, now)
            if heard.place.parts == 1:
                whole.append(heard)
            else:
                await self._add(heard, now)
        await self._store_whole(whole, now)

    def _heard(self, reply: Reply, phone: str, origin: Origin, now: datetime) -> _Heard:
        place, body = split_header(reply.payload) if reply.udh else (Place(), reply.payload)
        digests = (self._vault.digest(text, day) for day, text in _names(reply, origin.link, now))
        return _Heard(
            reply=reply,
            phone=phone,
            origin=origin,
            place=place,
            body=body,
            text=read(body, reply.data_coding, gsm=reply.gsm),
            names=tuple(digest for digest in digests if digest is not None),
        )

    # Replies that came in one piece.

    async def _store_whole(self, heard: Sequence[_Heard], now: datetime) -> None:
        """One commit for those that are not there yet; who comes second to the stream's beginning is a repeat."""
        streams = {one: [stream_id("reply", name) for name in one.names] for one in heard}
        known = await self._store.load([each for found in streams.values() for each in found])
        new = {ids[0]: one for one, ids in streams.items() if not any(each in known for each in ids)}
        entries = [self._entry(stream, one, now) for stream, one in new.items()]
        _require_written(await self._store.commit(entries) if entries else ())

    def _entry(self, stream: UUID, heard: _Heard, now: datetime) -> Entry:
        sealed, row = self._seal(heard.origin.account, stream, heard.phone, heard.text, heard.body, now)
        event = ReplyReceived(
            of=heard.origin,
            keyword=keyword(heard.text.text),
            parts=1,
            exact=heard.text.exact,
            sealed=sealed,
        )
        return Entry(stream=stream, version=0, context=_by(heard), events=(event,), rows=(row,))

    def _seal(
        self,
        account: str,
        id_: UUID,
        phone: str,
        text: Read,
        raw: bytes,
        now: datetime,
        *,
        keep: bool = False,
    ) -> tuple[Sealed, SealedReply]:
        """Seal a text; where it is not exact, or is to be joined, with its octets behind it."""
        written = text.text if text.exact and not keep else f"{text.text}{_BEHIND}{raw.hex()}"
        sealed, row = self._vault.seal(
            account=account, message=id_, day=local_day(now), phone=phone, text=written
        )
        return sealed, SealedReply(sealed=row)

    # Replies that came in parts.

    async def _add(self, heard: _Heard, now: datetime) -> None:
        """Store a part with its kind, and the whole with the last of them; decided again where others wrote."""
        before, today = (
            [stream_id("long-reply", kind, n) for n in range(_SERIES)] for kind in self._kinds(heard, now)
        )
        alone = stream_id("long-reply", heard.names[0])
        streams, names = [*before, *today, alone], frozenset(heard.names)
        for _ in range(MAX_TRIES):
            histories = await self._store.load(streams)
            states = {stream: fold(long_reply.evolve, histories.get(stream, ())) for stream in streams}
            if any(state is not None and state.knows(names) for state in states.values()):
                return
            missing = [s for s, state in states.items() if state and state.misses(heard.place.part, now=now)]
            home = missing[-1] if missing else next(s for s in (*today, alone) if states[s] is None)
            version = histories[home][-1].version if home in histories else 0
            entry = await self._part_entry(home, version, states[home], heard, now)
            (outcome,) = await self._store.commit([entry])
            if not isinstance(outcome, Conflict):
                _require_written([outcome])
                return
        raise RuntimeError("a long reply kept moving while its part was recorded")

    def _kinds(self, heard: _Heard, now: datetime) -> tuple[str, str]:
        """What the parts of one long reply have in common, as keyed digests: of yesterday first, then of today."""
        reply, place = heard.reply, heard.place
        said = (heard.origin.link, heard.phone, reply.destination, str(place.reference), str(place.parts))
        text, today = "\x1f".join(said), local_day(now)
        yesterday = self._vault.digest(text, today - timedelta(days=1))
        return yesterday or "", self._vault.digest(text, today) or ""

    async def _part_entry(
        self,
        stream: UUID,
        version: int,
        state: long_reply.Reply | None,
        heard: _Heard,
        now: datetime,
    ) -> Entry:
        origin = state.parts[0].of if state else heard.origin
        row_id = part_row(stream, heard.place.part)
        sealed, row = self._seal(origin.account, row_id, heard.phone, heard.text, heard.body, now, keep=True)
        part = PartReceived(
            of=origin,
            part=heard.place.part,
            parts=heard.place.parts,
            coding=heard.reply.data_coding,
            gsm=heard.reply.gsm,
            identity=heard.names[0],
            exact=heard.text.exact,
            sealed=sealed,
        )
        entry = Entry(stream=stream, version=version, context=_by(heard), events=(part,), rows=(row,))
        if state is None or not state.nearly_whole:
            return entry
        try:
            text, raw = await self._joined(stream, (*state.parts, part), {part.part: heard.body})
        except ValueError:
            # Somebody altered a part: what is left stays as it is, in parts.
            return entry
        sealed, row = self._seal(origin.account, stream, heard.phone, text, raw, now)
        whole = ReplyReceived(
            of=origin,
            keyword=keyword(text.text),
            parts=part.parts,
            exact=text.exact,
            sealed=sealed,
        )
        return Entry(
            stream=stream,
            version=version,
            context=_by(heard),
            events=(part, whole),
            rows=(*entry.rows, row),
        )

    async def _joined(
        self, stream: UUID, parts: Sequence[PartReceived], at_hand: dict[int, bytes]
    ) -> tuple[Read, bytes]:
        """The whole text, read over the borders of its parts where all have one coding, and all its octets."""
        octets = await self._octets(stream, [part for part in parts if part.part not in at_hand])
        octets |= at_hand
        ordered = sorted(parts, key=lambda part: part.part)
        raw = b"".join(octets[part.part] for part in ordered)
        if len({part.coding for part in ordered}) == 1:
            return read(raw, ordered[0].coding, gsm=ordered[0].gsm), raw
        each = [read(octets[part.part], part.coding, gsm=part.gsm) for part in ordered]
        return Read("".join(one.text for one in each), all(one.exact for one in each)), raw

    async def _octets(self, stream: UUID, parts: Sequence[PartReceived]) -> dict[int, bytes]:
        """The octets of parts that are stored. Raises ValueError where somebody altered them or they are gone."""
        ids = {part.part: part_row(stream, part.part) for part in parts}
        rows = await self._store.sealed_replies([(part.sealed.day, ids[part.part]) for part in parts])
        found: dict[int, bytes] = {}
        for part in parts:
            id_ = ids[part.part]
            opened = self._vault.open(
                account=part.of.account, message=id_, sealed=part.sealed, ciphertext=rows.get(id_, b"")
            )
            if opened is None:
                raise ValueError("the day of a part is destroyed")
            found[part.part] = bytes.fromhex(text_and_octets(opened[1], kept=True)[1])
        return found


def text_and_octets(written: str, *, kept: bool) -> tuple[str, str]:
    """A sealed text, and its octets in hexadecimal where they are `kept` with it: not exact, or a part."""
    return (written, "") if not kept else (written.rpartition(_BEHIND)[0], written.rpartition(_BEHIND)[2])


def _names(reply: Reply, link: str, now: datetime) -> Iterable[tuple[date, str]]:
    """What a reply is known by, each with the day whose key makes a digest of it; the first is for a new one."""
    said = (link, reply.phone, reply.destination, str(reply.data_coding), str(reply.udh), reply.payload.hex())
    if reply.carrier_id:
        text = "\x1f".join(("id", reply.carrier_id, *said))
        return [(local_day(now) - timedelta(days=back), text) for back in range(DAYS_REPEATED + 1)]
    slot = int(now.timestamp()) // REPEATED_SECONDS
    texts = ["\x1f".join(("sequence", str(reply.sequence), *said, str(n))) for n in (slot, slot - 1)]
    before = now - timedelta(seconds=REPEATED_SECONDS)
    return [(local_day(now), texts[0]), (local_day(before), texts[1]), (local_day(now), texts[1])]


def _by(heard: _Heard) -> Context:
    return Context(actor=f"link:{heard.origin.link}")


def _require_written(outcomes: Iterable[Committed | Conflict | Refusal]) -> None:
    """A conflict is a repeat that another process stored first; a refusal is not to be acknowledged."""
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            raise outcome
