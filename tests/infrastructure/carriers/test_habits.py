"""Habits of gateways that the documents of their protocols do not show, and that cost nothing here."""

from dataclasses import replace
from datetime import datetime

import pytest

from infrastructure.carriers import cmpp, sgip, smgp, smpp
from infrastructure.carriers.cmpp_dialect import CmppDialect
from infrastructure.carriers.cmpp_pdus import Connect, ConnectResp, Deliver, Report, SubmitResp, Version
from infrastructure.carriers.cmpp_report import decode_report, encode_report
from infrastructure.carriers.dialect import BindAnswered, Delivery, SubmitAnswered
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.session import Bound, Limits, Session
from infrastructure.carriers.sgip_dialect import SgipDialect
from infrastructure.carriers.sgip_pdus import SubmitResp as SgipSubmitResp
from infrastructure.carriers.smgp_dialect import SmgpDialect
from infrastructure.carriers.smgp_pdus import Deliver as SmgpDeliver
from infrastructure.carriers.smgp_pdus import LoginResp
from infrastructure.carriers.smgp_pdus import SubmitResp as SmgpSubmitResp
from infrastructure.carriers.smgp_report import SmgpReport, read_report
from infrastructure.carriers.smgp_report import encode_report as encode_smgp_report
from infrastructure.carriers.smpp_dialect import SmppDialect
from infrastructure.carriers.smpp_pdus import BindResp, DeliverSm, SubmitSmResp
from infrastructure.carriers.traffic import Receipt, Refused, Reply, Taken
from tests.infrastructure.carriers.rig import part, settings

NOW = datetime(2026, 11, 23, 17, 25, 25, tzinfo=CHINA)
REPORT = Report(
    message_id=7,
    status="DELIVRD",
    submit_time="2611231725",
    done_time="2611231726",
    destination="13800138000",
    smsc_sequence=9,
)


def cmpp_dialect(protocol: str = "cmpp30") -> CmppDialect:
    given = settings(1, protocol=protocol, system_id="901234", password="secret1234")
    return CmppDialect(given, lambda: NOW)


def cut(frame: bytes, octets: int) -> bytes:
    """A PDU without its last octets, whose length says so."""
    return (len(frame) - octets).to_bytes(4, "big") + frame[4 : len(frame) - octets]


def with_more(frame: bytes, octets: bytes) -> bytes:
    """A PDU with octets behind it, whose length counts them."""
    return (len(frame) + len(octets)).to_bytes(4, "big") + frame[4:] + octets


# CMPP: the version.


def asked_version(dialect: CmppDialect) -> int:
    connect = cmpp.decode(dialect.bind(1), 0x20)
    assert isinstance(connect, Connect)
    return connect.version


@pytest.mark.parametrize("layout", [0x20, 0x30])
def test_a_carrier_that_finds_our_version_too_high_is_spoken_to_in_the_older_one(layout: Version):
    dialect = cmpp_dialect()
    refusal = cmpp.encode(ConnectResp(sequence=1, status=4, version=0x20), layout)
    assert dialect.hear(refusal) == BindAnswered(1, "4", again=True)
    assert asked_version(dialect) == 0x20
    assert dialect.hear(cmpp.encode(SubmitResp(sequence=2, message_id=7), 0x20)) == SubmitAnswered(
        2, Taken("7")
    )
    assert dialect.hear(refusal) == BindAnswered(1, "4")
    assert asked_version(dialect) == 0x30


def test_a_carrier_that_welcomes_us_in_the_older_layout_and_version_is_answered_in_it():
    dialect = cmpp_dialect()
    welcome = dialect.hear(cmpp.encode(ConnectResp(sequence=1, version=0x20), 0x20))
    assert welcome == BindAnswered(1, note="it speaks CMPP 2.0, and so do we: configure the link as cmpp20")
    submit = cmpp.decode(dialect.submit(2, part()), 0x20)
    assert submit.destinations == ("13800130000",)


