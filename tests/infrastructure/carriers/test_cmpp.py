"""The CMPP codec against all values, and against anything at all."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Version,
)
from infrastructure.carriers.cmpp_report import decode_report, encode_report
from infrastructure.carriers.framing import Framer, ProtocolError
from tests.infrastructure.carriers.test_cmpp_golden import FILES, PDU_VECTORS, VECTORS, golden

# All values.

octet = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFF_FFFF)
long = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
digest = st.binary(min_size=16, max_size=16)
latin = st.characters(min_codepoint=1, max_codepoint=255)


def text(longest: int) -> st.SearchStrategy[str]:
    return st.text(latin, max_size=longest)


def pdus(version: Version) -> st.SearchStrategy[Any]:
    """Every value of every PDU of a version."""
    old = version == 0x20
    phone = text(21 if old else 32)
    kind = st.just(0) if old else octet
    tail = text(8 if old else 20)
    result = octet if old else word
    counts = [name for name in QueryResp.__slots__ if name.startswith(("mt_", "mo_"))]
    assert len(counts) == 8
    return st.one_of(
        st.builds(
            Connect,
            sequence=word,
            source_address=text(6),
            authenticator=digest,
            version=octet,
            timestamp=word,
        ),
        st.builds(ConnectResp, sequence=word, status=result, authenticator=digest, version=octet),
        st.builds(
            Submit,
            sequence=word,
            message_id=long,
            parts=octet,
            part=octet,
            registered_delivery=octet,
            level=octet,
            service_id=text(10),
            fee_user_type=octet,
            fee_terminal=phone,
            fee_terminal_type=kind,
            tp_pid=octet,
            tp_udhi=octet,
            message_format=octet,
            message_source=text(6),
            fee_type=text(2),
            fee_code=text(6),
            valid_time=text(17),
            at_time=text(17),
            source=text(21),
            destinations=st.lists(phone, min_size=1, max_size=99).map(tuple),
            destination_type=kind,
            content=st.binary(max_size=255),
            link_id=tail,
        ),
        *(
            st.builds(each, sequence=word, message_id=long, result=result)
            for each in (SubmitResp, DeliverResp)
        ),
        st.builds(
            Deliver,
            sequence=word,
            message_id=long,
            destination=text(21),
            service_id=text(10),
            tp_pid=octet,
            tp_udhi=octet,
            message_format=octet,
            source=phone,
            source_type=kind,
            registered_delivery=octet,
            content=st.binary(max_size=255),
            link_id=tail,
        ),
        st.builds(Query, sequence=word, day=text(8), query_type=octet, query_code=text(10), reserve=text(8)),
        st.builds(
            QueryResp,
            sequence=word,
            day=text(8),
            query_type=octet,
            query_code=text(10),
            **dict.fromkeys(counts, word),
        ),
        st.builds(Cancel, sequence=word, message_id=long),
        st.builds(CancelResp, sequence=word, result=result),
        st.builds(ActiveTestResp, sequence=word, reserved=octet),
        *(st.builds(each, sequence=word) for each in (ActiveTest, Terminate, TerminateResp)),
    )


versions = st.sampled_from(list(FILES.values()))


@given(versions.flatmap(lambda version: st.tuples(st.just(version), pdus(version))))
def test_what_is_written_is_read_back(given_pdu):
    version, pdu = given_pdu
    octets = cmpp.encode(pdu, version)
    assert cmpp.decode(octets, version) == pdu
    assert len(octets) <= cmpp.LONGEST_PDU


@given(versions, st.data())
def test_a_report_that_is_written_is_read_back(version, data):
    report = data.draw(
        st.builds(
            Report,
            message_id=long,
            status=text(7),
            submit_time=text(10),
            done_time=text(10),
            destination=text(21 if version == 0x20 else 32),
            smsc_sequence=word,
        )
    )
    octets = encode_report(report, version)
    assert len(octets) == (60 if version == 0x20 else 71)
    assert decode_report(octets) == report


# Anything at all.


def verdict(octets: bytes, version: Version) -> int:
    """Read the octets: 0, or the status of the refusal; anything else escapes."""
    try:
        cmpp.decode(octets, version)
    except ProtocolError as error:
        number = int.from_bytes(octets[8:12], "big") if len(octets) >= 12 else None
        return error.status if error.sequence == number else -1
    return 0


@given(st.binary(max_size=300), versions)
def test_any_octets_give_a_pdu_or_a_protocol_error(octets, version):
    assert verdict(octets, version) in (0, 1, 2)


@given(st.sampled_from([1, 2, 4, 5, 6, 7, 8]), st.booleans(), word, st.binary(max_size=300), versions)
def test_any_body_gives_a_pdu_or_a_protocol_error(command, response, sequence, body, version):
    header = (12 + len(body), command | response << 31, sequence)
    octets = b"".join(each.to_bytes(4, "big") for each in header) + body
    assert verdict(octets, version) in (0, 1)


@given(st.sampled_from(PDU_VECTORS), versions, st.data())
def test_any_damage_to_a_pdu_gives_a_pdu_or_a_protocol_error(key, version, data):
    frame, _ = golden(key)
    cut = data.draw(st.integers(0, len(frame)))
    inserted = data.draw(st.binary(max_size=8))
    body = frame[4:cut] + inserted + frame[cut + data.draw(st.integers(0, 40)) :]
    assert verdict((len(body) + 4).to_bytes(4, "big") + body, version) in (0, 1, 2)


@pytest.mark.parametrize("key", PDU_VECTORS, ids="-".join)
def test_a_pdu_that_is_cut_anywhere_is_refused(key):
    frame, version = golden(key)
    shortened = [
        verdict((length).to_bytes(4, "big") + frame[4:length], version) for length in range(12, len(frame))
    ]
    assert shortened.count(0) == shorter_forms(key[1], version)


def shorter_forms(name: str, version: Version) -> int:
    """A result in one octet, with or without octets behind it; a deliver with the other version's tail or none."""
    if name == "cancel_resp":
        return 3 if version == 0x20 else 1
    if name.startswith("deliver_") and name != "deliver_resp":
        return 1 if version == 0x20 else 2
    answer_with_result = name.endswith("_resp_ok") or "mit_resp_" in name or name == "deliver_resp"
    return int(name == "active_test_resp" or (version == 0x30 and answer_with_result))


