"""Whose a reply is: by the digits of a filing, by those that the sender asked for; they come back with it."""

from dataclasses import replace

import pytest

from application.manage_links import configure_link
from application.manage_templates import file_signature
from application.reply_origins import Origins
from application.send_messages import Sent
from domain.aggregates.signature import Filing, FilingState
from domain.events.reply import MatchedBy, Origin
from domain.values import Carrier
from tests.application.office import ACCOUNT, BY, LINK, PHONE, SIGNATURE, Office, configured, draft, story

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


@story
async def test_the_sender_gets_back_the_digits_that_he_asked_for_with_what_the_phone_added():
    office = await Office().open()
    await file(office, "12")
    numbers = ["1069122048", "10691220485", "106912", "106977", "1055"]
    found = [await origin(office, number) for number in numbers]
    assert [(each.extension, each.asked) for each in found] == [
        ("122048", "2048"),
        ("1220485", "20485"),
        ("12", ""),
        ("77", "77"),
        ("", ""),
    ]


@pytest.mark.parametrize(
    ("written_to", "answered"),
    [("106988", "88"), ("1069881", "88"), ("106977", "77"), ("1069", ""), ("1069123", ""), ("10698", "")],
)
@story
async def test_who_wrote_under_the_digits_a_phone_answers_to_goes_before_who_wrote_later(
    written_to, answered
):
    office = await Office().open()
    sent = {}
    for digits in ("88", "", "77"):
        (accepted,) = await office.send((f"k{digits}", draft(extension=digits)))
        assert isinstance(accepted, Sent)
        await office.submit(accepted.id)
        sent[digits] = str(accepted.id)
        office.pass_time(minutes=1)
    found = await origin(office, written_to)
    assert (found.matched_by, found.message) == (MatchedBy.RECENT, sent[answered])


@story
async def test_where_nobody_wrote_under_such_digits_the_newest_message_is_answered():
    office = await Office().open()
    ids = []
    for digits in ("88", "77"):
        (accepted,) = await office.send((f"k{digits}", draft(extension=digits)))
        assert isinstance(accepted, Sent)
        await office.submit(accepted.id)
        ids.append(str(accepted.id))
        office.pass_time(minutes=1)
    assert (await origin(office, NUMBER)).message == ids[-1]
