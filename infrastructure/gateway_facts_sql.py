"""The statements behind `gateway_facts`: the log taken apart, and one fact made of each part that a carrier took."""

from psycopg.sql import SQL

from domain.events.reconciliation import RowsAre


def _parsed(topics: str, also: str = "") -> str:
    """Events between two positions: stream, version, position, topic, time and fact. Each is parsed once, which the
    planner would otherwise do anew for each field."""
    return f"""(
        SELECT message, version, position, topic, (j->>'at')::timestamptz AS at, j->'fact' AS fact
        FROM (
            SELECT originator_id AS message, originator_version AS version, notification_id AS position, topic,
                convert_from(state, 'UTF8')::jsonb AS j
            FROM {{events}}
            WHERE notification_id > {{first}} AND notification_id <= {{last}} AND topic IN ({topics}) {also}
            OFFSET 0
        ) AS e
        OFFSET 0
    ) AS e"""


TAKEN = SQL(f"""
CREATE TEMP TABLE rc_taken ON COMMIT DROP AS
SELECT message, part, carrier_id, min(at) AS at, min(position) AS position
FROM (
    SELECT message, position, at, (p->>'number')::int4 AS part, p->>'carrier_id' AS carrier_id
    FROM {_parsed("'message.submitted', 'message.submission_in_doubt', 'message.submission_refused'")},
        LATERAL jsonb_array_elements(coalesce(fact->'parts', fact->'taken')) AS p
    WHERE fact->>'link' = {{link}} AND at >= {{begins}} AND at < {{ends}}
) AS t
GROUP BY message, part, carrier_id
""")
"""Parts with the ids the carrier gave them; an event that names a part again does not take it twice."""
REPORTED = SQL(f"""
CREATE TEMP TABLE rc_reported ON COMMIT DROP AS
SELECT DISTINCT ON (message, part) message, part, status, final, delivered, CASE WHEN final THEN at END AS at
FROM (
    SELECT message, position, at, (fact->>'part')::int4 AS part, fact->>'status' AS status,
        upper(trim(fact->>'status')) <> ALL({{pending}}) AS final,
        upper(trim(fact->>'status')) = ANY({{delivered}}) AS delivered
    FROM {_parsed("'message.receipt_recorded'", "AND originator_id IN (SELECT message FROM rc_taken)")}
) AS r
ORDER BY message, part, final DESC, position DESC
""")
"""The report that holds for each part: the last final one, else the last."""
POSTED = SQL(f"""
CREATE TEMP TABLE rc_posted ON COMMIT DROP AS
SELECT message, min(account) AS account, min(at) FILTER (WHERE debit) AS debited_at,
    coalesce(max(version) FILTER (WHERE debit), 0)::int8 AS debit,
    coalesce(max(version) FILTER (WHERE NOT debit), 0)::int8 AS refund,
    coalesce(sum(segments) FILTER (WHERE first), 0)::int8 AS debited,
    sum(CASE WHEN debit THEN segments ELSE -segments END)::int8 AS net
FROM (
    SELECT (fact->>'message')::uuid AS message, version, at, fact->>'account' AS account,
        (fact->>'segments')::int4 AS segments, topic = 'ledger.debited' AS debit,
        topic = 'ledger.debited' AND fact->>'reason' = 'accepted' AS first
    FROM {_parsed("'ledger.debited', 'ledger.refunded'")}
) AS p
GROUP BY message
""")
"""What each message was debited, and what is left of it."""
DOUBTED = SQL(f"""
SELECT DISTINCT message FROM {_parsed("'message.submission_in_doubt'")} WHERE fact->>'link' = {{link}}
""")
_SEVERAL = """
CREATE TEMP TABLE rc_several ON COMMIT DROP AS
SELECT t.message, t.part, t.carrier_id, m.parts::int4 AS parts,
    row_number() OVER (PARTITION BY t.message, t.part ORDER BY t.position, t.carrier_id) - 1 AS copy
FROM rc_taken AS t
JOIN (SELECT message, count(DISTINCT part) AS parts FROM rc_taken GROUP BY message HAVING count(*) > 1) AS m
    ON m.message = t.message;
ANALYZE rc_several;
CREATE TEMP TABLE rc_outcomes ON COMMIT DROP AS
SELECT message, count(*) FILTER (WHERE delivered) AS delivered,
    count(*) FILTER (WHERE final AND NOT delivered) AS failed,
    (array_agg(status ORDER BY final DESC, delivered, part))[1] AS status, max(at) AS at
FROM rc_reported WHERE message IN (SELECT message FROM rc_several) GROUP BY message;
ANALYZE rc_outcomes;
"""
_FIELDS = """
    CASE WHEN s.message IS NULL THEN coalesce(r.delivered, false)
        ELSE o.failed = 0 AND o.delivered >= CASE WHEN {shared} THEN 1 ELSE s.parts END END AS delivered,
    coalesce(p.account, '') AS account, p.debited_at, coalesce(p.debit, 0) AS debit,
    coalesce(p.refund, 0) AS refund, coalesce(p.debited, 0) AS debited, coalesce(p.net, 0) AS net,
    t.message IN (SELECT message FROM rc_test) AS test
FROM rc_taken AS t
LEFT JOIN rc_several AS s ON s.message = t.message AND s.part = t.part AND s.carrier_id = t.carrier_id
LEFT JOIN rc_reported AS r ON r.message = t.message AND r.part = t.part
LEFT JOIN rc_outcomes AS o ON o.message = t.message
LEFT JOIN rc_posted AS p ON p.message = t.message
"""
_WHOLE = "o.failed > 0 OR o.delivered >= CASE WHEN {shared} THEN 1 ELSE s.parts END"
FACTS = {
    RowsAre.PARTS: SQL(f"""{_SEVERAL}
CREATE TEMP TABLE rc_alias (carrier_id text, first_id text) ON COMMIT DROP;
CREATE TEMP VIEW rc_facts AS
SELECT t.carrier_id COLLATE "C" AS carrier_id, t.message, t.part, coalesce(s.parts, 1) AS parts,
    coalesce(s.copy, 0)::int4 AS copy, t.at, (t.at AT TIME ZONE 'Asia/Shanghai')::date AS day,
    coalesce(r.status, CASE WHEN {{shared}} THEN o.status END, '') AS status,
    CASE WHEN r.status IS NOT NULL THEN r.at WHEN {{shared}} THEN o.at END AS reported_at,
    {_FIELDS}
"""),
    RowsAre.MESSAGES: SQL(f"""{_SEVERAL}
CREATE TEMP TABLE rc_alias ON COMMIT DROP AS
SELECT carrier_id, first_value(carrier_id) OVER (PARTITION BY message, copy ORDER BY part) AS first_id
FROM rc_several;
CREATE TEMP VIEW rc_facts AS
SELECT t.carrier_id COLLATE "C" AS carrier_id, t.message, 1 AS part, coalesce(s.parts, 1) AS parts,
    coalesce(s.copy, 0)::int4 AS copy, t.at, (t.at AT TIME ZONE 'Asia/Shanghai')::date AS day,
    CASE WHEN s.message IS NULL THEN coalesce(r.status, '') WHEN {_WHOLE} THEN o.status ELSE '' END AS status,
    CASE WHEN s.message IS NULL THEN r.at WHEN {_WHOLE} THEN o.at END AS reported_at,
    {_FIELDS}
WHERE t.carrier_id NOT IN (SELECT carrier_id FROM rc_alias WHERE carrier_id <> first_id)
"""),
}
"""One row a part, or one a message under the id of its first part. A message of one part needs no second look."""
