"""The SMPP codec against golden octets, against smpplib and against anything at all."""

import dataclasses
import string

import pytest
import smpplib.smpp
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import smpp
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.smpp_pdus import (
    Bind,
    BindResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    message_text,
    tlv,
)
from tests.infrastructure.carriers.rig import GOLDEN, VECTORS

OWN_NAMES = {
    "sequence_number": "sequence",
    "command_status": "status",
    "source_addr_ton": "source_ton",
    "source_addr_npi": "source_npi",
    "source_addr": "source",
    "dest_addr_ton": "destination_ton",
    "dest_addr_npi": "destination_npi",
    "destination_addr": "destination",
}
PARAMETERS = {
    "sc_interface_version": (0x0210, lambda value: bytes([value])),
    "message_payload": (0x0424, lambda value: bytes(value["data"])),
    "sar_msg_ref_num": (0x020C, lambda value: value.to_bytes(2, "big")),
    "sar_total_segments": (0x020E, lambda value: bytes([value])),
    "sar_segment_seqnum": (0x020F, lambda value: bytes([value])),
    "receipted_message_id": (0x001E, lambda value: value.encode() + b"\0"),
    "message_state": (0x0427, lambda value: bytes([value])),
}

octet = st.integers(min_value=0, max_value=255)
sequence = st.integers(min_value=1, max_value=smpp.LAST_SEQUENCE)
status = st.integers(min_value=0, max_value=0xFFFF_FFFF)
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)
latin = st.characters(min_codepoint=1, max_codepoint=255)


def text(longest: int) -> st.SearchStrategy[str]:
    return st.text(latin, max_size=longest)


ADDRESSES = {
    "sequence": sequence,
    "service_type": text(5),
    "source_ton": octet,
    "source_npi": octet,
    "source": text(20),
    "destination_ton": octet,
    "destination_npi": octet,
    "destination": text(20),
    "esm_class": octet,
    "registered_delivery": octet,
    "data_coding": octet,
    "tlvs": tlvs,
}
SHORT_MESSAGE = {
    **ADDRESSES,
    "protocol_id": octet,
    "priority": octet,
    "schedule_delivery_time": text(16),
    "validity_period": text(16),
    "replace_if_present": octet,
    "default_message_id": octet,
    "short_message": st.binary(max_size=254),
}
ANSWER = {"sequence": sequence, "status": status, "message_id": text(64), "tlvs": tlvs}
EMPTY_ANSWER = {"sequence": sequence, "status": status}
MODE = st.sampled_from(["receiver", "transmitter", "transceiver"])
PDUS = st.one_of(
    st.builds(SubmitSm, **SHORT_MESSAGE),
    st.builds(DeliverSm, **SHORT_MESSAGE),
    st.builds(DataSm, **ADDRESSES),
    *(st.builds(kind, **ANSWER) for kind in (SubmitSmResp, DeliverSmResp, DataSmResp)),
    *(st.builds(kind, **EMPTY_ANSWER) for kind in (SubmitSmResp, DeliverSmResp, DataSmResp, QuerySmResp)),
    *(
        st.builds(kind, **EMPTY_ANSWER)
        for kind in (EnquireLink, EnquireLinkResp, Unbind, UnbindResp, GenericNack)
    ),
    st.builds(
        Bind,
        sequence=sequence,
        mode=MODE,
        system_id=text(15),
        password=text(8),
        system_type=text(12),
        interface_version=octet,
        addr_ton=octet,
        addr_npi=octet,
        address_range=text(40),
    ),
    st.builds(BindResp, sequence=sequence, mode=MODE, status=status, system_id=text(15), tlvs=tlvs),
    st.builds(
        QuerySmResp,
        sequence=sequence,
        status=status,
        message_id=text(64),
        final_date=text(16),
        message_state=octet,
        error_code=octet,
    ),
    st.builds(
        QuerySm,
        sequence=sequence,
        message_id=text(64).filter(bool),
        source_ton=octet,
        source_npi=octet,
        source=text(20),
    ),
)


