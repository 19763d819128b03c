"""The auditor: reads the log as plain data, keeps books of its own, and asks the carriers what really happened.

Nothing here calls the platform's aggregates: an error they share would otherwise hide itself. The platform's own
proof is run beside it and must find nothing either.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from application.prove_ledgers import Proof
from application.send_messages import Sent
from tests.simulation import money
from tests.simulation.carrier import Take
from tests.simulation.world import PHONES, World

FAILED = {"failed", "expired", "cancelled"}


@dataclass(slots=True)
class Book:
    """One message as the log tells it."""

    accepted: dict[str, Any] = field(default_factory=dict)
    accepted_at: str = ""
    facts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    debits: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The last outcome: delivered, failed, expired, cancelled, or empty."""
        outcomes = [topic for topic, _ in self.facts if topic in {"delivered", *FAILED}]
        return outcomes[-1] if outcomes else ""

    @property
    def owed(self) -> int:
        """How many times its segments are owed now: 0 or 1 if all is well."""
        return len(self.debits) - len(self.refunds)

    def count(self, topic: str, **values: object) -> int:
        """How many facts of a topic have these values."""
        return sum(
            name == topic and all(fact.get(key) == value for key, value in values.items())
            for name, fact in self.facts
        )


def audit(world: World) -> list[str]:
    """Everything that is wrong with a world; empty if all is well."""
    books = _read(world)
    wrong = [f"unexpected {type(error).__name__}: {error}" for error in world.surprises]
    wrong += money.wrong(row for row in world.disk.log)
    wrong += [f"answer to {what}" for what in _answers(world, books)]
    takes: dict[UUID, list[Take]] = defaultdict(list)
    for carrier in world.carriers.values():
        for take in carrier.takes:
            takes[take.key[0]].append(take)
    for id_, book in books.items():
        wrong += [f"message {id_}: {what}" for what in _message(world, book, takes[id_])]
    wrong += [f"sent without an acceptance: {id_}" for id_ in takes if id_ not in books]
    wrong += [f"proof: {finding.code} {finding.detail}" for finding in _proof(world).findings()]
    wrong += _leftovers(world)
    return wrong


def _read(world: World) -> dict[UUID, Book]:
    books: dict[UUID, Book] = defaultdict(Book)
    names: dict[UUID, str] = {}
    for row in world.disk.log:
        envelope = json.loads(row.state)
        noun, topic = row.topic.split(".")
        fact = envelope["fact"]
        if noun == "message":
            book = books[row.originator_id]
            book.facts.append((topic, fact))
            if topic == "accepted":
                book.accepted, book.accepted_at = fact, envelope["at"]
        elif noun == "ledger":
            name = names.setdefault(row.originator_id, f"{fact['account']}/{fact.get('year', '?')}")
            if topic == "debited":
                posting = {"version": row.originator_version, **fact}
                books[UUID(fact["message"])].debits.append((name, posting))
            if topic == "refunded":
                books[UUID(fact["message"])].refunds.append(fact)
    return dict(books)


def _answers(world: World, books: dict[UUID, Book]) -> Iterable[str]:
    """What clients were told is what is recorded."""
    told: set[UUID] = set()
    for call in world.calls:
        for key, answer in call.answers.items():
            if isinstance(answer, Sent):
                told.add(answer.id)
                if answer.id not in books:
                    yield f"{key}: accepted, but not in the log"
                elif books[answer.id].accepted["charged"]["posting"] != answer.charged.posting:
                    yield f"{key}: another posting than the log's"
    for id_ in books.keys() - told:
        yield f"nobody: message {id_} is in the log, and no client was told"


def _message(world: World, book: Book, takes: list[Take]) -> Iterable[str]:
    if not book.accepted:
        yield "it has facts or postings and no acceptance"
        return
    yield from _charged_once(book)
    yield from _refunded_by_the_terms(book, takes)
    yield from _sent_once(book, takes)
    yield from _reported(book, takes)
    if book.facts[-1][0] in {"accepted", "submission_started"} or _waits(book):
        yield f"it never reached an end: {[topic for topic, _ in book.facts]}"


def _waits(book: Book) -> bool:
    topic, fact = book.facts[-1]
    return (topic == "submission_refused" and fact["retryable"]) or (
        topic == "doubt_resolved" and fact["resend"]
    )