@pytest.mark.parametrize(("layout", "version"), [(0x20, 0x30), (0x30, 0x20), (0x30, 0x30)])
def test_one_sign_of_the_older_version_alone_changes_nothing(layout: Version, version: int):
    dialect = cmpp_dialect()
    dialect.hear(cmpp.encode(ConnectResp(sequence=1, version=version), layout))
    assert cmpp.decode(dialect.submit(2, part()), 0x30).destinations == ("13800130000",)


def test_a_carrier_that_welcomes_us_in_the_newer_layout_and_version_is_answered_in_it():
    """It may well read a submit of 2.0 as one of 3.0, take it, and send nothing to nobody."""
    dialect = cmpp_dialect("cmpp20")
    welcome = dialect.hear(cmpp.encode(ConnectResp(sequence=1, version=0x30), 0x30))
    assert welcome == BindAnswered(1, note="it speaks CMPP 3.0, and so do we: configure the link as cmpp30")
    assert cmpp.decode(dialect.submit(2, part()), 0x30).destinations == ("13800130000",)
    assert asked_version(dialect) == 0x30
    too_high = cmpp.encode(ConnectResp(sequence=1, status=4, version=0x20), 0x20)
    assert dialect.hear(too_high) == BindAnswered(1, "4", again=True)
    assert asked_version(dialect) == 0x20
    assert dialect.hear(too_high) == BindAnswered(1, "4")
    assert asked_version(dialect) == 0x20


@pytest.mark.parametrize(("layout", "version"), [(0x20, 0x30), (0x30, 0x20), (0x20, 0x20)])
def test_one_sign_of_the_newer_version_alone_changes_nothing(layout: Version, version: int):
    dialect = cmpp_dialect("cmpp20")
    assert dialect.hear(cmpp.encode(ConnectResp(sequence=1, version=version), layout)) == BindAnswered(1)
    assert cmpp.decode(dialect.submit(2, part()), 0x20).destinations == ("13800130000",)


def test_a_link_of_the_older_version_stays_with_it():
    dialect = cmpp_dialect("cmpp20")
    dialect.hear(cmpp.encode(ConnectResp(sequence=1, status=4, version=0x30), 0x20))
    assert asked_version(dialect) == 0x20


# CMPP: reports.


@pytest.mark.parametrize("octets", [71 - 4, 60 - 4, 71 - 5])
def test_a_report_without_the_number_of_the_message_centre_is_read(octets):
    version: Version = 0x20 if octets < 60 else 0x30
    report = decode_report(encode_report(REPORT, version)[:octets])
    assert (report.message_id, report.status, report.done_time, report.destination) == (
        7,
        "DELIVRD",
        "2611231726",
        "13800138000",
    )


def test_a_report_with_octets_behind_it_is_read():
    assert decode_report(encode_report(REPORT, 0x20) + b"\0\0").destination == "13800138000"


def test_a_report_that_ends_after_its_status_is_read():
    report = decode_report(encode_report(REPORT, 0x20)[:15])
    assert (report.message_id, report.status, report.done_time) == (7, "DELIVRD", "")


@pytest.mark.parametrize(
    ("written", "status"),
    [("DELIVED", "DELIVRD"), ("deliver", "DELIVRD"), ("REJECTE", "REJECTD"), ("DB:0117", "DB:0117")],
)
def test_a_state_that_is_spelled_otherwise_is_that_of_the_document(written: str, status: str):
    report = encode_report(replace(REPORT, status=written), 0x20)
    heard = cmpp_dialect("cmpp20").hear(
        cmpp.encode(Deliver(sequence=1, registered_delivery=1, content=report), 0x20)
    )
    assert isinstance(heard, Delivery)
    assert heard.content.status == status
    body = encode_smgp_report(
        SmgpReport("00" * 10, written, "000", "2611231726"), submit_text="2611231726", text=""
    )
    assert read_report(body).status == status


def test_a_text_is_not_taken_for_a_report():
    with pytest.raises(ProtocolError):
        decode_report("退订，谢谢，请不要再发".encode("utf-16-be"))


