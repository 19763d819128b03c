"""Digits that a sender asks for: kept, sent behind the route's, refused at once where they fit behind no number."""

from dataclasses import replace

import pytest

from application.manage_links import configure_link
from application.manage_routes import set_route
from application.manage_templates import file_signature
from application.send_messages import Sent
from application.submit_messages import Via
from domain.aggregates import route
from domain.aggregates.signature import Filing, FilingState
from domain.events.message import SubmissionStarted
from domain.events.route import RouteSet, Share
from domain.values import Carrier, Lane
from tests.application.office import (
    ACCOUNT,
    BY,
    LINK,
    PHONE,
    SIGNATURE,
    Office,
    codes,
    configured,
    draft,
    story,
)


async def number_of_the_link(office: Office, number: str) -> None:
    await configure_link(office.store, configured=replace(configured(), source_address=number), context=BY)
    office.directory.forget("links")


async def routed(office: Office, extension: str, *accounts: str) -> None:
    made = RouteSet(
        name="codes",
        priority=1,
        accounts=accounts,
        categories=(),
        carriers=(),
        signatures=(),
        shares=(Share(link=LINK),),
        extension=extension,
        by="test",
    )
    await set_route(office.store, wanted=made, context=BY)
    office.directory.forget("routes")


@story
async def test_digits_are_kept_with_the_message():
    office = await Office().open()
    (answer,) = await office.send(("k1", draft(extension="2048")))
    assert isinstance(answer, Sent)
    assert office.message(answer.id).accepted.extension == "2048"


@pytest.mark.parametrize("extension", ["1a", "12 ", "+1", "１２", "1" * 13, PHONE, "0" + PHONE])
@story
async def test_what_is_no_digits_or_too_many_or_a_phone_number_is_refused_and_changes_nothing(extension):
    office = await Office().open()
    before = len(office.store.disk.log)
    assert codes(await office.send(("k1", draft(extension=extension)))) == ["extension_unfit"]
    assert len(office.store.disk.log) == before


@pytest.mark.parametrize(
    ("number", "routes", "expected"),
    [
        ("1" * 16, "", "sent"),
        ("1" * 17, "", "extension_unfit"),
        ("SHILI", "", "extension_unfit"),
        ("1" * 14, "77", "sent"),
        ("1" * 15, "77", "extension_unfit"),
    ],
)
@story
async def test_digits_that_fit_behind_no_number_the_routes_allow_are_refused_at_once(
    number, routes, expected
):
    office = await Office().open()
    await number_of_the_link(office, number)
    if routes:
        await routed(office, routes)
    before = len(office.store.disk.log)
    assert codes(await office.send(("k1", draft(extension="2048")))) == [expected]
    assert (len(office.store.disk.log) == before) is (expected != "sent")


@story
async def test_the_digits_of_a_filing_count_before_the_sender_s():
    office = await Office().open()
    await number_of_the_link(office, "1" * 15)
    filing = Filing(carrier=Carrier.MOBILE, link="", state=FilingState.FILED, extension="77")
    await file_signature(office.store, account=ACCOUNT, name=SIGNATURE, filing=filing, context=BY)
    assert codes(await office.send(("k1", draft(extension="204")), ("k2", draft(extension="2048")))) == [
        "sent",
        "extension_unfit",
    ]


@story
async def test_digits_of_another_account_s_route_are_refused():
    office = await Office().open()
    await routed(office, "77", "bolt")
    answers = await office.send(("k1", draft(extension="771")), ("k2", draft(extension="78")))
    assert codes(answers) == ["extension_unfit", "sent"]


@story
async def test_a_link_that_is_only_down_refuses_no_digits():
    office = await Office().open()
    await routed(office, "77")
    assert codes(await office.send(("k1", draft(extension="2048")))) == ["sent"]


@story
async def test_the_same_key_with_other_digits_is_a_conflict_and_with_the_same_ones_no_new_message():
    office = await Office().open()
    sent = [("k1", draft(extension="1")), ("k1", draft(extension="1")), ("k1", draft(extension="2"))]
    answers = [(await office.send(each))[0] for each in (*sent, ("k1", draft()))]
    assert codes(answers) == ["sent", "replayed", "idempotency_conflict", "idempotency_conflict"]


@story
async def test_the_digits_go_out_behind_those_of_the_route_with_every_part():
    office = await Office().open()
    (answer,) = await office.send(("k1", draft("长" * 100, extension="2048")))
    assert isinstance(answer, Sent)
    await office.submitter()([answer.id], Lane.REALTIME, Via(route="codes", extension="12"))
    assert [part.extension for _, part in office.carriage.sent] == ["122048", "122048"]
    (started,) = [
        r.event for r in office.store.disk.history(answer.id) if isinstance(r.event, SubmissionStarted)
    ]
    assert started.extension == "122048"


@pytest.mark.parametrize(
    ("protocol", "number", "room"),
    [
        ("smpp34", "10690001", 12),
        ("cmpp30", "10690001", 13),
        ("sgip12", "1" * 21, 0),
        ("smgp30", "1" * 25, 0),
        ("smpp34", "SHILI", 0),
        ("smpp34", "", 0),
    ],
)
def test_a_link_has_room_for_as_many_digits_as_its_protocol_leaves_behind_its_number(
    protocol: str, number: str, room: int
):
    link = replace(configured(), protocol=protocol, source_address=number)
    assert route.room_behind(link) == room
