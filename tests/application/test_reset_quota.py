"""The turn of the year happens once for an account, whoever asks, however often, and however they die."""

from datetime import UTC, datetime

import pytest

from application.manage_contracts import go_live, sign_contract
from application.ports import Entry, OpenYear
from application.reset_quota import QuotaReset, reset_quota
from domain.errors import BadInput, NotFound
from domain.events.contract import Terms
from domain.events.ledger import Closed, Opened
from tests.application.office import ACCOUNT, BY, Office, story

LAST = datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
FIRST = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)


async def reset(
    office: Office, year: int, *, dry_run: bool = False, account: str | None = None
) -> list[QuotaReset]:
    return list(await reset_quota(office.store, year=year, account=account, dry_run=dry_run, context=BY))


async def used(segments: int) -> Office:
    """An account of 100 segments a year that used some of 2026."""
    office = await Office().open()
    for number in range(segments):
        await office.accept(f"k{number}")
    return office


@story
async def test_the_new_year_closes_the_old_one_and_says_what_expired():
    office = await used(4)
    office.now = FIRST
    (done,) = await reset(office, 2027)
    assert done == QuotaReset(
        account=ACCOUNT, year=2027, opened=True, allowance=100, closed_year=2026, expired_segments=96
    )
    assert isinstance(office.postings(2026)[-1], Closed)
    assert [type(event) for event in office.postings(2027)] == [Opened]


@story
async def test_again_there_is_nothing_left_to_do():
    office = await used(4)
    office.now = FIRST
    await reset(office, 2027)
    before = len(office.store.disk.log)
    (again,) = await reset(office, 2027)
    assert (again.opened, again.closed_year, again.expired_segments) == (False, None, 0)
    assert len(office.store.disk.log) == before


@story
async def test_a_dry_run_says_the_same_and_writes_nothing():
    office = await used(4)
    office.now = FIRST
    before = len(office.store.disk.log)
    planned = await reset(office, 2027, dry_run=True)
    assert len(office.store.disk.log) == before
    assert planned == await reset(office, 2027)


@story
async def test_ahead_of_time_the_next_year_is_opened_and_this_one_stays_open():
    office = await used(4)
    office.now = LAST
    (ahead,) = await reset(office, 2027)
    assert (ahead.opened, ahead.closed_year) == (True, None)
    await office.accept("still this year")
    assert office.totals(2026).net == 5
    office.now = FIRST
    (then,) = await reset(office, 2027)
    assert (then.opened, then.closed_year, then.expired_segments) == (False, 2026, 95)


@story
async def test_the_first_message_of_a_year_opens_it_and_the_reset_only_closes():
    office = await used(4)
    office.now = FIRST
    await office.accept("first of 2027")
    (done,) = await reset(office, 2027)
    assert (done.opened, done.closed_year) == (False, 2026)


@story
async def test_a_year_that_was_overdrawn_expires_nothing():
    office = await Office(terms=Terms(allowance_segments=2)).open()
    for number in range(3):
        await office.accept(f"k{number}")
    office.now = FIRST
    assert [done.expired_segments for done in await reset(office, 2027)] == [0]


@story
async def test_what_expired_is_not_carried_into_the_new_year():
    office = await used(4)
    office.now = FIRST
    await reset(office, 2027)
    assert office.totals(2027).allowance == 100
    assert office.totals(2027).net == 0


@story
async def test_an_account_without_an_old_year_gets_a_new_one_only():
    office = await Office().open()
    (done,) = await reset(office, 2026)
    assert (done.opened, done.closed_year, done.expired_segments) == (True, None, 0)


@story
async def test_without_an_account_every_account_is_reset():
    office = await used(1)
    await sign_contract(
        office.store, account="bolt", name="示例", terms=Terms(allowance_segments=7), context=BY
    )
    await go_live(office.store, account="bolt", on=office.now.date(), context=BY)
    office.now = FIRST
    done = await reset(office, 2027)
    assert [(one.account, one.allowance, one.closed_year) for one in done] == [
        (ACCOUNT, 100, 2026),
        ("bolt", 7, None),
    ]


@story
async def test_one_account_leaves_the_others_alone():
    office = await used(1)
    await sign_contract(office.store, account="bolt", name="示例", terms=Terms(), context=BY)
    office.now = FIRST
    assert [one.account for one in await reset(office, 2027, account="bolt")] == ["bolt"]
    assert office.postings(2027) == []


@pytest.mark.parametrize("year", [2025, 2028, 0, -1])
@story
async def test_only_this_year_and_the_next_can_be_reset(year):
    office = await used(1)
    with pytest.raises(BadInput, match="year_invalid"):
        await reset(office, year)


@story
async def test_the_year_is_shanghai_s():
    office = await used(1)
    office.now = FIRST
    with pytest.raises(BadInput, match="year_invalid"):
        await reset(office, 2026)


@story
async def test_nobody_s_account_is_not_found():
    office = await used(1)
    with pytest.raises(NotFound):
        await reset(office, 2026, account="nobody")


@story
async def test_a_reset_that_died_after_a_part_of_it_goes_on_where_it_stopped():
    office = await used(4)
    office.now = FIRST
    year = OpenYear(account=ACCOUNT, year=2027, allowance=100)
    await office.store.commit([Entry(stream=None, version=None, context=BY, charge=year)])
    (done,) = await reset(office, 2027)
    assert (done.opened, done.closed_year, done.expired_segments) == (False, 2026, 96)
    assert len(office.postings(2027)) == 1


@story
async def test_two_resets_at_once_do_it_once():
    office = await used(4)
    office.now = FIRST

    async def other() -> None:
        await reset(office, 2027)

    office.store.meanwhile = other
    await reset(office, 2027)
    assert [type(event) for event in office.postings(2027)] == [Opened]
    assert sum(isinstance(event, Closed) for event in office.postings(2026)) == 1


@story
async def test_the_one_that_came_second_claims_neither_the_opening_nor_the_closing():
    office = await used(4)
    office.now = FIRST
    first: list[QuotaReset] = []

    async def other() -> None:
        first.extend(await reset(office, 2027))

    office.store.meanwhile = other
    (second,) = await reset(office, 2027)
    assert (first[0].opened, first[0].closed_year, first[0].expired_segments) == (True, 2026, 96)
    assert (second.opened, second.closed_year, second.expired_segments) == (False, None, 0)
