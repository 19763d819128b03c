"""Each level of a year's allowance is told once, however often it is looked at and by however many."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from application import settle_messages
from application.raise_alarms import levels_reached, list_alarms, raise_alarms
from domain.aggregates.ledger import Ledger
from domain.events.contract import Terms
from domain.events.ledger import Totals
from domain.values import stream_id
from tests.application.agreements import amend
from tests.application.office import ACCOUNT, BY, Office, story


async def office_of(allowance: int = 10) -> Office:
    return await Office(terms=Terms(allowance_segments=allowance)).open()


async def use(office: Office, segments: int, *, name: str = "k") -> list[UUID]:
    return [await office.accept(f"{name}{number}") for number in range(segments)]


async def look(office: Office) -> list[int]:
    return [event.percent for event in await raise_alarms(office.store, office.directory, context=BY)]


@pytest.mark.parametrize(
    ("net", "levels"), [(0, ()), (79, ()), (80, (80,)), (95, (80, 95)), (99, (80, 95)), (100, (80, 95, 100))]
)
def test_a_level_is_reached_with_its_share_and_not_before(net: int, levels: tuple[int, ...]):
    ledger = Ledger(account="acme", year=2026, version=2, after=Totals(allowance=100, net=net))
    assert levels_reached(ledger, (80, 95, 100)) == levels


def test_a_share_that_is_no_whole_number_is_reached_with_the_next_segment():
    three = [
        levels_reached(Ledger(account="a", year=2026, after=Totals(allowance=3, net=net)), (50, 120))
        for net in range(5)
    ]
    assert three == [(), (), (50,), (50,), (50, 120)]


def test_where_nothing_is_included_nothing_is_told():
    assert levels_reached(Ledger(account="a", year=2026, after=Totals(allowance=0, net=5)), (80,)) == ()


@story
async def test_each_level_is_told_once_as_it_is_reached():
    office = await office_of()
    told = []
    for number in range(12):
        await office.accept(f"k{number}")
        told += [(number + 1, percent) for percent in await look(office) + await look(office)]
    assert told == [(8, 80), (10, 95), (10, 100)]


@story
async def test_an_alarm_says_which_posting_reached_it():
    office = await office_of()
    await use(office, 8)
    (raised,) = await raise_alarms(office.store, office.directory, context=BY)
    assert (raised.account, raised.year, raised.percent) == (ACCOUNT, 2026, 80)
    assert (raised.allowance, raised.net, raised.posting) == (10, 8, 9)


@story
async def test_a_level_left_by_refunds_and_reached_again_is_not_told_again():
    office = await office_of()
    ids = await use(office, 8)
    await look(office)
    await settle_messages.cancel(office.store, ids[:3], reason="x", context=BY)
    await use(office, 3, name="again")
    assert await look(office) == []


@story
async def test_two_that_look_at_once_tell_it_once():
    office = await office_of()
    await use(office, 10)
    office.store.meanwhile = lambda: look(office)
    await look(office)
    assert office.topics(stream_id("alarm", ACCOUNT, 2026)) == ["raised"] * 3


@story
async def test_a_new_year_tells_its_own():
    office = await office_of(2)
    await use(office, 2)
    await look(office)
    office.now = datetime(2027, 1, 5, tzinfo=UTC)
    assert await look(office) == []
    await use(office, 2, name="new")
    assert await look(office) == [80, 95, 100]
    years = [await list_alarms(office.store, account=ACCOUNT, year=year) for year in (2026, 2027)]
    assert [[event.percent for event, _ in alarms] for alarms in years] == [[80, 95, 100]] * 2


@story
async def test_the_levels_are_a_term_and_can_be_amended():
    office = await office_of()
    await amend(office, date(2026, 5, 1), alarm_percents=(50,))
    office.directory.forget("contract", ACCOUNT)
    await use(office, 10)
    assert await look(office) == [50]
