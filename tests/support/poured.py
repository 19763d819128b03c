"""Ledgers of months that are over in a real store: made in memory, poured into the log as they would stand there."""

from datetime import UTC, datetime

import psycopg

from domain.events.contract import Terms
from domain.periods import Period, month_at
from domain.values import stream_id
from infrastructure.bootstrap import Platform
from tests.support.billed import Billed
from tests.support.door import run
from tests.support.sample import ACCOUNT, Sample, make_sample


def pour(platform: Platform, billed: Billed) -> None:
    """Append the postings of every ledger; the contract is the store's own."""
    schema = platform.settings.db_schema
    with (
        psycopg.connect(platform.settings.database_url) as connection,
        connection.cursor().copy(
            f"COPY {schema}.stored_events (originator_id, originator_version, topic, state)"
            " FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["uuid", "int8", "text", "bytea"])
        for year in billed.ledgers:
            for place in billed.store.disk.streams[stream_id("ledger", billed.account, year)]:
                stored = billed.store.disk.log[place]
                copy.write_row((stored.originator_id, stored.originator_version, stored.topic, stored.state))


def noon(period: Period, day: int) -> datetime:
    """The noon in Shanghai of a day of a month."""
    return datetime(period.year, period.month, day, 4, tzinfo=UTC)


def last_months() -> tuple[Period, Period]:
    """The two months before this one."""
    last = month_at(datetime.now(UTC)).preceding
    return last.preceding, last


async def sample_with_history(platform: Platform, *, allowance: int = 10) -> Sample:
    """The sample account, live since two months, with postings in both of them: in the first one eight and four
    segments, in the second one the four refunded and three debited."""
    first, second = last_months()
    terms = Terms(allowance_segments=allowance)
    sample = await make_sample(platform, terms=terms, live_on=first.first_day)
    billed = Billed(terms=terms, at=noon(first, 5), account=ACCOUNT)
    billed.debit(8)
    failed = billed.debit(4)
    billed.at = noon(second, 7)
    billed.refund(failed, 4, year=first.year)
    billed.debit(3)
    pour(platform, billed)
    return sample


def ready(platform: Platform) -> Sample:
    """The same, from a test that does not await."""
    return run(sample_with_history(platform))
