"""A reply is stored once, sealed, with the account it is for; long ones are joined when all of them is there."""

from dataclasses import replace

import pytest

from application.carriage import InDoubt, Reply
from application.manage_links import configure_link
from application.manage_routes import set_route
from application.record_replies import ReplyRecorder
from application.reply_origins import Origins
from domain.aggregates.reply import part_row
from domain.events.reply import MatchedBy, PartReceived, ReplyReceived
from domain.events.route import RouteSet, Share
from domain.recorded import Recorded
from tests.application.office import ACCOUNT, BY, LINK, OTHER_PHONE, PHONE, Office, configured, story

NUMBER = "1069"
"""Of the sample link."""


def reply(text: str = "好的", *, to: str = NUMBER, id_: str = "R1", phone: str = PHONE) -> Reply:
    return Reply(
        phone="86" + phone,
        destination=to,
        payload=text.encode("utf-16-be"),
        data_coding=8,
        udh=False,
        carrier_id=id_,
    )


def part(number: int, total: int, payload: bytes, *, reference: int = 7, id_: str = "") -> Reply:
    header = bytes((5, 0, 3, reference, total, number))
    return Reply(
        phone="86" + PHONE,
        destination=NUMBER,
        payload=header + payload,
        data_coding=8,
        udh=True,
        carrier_id=id_ or f"R{reference}.{number}",
    )


async def receive(office: Office, *replies: Reply, link: str = LINK) -> None:
    now = lambda: office.now  # noqa: E731
    origins = Origins(store=office.store, vault=office.vault, directory=office.directory, now=now)
    recorder = ReplyRecorder(store=office.store, vault=office.vault, origins=origins, now=now)
    await recorder(link, replies)


def recorded(office: Office) -> list[Recorded]:
    return [r for r in office.store.disk.everything() if isinstance(r.event, ReplyReceived)]


def replies(office: Office) -> list[ReplyReceived]:
    return [r.event for r in recorded(office) if isinstance(r.event, ReplyReceived)]


def parts(office: Office) -> list[PartReceived]:
    return [r.event for r in office.store.disk.everything() if isinstance(r.event, PartReceived)]


def opened(office: Office) -> list[tuple[str, str]]:
    """Number and text of every whole reply."""
    found = []
    for each in recorded(office):
        assert isinstance(each.event, ReplyReceived)
        row = office.store.disk.sealed_replies[each.event.sealed.day, each.stream]
        plain = office.vault.open(
            account=each.event.of.account,
            message=each.stream,
            sealed=each.event.sealed,
            ciphertext=row.ciphertext,
        )
        assert plain is not None
        found.append(plain)
    return found


async def route(office: Office, name: str, extension: str, *accounts: str, link: str = LINK) -> None:
    made = RouteSet(
        name=name,
        priority=10,
        accounts=accounts,
        categories=(),
        carriers=(),
        signatures=(),
        shares=(Share(link=link),),
        extension=extension,
        by="cli:one",
    )
    await set_route(office.store, wanted=made, context=BY)


# Stored, sealed, once.


@story
async def test_number_and_words_of_a_reply_are_sealed_and_in_no_event():
    office = await Office().open()
    await receive(office, reply("我的卡号是四七一一"))
    assert opened(office) == [("+86" + PHONE, "我的卡号是四七一一")]
    stored = b"".join(event.state for event in office.store.disk.log)
    assert PHONE.encode() not in stored
    assert "卡号".encode() not in stored


@story
@pytest.mark.parametrize("country", ["", "86", "+86"])
async def test_a_phones_number_where_ours_should_be_is_masked_in_the_event(country: str):
    office = await Office().open()
    await receive(office, reply(to=country + OTHER_PHONE))
    (found,) = replies(office)
    assert found.of.number == f"+86{OTHER_PHONE[:3]}****{OTHER_PHONE[-4:]}"
    assert OTHER_PHONE.encode() not in b"".join(event.state for event in office.store.disk.log)


@story
async def test_a_link_whose_number_looks_like_a_phones_has_it_recorded():
    office = await Office().open()
    card = replace(configured("card"), source_address=OTHER_PHONE)
    await configure_link(office.store, configured=card, context=BY)
    await receive(office, reply(to=OTHER_PHONE + "12"), reply(to=OTHER_PHONE, id_="R2"), link="card")
    assert [each.of.number for each in replies(office)] == [OTHER_PHONE + "12", OTHER_PHONE]


@story
async def test_a_reply_that_the_carrier_repeats_is_stored_once_in_one_batch_and_later_and_days_later():
    office = await Office().open()
    await receive(office, reply(), reply())
    await receive(office, reply())
    office.pass_time(days=3)
    await receive(office, reply())
    assert len(replies(office)) == len(office.store.disk.sealed_replies) == 1


@story
async def test_two_processes_that_get_the_same_reply_store_it_once():
    office = await Office().open()
    office.store.meanwhile = lambda: receive(office, reply())
    await receive(office, reply(), reply("另一条", id_="R2"))
    assert sorted(text for _, text in opened(office)) == sorted(["好的", "另一条"])


