"""The SMGP codec against golden octets of independent codecs, and against anything at all."""

import dataclasses
import hashlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers import smgp
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.smgp_pdus import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Login,
    LoginResp,
    Submit,
    SubmitResp,
    Tag,
    tlv,
)
from tests.infrastructure.carriers import octets
from tests.infrastructure.carriers.octets import damaged, golden, octet, plain, text, tlvs, vectors, word

VECTORS = {each["name"]: each for each in vectors("smgp30")}
GOLDEN = golden("smgp30")
OWN_NAMES = {
    "ClientID": "client_id",
    "AuthenticatorClient": "authenticator",
    "LoginMode": "mode",
    "TimeStamp": "timestamp",
    "ClientVersion": "version",
    "MsgType": "message_type",
    "NeedReport": "need_report",
    "Priority": "priority",
    "ServiceID": "service_id",
    "FeeType": "fee_type",
    "FeeCode": "fee_code",
    "FixedFee": "fixed_fee",
    "MsgFormat": "coding",
    "ValidTime": "valid_time",
    "AtTime": "at_time",
    "SrcTermID": "source",
    "ChargeTermID": "charge",
    "MsgContent": "content",
    "Reserve": "reserve",
    "Status": "status",
    "IsReport": "is_report",
    "RecvTime": "received",
    "SequenceID": "sequence",
}
PARAMETERS = {
    "TP_udhi(2)": Tag.TP_UDHI,
    "MsgSrc(0x10)": Tag.MSG_SRC,
    "PkTotal(9)": Tag.PK_TOTAL,
    "PkNumber(0x0A)": Tag.PK_NUMBER,
}

message_id = st.binary(min_size=10, max_size=10)
digest = st.binary(min_size=16, max_size=16)
CONTENT = {
    "sequence": word,
    "coding": octet,
    "source": text(21),
    "content": st.binary(max_size=255),
    "reserve": text(8),
    "tlvs": tlvs,
}
PDUS = st.one_of(
    st.builds(
        Login,
        sequence=word,
        client_id=text(8),
        authenticator=digest,
        mode=octet,
        timestamp=word,
        version=octet,
    ),
    st.builds(LoginResp, sequence=word, status=word, authenticator=digest, version=octet),
    st.builds(
        Submit,
        **CONTENT,
        message_type=octet,
        need_report=octet,
        priority=octet,
        service_id=text(10),
        fee_type=text(2),
        fee_code=text(6),
        fixed_fee=text(6),
        valid_time=text(17),
        at_time=text(17),
        charge=text(21),
        destinations=st.lists(text(21), min_size=1, max_size=100).map(tuple),
    ),
    st.builds(
        Deliver, **CONTENT, message_id=message_id, is_report=octet, received=text(14), destination=text(21)
    ),
    *(
        st.builds(kind, sequence=word, message_id=message_id, status=word)
        for kind in (SubmitResp, DeliverResp)
    ),
    *(st.builds(kind, sequence=word) for kind in (ActiveTest, ActiveTestResp, Exit, ExitResp)),
)


md5 = partial(hashlib.md5, usedforsecurity=False)
verdict = partial(octets.verdict, smgp.decode, sequence=slice(8, 12))


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_pdu_comes_back_octet_for_octet(name):
    assert smgp.encode(smgp.decode(GOLDEN[name])) == GOLDEN[name]


@pytest.mark.parametrize("name", [name for name in GOLDEN if "same_as" not in VECTORS[name]["fields"]])
def test_every_golden_pdu_is_read_as_its_fields_say(name):
    pdu, fields = smgp.decode(GOLDEN[name]), VECTORS[name]["fields"]
    for field, value in fields.items():
        if field in OWN_NAMES:
            assert getattr(pdu, OWN_NAMES[field]) == plain(value), field
        elif field == "DestTermID":
            assert getattr(pdu, "destinations", getattr(pdu, "destination", None)) in (tuple(value), value)
        elif field == "MsgID":
            raw = value["raw"] if isinstance(value, dict) else value
            assert pdu.message_id == bytes.fromhex(raw.removeprefix("hex:"))
        elif field == "Options":
            assert pdu.tlvs == tuple((int(tag), plain(each)) for tag, each in value.items())
        elif field == "Header":
            assert pdu.sequence == value["SequenceID"]
        else:
            assert field in ("Secret", "DestTermIDCount", "MsgLength", "seq", "report"), field


@pytest.mark.parametrize("name", [name for name in GOLDEN if "same_as" in VECTORS[name]["fields"]])
def test_the_optional_parameters_are_read_and_the_rest_is_the_same_without_them(name):
    pdu, fields = smgp.decode(GOLDEN[name]), VECTORS[name]["fields"]
    assert dataclasses.replace(pdu, tlvs=()) == smgp.decode(GOLDEN[fields["same_as"]])
    for label, value in fields["TLVs"].items():
        expected = bytes([value]) if isinstance(value, int) else value.split(" ")[0].encode() + b"\0"
        assert tlv(pdu.tlvs, PARAMETERS[label]) == expected