@given(st.sampled_from(PDU_VECTORS), st.integers(0, 0xFFFF_FFFF))
def test_a_length_that_lies_is_refused(key, length):
    frame, version = golden(key)
    lying = length.to_bytes(4, "big") + frame[4:]
    assert verdict(lying, version) == (0 if length == len(frame) else 1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("claimed", [0, 1, 139, 141, 255])
def test_a_length_of_the_content_that_lies_is_refused(name, claimed):
    octets, version = golden((name, "submit_140_octets"))
    at = octets.index(b"\x8c" + bytes(140))
    assert verdict(octets[:at] + bytes([claimed]) + octets[at + 1 :], version) == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("claimed", [0, 2, 100, 255])
def test_a_number_of_destinations_that_lies_is_refused(name, claimed):
    octets, version = golden((name, "submit_ucs2_1dest"))
    at = octets.index(b"\x0113800138000")
    assert verdict(octets[:at] + bytes([claimed]) + octets[at + 1 :], version) == 1


@given(st.binary(max_size=5_000))
def test_a_framer_keeps_no_more_than_one_pdu(octets):
    framer = Framer(shortest=cmpp.HEADER_OCTETS, longest=cmpp.LONGEST_PDU)
    try:
        for frame in framer.feed(octets):
            assert verdict(frame, 0x20) in (0, 1, 2)
    except ProtocolError:
        return
    assert len(framer._rest) < cmpp.LONGEST_PDU


@given(st.binary(max_size=120))
def test_a_report_is_read_or_refused(octets):
    try:
        decode_report(octets)
    except ProtocolError:
        assert len(octets) not in (60, 71)
    else:
        assert len(octets) in (60, 71) or octets[8:11].isascii()


# What does not fit.


@pytest.mark.parametrize("version", FILES.values(), ids=FILES)
@pytest.mark.parametrize(
    "change",
    [
        {"source": "1" * 22},
        {"destinations": ("8" * 33,)},
        {"destinations": ("138\x00138",)},
        {"destinations": ("一三八",)},
        {"destinations": ()},
        {"destinations": ("13800138000",) * 100},
        {"service_id": "12345678901"},
        {"message_source": "1234567"},
        {"fee_type": "011"},
        {"valid_time": "0" * 18},
        {"content": b"x" * 256},
        {"message_format": 256},
        {"sequence": 1 << 32},
        {"message_id": 1 << 64},
        {"parts": -1},
        {"link_id": "x" * 21},
    ],
    ids=str,
)
def test_what_does_not_fit_a_submit_is_refused_and_never_cut(change, version):
    pdu = Submit(sequence=1, source="10690001", destinations=("13800138000",))
    with pytest.raises(ProtocolError):
        cmpp.encode(dataclasses.replace(pdu, **change), version)


@pytest.mark.parametrize(
    "change", [{"source_address": "1234567"}, {"authenticator": b"short"}, {"timestamp": 1 << 32}], ids=str
)
def test_what_does_not_fit_a_connect_is_refused(change):
    pdu = Connect(sequence=1, source_address="901234", authenticator=bytes(16), version=0x20, timestamp=0)
    with pytest.raises(ProtocolError):
        cmpp.encode(dataclasses.replace(pdu, **change), 0x20)


def test_a_report_whose_number_is_too_long_for_the_version_is_refused():
    report = Report(message_id=1, status="DELIVRD", destination="1" * 32)
    assert decode_report(encode_report(report, 0x30)) == report
    with pytest.raises(ProtocolError):
        encode_report(report, 0x20)


# What peers do differently.


@pytest.mark.parametrize("version", FILES.values(), ids=FILES)
@pytest.mark.parametrize("wide", [False, True])
def test_a_result_is_read_in_one_octet_or_in_four(version, wide):
    key = ("cmpp30" if wide else "cmpp20", "submit_resp_101")
    assert cmpp.decode(bytes.fromhex(VECTORS[key]["hex"]), version) == SubmitResp(
        sequence=7, message_id=0xBBC5964003E90001, result=101
    )


def test_an_active_test_may_be_answered_without_the_reserved_octet():
    assert cmpp.decode(bytes.fromhex("0000000c800000080000000b"), 0x20) == ActiveTestResp(sequence=11)


def test_octets_behind_the_first_nul_of_a_text_are_passed_over():
    octets, version = golden(("cmpp20", "connect"))
    assert cmpp.decode(octets.replace(b"901234", b"90\x001x4"), version).source_address == "90"


def test_an_unknown_command_is_refused_with_its_number():
    with pytest.raises(ProtocolError) as refused:
        cmpp.decode(bytes.fromhex("0000000c0000000300000005"), 0x30)
    assert (refused.value.status, refused.value.sequence) == (2, 5)


def test_no_number_text_or_digest_shows_in_a_repr():
    submit, connect = (cmpp.decode(*golden(("cmpp20", name))) for name in ("submit_ascii_2dest", "connect"))
    shown = repr(submit) + repr(connect) + repr(decode_report(golden(("cmpp20", "report_body_60"))[0]))
    assert not any(secret in shown for secret in ("13800138000", "hello", "authenticator"))
