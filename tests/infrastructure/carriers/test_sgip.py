"""The SGIP codec against golden octets of independent codecs, and against anything at all."""

import dataclasses
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import sgip
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.sgip_pdus import (
    Bind,
    BindResp,
    Deliver,
    DeliverResp,
    Report,
    ReportResp,
    Submit,
    SubmitResp,
    Unbind,
    UnbindResp,
    UserReport,
    UserReportResp,
    sequence_number,
    sequence_text,
)
from tests.infrastructure.carriers import octets
from tests.infrastructure.carriers.octets import damaged, golden, octet, plain, text, vectors, word

VECTORS = {each["name"]: each for each in vectors("sgip12")}
GOLDEN = golden("sgip12")
MAY_LACK_ITS_RESERVE = re.compile("^(bind_type|report_|submit_|deliver_|.*_resp_)")
MAY_LACK_SOME_OF_IT = re.compile("^(bind_type|report_|.*_resp_)")
OWN_NAMES = {
    "Name": "name",
    "Password": "password",
    "Reserve": "reserve",
    "Type": "login_type",
    "Result": "result",
    "AgentFlag": "agent_flag",
    "ChargeNumber": "charge",
    "CorpId": "corp_id",
    "ExpireTime": "expire_time",
    "FeeType": "fee_type",
    "FeeValue": "fee_value",
    "GivenValue": "given_value",
    "MessageCoding": "coding",
    "MessageType": "message_type",
    "MorelatetoMTFlag": "more_flag",
    "Priority": "priority",
    "ReportFlag": "report_flag",
    "ScheduleTime": "schedule_time",
    "ServiceType": "service_type",
    "TP_pid": "protocol_id",
    "TP_udhi": "udhi",
    "ErrorCode": "error_code",
    "ReportType": "report_type",
    "State": "state",
}

sequence = st.integers(min_value=0, max_value=(1 << 96) - 1)
CONTENT = {
    "sequence": sequence,
    "protocol_id": octet,
    "udhi": octet,
    "coding": octet,
    "content": st.binary(max_size=2_000),
    "reserve": text(8),
}
PDUS = st.one_of(
    st.builds(Bind, sequence=sequence, login_type=octet, name=text(16), password=text(16), reserve=text(8)),
    *(
        st.builds(kind, sequence=sequence, result=octet, reserve=text(8))
        for kind in (BindResp, SubmitResp, DeliverResp, ReportResp, UserReportResp)
    ),
    st.builds(
        Submit,
        **CONTENT,
        source=text(21),
        charge=text(21),
        destinations=st.lists(text(21), min_size=1, max_size=100).map(tuple),
        corp_id=text(5),
        service_type=text(10),
        fee_type=octet,
        fee_value=text(6),
        given_value=text(6),
        agent_flag=octet,
        more_flag=octet,
        priority=octet,
        expire_time=text(16),
        schedule_time=text(16),
        report_flag=octet,
        message_type=octet,
    ),
    st.builds(Deliver, **CONTENT, phone=text(21), destination=text(21)),
    st.builds(
        Report,
        sequence=sequence,
        submit_sequence=sequence,
        report_type=octet,
        phone=text(21),
        state=octet,
        error_code=octet,
        reserve=text(8),
    ),
    st.builds(
        UserReport, sequence=sequence, source=text(21), phone=text(21), condition=octet, reserve=text(8)
    ),
    *(st.builds(kind, sequence=sequence) for kind in (Unbind, UnbindResp)),
)


verdict = partial(octets.verdict, sgip.decode, sequence=slice(8, 20))


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_pdu_comes_back_octet_for_octet(name):
    assert sgip.encode(sgip.decode(GOLDEN[name])) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_pdu_is_read_as_its_fields_say(name):
    pdu = sgip.decode(GOLDEN[name])
    for field, value in VECTORS[name]["fields"].items():
        if field in OWN_NAMES:
            assert getattr(pdu, OWN_NAMES[field]) == plain(value), field
        elif field == "Header":
            assert pdu.sequence == sequence_number(*value["Sequence"])
        elif field == "SubmitSequence":
            assert pdu.submit_sequence == sequence_number(*value)
        elif field == "UserNumber":
            assert getattr(pdu, "destinations", getattr(pdu, "phone", None)) in (tuple(value), value)
        elif field == "SPNumber":
            assert value == (pdu.source if isinstance(pdu, Submit) else pdu.destination)
        elif field == "MessageContent":
            assert pdu.content in (plain(value), value.encode(), bytes(140))
        else:
            assert field in ("UserCount", "MessageLength"), field


