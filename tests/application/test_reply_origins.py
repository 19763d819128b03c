"""A signature that is filed under digits of its own is answered under them: the reply is its account's."""

from dataclasses import replace

import pytest

from application.manage_links import configure_link
from application.manage_templates import file_signature
from application.reply_origins import Origins
from domain.aggregates.signature import Filing, FilingState
from domain.events.reply import MatchedBy, Origin
from domain.values import Carrier
from tests.application.office import ACCOUNT, BY, LINK, PHONE, SIGNATURE, Office, configured, story

NUMBER = "1069"
"""Of the sample link."""


async def file(office: Office, extension: str, *, link: str = "", carrier: Carrier = Carrier.MOBILE) -> None:
    filing = Filing(carrier=carrier, link=link, state=FilingState.FILED, extension=extension)
    await file_signature(office.store, account=ACCOUNT, name=SIGNATURE, filing=filing, context=BY)


async def origin(office: Office, number: str) -> Origin:
    origins = Origins(
        store=office.store, vault=office.vault, directory=office.directory, now=lambda: office.now
    )
    return await origins.find(await origins.numbers(), link=LINK, number=number, phone="+86" + PHONE)


@story
async def test_the_digits_of_a_filing_say_whose_a_reply_is():
    office = await Office().open()
    await file(office, "12")
    found = await origin(office, NUMBER + "12" + "7")
    assert (found.account, found.matched_by, found.extension) == (ACCOUNT, MatchedBy.EXTENSION, "127")


@pytest.mark.parametrize("number", [NUMBER, NUMBER + "1", NUMBER + "21"])
@story
async def test_other_digits_say_nothing(number):
    office = await Office().open()
    await file(office, "12")
    assert (await origin(office, number)).matched_by is MatchedBy.NOBODY


@story
async def test_a_filing_of_another_link_counts_under_that_link_s_number_only():
    office = await Office().open()
    await configure_link(
        office.store, configured=replace(configured("other"), source_address="1055"), context=BY
    )
    office.directory.forget("links")
    await file(office, "12", link="other")
    assert (await origin(office, NUMBER + "12")).account == ""
    assert (await origin(office, "105512")).account == ACCOUNT