@pytest.mark.parametrize("stat", ["", "   ", "\x00abc"[:1]])
def test_a_report_without_a_status_says_that_nothing_is_known(stat):
    body = encode_report(REPORT, 0x20)[:8] + stat.encode().ljust(7, b"\0") + encode_report(REPORT, 0x20)[15:]
    heard = cmpp_dialect("cmpp20").hear(
        cmpp.encode(Deliver(sequence=9, registered_delivery=1, content=body), 0x20)
    )
    assert heard.content.status == "UNKNOWN"


# CMPP and SMGP: delivers that are longer or shorter than the document's.


@pytest.mark.parametrize(("agreed", "written"), [("cmpp20", 0x30), ("cmpp30", 0x20)])
@pytest.mark.parametrize("report", [0x20, 0x30])
def test_a_deliver_in_the_other_version_s_layout_is_read(agreed: str, written: Version, report: Version):
    deliver = Deliver(
        sequence=9,
        message_id=5,
        destination="1069000112",
        source="13800138000",
        registered_delivery=1,
        content=encode_report(REPORT, report),
    )
    heard = cmpp_dialect(agreed).hear(cmpp.encode(deliver, written))
    assert isinstance(heard, Delivery)
    assert (heard.content.carrier_id, heard.content.phone) == ("7", "8613800138000")


@pytest.mark.parametrize(("protocol", "version"), [("cmpp20", 0x20), ("cmpp30", 0x30)])
@pytest.mark.parametrize("tail", [0, 8, 20])
def test_a_deliver_with_another_last_field_or_none_is_read(protocol: str, version: Version, tail: int):
    reply = Deliver(sequence=9, source="13800138000", destination="1069", message_format=8, content=b"\0a")
    frame = cmpp.encode(reply, version)
    bare = cut(frame, 8 if version == 0x20 else 20)
    heard = cmpp_dialect(protocol).hear(with_more(bare, bytes(tail)))
    assert heard.content.payload == b"\0a"


@pytest.mark.parametrize(("protocol", "version"), [("cmpp20", 0x20), ("cmpp30", 0x30)])
def test_an_answer_of_cmpp_with_octets_behind_it_counts(protocol: str, version: Version):
    answer = with_more(cmpp.encode(SubmitResp(sequence=2, message_id=7, result=0), version), bytes(5))
    assert cmpp_dialect(protocol).hear(answer) == SubmitAnswered(2, Taken("7"))


@pytest.mark.parametrize("behind", [b"", b"\0", b"\0\0\0"])
def test_a_deliver_of_smgp_without_its_reserve_or_with_octets_behind_it_is_read(behind: bytes):
    pdu = SmgpDeliver(sequence=9, message_id=bytes(10), source="13800138000", coding=8, content=b"\0a")
    frame = smgp.encode(pdu)
    dialect = SmgpDialect(settings(1, protocol="smgp30"), lambda: NOW)
    heard = dialect.hear(with_more(frame, behind) if behind else cut(frame, 8))
    assert heard.content.payload == b"\0a"


# Sequence numbers that a gateway remembers.


@pytest.mark.parametrize(
    "dialect",
    [cmpp_dialect(), SmgpDialect(settings(1, protocol="smgp30"), lambda: NOW)],
    ids=["cmpp", "smgp"],
)
def test_the_next_connection_goes_on_counting(dialect):
    first = [next(dialect.sequences()) for _ in range(3)]
    assert next(dialect.sequences()) == first[-1] + 1


def test_a_number_that_a_gateway_knows_already_may_be_tried_again_under_another():
    of_smgp = SmgpDialect(settings(1, protocol="smgp30"), lambda: NOW)
    of_sgip = SgipDialect(settings(1, protocol="sgip12"), lambda: NOW)
    known = smgp.encode(SmgpSubmitResp(sequence=5, message_id=bytes(10), status=12))
    assert of_smgp.hear(known) == SubmitAnswered(5, Refused("12", retryable=True))
    repeated = sgip.encode(SgipSubmitResp(sequence=5, result=9))
    assert of_sgip.hear(repeated) == SubmitAnswered(5, Refused("9", retryable=True))


