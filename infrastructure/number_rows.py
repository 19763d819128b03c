"""What is known about ported numbers, as rows: by digest, each a few octets, with the number of its last change."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from application.ports import NumberRow
from domain.numbering import Known
from domain.values import Carrier, FoundBy

CODES: dict[Carrier, int] = {
    Carrier.MOBILE: 1,
    Carrier.UNICOM: 2,
    Carrier.TELECOM: 3,
    Carrier.BROADNET: 4,
}
"""How carriers are stored; never changed. In `gone` a carrier is the bit `1 << (code - 1)`."""
_BY_CODE = {code: carrier for carrier, code in CODES.items()}
_ALL = sum(1 << (code - 1) for code in CODES.values())
_NETWORKS = sum(1 << (CODES[carrier] - 1) for carrier in (Carrier.MOBILE, Carrier.UNICOM, Carrier.TELECOM))
_LISTED = 8
_GONE_SHIFT = 4

STATE = f"coalesce(carrier, 0) + CASE WHEN listed THEN {_LISTED} ELSE 0 END + gone * {1 << _GONE_SHIFT}"
"""A row's meaning in one octet, in SQL; `known` reads it."""

# All three networks said no: the newest word is kept, and the others are asked again.
_MERGE = f"""
MERGE INTO {{0}}.known_numbers k USING (
    SELECT * FROM unnest(%b::int8[], %b::date[], %b::int2[], %b::bool[], %b::int2[], %b::int2[], %b::text[])
        AS u(digest, day, carrier, listed, gone, back, in_flight)
) i ON k.digest = i.digest
WHEN MATCHED AND i.listed AND (k.carrier > 0 AND NOT k.listed OR k.carrier = i.carrier AND k.gone & i.back = 0)
    THEN DO NOTHING
WHEN MATCHED THEN UPDATE SET
    carrier = coalesce(i.carrier, k.carrier),
    listed = CASE WHEN i.carrier IS NULL THEN k.listed ELSE i.listed END,
    gone = CASE WHEN ((k.gone | i.gone) & ~i.back & {_NETWORKS}) = {_NETWORKS}
        THEN i.gone ELSE (k.gone | i.gone) & ~i.back END,
    since = CASE WHEN i.carrier IS NOT NULL OR coalesce(k.carrier, 0) = 0 THEN i.day ELSE k.since END,
    gone_since = CASE WHEN i.gone > 0 THEN i.day ELSE k.gone_since END,
    in_flight = CASE WHEN i.gone > 0 OR i.back > 0 THEN i.in_flight::uuid[] ELSE k.in_flight END,
    change = nextval('{{0}}.known_numbers_change')
WHEN NOT MATCHED THEN INSERT (digest, carrier, listed, gone, since, gone_since, in_flight, change)
    VALUES (i.digest, i.carrier, i.listed, i.gone, i.day, i.day, i.in_flight::uuid[],
            nextval('{{0}}.known_numbers_change'))
"""


class NumberWriter:
    """Writes rows within the commit of the facts they follow from: the log's lock puts the changes in order."""

    def __init__(self, schema: str) -> None:
        self._merge = SQL(_MERGE).format(Identifier(schema)).as_bytes()

    def write(self, conn: Connection[Any], rows: Sequence[NumberRow]) -> None:
        """Apply rows in their order; a number that is there several times takes several statements."""
        while rows:
            first = {row.digest: row for row in reversed(rows)}
            columns = [list(column) for column in zip(*map(_values, first.values()), strict=True)]
            conn.execute(self._merge, columns, prepare=True)
            rows = [row for row in rows if first[row.digest] is not row]


def known(state: int) -> Known | None:
    """What the octet of a row says; None where nothing is known (any more)."""
    if not state:
        return None
    carrier = _BY_CODE.get(state & (_LISTED - 1))
    gone = frozenset(c for c, code in CODES.items() if state >> _GONE_SHIFT & 1 << (code - 1))
    return Known(carrier=carrier, by=FoundBy.LIST if state & _LISTED else FoundBy.OVERRIDE, gone=gone)


def _values(row: NumberRow) -> tuple[Any, ...]:
    if row.forget:
        return row.digest, row.day, 0, False, 0, _ALL, "{}"
    back = _bit(row.back) | (_ALL if row.carrier and not row.listed else _bit(row.carrier))
    in_flight = "{" + ",".join(map(str, row.in_flight)) + "}"
    code = None if row.carrier is None else CODES[row.carrier]
    return row.digest, row.day, code, row.listed, _bit(row.gone), back, in_flight


def _bit(carrier: Carrier | None) -> int:
    return 0 if carrier is None else 1 << (CODES[carrier] - 1)
