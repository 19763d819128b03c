"""The simulated gateway's CMPP, held against golden octets and against a link of the other version."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_pdus import (
    Cancel,
    CancelResp,
    Connect,
    Deliver,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Version,
)
from infrastructure.carriers.traffic import LinkPhase
from infrastructure.simulator.account import Owed
from infrastructure.simulator.cmpp_speech import CmppSpeech
from infrastructure.simulator.script import PlannedReceipt
from infrastructure.simulator.server import serve
from infrastructure.simulator.speech import Acked, Farewell, Login, Said
from infrastructure.simulator.speech import Submit as Submitted
from tests.infrastructure.carriers.rig import carrier, desk, until
from tests.infrastructure.carriers.test_cmpp_golden import VECTORS, golden

VERSIONS: dict[str, Version] = {"cmpp20": 0x20, "cmpp30": 0x30}


@pytest.fixture(params=list(VERSIONS))
def protocol(request):
    return request.param


def hear(protocol: str, name: str) -> object:
    octets, version = golden((protocol, name))
    return CmppSpeech(version).hear(octets)


def test_a_golden_connect_proves_its_secret_and_no_other(protocol):
    login = hear(protocol, "connect")
    assert isinstance(login, Login)
    assert (login.account, login.status) == ("901234", 0)
    assert login.proves("secret1234")
    assert not login.proves("secret12345")


def test_the_golden_welcome_is_said(protocol):
    welcome, version = golden((protocol, "connect_resp_ok"))
    theirs = bytes.fromhex(VECTORS[protocol, "connect_resp_ok"]["fields"]["AuthSrc"][4:])
    login = Login(1, "901234", lambda _: True, note=theirs)
    assert CmppSpeech(version).login_answer(login, 0, "secret1234") == welcome


@pytest.mark.parametrize(("asked", "status"), [(0x10, 5), (0x20, 0), (0x21, 0), (0x30, 4)])
def test_only_the_own_version_is_spoken(asked, status):
    connect = Connect(
        sequence=1, source_address="901234", authenticator=bytes(16), version=asked, timestamp=0
    )
    assert CmppSpeech(0x20).hear(cmpp.encode(connect, 0x20)).status == status


def test_a_link_of_a_higher_version_is_refused_and_says_so():
    async def play() -> None:
        async with (
            await serve(carrier(protocol="cmpp20")) as simulator,
            desk(simulator.port, protocol="cmpp30") as our,
        ):
            await until(lambda: LinkPhase.REFUSED in our.phases)
            assert our.states[1].reason == "bind refused: 4"

    asyncio.run(play())


def test_a_golden_submit_is_heard_and_answered(protocol):
    submit = hear(protocol, "submit_udh6_part1of2")
    assert isinstance(submit, Submitted)
    assert (submit.destination, submit.receipts, submit.udh) == ("13800138000", "always", True)
    speech = CmppSpeech(VERSIONS[protocol])
    assert speech.submit_answer(submit, 0, "13530385857192198145") == golden((protocol, "submit_resp_0"))[0]


def test_a_submit_to_several_is_refused_whole(protocol):
    refusal = cmpp.encode(SubmitResp(sequence=7, result=13), VERSIONS[protocol])
    assert hear(protocol, "submit_ascii_2dest") == Said(refusal)


def test_a_submit_that_cannot_be_read_is_answered_as_broken(protocol):
    octets, version = golden((protocol, "submit_ucs2_1dest"))
    broken = (len(octets) - 1).to_bytes(4, "big") + octets[4:-1]
    expected = Said(cmpp.encode(SubmitResp(sequence=7, result=1), version))
    assert CmppSpeech(version).hear(broken) == expected


def test_a_receipt_names_the_submit_in_a_deliver_of_its_own(protocol):
    version = VERSIONS[protocol]
    speech = CmppSpeech(version)
    submit = speech.hear(golden((protocol, "submit_ucs2_1dest"))[0])
    receipts = [speech.receipt(submit, "5", PlannedReceipt(0, "UNDELIV", "")) for _ in range(2)]
    first, second = (cmpp.decode(speech.deliver(9, each), version) for each in receipts)
    assert isinstance(first, Deliver)
    assert isinstance(second, Deliver)
    assert (first.destination, first.source, first.registered_delivery) == ("1069000112", "13800138000", 1)
    assert len(first.content) == (60 if protocol == "cmpp20" else 71)
    assert first.content[:15] == (5).to_bytes(8, "big") + b"UNDELIV"
    assert first.message_id != second.message_id


def test_the_other_golden_words_are_understood(protocol):
    assert hear(protocol, "deliver_resp") == Acked(9, 0)
    assert hear(protocol, "active_test") == Said(golden((protocol, "active_test_resp"))[0])
    assert hear(protocol, "active_test_resp") == Said()
    assert hear(protocol, "terminate") == Farewell(golden((protocol, "terminate_resp"))[0])
    assert hear(protocol, "terminate_resp") == Farewell()


def test_questions_about_the_day_and_cancels_are_answered(protocol):
    version = VERSIONS[protocol]
    speech = CmppSpeech(version)
    asked = speech.hear(cmpp.encode(Query(sequence=1, day="20261123"), version))
    assert asked == Said(cmpp.encode(QueryResp(sequence=1, day="20261123"), version))
    cancelled = speech.hear(cmpp.encode(Cancel(sequence=2, message_id=5), version))
    assert cancelled == Said(cmpp.encode(CancelResp(sequence=2, result=1), version))


def test_a_submit_without_a_wish_for_a_receipt_gets_none(protocol):
    version = VERSIONS[protocol]
    submit = CmppSpeech(version).hear(cmpp.encode(Submit(sequence=1, destinations=("1",)), version))
    assert submit.receipts == "never"


def test_what_is_owed_is_numbered_when_it_goes(protocol):
    version = VERSIONS[protocol]
    octets, _ = golden((protocol, "deliver_mo_ucs2"))
    assert CmppSpeech(version).deliver(9, Owed("", "", octets[12:])) == octets


@given(
    st.sampled_from(list(VERSIONS.values())), st.sampled_from([1, 2, 4, 5, 6, 7, 8]), st.binary(max_size=300)
)
def test_any_request_is_heard_without_an_error(version, command, body):
    header = b"".join(each.to_bytes(4, "big") for each in (12 + len(body), command, 1))
    CmppSpeech(version).hear(header + body)