def verdict(octets: bytes) -> str | int:
    """Read the octets: "read", or the status of the refusal; anything else escapes."""
    try:
        smpp.decode(octets)
    except ProtocolError as error:
        return error.status
    return "read"


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_pdu_comes_back_octet_for_octet(name):
    assert smpp.encode(smpp.decode(GOLDEN[name])) == GOLDEN[name]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_golden_pdu_is_read_as_its_fields_say(vector):
    pdu = smpp.decode(bytes.fromhex(vector["hex"]))
    for name, value in vector["fields"].items():
        if name in PARAMETERS and hasattr(pdu, "tlvs"):
            tag, octets = PARAMETERS[name]
            assert tlv(pdu.tlvs, tag) == octets(value)
        else:
            expected = bytes(value["data"]) if isinstance(value, dict) else value
            assert getattr(pdu, OWN_NAMES.get(name, name)) == expected


PHONE = {"source_ton": 1, "source_npi": 1, "source": "8613800138000", "destination": "10690001"}
# What the golden PDUs leave out, as node-smpp 0.5.1 writes it.
OTHERS = {
    (
        "0000005d0000010300000000000000090001013836313338303031333830303000000031303639303030310004"
        "0000001e000961316232633364340004270001020424001869643a613162326333643420737461743a44454c49"
        "565244"
    ): DataSm(
        sequence=9,
        **PHONE,
        esm_class=4,
        tlvs=((0x001E, b"a1b2c3d4\0"), (0x0427, b"\2"), (0x0424, b"id:a1b2c3d4 stat:DELIVRD")),
    ),
    "00000019800001030000000000000009613162326333643400": DataSmResp(sequence=9, message_id="a1b2c3d4"),
    "00000015800000010000000000000001534d534300": BindResp(sequence=1, mode="receiver", system_id="SMSC"),
    "0000001a800000020000000000000001534d5343000210000134": BindResp(
        sequence=1, mode="transmitter", system_id="SMSC", tlvs=((0x0210, b"\x34"),)
    ),
    (
        "0000003e00000005000000000000000a0001013836313338303031333830303000000031303639303030310000"
        "0000000000000800000424000490008ba2"
    ): DeliverSm(sequence=10, **PHONE, data_coding=8, tlvs=((0x0424, "退订".encode("utf-16-be")),)),
}


@pytest.mark.parametrize(("octets", "pdu"), OTHERS.items())
def test_an_independent_codec_writes_the_same(octets, pdu):
    assert smpp.encode(pdu).hex() == octets
    assert smpp.decode(bytes.fromhex(octets)) == pdu


@given(PDUS)
def test_what_is_written_is_read_back(pdu):
    assert smpp.decode(smpp.encode(pdu)) == pdu


@given(st.binary(max_size=300))
def test_any_octets_give_a_pdu_or_a_protocol_error(octets):
    assert verdict(octets) in ("read", 2, 3)


@given(st.sampled_from(list(GOLDEN.values())), st.data())
def test_any_damage_to_a_pdu_gives_a_pdu_or_a_protocol_error(frame, data):
    cut = data.draw(st.integers(min_value=0, max_value=len(frame)))
    inserted = data.draw(st.binary(max_size=8))
    body = frame[4:cut] + inserted + frame[cut + data.draw(st.integers(0, 4)) :]
    damaged = (len(body) + 4).to_bytes(4, "big") + body
    assert verdict(damaged) in ("read", 2, 3)


@given(
    st.builds(
        SubmitSm,
        sequence=sequence,
        source=st.text(string.ascii_letters + string.digits, max_size=20),
        destination=st.text(string.digits, max_size=20),
        esm_class=octet,
        data_coding=octet,
        registered_delivery=octet,
        short_message=st.binary(min_size=1, max_size=254),
    )
)
def test_smpplib_writes_a_submit_the_same_way(pdu):
    theirs = smpplib.smpp.make_pdu("submit_sm", sequence=pdu.sequence)
    theirs.sequence = pdu.sequence
    theirs.source_addr, theirs.destination_addr = pdu.source, pdu.destination
    theirs.esm_class, theirs.data_coding = pdu.esm_class, pdu.data_coding
    theirs.registered_delivery, theirs.short_message = pdu.registered_delivery, pdu.short_message
    assert theirs.generate() == smpp.encode(pdu)


