"""What the gateway knows about a month of a link, gathered from the log itself into temporary tables.

Nothing is kept: a run names the position of the log it read to, and can gather the same facts again. PostgreSQL takes
the events apart and joins them, so that a million of them never stand in this process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import ClientCursor, Connection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.events.reconciliation import Receipts, RowsAre
from domain.receipts import DELIVERED, NOT_FINAL
from domain.reconciling import Fact, Row
from infrastructure.gateway_facts_sql import DOUBTED, FACTS, POSTED, REPORTED, TAKEN
from infrastructure.mapper import decode_row

_EDGE = timedelta(days=1)
"""Facts of the day before and after a month may stand in its statement."""
_AHEAD = timedelta(days=5)
"""A message is debited at most so long before a carrier takes it."""
_AFTER = timedelta(days=20)
"""Receipts and refunds are followed so long beyond the month."""
_SLACK = timedelta(minutes=15)
"""Positions and times run side by side but for the moment a commit takes."""
_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Of which link and month, up to which position of the log."""

    link: str
    begins: datetime
    ends: datetime
    upto: int
    rows_are: RowsAre
    receipts: Receipts
    test_messages: Sequence[UUID] = ()


class GatewayFacts:
    """Gathers in one session, whose temporary tables go with its transaction."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection = connection
        self._events = SQL("{}.stored_events").format(Identifier(schema))
        self._rows = SQL("{}.carrier_statement_rows").format(Identifier(schema))

    def head(self) -> int:
        """The last position of the log."""
        query = SQL("SELECT coalesce(max(notification_id), 0) FROM {}").format(self._events)
        return int(self._all(query)[0][0])

    def position_at(self, moment: datetime, upto: int) -> int:
        """The last position that was recorded before a moment, by halving."""
        low, high = 0, upto
        query = SQL(
            "SELECT originator_id, originator_version, topic, state, notification_id FROM {}"
            " WHERE notification_id > {} AND notification_id <= {} ORDER BY notification_id LIMIT 1"
        )
        while low < high:
            middle = (low + high) // 2
            found = self._all(query.format(self._events, Literal(middle), Literal(high)))
            if not found:
                high = middle
                continue
            recorded = decode_row(*found[0])
            if recorded.at < moment:
                low = recorded.position
            else:
                high = middle
        return low

    def gather(self, wanted: Wanted) -> None:
        """Make the tables; inside a transaction."""
        begins, ends = wanted.begins - _EDGE, wanted.ends + _EDGE
        first = self.position_at(begins - _SLACK, wanted.upto)
        last = self.position_at(ends + _SLACK, wanted.upto)
        after = self.position_at(ends + _AFTER, wanted.upto)
        ahead = self.position_at(begins - _AHEAD, wanted.upto)
        self._do(
            TAKEN, events=self._events, first=first, last=last, link=wanted.link, begins=begins, ends=ends
        )
        self._do("ANALYZE rc_taken")
        self._do(
            REPORTED,
            events=self._events,
            first=first,
            last=after,
            pending=sorted(NOT_FINAL),
            delivered=sorted(DELIVERED),
        )
        self._do(POSTED, events=self._events, first=ahead, last=after)
        self._do("CREATE TEMP TABLE rc_test (message uuid) ON COMMIT DROP")
        with self._connection.cursor().copy("COPY rc_test FROM STDIN") as copy:
            for message in wanted.test_messages:
                copy.write_row((message,))
        for table in ("rc_reported", "rc_posted", "rc_test"):
            self._do(f"ANALYZE {table}")
        self._do(FACTS[wanted.rows_are], shared=wanted.receipts is Receipts.ONE_PART)

    def facts(self) -> Iterator[Fact]:
        """All facts, in the order of the carrier's ids."""
        query = SQL("SELECT * FROM rc_facts ORDER BY carrier_id")
        return (Fact._make(row) for row in self._stream("rc_facts_cursor", query))

    def rows(self, statements: Sequence[tuple[int, UUID]], *, begins: date, ends: date) -> Iterator[Row]:
        """The rows of a statement (0) and of those beside it (-1, 1), in the order of the carrier's ids. Of those
        beside only what is near the month."""
        parts = [
            SQL(
                "SELECT {month}::int4 AS month, number, {id} AS carrier_id, at, day, segments, status, network,"
                " price_micros, amount_micros, phone_index, test, problem FROM {rows} r {alias}"
                " WHERE statement = {statement} AND {near}"
            ).format(
                month=Literal(month),
                id=SQL('coalesce(a.first_id, r.carrier_id) COLLATE "C"'),
                rows=self._rows,
                alias=SQL("LEFT JOIN rc_alias a ON a.carrier_id = r.carrier_id"),
                statement=Literal(statement),
                near=SQL("true") if not month else _near(begins, ends),
            )
            for month, statement in statements
        ]
        query = SQL("SELECT * FROM ({}) AS r ORDER BY carrier_id").format(SQL(" UNION ALL ").join(parts))
        return (Row._make(row) for row in self._stream("rc_rows_cursor", query))

    def doubted(self, wanted: Wanted) -> list[UUID]:
        """Messages that the link handed to the carrier without an answer, as far as that was so at some time."""
        begins, ends = wanted.begins - _EDGE, wanted.ends + _EDGE
        first = self.position_at(begins - _SLACK, wanted.upto)
        last = self.position_at(ends + _SLACK, wanted.upto)
        query = DOUBTED.format(
            events=self._events, first=Literal(first), last=Literal(last), link=Literal(wanted.link)
        )
        return [row[0] for row in self._all(query)]

    def postings_of(self, messages: Sequence[UUID]) -> dict[UUID, tuple[Any, ...]]:
        """Account, time and number of the debit, number of the refund, segments debited and net, by message."""
        query = SQL(
            "SELECT message, account, debited_at, debit, refund, debited, net FROM rc_posted"
            " WHERE message = ANY({}::uuid[])"
        ).format(Literal(list(messages)))
        return {row[0]: row[1:] for row in self._all(query)}

    def _stream(self, name: str, query: SQL | Composed) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name=name, row_factory=tuple_row) as cursor:
            cursor.itersize = _PAGE
            cursor.execute(query, binary=True)
            yield from cursor

    def _all(self, query: SQL | Composed) -> list[tuple[Any, ...]]:
        return self._connection.cursor(row_factory=tuple_row).execute(query).fetchall()

    def _do(self, statement: str | SQL, **values: object) -> None:
        """A statement that takes no parameters from outside itself: values are written into it."""
        text = SQL(statement) if isinstance(statement, str) else statement
        given = {
            name: value if isinstance(value, Composed) else Literal(value) for name, value in values.items()
        }
        ClientCursor(self._connection).execute(text.format(**given) if values else text)


def _near(begins: date, ends: date) -> Composed:
    return SQL(
        "(r.day BETWEEN {} AND {} OR r.day BETWEEN {} AND {} OR r.day IS NULL) AND r.problem = ''"
    ).format(*(Literal(day) for day in (begins - 2 * _EDGE, begins + _EDGE, ends - 2 * _EDGE, ends + _EDGE)))
