"""What SMGP's PDUs mean to the platform, and how its parts are written."""

import dataclasses
import itertools
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import smgp
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    KeepAliveAsked,
    Noise,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
)
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.smgp_dialect import SmgpDialect
from infrastructure.carriers.smgp_pdus import Deliver, LoginResp, Submit, SubmitResp, Tag
from infrastructure.carriers.smgp_report import SmgpReport, encode_report, read_report
from infrastructure.carriers.traffic import Receipt, Refused, Reply, Taken
from tests.infrastructure.carriers.octets import damaged, golden, vectors
from tests.infrastructure.carriers.rig import part, settings

GOLDEN = golden("smgp30")
BODIES = {
    each["name"]: bytes.fromhex(each["hex"])
    for each in vectors("smgp30")
    if each["name"].startswith("report_body")
}
NOW = datetime(2026, 3, 1, 0, 0, 0, tzinfo=CHINA)
ID = "01006111231725012345"
UDH = bytes((5, 0, 3, 42, 3, 2))
BODY = BODIES["report_body_122_spec_keys"]


def dialect(**changes: object) -> SmgpDialect:
    given_ = {"protocol": "smgp30", "system_id": "10690001", "password": "secret1234", **changes}
    return SmgpDialect(settings(1, **given_), lambda: NOW)


def submitted(dialect: SmgpDialect, **changes: object) -> Submit:
    pdu = smgp.decode(dialect.submit(7, part(**changes)))
    assert isinstance(pdu, Submit)
    return pdu


def test_the_login_is_the_golden_one():
    assert dialect().bind(1) == GOLDEN["login"]


def test_a_secret_that_cannot_be_written_is_a_protocol_error_that_does_not_quote_it():
    with pytest.raises(ProtocolError) as refused:
        dialect(password="密码").bind(1)
    assert "密" not in str(refused.value)


def test_a_whole_message_is_written_as_the_link_is_configured():
    pdu = submitted(dialect(service_id="SVC001", fee_type="01", fee_code="000005"), validity_seconds=86_400)
    assert pdu == Submit(
        sequence=7,
        service_id="SVC001",
        fee_type="01",
        fee_code="000005",
        fixed_fee="000000",
        coding=8,
        valid_time="260302000000032+",
        source="10690001",
        destinations=("13800130000",),
        content="您的验证码是123456".encode("utf-16-be"),
    )


def test_a_part_of_a_long_message_says_its_place_in_three_parameters():
    pdu = submitted(dialect(), payload=UDH + b"\0a", udh=True)
    assert pdu.tlvs == ((Tag.TP_UDHI, b"\1"), (Tag.PK_TOTAL, b"\3"), (Tag.PK_NUMBER, b"\2"))


def test_the_enterprise_code_is_sent_where_the_carrier_gave_one():
    assert submitted(dialect(corp_id="12345")).tlvs == ((Tag.MSG_SRC, b"12345\0\0\0"),)


def test_an_enterprise_code_that_is_too_long_is_refused_at_once():
    with pytest.raises(ValueError, match="text"):
        dialect(corp_id="123456789")


@pytest.mark.parametrize("octets", [141, 255, 300])
def test_a_part_that_is_too_long_is_a_protocol_error(octets):
    with pytest.raises(ProtocolError):
        dialect().submit(1, part(payload=bytes(octets)))


def test_an_answer_names_the_message_in_hexadecimal_digits():
    assert dialect().hear(GOLDEN["submit_resp_0"]) == SubmitAnswered(7, Taken(ID))


@pytest.mark.parametrize(
    ("status", "retryable", "throttled"),
    [(1, True, True), (2, True, False), (74, True, False), (75, True, False), (47, False, False)],
)
def test_a_refusal_says_whether_to_try_again(status, retryable, throttled):
    octets = smgp.encode(SubmitResp(sequence=7, message_id=bytes(10), status=status))
    assert dialect().hear(octets) == SubmitAnswered(7, Refused(str(status), retryable, throttled))


@pytest.mark.parametrize(("status", "bad"), [(20, True), (21, True), (3, True), (1, False), (22, False)])
def test_a_refused_login_says_whether_the_credentials_are_to_blame(status, bad):
    octets = smgp.encode(LoginResp(sequence=1, status=status))
    assert dialect().hear(octets) == BindAnswered(1, str(status), bad_credentials=bad)