def _charged_once(book: Book) -> Iterable[str]:
    first = [posting for _, posting in book.debits if posting["reason"] == "accepted"]
    charged = book.accepted["charged"]
    at = datetime.fromisoformat(book.accepted_at) + timedelta(hours=8)
    if [posting["version"] for posting in first] != [charged["posting"]]:
        yield f"{len(first)} debits for one acceptance"
    if charged["year"] != at.year:
        yield f"accepted at {at} in Shanghai, debited to {charged['year']}"
    for name, posting in book.debits:
        if not name.endswith(str(charged["year"])):
            yield f"debited to {name}"
        if posting["segments"] != book.accepted["segments"]:
            yield "another number of segments was debited"
    if any(refund["segments"] != book.accepted["segments"] for refund in book.refunds):
        yield "another number of segments was refunded"
    if book.owed not in (0, 1):
        yield f"owed {book.owed} times"


def _refunded_by_the_terms(book: Book, takes: list[Take]) -> Iterable[str]:
    """Charged on submission: refunded if and only if no carrier took it. On delivery: unless delivered."""
    if book.accepted["charge_on"] == "delivered":
        if (book.owed == 0) != (book.outcome in FAILED):
            yield f"{book.outcome or 'no outcome'}, and owed {book.owed} times"
    elif takes and book.owed == 0:
        yield f"refunded, and the carrier took {len(takes)} of its parts: {book.outcome}"
    elif not takes and book.owed == 1 and book.outcome and not book.count("submission_in_doubt"):
        yield f"charged, and no carrier took it: {book.outcome}"


def _sent_once(book: Book, takes: list[Take]) -> Iterable[str]:
    """An attempt gives the carrier a part once; another attempt gives it one it took only where a person said so."""
    resent_before = _resends_by_attempt(book)
    for part in {take.key.part for take in takes}:
        attempts = sorted(take.key.attempt for take in takes if take.key.part == part)
        for before, after in pairwise(attempts):
            if before == after:
                yield f"the carrier got part {part} twice in attempt {after}"
            elif resent_before[before] == resent_before[after]:
                yield f"the carrier got part {part} in attempts {before} and {after}, and nobody asked for that"


def _resends_by_attempt(book: Book) -> dict[int, int]:
    """How often a person had said "send it again" when each attempt began."""
    resends, found = 0, {}
    for topic, fact in book.facts:
        resends += topic == "doubt_resolved" and fact["resend"]
        if topic == "submission_started":
            found[fact["attempt"]] = resends
    return found


def _reported(book: Book, takes: list[Take]) -> Iterable[str]:
    """What the carrier reported and we acknowledged is what the message says, where it is beyond doubt."""
    statuses = {status for take in takes for status in take.acknowledged if status != "ACCEPTD"}
    parts = {take.key[1] for take in takes if "DELIVRD" in take.offered}
    if book.outcome == "delivered" and len(parts) < book.accepted["parts"]:
        yield f"delivered, and the carrier reported only parts {sorted(parts)}"
    doubted = book.count("submission_in_doubt")
    whole = len(takes) == book.accepted["parts"] and all(take.answered for take in takes)
    if not whole or doubted:
        return
    complete = all(set(take.acknowledged) - {"ACCEPTD"} for take in takes)
    if complete and statuses == {"DELIVRD"} and book.outcome != "delivered":
        yield f"every part was reported delivered, the message is {book.outcome or 'without outcome'}"
    if statuses and "DELIVRD" not in statuses and book.outcome != "failed":
        yield f"reported as {statuses}, the message is {book.outcome or 'without outcome'}"


def _proof(world: World) -> Proof:
    proof = Proof()
    for recorded in world.disk.everything():
        proof.feed(recorded)
    return proof


def _leftovers(world: World) -> Iterable[str]:
    known = {(row.link, row.carrier_id) for row in world.disk.parts}
    for held in world.disk.held.values():
        if (held.link, held.carrier_id) in known:
            yield f"a receipt for {held.carrier_id} is held though its message is known"
    worker = world.worker
    if worker is not None and not worker.process.dead.is_set():
        for name, carriage in worker.carriages.items():
            if carriage.used:
                yield f"link {name}: {carriage.used} places were never given back"
    numbers = [phone.encode() for phone in PHONES]
    personal = [row.topic for row in world.disk.log if any(number in row.state for number in numbers)]
    if personal:
        yield f"phone numbers in {set(personal)}"
