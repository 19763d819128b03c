"""The auditor: holds the log, the ledgers and the read models against what clients and carriers wrote down."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.prove_ledgers import Proof
from domain.aggregates import message
from domain.aggregates.message import Message, Status
from domain.events.ledger import Debited, DebitReason
from domain.events.message import Accepted, Failed, MessageEvent
from domain.receipts import Verdict, verdict
from domain.recorded import Recorded
from domain.values import ChargeOn
from infrastructure import projector
from infrastructure.carriers.fixed_fields import with_country
from infrastructure.log_reader import LogReader
from projections.catalogue import PROJECTIONS
from tests.faults.traffic import Acknowledged
from tests.support.stand import Stand

FINAL = frozenset({Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.CANCELLED})
_PAGE = 20_000
_SECRETS = re.compile(r"1(?:38|30|89)\d{8}|sl_[0-9a-f]{8}_|号通知|secret08")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids may be in a log line, and their digits may look like a number."""


@dataclass(slots=True)
class CarrierBook:
    """What the carriers wrote down: by phone what they took, by their id what they sent and what we acknowledged."""

    taken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    payloads: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    sent: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    acked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class Books:
    """Everything, read at one moment."""

    messages: dict[UUID, Message] = field(default_factory=dict)
    debits: Counter[UUID] = field(default_factory=Counter)
    causes: dict[UUID, Failed] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    carrier: CarrierBook = field(default_factory=CarrierBook)

    def statuses(self) -> dict[str, int]:
        """How many messages stand where."""
        return dict(Counter(state.status.value for state in self.messages.values()))


def read_books(stand: Stand) -> Books:
    """Fold the whole log, prove the ledgers, read the carriers' books."""
    books, proof = Books(carrier=read_carriers(stand)), Proof()
    for recorded in _log(stand):
        proof.feed(recorded)
        match recorded.event:
            case Debited(reason=DebitReason.ACCEPTED) as event:
                books.debits[event.message] += 1
            case event if isinstance(event, MessageEvent):
                _note(books, recorded.stream, event, recorded.at)
            case _:
                pass
    books.findings += [f"the proof says {finding}" for finding in proof.findings()]
    return books


def _note(books: Books, id_: UUID, event: MessageEvent, at: datetime) -> None:
    """One fact more about a message."""
    before = books.messages.get(id_)
    if isinstance(event, Accepted) != (before is None):
        books.findings.append(f"{id_} was accepted more than once, or never")
        return
    if isinstance(event, Failed):
        books.causes[id_] = event
    books.messages[id_] = message.evolve(before, event, at)


def _log(stand: Stand) -> Iterator[Recorded]:
    with LogReader(stand.platform.store.recorder) as log:
        position, head = 0, log.head()
        while position < head:
            window = log.window(position, _PAGE)
            yield from window.events
            position = window.end


def read_carriers(stand: Stand) -> CarrierBook:
    """The books of all carriers together."""
    book = CarrierBook()
    for file in stand.folder.glob("carrier*.jsonl"):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] == "receipt":
                if entry["step"] in ("sent", "acked"):
                    steps = book.sent if entry["step"] == "sent" else book.acked
                    steps[entry["carrier_id"]].add(entry["stat"])
            elif entry["status"] == 0:
                phone = with_country(entry["destination"])
                book.taken[phone].append(entry["carrier_id"])
                book.payloads[phone, entry["payload_sha256"]] += 1
            else:
                book.refused[with_country(entry["destination"])] += 1
    return book


def audit(stand: Stand, acknowledged: Mapping[UUID, Acknowledged], *, logs: bool = True) -> list[str]:
    """Everything that is wrong; empty is the proof. The read models must have caught up before."""
    books = read_books(stand)
    found = [
        *books.findings,
        *_acceptance(books, acknowledged),
        *_sealed(stand, books),
        *_twice(books, acknowledged),
        *_outcomes(books, acknowledged),
        *_refunds(books),
        *_read_models(stand),
    ]
    return found + (_logs(stand) if logs else [])


def _acceptance(books: Books, acknowledged: Mapping[UUID, Acknowledged]) -> Iterator[str]:
    """Acknowledged, recorded and debited are the same messages, each once."""
    recorded = set(books.messages)
    if missing := set(acknowledged) - recorded:
        yield f"{len(missing)} acknowledged messages are not in the log"
    if unknown := recorded - set(acknowledged):
        yield f"{len(unknown)} messages are in the log though every client was told otherwise or nothing"
    if set(books.debits) != recorded:
        yield f"{len(set(books.debits) ^ recorded)} messages without debit or debits without message"
    if several := [id_ for id_, times in books.debits.items() if times != 1]:
        yield f"{len(several)} messages were debited more than once"
    for id_, book in acknowledged.items():
        state = books.messages.get(id_)
        if state and (state.accepted.parts, state.accepted.account) != (book.parts, book.account):
            yield f"{id_} is not what was acknowledged"