def test_nothing_but_zeros_is_no_id_of_a_message():
    answer = smgp.encode(SmgpSubmitResp(sequence=5, message_id=bytes(10)))
    heard = SmgpDialect(settings(1, protocol="smgp30"), lambda: NOW).hear(answer)
    assert heard == SubmitAnswered(5, Taken(""))


def test_a_carrier_may_answer_a_login_with_octets_behind_it():
    dialect = SmgpDialect(settings(1, protocol="smgp30"), lambda: NOW)
    session = Session(dialect, Limits(window=1, response_seconds=1, keep_alive_seconds=1))
    session.start(0.0)
    assert session.receive(with_more(smgp.encode(LoginResp(sequence=1)), b"\0\0"), 0.0) == [Bound()]


# SMPP.


def smpp_hears(frame: bytes) -> object:
    return SmppDialect(settings(1)).hear(frame)


@pytest.mark.parametrize("status", [0, 0x45])
def test_an_answer_without_the_nul_of_its_id_counts(status):
    answer = cut(smpp.encode(SubmitSmResp(sequence=5, status=status, message_id="a" * 64)), 1)
    expected = Refused("0x45") if status else Taken("a" * 64)
    assert smpp_hears(answer) == SubmitAnswered(5, expected)


def test_an_answer_with_octets_behind_it_that_are_no_parameter_counts():
    answer = with_more(smpp.encode(SubmitSmResp(sequence=5, message_id="a1")), b"\0\1\0\2\3")
    assert smpp_hears(answer) == SubmitAnswered(5, Taken("a1"))
    welcome = with_more(smpp.encode(BindResp(sequence=1, mode="transceiver", system_id="S")), b"\2\x10\0")
    assert smpp_hears(welcome) == BindAnswered(1)


def receipt(text: bytes, **changes: object) -> Receipt:
    pdu = DeliverSm(
        sequence=9,
        source="13800138000",
        destination="10690001",
        short_message=text,
        **{"esm_class": 4, **changes},
    )
    heard = smpp_hears(smpp.encode(pdu))
    assert isinstance(heard, Delivery)
    assert isinstance(heard.content, Receipt)
    return heard.content


@pytest.mark.parametrize("data_coding", [0, 8])
def test_a_receipt_in_ucs2_is_read_whatever_its_coding_says(data_coding):
    text = "id:a1 sub:001 stat:UNDELIV err:054".encode("utf-16-be")
    found = receipt(text, data_coding=data_coding)
    assert (found.carrier_id, found.status, found.error_code) == ("a1", "UNDELIV", "054")


def test_a_receipt_behind_a_header_is_read():
    found = receipt(b"\5\0\3\7\1\1id:a1 stat:DELIVRD", esm_class=0x44)
    assert (found.carrier_id, found.status) == ("a1", "DELIVRD")


def test_a_receipt_that_ends_with_a_nul_is_read_without_it():
    assert receipt(b"id:a1 stat:DELIVRD err:000\0").error_code == "000"


def test_a_receipt_names_a_phone_with_its_country_though_the_carrier_does_not():
    assert receipt(b"id:a1 stat:DELIVRD").phone == "8613800138000"


def test_a_state_alone_makes_a_receipt():
    found = receipt(b"id:a1", esm_class=0, tlvs=((0x0427, b"\5"),))
    assert (found.carrier_id, found.status) == ("a1", "UNDELIV")


def test_a_part_of_a_reply_that_says_its_place_in_parameters_gets_a_header():
    tlvs = ((0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\1"))
    pdu = DeliverSm(sequence=9, source="13800138000", destination="1069", short_message=b"ab", tlvs=tlvs)
    heard = smpp_hears(smpp.encode(pdu))
    assert heard.content == Reply(
        phone="8613800138000",
        destination="1069",
        payload=b"\6\x08\4\1\2\3\1ab",
        data_coding=0,
        udh=True,
        sequence=9,
        gsm=True,
    )
