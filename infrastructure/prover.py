"""Proves the whole log: reads it once, in one process or, where it is large, in stretches over several.

A row that cannot be read is a finding, whatever is wrong with it; nothing ends the proof before its end.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Identifier

from application.findings import Finding
from application.prove_ledgers import TOPICS, Proof
from application.prove_seals import SealProof
from domain.events import TOPICS as ALL_TOPICS
from domain.events.seal import Sealed
from infrastructure import recorder, sealing_key
from infrastructure.bootstrap import keys_dir
from infrastructure.mapper import decode_row
from infrastructure.process_memory import collect_rarely
from infrastructure.recorder import LedgerRecorder
from infrastructure.seal_book import SealBook
from infrastructure.settings import Settings

PROCESSES = 2
_PAGE = 10_000
"""Positions read at a time."""
_STRETCH = 100_000
"""Positions that one process proves before it takes the next stretch."""

Reached = Callable[[int], None]
"""Told how far the proof is, as a position of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The proof of a log up to `head`, and that of its seals."""

    head: int
    proof: Proof
    seals: int
    last_seal: Sealed | None
    findings: Sequence[Finding]


def prove(
    settings: Settings,
    *,
    reached: Reached = lambda _: None,
    processes: int = PROCESSES,
    stretch: int = _STRETCH,
) -> Proved:
    """Prove everything up to the head of the log; what is recorded later belongs to the next proof."""
    with _reader(settings) as reader:
        head = reader.head()
        stretches = [(after, min(after + stretch, head)) for after in range(0, head, stretch)]
        if len(stretches) > 1 and processes > 1:
            read = _side_by_side(settings, stretches, processes, reached)
        else:
            read = _Read(proof=Proof(lookup=reader.book.postings))
            for after, upto in stretches:
                reader.read(read, after, upto)
                reached(upto)
        read.proof.lookup = read.proof.statements.lookup = reader.book.postings
        own = sealing_key.find(keys_dir(settings))
        seals = SealProof(
            log=reader.book,
            opened=read.proof.opened,
            ledgers=read.proof.ledgers,
            own_key=own.key if own else None,
            head=head,
            rows=read.seals,
        )
        findings = [*read.proof.findings(), *seals.findings()]
    return Proved(head=head, proof=read.proof, seals=seals.count, last_seal=seals.last, findings=findings)


@dataclass(slots=True)
class _Read:
    """What was read so far: the proof, and how many rows say they are seals."""

    proof: Proof
    seals: int = 0

    def merge(self, later: "_Read") -> None:
        self.proof.merge(later.proof)
        self.seals += later.seals


def _side_by_side(
    settings: Settings, stretches: Sequence[tuple[int, int]], processes: int, reached: Reached
) -> _Read:
    """Each stretch in one of several processes; merged in the order of the log."""
    whole = _Read(proof=Proof())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=collect_rarely) as pool:
        waiting = [pool.submit(_stretch, settings, after, upto) for after, upto in stretches]
        for done, (_, upto) in zip(waiting, stretches, strict=True):
            whole.merge(done.result())
            reached(upto)
    return whole


def _stretch(settings: Settings, after: int, upto: int) -> _Read:
    with _reader(settings) as reader:
        read = _Read(proof=Proof(lookup=reader.book.postings))
        reader.read(read, after, upto)
        read.proof.detached()
        return read


@contextmanager
def _reader(settings: Settings) -> Iterator["_Reader"]:
    datastore = recorder.connect(settings.database_url, schema=settings.db_schema, pool_size=2)
    try:
        yield _Reader(LedgerRecorder(datastore))
    finally:
        datastore.close()


class _Reader:
    """Raw rows of the log: those the proof needs, and those of a topic that nobody knows."""

    def __init__(self, source: LedgerRecorder) -> None:
        self.book = SealBook(source)
        self._source = source
        table = SQL("{}.{}").format(Identifier(source.datastore.schema), Identifier(source.events_table_name))
        self._head = SQL("SELECT coalesce(max(notification_id), 0) FROM {}").format(table).as_bytes()
        self._page = (
            SQL(
                "SELECT originator_id, originator_version, topic, state, notification_id FROM {}"
                " WHERE notification_id > %s AND notification_id <= %s"
                " AND (topic = ANY(%s) OR topic IS NULL OR topic <> ALL(%s)) ORDER BY notification_id"
            )
            .format(table)
            .as_bytes()
        )

    def head(self) -> int:
        """The last position of the log."""
        head: int = self._source.rows(self._head)[0][0]
        return head

    def read(self, read: _Read, after: int, upto: int) -> None:
        """Feed the proof with a stretch, a page at a time."""
        wanted, known = [*TOPICS, Sealed.TOPIC], list(ALL_TOPICS)
        for start in range(after, upto, _PAGE):
            for row in self._source.rows(self._page, (start, min(start + _PAGE, upto), wanted, known)):
                if row[2] == Sealed.TOPIC:
                    read.seals += 1
                else:
                    _feed(read.proof, row)


def _feed(proof: Proof, row: tuple[UUID, int, str, bytes, Any]) -> None:
    try:
        proof.feed(decode_row(*row))
    except Exception as error:  # noqa: BLE001  (an altered row may fail anywhere; it is told, and the proof goes on)
        proof.unreadable(stream=row[0], version=row[1], position=row[4], why=type(error).__name__)