def test_a_user_report_is_laid_out_as_the_documents_table_says():
    report = UserReport(
        sequence=sequence_number(101001, 1123172525, 9), source="10655001", phone="8613000130000", condition=1
    )
    header = "0000004700000011" + "00018a89" + "42f240ad" + "00000009"
    body = b"10655001".ljust(21, b"\0") + b"8613000130000".ljust(21, b"\0") + b"\1" + bytes(8)
    octets = bytes.fromhex(header) + body
    assert sgip.encode(report) == octets
    assert sgip.decode(octets) == report
    answer = bytes.fromhex("0000001d80000011" + "00018a89" + "42f240ad" + "00000009") + bytes(9)
    assert sgip.encode(UserReportResp(sequence=report.sequence)) == answer


@given(PDUS)
def test_what_is_written_is_read_back(pdu):
    assert sgip.decode(sgip.encode(pdu)) == pdu


@given(st.binary(max_size=400))
def test_any_octets_give_a_pdu_or_a_protocol_error(frame):
    assert verdict(frame) in ("read", 7, 8)


@given(st.sampled_from([1, 2, 3, 4, 5, 0x11, 0x80000001, 0x80000003]), st.binary(max_size=400))
def test_any_body_gives_a_pdu_or_a_protocol_error(command, body):
    header = (20 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(12)
    assert verdict(header + body) in ("read", 8)


@given(damaged(list(GOLDEN.values())))
def test_any_damage_to_a_pdu_gives_a_pdu_or_a_protocol_error(frame):
    assert verdict(frame) in ("read", 7, 8)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_pdu_that_is_cut_before_its_reserve_gives_a_protocol_error_even_if_its_length_agrees(name):
    frame = GOLDEN[name]
    reserve = len(frame) - 8 if MAY_LACK_ITS_RESERVE.search(name) else len(frame)
    for end in range(sgip.HEADER_OCTETS, reserve):
        assert verdict(end.to_bytes(4, "big") + frame[4:end]) == 8


@pytest.mark.parametrize("name", [name for name in GOLDEN if MAY_LACK_ITS_RESERVE.search(name)])
def test_a_reserve_may_be_missing_and_where_the_body_is_fixed_cut_short(name):
    frame = GOLDEN[name]
    whole = sgip.decode(frame)
    missing = len(frame) - 8
    for end in range(missing, len(frame) if MAY_LACK_SOME_OF_IT.search(name) else missing + 1):
        assert sgip.decode(end.to_bytes(4, "big") + frame[4:end]) == whole


@pytest.mark.parametrize("length", [0, 11, 13, 140, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_content_length_that_lies_is_refused(length):
    frame = bytearray(GOLDEN["deliver_mo_ucs2"])
    frame[65:69] = length.to_bytes(4, "big")
    assert verdict(bytes(frame)) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"source": "1" * 22},
        {"destinations": ("1" * 22,)},
        {"destinations": ()},
        {"destinations": ("8613800138000",) * 101},
        {"destinations": ("138\x00138",)},
        {"corp_id": "123456"},
        {"service_type": "一"},
        {"expire_time": "0" * 17},
        {"content": b"x" * 8_192},
        {"coding": 256},
        {"sequence": 1 << 96},
        {"sequence": -1},
    ],
)
def test_what_does_not_fit_a_submit_is_refused_and_never_cut(change):
    pdu = Submit(sequence=1, source="10655001", destinations=("8613800138000",))
    with pytest.raises(ProtocolError):
        sgip.encode(dataclasses.replace(pdu, **change))


@pytest.mark.parametrize("change", [{"name": "x" * 17}, {"password": "x" * 17}, {"login_type": 256}])
def test_what_does_not_fit_a_bind_is_refused_and_never_cut(change):
    with pytest.raises(ProtocolError):
        sgip.encode(dataclasses.replace(Bind(sequence=1, login_type=1, name="a", password="b"), **change))


def test_an_answer_to_an_unbind_may_have_a_body():
    frame = GOLDEN["unbind_resp"] + bytes(9)
    assert sgip.decode(len(frame).to_bytes(4, "big") + frame[4:]) == sgip.decode(GOLDEN["unbind_resp"])


@given(word, word, word)
def test_a_sequence_number_is_written_with_its_three_numbers(node, stamp, counter):
    written = sequence_text(sequence_number(node, stamp, counter))
    assert (written[:10], written[10:20], written[20:]) == (f"{node:010}", f"{stamp:010}", f"{counter:010}")


def test_no_number_text_or_password_shows_in_a_repr():
    shown = repr(sgip.decode(GOLDEN["submit_ascii_2dest"])) + repr(sgip.decode(GOLDEN["bind_type1"]))
    assert not any(secret in shown for secret in ("13800138000", "hello", "sppass"))