@story
async def test_an_id_that_comes_again_after_a_year_or_with_other_words_is_another_reply():
    office = await Office().open()
    await receive(office, reply())
    await receive(office, reply("不好"))
    await receive(office, reply(), link="mobile-2")
    office.pass_time(days=365)
    await receive(office, reply())
    assert len(replies(office)) == 4


@story
async def test_without_an_id_the_number_of_the_pdu_the_octets_and_the_time_tell_a_repeat():
    office = await Office().open()

    def plain(sequence: int) -> Reply:
        return Reply(
            phone=PHONE,
            destination=NUMBER,
            payload=b"Y",
            data_coding=0,
            udh=False,
            sequence=sequence,
            gsm=True,
        )

    await receive(office, plain(5), plain(5))
    office.pass_time(minutes=9)
    await receive(office, plain(5))
    assert len(replies(office)) == 1
    await receive(office, plain(6))
    assert len(replies(office)) == 2
    office.pass_time(minutes=30)
    await receive(office, plain(5))
    assert len(replies(office)) == 3


@story
async def test_a_repeat_over_midnight_is_still_a_repeat():
    office = await Office().open()
    office.now = office.now.replace(hour=15, minute=59)
    unnamed = Reply(phone=PHONE, destination=NUMBER, payload=b"Y", data_coding=0, udh=False, sequence=9)
    await receive(office, reply(), unnamed, part(1, 2, "前".encode("utf-16-be")))
    office.pass_time(minutes=2)
    await receive(office, reply(), unnamed, part(1, 2, "前".encode("utf-16-be")))
    assert (len(replies(office)), len(parts(office))) == (2, 1)
    await receive(office, part(2, 2, "后".encode("utf-16-be")))
    assert opened(office)[-1][1] == "前后"


@story
async def test_octets_that_cannot_be_read_are_sealed_beside_what_could_be():
    office = await Office().open()
    odd = Reply(phone=PHONE, destination=NUMBER, payload=b"\xcd\xcb\xff", data_coding=15, udh=False)
    await receive(office, odd)
    assert not replies(office)[0].exact
    assert opened(office)[0][1] == "退\ufffd\x1ecdcbff"


@story
async def test_a_reply_of_a_strange_number_is_kept_too():
    office = await Office().open()
    strange = Reply(phone="10086", destination=NUMBER, payload=b"hello", data_coding=0, udh=False)
    await receive(office, strange)
    assert opened(office) == [("10086", "hello")]


@story
async def test_words_for_no_more_messages_are_marked():
    office = await Office().open()
    await receive(office, reply("td"), reply("退订！", id_="R2"), reply("好的", id_="R3"))
    assert [event.keyword for event in replies(office)] == ["TD", "退订", ""]


# Whose it is.


@story
async def test_the_digits_behind_the_number_say_whose_it_is_whatever_the_phone_adds():
    office = await Office().open()
    await route(office, "bolt", "12", "bolt")
    await route(office, "codes", "123", ACCOUNT)
    await receive(office, reply(to="1069123"), reply(to="106912399", id_="R2"), reply(to="106912", id_="R3"))
    assert [(e.of.account, e.of.extension, e.of.matched_by) for e in replies(office)] == [
        (ACCOUNT, "123", MatchedBy.EXTENSION),
        (ACCOUNT, "12399", MatchedBy.EXTENSION),
        ("bolt", "12", MatchedBy.EXTENSION),
    ]


@story
async def test_a_number_that_two_links_share_is_known_over_either_and_86_before_it_is_no_part_of_it():
    office = await Office().open()
    await configure_link(office.store, configured=configured("mobile-2"), context=BY)
    await route(office, "codes", "123", ACCOUNT)
    await receive(office, reply(to="861069123"), link="mobile-2")
    (event,) = replies(office)
    assert (event.of.account, event.of.number, event.of.extension) == (ACCOUNT, "1069123", "123")


@story
async def test_without_digits_it_is_for_who_wrote_last_to_this_phone_over_this_link():
    office = await Office().open()
    await office.submit(await office.accept("k1"))
    office.pass_time(hours=1)
    newest = await office.accept("k2")
    await office.submit(newest)
    office.pass_time(hours=71)
    await receive(office, reply())
    (event,) = replies(office)
    assert (event.of.account, event.of.matched_by, event.of.message) == (
        ACCOUNT,
        MatchedBy.RECENT,
        str(newest),
    )


@pytest.mark.parametrize(
    ("phone", "link", "hours"), [(OTHER_PHONE, LINK, 1), (PHONE, "two", 1), (PHONE, LINK, 73)]
)
@story
async def test_another_phone_another_link_or_another_time_are_no_answer_but_are_kept(phone, link, hours):
    office = await Office().open()
    await office.submit(await office.accept())
    office.pass_time(hours=hours)
    await receive(office, reply(phone=phone), link=link)
    (event,) = replies(office)
    assert (event.of.account, event.of.matched_by) == ("", MatchedBy.NOBODY)
    assert opened(office) == [("+86" + phone, "好的")]


