"""A difference as it is told: its reason, its evidence, and what it adds up to."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from uuid import UUID

from domain.reconciling import Case, Finding, Reason, Rules, billed, charged_micros, expected, in_month
from domain.values import local_year, stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference with its one reason and its evidence."""

    id: UUID
    reason: Reason
    note: str
    carrier_id: str
    day: date | None
    message: UUID | None
    part: int
    account: str
    year: int
    """Of the ledger; 0 where there is no posting."""
    postings: tuple[int, ...]
    """Numbers of the debit and of the refund in that ledger."""
    rows: tuple[int, ...]
    """Numbers of the rows in the file."""
    rows_month: int
    """0: of this file; -1 and 1: of the month's before and after."""
    platform_segments: int
    carrier_segments: int
    ledger_segments: int
    platform_micros: int
    carrier_micros: int
    platform_status: str
    carrier_status: str
    taken_at: datetime | None
    reported_at: datetime | None
    row_at: datetime | None

    @property
    def segments(self) -> int:
        """What the carrier bills less what we expected."""
        return self.carrier_segments - self.platform_segments

    @property
    def amount_micros(self) -> int:
        """The same in money."""
        return self.carrier_micros - self.platform_micros

    def digest(self) -> bytes:
        """SHA-256 over what it says. The numbers of rows are left out: their order carries no meaning."""
        said = [str(getattr(self, name)) for name in _HASHED]
        return sha256(json.dumps(said, ensure_ascii=False).encode()).digest()


_HASHED = tuple(name for name in Difference.__dataclass_fields__ if name != "rows")


def difference(case: Case, finding: Finding, rules: Rules, *, link: str, turn: int = 0) -> Difference:
    """The difference that a case is. `turn` tells cases apart that are otherwise the same.

    A fact of another month counts there, and a row of another month's statement there.
    """
    fact, row, told = case.fact, case.row or case.beside, case.fact or case.doubt
    own_row = case.row is not None
    ours = expected(fact, rules) if fact and in_month(fact, rules) and not case.repeated else 0
    debited_at = told.debited_at if told else None
    day = fact.day if fact else row.day if row else None
    message = told.message if told else None
    part, copy = (fact.part, fact.copy) if fact else (0, 0)
    carrier_id = fact.carrier_id if fact else row.carrier_id if row else ""
    return Difference(
        id=stream_id(
            "difference",
            *(link, rules.first_day.isoformat(), carrier_id, str(day), str(message), part, copy, turn),
        ),
        reason=finding[0],
        note=finding[1],
        carrier_id=carrier_id,
        day=day,
        message=message,
        part=part,
        account=told.account if told else "",
        year=local_year(debited_at) if debited_at else 0,
        postings=tuple(number for number in (told.debit, told.refund) if number) if told else (),
        rows=(row.number,) if row else (),
        rows_month=row.month if row else 0,
        platform_segments=ours,
        carrier_segments=billed(row, rules) if row and own_row else 0,
        ledger_segments=told.net if told and part in (0, 1) and not (copy or case.repeated) else 0,
        platform_micros=ours * rules.price_micros,
        carrier_micros=charged_micros(row, rules) if row and own_row else 0,
        platform_status=fact.status if fact else "",
        carrier_status=row.status if row else "",
        taken_at=told.at if told else None,
        reported_at=fact.reported_at if fact else None,
        row_at=row.at if row else None,
    )
