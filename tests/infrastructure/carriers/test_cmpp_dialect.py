"""What CMPP's PDUs mean to the platform, and what its parts become."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_dialect import CmppDialect
from infrastructure.carriers.cmpp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Pdu,
    Query,
    Report,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
from infrastructure.carriers.cmpp_report import encode_report
from infrastructure.carriers.concatenation import place_of
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    KeepAliveAsked,
    Noise,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
    sequences_to,
)
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.traffic import Receipt, Refused, Reply, Taken
from tests.infrastructure.carriers.rig import part, settings
from tests.infrastructure.carriers.test_cmpp_golden import golden

VERSIONS: dict[str, Version] = {"cmpp20": 0x20, "cmpp30": 0x30}
NEW_YEAR = datetime(2026, 12, 31, 16, 0, 5, tzinfo=UTC)
"""Five seconds into 2027, in China."""


def dialect(protocol: str, **changes: object) -> CmppDialect:
    given = {"system_id": "901234", "password": "secret1234", "protocol": protocol}
    return CmppDialect(settings(1, **{**given, **changes}), lambda: NEW_YEAR)


@pytest.fixture(params=list(VERSIONS))
def protocol(request):
    return request.param


def hear(protocol: str, pdu: Pdu) -> object:
    return dialect(protocol).hear(cmpp.encode(pdu, VERSIONS[protocol]))


def submitted(protocol: str, **changes: object) -> Submit:
    of_link = {name: changes.pop(name) for name in ("service_id", "fee_type", "fee_code") if name in changes}
    octets = dialect(protocol, **of_link).submit(7, part(**changes))
    pdu = cmpp.decode(octets, VERSIONS[protocol])
    assert isinstance(pdu, Submit)
    return pdu


def test_the_connect_proves_the_secret_with_the_time_of_china(protocol):
    pdu = cmpp.decode(dialect(protocol).bind(1), VERSIONS[protocol])
    assert pdu == Connect(
        sequence=1,
        source_address="901234",
        authenticator=cmpp.authenticator("901234", "secret1234", 101000005),
        version=VERSIONS[protocol],
        timestamp=101000005,
    )


def test_the_golden_connect_is_said_at_its_time(protocol):
    octets, _ = golden((protocol, "connect_ts_leading_zero"))
    at = datetime(2026, 3, 1, tzinfo=CHINA)
    given = settings(1, system_id="901234", password="secret1234", protocol=protocol)
    assert CmppDialect(given, lambda: at).bind(1) == octets


def test_a_secret_that_fits_no_connect_is_refused_here(protocol):
    with pytest.raises(ProtocolError):
        dialect(protocol, system_id="1234567").bind(1)


def test_a_secret_that_cannot_be_written_is_a_protocol_error_that_does_not_quote_it(protocol):
    with pytest.raises(ProtocolError) as refused:
        dialect(protocol, password="密码").bind(1)
    assert "密" not in str(refused.value)


def test_a_part_becomes_a_submit_to_one_destination(protocol):
    pdu = submitted(protocol, validity_seconds=86_400, service_id="SVC001")
    assert pdu == Submit(
        sequence=7,
        parts=1,
        part=1,
        registered_delivery=1,
        level=1,
        service_id="SVC001",
        fee_user_type=2,
        message_format=8,
        message_source="901234",
        fee_type="01",
        fee_code="000000",
        valid_time="270102000005032+",
        source="10690001",
        destinations=("13800130000",),
        content="您的验证码是123456".encode("utf-16-be"),
    )


def test_a_part_without_a_validity_leaves_it_to_the_carrier(protocol):
    assert submitted(protocol).valid_time == ""


def test_the_fees_of_the_contract_are_said(protocol):
    pdu = submitted(protocol, fee_type="02", fee_code="000010")
    assert (pdu.fee_type, pdu.fee_code) == ("02", "000010")


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (bytes((5, 0, 3, 42, 3, 2)), (3, 2)),
        (bytes((6, 8, 4, 1, 42, 3, 2)), (3, 2)),
        (bytes((11, 5, 4, 1, 2, 3, 4, 0, 3, 42, 3, 2)), (3, 2)),
        (bytes((6, 5, 4, 1, 2, 3, 4)), (1, 1)),
        (bytes((5, 0, 3, 42, 2, 3)), (1, 1)),
        (bytes((5, 0, 3, 42, 2, 0)), (1, 1)),
        (bytes((5, 0, 2, 42, 2, 1)), (1, 1)),
        (bytes((200, 0, 3, 42)), (1, 1)),
        (b"", (1, 1)),
    ],
)
def test_the_place_of_a_part_is_read_from_its_header(protocol, header, place):
    pdu = submitted(protocol, payload=header, udh=True)
    assert ((pdu.parts, pdu.part), pdu.tp_udhi, pdu.content) == (place, 1, header)


@given(st.binary(max_size=20))
def test_any_octets_have_a_place_that_can_be(payload):
    total, number = place_of(payload)
    assert 1 <= number <= total <= 255


def test_a_text_that_only_looks_like_a_header_is_a_text(protocol):
    pdu = submitted(protocol, payload=bytes((5, 0, 3, 42, 3, 2)))
    assert (pdu.parts, pdu.part, pdu.tp_udhi) == (1, 1, 0)


@pytest.mark.parametrize(("coding", "longest"), [(0, 159), (8, 140), (4, 140), (15, 140)])
def test_a_content_that_is_too_long_for_its_coding_is_refused_here(protocol, coding, longest):
    assert len(submitted(protocol, payload=bytes(longest), data_coding=coding).content) == longest
    with pytest.raises(ProtocolError) as refused:
        submitted(protocol, payload=bytes(longest + 1), data_coding=coding)
    assert refused.value.sequence == 7


def test_a_taken_part_has_its_id_in_decimal_as_its_receipt_has(protocol):
    answer = SubmitResp(sequence=7, message_id=0xBBC5964003E90001)
    report = Report(message_id=0xBBC5964003E90001, status="DELIVRD")
    receipt = Deliver(sequence=9, registered_delivery=1, content=encode_report(report, VERSIONS[protocol]))
    assert hear(protocol, answer) == SubmitAnswered(7, Taken("13530385857192198145"))
    assert hear(protocol, receipt).content.carrier_id == "13530385857192198145"


@pytest.mark.parametrize(
    ("result", "retryable", "throttled"),
    [(8, True, True), (3, True, False), (1, False, False), (9, False, False), (13, False, False)],
)
def test_a_refusal_has_the_carriers_code(protocol, result, retryable, throttled):
    heard = hear(protocol, SubmitResp(sequence=7, result=result))
    assert heard == SubmitAnswered(7, Refused(str(result), retryable, throttled))


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 255])
def test_a_refused_connect_says_why_and_whether_the_credentials_are_wrong(protocol, status):
    heard = hear(protocol, ConnectResp(sequence=1, status=status, version=0x20))
    older = status == 4 and protocol == "cmpp30"
    assert heard == BindAnswered(1, str(status), bad_credentials=status in (2, 3), again=older)


def test_a_short_account_is_tried_once_more_with_the_nuls_of_its_field_in_the_digest(protocol):
    ours, version = dialect(protocol, system_id="9012"), VERSIONS[protocol]
    refusal = cmpp.encode(ConnectResp(sequence=1, status=3, version=version), version)

    def digest() -> bytes:
        connect = cmpp.decode(ours.bind(1), version)
        assert isinstance(connect, Connect)
        assert connect.source_address == "9012"
        return connect.authenticator

    bare, padded = (cmpp.authenticator(account, "secret1234", 101000005) for account in ("9012", "9012\0\0"))
    assert digest() == bare
    assert ours.hear(refusal) == BindAnswered(1, "3", again=True)
    assert digest() == padded
    assert ours.hear(refusal) == BindAnswered(1, "3", bad_credentials=True)
    assert digest() == bare


def test_an_account_as_long_as_its_field_has_one_digest_only(protocol):
    refusal = ConnectResp(sequence=1, status=3, version=VERSIONS[protocol])
    assert hear(protocol, refusal) == BindAnswered(1, "3", bad_credentials=True)


@pytest.mark.parametrize(("width", "noted"), [(0x20, False), (0x30, False), (None, True)])
def test_a_carrier_with_a_wrong_digest_is_let_through_and_noted(protocol, caplog, width, noted):
    ours, version = dialect(protocol), VERSIONS[protocol]
    asked = cmpp.decode(ours.bind(1), version)
    assert isinstance(asked, Connect)
    theirs = cmpp.carrier_authenticator(0, asked.authenticator, "secret1234", width) if width else bytes(16)
    answer = cmpp.encode(ConnectResp(sequence=1, authenticator=theirs, version=version), version)
    with caplog.at_level("INFO"):
        assert ours.hear(answer) == BindAnswered(1)
    assert ("authenticator" in caplog.text) is noted


def test_a_connect_is_accepted_whatever_version_and_digest_the_carrier_writes(protocol):
    assert hear(protocol, ConnectResp(sequence=1, version=0x21)) == BindAnswered(1)


@pytest.mark.parametrize("body", list(VERSIONS))
def test_a_report_is_told_by_its_own_length_in_either_version(protocol, body):
    deliver, _ = golden((body, "deliver_report"))
    report = cmpp.decode(deliver, VERSIONS[body]).content
    heard = hear(
        protocol,
        Deliver(sequence=9, message_id=5, source="13800138000", registered_delivery=1, content=report),
    )
    assert heard == Delivery(
        9,
        Receipt(
            carrier_id="13530385857192198145",
            status="DELIVRD",
            done_text="2611231726",
            done_at=datetime(2026, 11, 23, 17, 26, tzinfo=CHINA),
            phone="8613800138000",
        ),
        tag=5,
    )


@pytest.mark.parametrize("done", ["", "0000000000", "garbage!!!", "261123172\xff", "²²²²²²²²²²"])
def test_a_time_that_is_none_spoils_no_receipt(protocol, done):
    report = Report(message_id=1, status="mk:0001", done_time=done)
    receipt = hear(
        protocol,
        Deliver(sequence=9, registered_delivery=1, content=encode_report(report, VERSIONS[protocol])),
    ).content
    assert (receipt.status, receipt.done_text, receipt.done_at) == ("MK:0001", done, None)


def test_a_report_that_cannot_be_read_is_a_receipt_for_nothing(protocol):
    heard = hear(protocol, Deliver(sequence=9, source="13800138000", registered_delivery=1, content=b"?"))
    assert heard.content == Receipt(carrier_id="", status="UNKNOWN", phone="8613800138000")


def test_a_reply_keeps_its_octets_its_coding_and_its_header(protocol):
    payload = bytes((5, 0, 3, 1, 2, 1)) + "退订".encode("utf-16-be")
    heard = hear(
        protocol,
        Deliver(
            sequence=9,
            message_id=1 << 63,
            destination="1069000112",
            tp_udhi=1,
            message_format=8,
            source="+8613800138000",
            content=payload,
        ),
    )
    reply = Reply(
        phone="8613800138000",
        destination="1069000112",
        payload=payload,
        data_coding=8,
        udh=True,
        carrier_id="9223372036854775808",
        sequence=9,
    )
    assert heard == Delivery(9, reply, tag=1 << 63)


@pytest.mark.parametrize(("stored", "result"), [(True, 0), (False, 8)])
def test_a_delivery_is_answered_with_its_own_id(protocol, stored, result):
    reply = Reply(phone="", destination="", payload=b"", data_coding=0, udh=False)
    octets = dialect(protocol).answer_delivery(Delivery(9, reply, tag=1 << 63), stored=stored)
    expected = DeliverResp(sequence=9, message_id=1 << 63, result=result)
    assert cmpp.decode(octets, VERSIONS[protocol]) == expected


def test_the_golden_answer_to_a_delivery_is_said(protocol):
    octets, _ = golden((protocol, "deliver_mo_ucs2"))
    heard = dialect(protocol).hear(octets)
    assert dialect(protocol).answer_delivery(heard, stored=True) == golden((protocol, "deliver_resp"))[0]


def test_signs_of_life_are_asked_for_and_given(protocol):
    asked = dialect(protocol).keep_alive(11)
    answer, _ = golden((protocol, "active_test_resp"))
    assert asked == golden((protocol, "active_test"))[0]
    assert dialect(protocol).hear(asked) == KeepAliveAsked(answer)
    assert dialect(protocol).hear(answer) == Noise()


def test_leave_is_taken_and_granted(protocol):
    asked = dialect(protocol).unbind(12)
    answer, _ = golden((protocol, "terminate_resp"))
    assert asked == golden((protocol, "terminate"))[0]
    assert dialect(protocol).hear(asked) == UnbindAsked(answer)
    assert dialect(protocol).hear(answer) == UnbindAnswered()


def test_a_delivery_that_cannot_be_read_is_answered_as_broken(protocol):
    octets, version = golden((protocol, "deliver_mo_ucs2"))
    broken = (len(octets) - 1).to_bytes(4, "big") + octets[4:-1]
    heard = dialect(protocol).hear(broken)
    answer = DeliverResp(sequence=9, message_id=13530385857192198146, result=1)
    assert heard == Noise(cmpp.encode(answer, version))


@pytest.mark.parametrize(
    "pdu",
    [
        Connect(sequence=1, source_address="", authenticator=bytes(16), version=0x20, timestamp=0),
        Submit(sequence=1, destinations=("13800138000",)),
        DeliverResp(sequence=1),
        Query(sequence=1, day="20261123"),
        ActiveTestResp(sequence=1),
    ],
    ids=lambda pdu: type(pdu).__name__,
)
def test_what_no_carrier_says_is_only_a_sign_of_life(protocol, pdu):
    assert hear(protocol, pdu) == Noise()


@given(st.binary(max_size=300), st.sampled_from(list(VERSIONS)))
def test_any_frame_is_heard_without_an_error(frame, protocol):
    dialect(protocol).hear(frame)


@given(st.sampled_from([4, 5]), st.booleans(), st.binary(max_size=200), st.sampled_from(list(VERSIONS)))
def test_any_body_is_heard_without_an_error(command, response, body, protocol):
    header = (12 + len(body), command | response << 31, 1)
    dialect(protocol).hear(b"".join(each.to_bytes(4, "big") for each in header) + body)
    assert dialect(protocol).hear(cmpp.encode(TerminateResp(sequence=1), 0x20)) == UnbindAnswered()


def test_active_tests_and_terminates_have_no_body(protocol):
    for pdu in (ActiveTest(sequence=1), Terminate(sequence=1)):
        assert len(cmpp.encode(pdu, VERSIONS[protocol])) == 12


def test_sequence_numbers_begin_at_one_and_the_last_one_fits(protocol):
    numbers = dialect(protocol).sequences()
    assert [next(numbers) for _ in range(3)] == [1, 2, 3]
    last = dialect(protocol).submit(cmpp.LAST_SEQUENCE, part())
    assert cmpp.decode(last, VERSIONS[protocol]).sequence == 0xFFFF_FFFF


def test_sequence_numbers_begin_again_after_the_last():
    assert list(itertools.islice(sequences_to(3), 7)) == [1, 2, 3, 1, 2, 3, 1]


def test_a_number_of_32_bits_wraps_through_nought(monkeypatch, protocol):
    monkeypatch.setattr(cmpp, "LAST_SEQUENCE", 3)
    numbers = dialect(protocol).sequences()
    assert list(itertools.islice(numbers, 6)) == [1, 2, 3, 0, 1, 2]