def test_a_short_account_is_tried_once_more_with_the_nuls_of_its_field_in_the_digest():
    ours = dialect(system_id="1069")
    refusal = smgp.encode(LoginResp(sequence=1, status=21))
    bare, padded = (
        smgp.client_authenticator(each, "secret1234", 301000000) for each in ("1069", "1069\0\0\0\0")
    )
    assert smgp.decode(ours.bind(1)).authenticator == bare
    assert ours.hear(refusal) == BindAnswered(1, "21", again=True)
    assert smgp.decode(ours.bind(1)).authenticator == padded
    assert ours.hear(refusal) == BindAnswered(1, "21", bad_credentials=True)
    assert smgp.decode(ours.bind(1)).authenticator == bare


def test_a_carrier_of_an_older_version_is_told_of(caplog):
    heard = dialect().hear(smgp.encode(LoginResp(sequence=1, version=0x13)))
    assert heard == BindAnswered(1, note="it speaks SMGP 1.3, which we do not: it may not read our submits")
    assert "SMGP 1.3" in caplog.text
    assert dialect().hear(smgp.encode(LoginResp(sequence=1, version=0))) == BindAnswered(1)


def test_a_carrier_with_a_wrong_digest_is_let_through_and_noted(caplog):
    ours = dialect()
    ours.bind(1)
    with caplog.at_level("INFO"):
        assert ours.hear(smgp.encode(LoginResp(sequence=1))) == BindAnswered(1)
    assert "authenticator" in caplog.text


def test_a_carrier_with_the_right_digest_is_not_worth_a_word(caplog):
    ours = dialect()
    ours.bind(1)
    theirs = smgp.decode(GOLDEN["login"]).authenticator
    digest = smgp.server_authenticator(0, theirs, "secret1234")
    with caplog.at_level("INFO"):
        assert ours.hear(smgp.encode(LoginResp(sequence=1, authenticator=digest))) == BindAnswered(1)
    assert not caplog.records


@pytest.mark.parametrize("name", ["deliver_report_notlv", "deliver_report_lowercase_keys"])
def test_a_golden_receipt_says_everything_and_is_acknowledged_by_its_own_id(name):
    delivery = dialect().hear(GOLDEN[name])
    assert delivery.content == Receipt(
        carrier_id=ID,
        status="DELIVRD",
        error_code="000",
        done_text="2611231726",
        done_at=datetime(2026, 11, 23, 17, 26, tzinfo=CHINA),
        phone="86" + smgp.decode(GOLDEN["deliver_mo_ucs2_notlv"]).source,
    )
    answer = dialect().answer_delivery(delivery, stored=True)
    assert answer.hex() == "0000001a800000030000000a0100611123172601234600000000"


def test_the_golden_reply_is_handed_on_and_acknowledged_as_the_golden_answer():
    delivery = dialect().hear(GOLDEN["deliver_mo_ucs2_notlv"])
    assert delivery.content == Reply(
        phone="86" + smgp.decode(GOLDEN["deliver_mo_ucs2_notlv"]).source,
        destination="1069000112",
        payload="上行回复TD".encode("utf-16-be"),
        data_coding=8,
        udh=False,
        carrier_id="01006111231726012346",
        sequence=9,
    )
    assert dialect().answer_delivery(delivery, stored=True) == GOLDEN["deliver_resp"]


def test_what_could_not_be_stored_is_asked_for_again():
    delivery = dialect().hear(GOLDEN["deliver_report_notlv"])
    assert smgp.decode(dialect().answer_delivery(delivery, stored=False)).status == 1


@pytest.mark.parametrize(("value", "udh"), [(b"\1", True), (b"\0", False), (b"", False), (None, False)])
def test_a_reply_may_be_a_part_of_a_long_one(value, udh):
    pdu = smgp.decode(GOLDEN["deliver_mo_ucs2_notlv"])
    changed = dataclasses.replace(pdu, tlvs=() if value is None else ((Tag.TP_UDHI, value),))
    assert dialect().hear(smgp.encode(changed)).content.udh is udh


def test_questions_and_farewells_are_answered():
    assert dialect().hear(GOLDEN["active_test"]) == KeepAliveAsked(GOLDEN["active_test_resp"])
    assert dialect().hear(GOLDEN["exit"]) == UnbindAsked(GOLDEN["exit_resp"])
    assert dialect().hear(GOLDEN["exit_resp"]) == UnbindAnswered()
    assert dialect().keep_alive(11) == GOLDEN["active_test"]
    assert dialect().unbind(12) == GOLDEN["exit"]


def test_a_broken_delivery_is_answered_with_its_fault_and_anything_else_with_nothing():
    broken = bytearray(GOLDEN["deliver_resp"])
    broken[4] = 0
    answer = dialect().hear(bytes(broken)).answer
    refused = smgp.decode(answer)
    assert (refused.sequence, refused.status, refused.message_id.hex()) == (9, 10, "01006111231726012346")
    assert dialect().hear(bytes.fromhex("0000000c0000007700000001")) == Noise()