@pytest.mark.parametrize("name", [name for name in VECTORS if "disagree" in VECTORS[name]])
def test_what_a_faulty_codec_writes_for_an_exit_is_not_read_as_one(name):
    for theirs in VECTORS[name]["disagree"].values():
        assert isinstance(smgp.decode(bytes.fromhex(theirs)), ActiveTest | ActiveTestResp)


def test_the_authenticator_of_the_golden_login_is_ours():
    login = smgp.decode(GOLDEN["login"])
    assert smgp.client_authenticator("10690001", "secret1234", 301000000) == login.authenticator


def test_the_authenticators_are_over_these_octets():
    client = md5(b"a" + bytes(7) + b"b0101000000").digest()
    assert smgp.client_authenticator("a", "b", 101000000) == client
    assert smgp.server_authenticator(1, client, "b") == md5(b"\0\0\0\1" + client + b"b").digest()


@given(PDUS)
def test_what_is_written_is_read_back(pdu):
    assert smgp.decode(smgp.encode(pdu)) == pdu


@given(st.binary(max_size=400))
def test_any_octets_give_a_pdu_or_a_protocol_error(frame):
    assert verdict(frame) in ("read", 10, 11)


@given(st.sampled_from([1, 2, 3, 4, 6, 0x80000001, 0x80000002, 0x80000003]), st.binary(max_size=400))
def test_any_body_gives_a_pdu_or_a_protocol_error(command, body):
    header = (12 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4)
    assert verdict(header + body) in ("read", 10)


@given(damaged(list(GOLDEN.values())))
def test_any_damage_to_a_pdu_gives_a_pdu_or_a_protocol_error(frame):
    assert verdict(frame) in ("read", 10, 11)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_pdu_that_is_cut_anywhere_gives_a_protocol_error_even_if_its_length_agrees(name):
    frame = GOLDEN[name]
    for end in range(smgp.HEADER_OCTETS, len(frame)):
        cut = end.to_bytes(4, "big") + frame[4:end]
        without_reserve = "content" in dir(smgp.decode(frame)) and end == len(frame) - 8
        assert verdict(cut) == ("read" if without_reserve else 10) or "tlv" in name


@pytest.mark.parametrize(
    "change",
    [
        {"source": "1" * 22},
        {"destinations": ("1" * 22,)},
        {"destinations": ()},
        {"destinations": ("13800138000",) * 101},
        {"destinations": ("138\x00138",)},
        {"destinations": ("一三八",)},
        {"service_id": "12345678901"},
        {"valid_time": "0" * 18},
        {"content": b"x" * 256},
        {"coding": 256},
        {"sequence": 1 << 32},
        {"sequence": -1},
        {"tlvs": ((1, b"x" * 65_536),)},
    ],
)
def test_what_does_not_fit_a_submit_is_refused_and_never_cut(change):
    pdu = Submit(sequence=1, source="10690001", destinations=("13800138000",))
    with pytest.raises(ProtocolError):
        smgp.encode(dataclasses.replace(pdu, **change))


@pytest.mark.parametrize("change", [{"client_id": "123456789"}, {"authenticator": bytes(15)}, {"mode": 256}])
def test_what_does_not_fit_a_login_is_refused_and_never_cut(change):
    login = Login(sequence=1, client_id="12345678", authenticator=bytes(16), timestamp=1)
    with pytest.raises(ProtocolError):
        smgp.encode(dataclasses.replace(login, **change))


def test_a_message_id_of_the_wrong_length_is_refused():
    with pytest.raises(ProtocolError):
        smgp.encode(SubmitResp(sequence=1, message_id=b"123456789"))


def test_an_unknown_parameter_is_kept():
    pdu = Submit(sequence=1, destinations=("13800138000",), tlvs=((0x1400, b"vendor"), (0x0002, b"")))
    assert smgp.decode(smgp.encode(pdu)) == pdu


def test_a_message_id_is_not_cut_at_a_nul():
    pdu = smgp.decode(GOLDEN["deliver_mo_ucs2_notlv"])
    within = dataclasses.replace(pdu, message_id=b"\x01\x00\x00\x11\x23\x17\x26\x01\x23\x00")
    assert smgp.decode(smgp.encode(within)).message_id == within.message_id


def test_no_number_text_or_digest_shows_in_a_repr():
    shown = repr(smgp.decode(GOLDEN["submit_ascii_2dest_notlv"])) + repr(smgp.decode(GOLDEN["login"]))
    assert not any(secret in shown for secret in ("13800138000", "hello", "FL", "authenticator"))
