"""The platform held against itself: ledger, messages and read models of some days, account by account.

All is read in one snapshot, and each read model is compared with the log as far as it has come: what is told is
a difference, never a delay.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from psycopg import ClientCursor, Connection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.periods import day_start
from infrastructure.bootstrap import Platform
from infrastructure.gateway_facts import GatewayFacts
from infrastructure.reconciler import connect
from projections import ledger, messages, statistics, tracking

_SLACK = timedelta(minutes=15)
_MOST_MESSAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Two books that say different things about a day of an account."""

    account: str
    day: date
    what: str
    left: str
    left_value: int
    right: str
    right_value: int
    messages: tuple[UUID, ...] = ()
    """Those they disagree about, where messages can be named; 20 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """What was compared, and every difference."""

    since: date
    until: date
    upto: int
    accounts: int
    messages: int
    debited: int
    refunded: int
    differences: tuple[Disagreement, ...]


def check_self(platform: Platform, *, since: date, until: date, account: str = "") -> SelfCheck:
    """Compare all books about the days from `since` to `until`, both included; of one account, or of all."""
    with connect(platform) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        books = _Books(connection, platform.settings.db_schema, since, until, account)
        books.open()
        return books.compare()


@dataclass(slots=True)
class _Books:
    """One snapshot, with the log's side of everything in temporary tables."""

    connection: Connection[Any]
    schema: str
    since: date
    until: date
    account: str

    def open(self) -> None:
        """Take the facts of these days out of the log."""
        facts = GatewayFacts(self.connection, self.schema)
        begins, ends = day_start(self.since), day_start(self.until + timedelta(days=1))
        head = facts.head()
        given = {
            "events": SQL("{}.stored_events").format(Identifier(self.schema)),
            "first": Literal(facts.position_at(begins - _SLACK, head)),
            "last": Literal(facts.position_at(ends + _SLACK, head)),
            "begins": Literal(begins),
            "ends": Literal(ends),
            "account": Literal(self.account),
        }
        ClientCursor(self.connection).execute(_FACTS.format(**given))

    def compare(self) -> SelfCheck:
        """Every pair of books."""
        found = [*self._pair(_ACCEPTED), *self._pair(_REFUNDED)]
        positions = self._positions()
        for projection, queries in (
            (messages.PROJECTION, (_MESSAGES,)),
            (statistics.PROJECTION, (_STATISTICS,)),
            (ledger.PROJECTION, (_LEDGER_DAYS,)),
        ):
            if projection.name in positions:
                for query in queries:
                    found += self._pair(query, upto=positions[projection.name])
        accounts, count, debited, refunded = self._all(_TOTALS)[0]
        return SelfCheck(
            since=self.since,
            until=self.until,
            upto=GatewayFacts(self.connection, self.schema).head(),
            accounts=accounts,
            messages=count,
            debited=debited,
            refunded=refunded,
            differences=tuple(sorted(found, key=lambda one: (one.day, one.account, one.what, one.right))),
        )

    def _pair(self, query: SQL, *, upto: int = 0) -> list[Disagreement]:
        """Rows of account, day, what, two books with a number each, and messages."""
        schema = tracking.live_schema(self.schema)
        filled = query.format(
            upto=Literal(upto),
            since=Literal(self.since),
            until=Literal(self.until),
            begins=Literal(day_start(self.since)),
            ends=Literal(day_start(self.until + timedelta(days=1))),
            account=Literal(self.account),
            most=Literal(_MOST_MESSAGES),
            messages=Identifier(schema, messages.MESSAGES.name),
            statistics=Identifier(schema, statistics.STATISTICS.name),
            days=Identifier(schema, ledger.DAYS.name),
        )
        return [
            Disagreement(
                account=row[0],
                day=row[1],
                what=row[2],
                left=row[3],
                left_value=row[4],
                right=row[5],
                right_value=row[6],
                messages=tuple(row[7] or ()),
            )
            for row in self._all(filled)
        ]

    def _positions(self) -> dict[str, int]:
        """Where each read model stands; none where they were never made."""
        there = SQL("SELECT to_regclass({}) IS NOT NULL").format(
            Literal(f'"{tracking.live_schema(self.schema)}".projection_tracking')
        )
        if not self._all(there)[0][0]:
            return {}
        query = SQL("SELECT name, position FROM {}").format(
            Identifier(tracking.live_schema(self.schema), "projection_tracking")
        )
        return {row[0]: row[1] for row in self._all(query)}

    def _all(self, query: SQL | Composed) -> list[tuple[Any, ...]]:
        return self.connection.cursor(row_factory=tuple_row).execute(query).fetchall()