def _sealed(stand: Stand, books: Books) -> Iterator[str]:
    """Every message has its sealed row, and no row is without message."""
    rows = {id_ for (id_,) in stand.rows("SELECT message_id FROM sealed_messages")}
    if rows != set(books.messages):
        yield f"{len(rows ^ set(books.messages))} messages without sealed row or rows without message"


def _twice(books: Books, acknowledged: Mapping[UUID, Acknowledged]) -> Iterator[str]:
    """No carrier took a part twice, and none took what was never to be sent."""
    book = books.carrier
    if again := [key for key, times in book.payloads.items() if times > 1]:
        yield f"{len(again)} parts were taken twice by a carrier"
    for id_, sent in acknowledged.items():
        state = books.messages.get(id_)
        taken = len(book.taken.get(sent.phone, ()))
        if state is None:
            continue
        if taken > sent.parts:
            yield f"{id_} of {sent.parts} parts was taken {taken} times ({state.status})"
        if taken and state.status in (Status.ACCEPTED, Status.EXPIRED, Status.CANCELLED):
            yield f"{id_} is {state.status} and a carrier has it"
        if taken < sent.parts and state.status in (Status.SUBMITTED, Status.DELIVERED):
            yield f"{id_} is {state.status} and a carrier took {taken} of {sent.parts} parts"


def _outcomes(books: Books, acknowledged: Mapping[UUID, Acknowledged]) -> Iterator[str]:
    """A message stands where the receipts say that we acknowledged to the carrier.

    A long message in doubt may stay there: nobody guesses which of its parts a receipt belongs to. A carrier
    that goes away does not hear the last acknowledgements, so what it sent is enough to be delivered.
    """
    book = books.carrier
    for id_, sent in acknowledged.items():
        state = books.messages.get(id_)
        if state is None or (state.status is Status.IN_DOUBT and sent.parts > 1):
            continue
        reports = [book.acked[carrier_id] for carrier_id in book.taken.get(sent.phone, ())]
        said = {verdict(status) for statuses in reports for status in statuses}
        expected: Status | None = None
        if Verdict.FAILED in said:
            expected = Status.FAILED
        elif _all_delivered(reports, sent.parts):
            expected = Status.DELIVERED
        if expected and Verdict.DELIVERED in said and Verdict.FAILED in said and sent.parts == 1:
            expected = None
        if expected is not None and state.status is not expected:
            yield f"{id_} is {state.status}, its receipts say {expected}"
        told = [book.sent[carrier_id] for carrier_id in book.taken.get(sent.phone, ())]
        if state.status is Status.DELIVERED and not _all_delivered(told, sent.parts):
            yield f"{id_} is delivered without receipts that say so"


def _all_delivered(reports: Sequence[set[str]], parts: int) -> bool:
    """Whether the receipts of every part say so."""
    return len(reports) == parts and all(Verdict.DELIVERED in map(verdict, statuses) for statuses in reports)


def _refunds(books: Books) -> Iterator[str]:
    """A refund exists if and only if the terms say so."""
    for id_, state in books.messages.items():
        match state.status:
            case Status.EXPIRED | Status.CANCELLED:
                due = True
            case Status.FAILED:
                on_delivery = state.accepted.charge_on is ChargeOn.DELIVERED
                never_taken = books.causes[id_].cause.value == "refused" and not state.taken
                due = on_delivery or never_taken
            case _:
                due = False
        if due != state.refunded:
            yield f"{id_} is {state.status} and {'not ' if due else ''}refunded"


def _read_models(stand: Stand) -> Iterator[str]:
    """Rebuilt read models equal the live ones."""
    for projection in PROJECTIONS:
        verified = projector.verify(stand.settings, projection.noun, progress=lambda *_: None)
        if verified.differences:
            yield f"{projection.name} differs from the log: {verified.differences}"


def _logs(stand: Stand) -> list[str]:
    """No log line carries a number, a text or a secret."""
    leaking: Sequence[str] = [
        f"{file.name} tells a secret: {line[:300]}"
        for file in sorted((stand.folder / "logs").glob("*.log"))
        for line in file.read_text(errors="replace").splitlines()
        if _SECRETS.search(_ID.sub("", line))
    ]
    return list(leaking[:5])