@given(
    st.builds(
        DeliverSm,
        **{**SHORT_MESSAGE, "tlvs": st.just(()), "source": text(20).filter(bool)},
    )
)
def test_smpplib_reads_a_delivery_the_same_way(pdu):
    theirs = smpplib.smpp.parse_pdu(smpp.encode(pdu), sequence=1, allow_unknown_opt_params=True)
    assert theirs.source_addr == pdu.source.encode("latin-1")
    assert theirs.destination_addr == pdu.destination.encode("latin-1")
    assert (theirs.esm_class, theirs.data_coding) == (pdu.esm_class, pdu.data_coding)
    assert (theirs.short_message or b"") == pdu.short_message


@pytest.mark.parametrize(
    "change",
    [
        {"source": "1" * 21},
        {"destination": "8" * 21},
        {"destination": "138\x00138"},
        {"destination": "一三八"},
        {"service_type": "123456"},
        {"validity_period": "0" * 17},
        {"short_message": b"x" * 255},
        {"esm_class": 256},
        {"sequence": 1 << 32},
        {"tlvs": ((1, b"x" * 65_536),)},
    ],
)
def test_what_does_not_fit_a_submit_is_refused_and_never_cut(change):
    pdu = SubmitSm(sequence=1, source="10690001", destination="8613800138000")
    with pytest.raises(ProtocolError):
        smpp.encode(dataclasses.replace(pdu, **change))


@pytest.mark.parametrize(
    "change", [{"password": "123456789"}, {"system_id": "x" * 16}, {"interface_version": 256}]
)
def test_a_bind_that_smpplib_would_cut_silently_is_refused(change):
    bind = Bind(sequence=1, mode="transceiver", system_id="tester", password="secret08")
    with pytest.raises(ProtocolError):
        smpp.encode(dataclasses.replace(bind, **change))


def test_a_receipted_id_without_its_nul_keeps_its_last_character():
    pdu = smpp.decode(GOLDEN["deliver_sm_dlr_text"])
    unterminated = dataclasses.replace(pdu, tlvs=((0x001E, b"a1b2c3d4"),))
    assert tlv(smpp.decode(smpp.encode(unterminated)).tlvs, 0x001E) == b"a1b2c3d4"


def with_octets_behind(pdu, more: bytes) -> bytes:
    octets = smpp.encode(pdu) + more
    return len(octets).to_bytes(4, "big") + octets[4:]


@pytest.mark.parametrize("more", [b"\0", b"\4\x27\0\1", b"\x14\0\0\5abc"])
def test_parameters_that_break_off_behind_a_text_are_dropped(more):
    pdu = smpp.decode(GOLDEN["deliver_sm_dlr_tlv"])
    assert smpp.decode(with_octets_behind(pdu, more)) == pdu


def test_parameters_that_break_off_where_they_are_all_the_pdu_says_are_refused():
    pdu = DeliverSm(sequence=1, source="1", destination="2")
    assert verdict(with_octets_behind(pdu, b"\4\x24\0\5abc")) == 2


def test_an_unknown_parameter_is_kept():
    pdu = SubmitSmResp(sequence=1, message_id="a", tlvs=((0x1400, b"vendor"),))
    assert smpp.decode(smpp.encode(pdu)) == pdu


def test_the_text_of_a_message_may_be_in_its_payload_parameter():
    submit = smpp.decode(GOLDEN["submit_sm_payload"])
    delivered = DeliverSm(sequence=1, source="1", destination="2", tlvs=submit.tlvs)
    assert message_text(delivered).decode("utf-16-be") == "【测试】您的验证码是123456"


def test_an_unknown_command_asks_for_a_nack_of_its_own_kind():
    with pytest.raises(ProtocolError) as refused:
        smpp.decode(bytes.fromhex("00000010000000210000000000000005"))
    assert (refused.value.status, refused.value.sequence) == (3, 5)


def test_no_number_text_or_password_shows_in_a_repr():
    shown = repr(smpp.decode(GOLDEN["submit_sm_ascii"])) + repr(smpp.decode(GOLDEN["bind_transceiver"]))
    assert not any(secret in shown for secret in ("13800138000", "hello", "secret08"))