@story
async def test_what_was_accepted_and_never_sent_is_answered_by_nobody():
    office = await Office().open()
    await office.accept()
    await receive(office, reply())
    assert replies(office)[0].of.matched_by is MatchedBy.NOBODY


@story
async def test_digits_that_several_accounts_share_leave_it_to_who_of_them_wrote_last():
    office = await Office().open()
    await route(office, "shared", "9", ACCOUNT, "bolt")
    office.carriage.script = lambda _part, _key: InDoubt("no answer")
    await office.submit(await office.accept())
    await receive(office, reply(to="10699"))
    assert replies(office)[0].of.matched_by is MatchedBy.RECENT
    await route(office, "shared", "9", "bolt", "cask")
    await receive(office, reply(to="10699", id_="R2"))
    assert replies(office)[1].of.matched_by is MatchedBy.NOBODY


@story
async def test_a_bare_number_of_one_account_s_routes_is_that_account_s_where_nobody_wrote():
    office = await Office().open()
    await route(office, "own", "", "bolt")
    await receive(office, reply())
    assert (replies(office)[0].of.account, replies(office)[0].of.matched_by) == ("bolt", MatchedBy.NUMBER)
    await office.submit(await office.accept())
    await receive(office, reply(id_="R2"))
    assert (replies(office)[1].of.account, replies(office)[1].of.matched_by) == (ACCOUNT, MatchedBy.RECENT)


# Long replies.


@story
async def test_a_long_reply_is_joined_in_order_and_over_the_borders_of_its_parts():
    office = await Office().open()
    octets = "一二😀三四".encode("utf-16-be")
    pieces = octets[:6], octets[6:10], octets[10:]
    for number in (3, 1):
        await receive(office, part(number, 3, pieces[number - 1]))
    assert replies(office) == []
    assert [each.part for each in parts(office)] == [3, 1]
    await receive(office, part(2, 3, pieces[1]))
    assert opened(office) == [("+86" + PHONE, "一二😀三四")]
    assert (replies(office)[0].parts, replies(office)[0].exact) == (3, True)


@story
async def test_all_parts_may_come_in_one_batch_and_twice():
    office = await Office().open()
    both = [part(n, 2, text.encode("utf-16-be")) for n, text in ((2, "后"), (1, "前"))]
    await receive(office, *both, *both)
    await receive(office, *both)
    assert [text for _, text in opened(office)] == ["前后"]
    assert len(parts(office)) == 2


@story
async def test_parts_that_two_processes_get_at_the_same_time_are_joined():
    office = await Office().open()
    first, second = (part(n, 2, text.encode("utf-16-be")) for n, text in ((1, "前"), (2, "后")))
    office.store.meanwhile = lambda: receive(office, first)
    await receive(office, second)
    assert [text for _, text in opened(office)] == ["前后"]


@story
async def test_a_reference_that_comes_again_begins_another_reply():
    office = await Office().open()
    for n, (before, after) in enumerate((("一", "二"), ("三", "四"))):
        for number, text in ((1, before), (2, after)):
            await receive(office, part(number, 2, text.encode("utf-16-be"), id_=f"R{n}.{number}"))
    assert [text for _, text in opened(office)] == ["一二", "三四"]


@story
async def test_a_part_that_comes_a_day_later_is_not_joined_with_what_was_left_of_another_reply():
    office = await Office().open()
    await receive(office, part(1, 2, "旧".encode("utf-16-be"), id_="old"))
    office.pass_time(hours=25)
    await receive(office, part(2, 2, "新".encode("utf-16-be"), id_="new"))
    assert replies(office) == []
    assert len(parts(office)) == 2


@story
async def test_parts_of_different_phones_or_references_are_different_replies():
    office = await Office().open()
    await receive(office, part(1, 2, b"\0a"), part(2, 2, b"\0b", reference=8))
    assert replies(office) == []


@story
async def test_a_part_whose_neighbour_was_altered_is_kept_in_its_place():
    office = await Office().open()
    await receive(office, part(1, 2, b"\0a"))
    ((place, row),) = office.store.disk.sealed_replies.items()
    office.store.disk.sealed_replies[place] = type(row)(
        day=row.day, message=row.message, account=row.account, phone_index=row.phone_index, ciphertext=b"!"
    )
    await receive(office, part(2, 2, b"\0b"))
    assert replies(office) == []
    assert len(parts(office)) == 2
    stream = next(r.stream for r in office.store.disk.everything() if isinstance(r.event, PartReceived))
    assert {key[1] for key in office.store.disk.sealed_replies} == {part_row(stream, 1), part_row(stream, 2)}


@story
async def test_more_long_replies_of_one_reference_than_anybody_writes_are_kept_all_the_same():
    office = await Office().open()
    for n in range(12):
        await receive(office, part(1, 2, f"{n:02}".encode("utf-16-be"), id_=f"R{n}"))
    assert len(parts(office)) == 12