_PARSED = """(
    SELECT message, version, position, topic, at, (at AT TIME ZONE 'Asia/Shanghai')::date AS day, fact
    FROM (
        SELECT message, version, position, topic, (j->>'at')::timestamptz AS at, j->'fact' AS fact
        FROM (
            SELECT originator_id AS message, originator_version AS version, notification_id AS position, topic,
                convert_from(state, 'UTF8')::jsonb AS j
            FROM {events}
            WHERE notification_id > {first} AND notification_id <= {last}
                AND topic IN ('message.accepted', 'message.failed', 'message.expired', 'message.cancelled',
                    'message.delivered', 'ledger.debited', 'ledger.refunded')
            OFFSET 0
        ) AS e
        OFFSET 0
    ) AS e
    WHERE at >= {begins} AND at < {ends}
) AS e"""
_FACTS = SQL(f"""
CREATE TEMP TABLE sc_facts ON COMMIT DROP AS
SELECT position, day, kind, account, segments,
    CASE WHEN kind LIKE 'ledger%' THEN (fact->>'message')::uuid ELSE message END AS message
FROM (
    SELECT *, coalesce(fact->>'account', fact->'of'->>'account') AS account,
        coalesce(fact->>'segments', fact->'of'->>'segments')::int8
            * CASE WHEN topic = 'ledger.debited' AND fact->>'reason' = 'revised'
                OR topic = 'message.delivered' THEN -1 ELSE 1 END AS segments,
        CASE
            WHEN topic = 'message.accepted' THEN 'accepted'
            WHEN topic = 'ledger.debited' AND fact->>'reason' = 'accepted' THEN 'ledger accepted'
            WHEN topic IN ('ledger.debited', 'ledger.refunded') THEN 'ledger given back'
            WHEN topic = 'message.delivered' AND (fact->>'owed_again')::bool THEN 'given back'
            WHEN topic = 'message.failed' AND (fact->>'refunded')::bool THEN 'given back'
            WHEN topic IN ('message.expired', 'message.cancelled') THEN 'given back'
        END AS kind
    FROM {_PARSED}
) AS f
WHERE kind IS NOT NULL AND {{account}} IN ('', account);
ANALYZE sc_facts
""")
"""One row a fact about money; what a revision takes back is negative."""
_TOTALS = SQL("""
SELECT count(DISTINCT account)::int8, count(*) FILTER (WHERE kind = 'accepted')::int8,
    coalesce(sum(segments) FILTER (WHERE kind = 'ledger accepted'), 0)::int8,
    coalesce(sum(segments) FILTER (WHERE kind = 'ledger given back'), 0)::int8
FROM sc_facts
""")


def _two(what: str, left: str, right: str) -> SQL:
    """The ledger against the messages' own facts, message by message."""
    return SQL(f"""
SELECT account, day, '{what}', 'ledger', sum(l)::int8, 'messages', sum(r)::int8,
    (array_agg(message ORDER BY message))[:{{most}}]
FROM (
    SELECT account, day, message, coalesce(sum(segments) FILTER (WHERE kind = '{left}'), 0) AS l,
        coalesce(sum(segments) FILTER (WHERE kind = '{right}'), 0) AS r,
        count(*) FILTER (WHERE kind = '{left}') AS lc, count(*) FILTER (WHERE kind = '{right}') AS rc
    FROM sc_facts WHERE kind IN ('{left}', '{right}') GROUP BY account, day, message
) AS m
WHERE l <> r OR lc <> rc
GROUP BY account, day
""")


_ACCEPTED = _two("segments of accepted messages", "ledger accepted", "accepted")
_REFUNDED = _two("segments given back", "ledger given back", "given back")
_MESSAGES = SQL("""
SELECT account, day, 'segments of accepted messages', 'messages', sum(l)::int8, 'read model messages', sum(r)::int8,
    (array_agg(message ORDER BY message))[:{most}]
FROM (
    SELECT coalesce(f.account, m.account) AS account, coalesce(f.message, m.id) AS message,
        coalesce(f.day, (m.accepted_at AT TIME ZONE 'Asia/Shanghai')::date) AS day,
        coalesce(f.segments, 0) AS l, coalesce(m.segments, 0) AS r,
        f.account IS DISTINCT FROM m.account AS elsewhere
    FROM (SELECT * FROM sc_facts WHERE kind = 'accepted' AND position <= {upto}) AS f
    FULL JOIN (
        SELECT id, account, accepted_at, segments FROM {messages}
        WHERE accepted_at >= {begins} AND accepted_at < {ends} AND {account} IN ('', account)
    ) AS m ON m.id = f.message
) AS d
WHERE l <> r OR elsewhere
GROUP BY account, day
""")
_STATISTICS = SQL("""
SELECT account, day, what, 'messages', l, 'read model statistics', r, NULL
FROM (
    SELECT account, day, sum(n)::int8 AS n, sum(s)::int8 AS s, sum(rn)::int8 AS rn, sum(rs)::int8 AS rs
    FROM (
        SELECT account, day, 1 AS n, segments AS s, 0 AS rn, 0 AS rs FROM sc_facts
        WHERE kind = 'accepted' AND position <= {upto}
        UNION ALL
        SELECT account, day, 0, 0, total, segments FROM {statistics}
        WHERE day BETWEEN {since} AND {until} AND {account} IN ('', account)
    ) AS u
    GROUP BY account, day
) AS d, LATERAL (VALUES ('accepted messages', n, rn), ('segments of accepted messages', s, rs)) AS w(what, l, r)
WHERE l <> r
""")
_LEDGER_DAYS = SQL("""
SELECT account, day, what, 'ledger', l, 'read model ledger', r, NULL
FROM (
    SELECT account, day, sum(d)::int8 AS d, sum(g)::int8 AS g, sum(rd)::int8 AS rd, sum(rg)::int8 AS rg
    FROM (
        SELECT account, day, CASE WHEN kind = 'ledger accepted' OR segments < 0 THEN abs(segments) ELSE 0 END AS d,
            CASE WHEN kind = 'ledger given back' AND segments > 0 THEN segments ELSE 0 END AS g, 0 AS rd, 0 AS rg
        FROM sc_facts WHERE kind LIKE 'ledger%' AND position <= {upto}
        UNION ALL
        SELECT account, day, 0, 0, debited, refunded FROM {days}
        WHERE day BETWEEN {since} AND {until} AND {account} IN ('', account)
    ) AS u
    GROUP BY account, day
) AS d, LATERAL (VALUES ('segments debited', d, rd), ('segments refunded', g, rg)) AS w(what, l, r)
WHERE l <> r
""")