def test_a_number_of_32_bits_wraps_through_nought(monkeypatch):
    monkeypatch.setattr(smgp, "LAST_SEQUENCE", 3)
    assert list(itertools.islice(dialect().sequences(), 6)) == [1, 2, 3, 0, 1, 2]


@given(damaged(list(GOLDEN.values())))
def test_whatever_comes_is_heard_without_a_failure(frame):
    dialect().hear(frame)


@pytest.mark.parametrize("name", BODIES)
def test_the_golden_bodies_are_read(name):
    assert read_report(BODIES[name]) == SmgpReport(ID, "DELIVRD", "000", "2611231726")


def test_a_report_is_written_as_an_independent_codec_writes_it():
    report = SmgpReport(ID, "DELIVRD", "000", "2611231726")
    assert encode_report(report, submit_text="2611231725", text="032") == BODY


@given(
    st.builds(
        SmgpReport,
        st.binary(min_size=10, max_size=10).filter(any).map(lambda octets: octets.hex().upper()),
        st.sampled_from(["DELIVRD", "UNDELIV", "MK:0001", "BLACK", "CA:52"]),
        st.from_regex(r"[0-9]{3}", fullmatch=True),
        st.from_regex(r"[0-9]{10}", fullmatch=True),
    )
)
def test_every_report_that_is_written_is_read_again(report):
    body = encode_report(report, submit_text="2611231725", text="")
    assert (len(body), read_report(body)) == (122, report)


@pytest.mark.parametrize(
    "change",
    [{"carrier_id": "00"}, {"status": "UNDELIVERED"}, {"error_code": "1234"}, {"done_text": "未知"}],
)
def test_what_has_no_room_in_a_report_is_not_cut(change):
    report = SmgpReport(ID, "DELIVRD", "000", "2611231726")._replace(**change)
    with pytest.raises(ProtocolError):
        encode_report(report, submit_text="2611231725", text="032")


def test_a_body_in_which_blanks_are_another_letter_is_read_by_its_places():
    body = BODY.replace(b" sub", b"ssub").replace(b" stat", b"sstat").replace(b"Submit date", b"Submit_Date")
    assert read_report(body)[:3] == (ID, "DELIVRD", "000")


def test_an_id_in_hexadecimal_digits_names_the_same_message():
    body = b"id:" + ID.encode() + BODY[13:]
    assert (len(body), read_report(body)) == (132, SmgpReport(ID, "DELIVRD", "000", "2611231726"))


@pytest.mark.parametrize("octets", [b"stat:BAD ", b"err:\0\0\0:::", b"id:\0\0\0\0\0\0\0"])
def test_an_id_may_be_of_any_octets(octets):
    octets = octets.ljust(10, b"\0")[:10]
    report = read_report(BODY[:3] + octets + BODY[13:])
    assert report == SmgpReport(octets.hex().upper(), "DELIVRD", "000", "2611231726")


def test_a_binary_id_that_looks_like_digits_is_not_taken_for_hexadecimal():
    report = read_report(b"id:" + b"0123456789" + BODY[13:])
    assert report.carrier_id == "30313233343536373839"


@pytest.mark.parametrize(
    "moved", [b"done date:2611231726 stat:UNDELIV err:601", b"stat:undeliv err:601 Text:"]
)
def test_a_body_with_other_places_is_read_by_its_keys(moved):
    report = read_report(BODY[:13] + b" dlvrd:000 " + moved)
    assert (report.carrier_id, report.status, report.error_code) == (ID, "UNDELIV", "601")


def test_a_body_may_end_after_the_error():
    assert read_report(BODY[:96]) == SmgpReport(ID, "DELIVRD", "000", "2611231726")


def test_codes_of_less_than_seven_characters_and_vendors_codes_are_read():
    assert read_report(BODY.replace(b"DELIVRD", b"MK:0001")).status == "MK:0001"
    assert read_report(BODY.replace(b"DELIVRD", b"BLACK  ")).status == "BLACK"


@pytest.mark.parametrize("body", [b"", b"id:", b"id:12", b"rubbish", bytes(122)])
def test_a_body_that_says_nothing_names_nothing(body):
    assert read_report(body) == SmgpReport("", "", "", "")


def test_a_report_without_a_readable_body_is_a_receipt_all_the_same():
    pdu = Deliver(sequence=1, message_id=bytes(10), is_report=1, source="13800138000", content=b"?")
    delivery = dialect().hear(smgp.encode(pdu))
    assert isinstance(delivery, Delivery)
    assert (delivery.content.carrier_id, delivery.content.status) == ("", "UNKNOWN")


@given(st.binary(max_size=160))
def test_any_body_is_read_without_a_failure(body):
    assert len(read_report(body).carrier_id) in (0, 20)
