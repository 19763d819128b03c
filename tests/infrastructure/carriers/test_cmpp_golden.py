"""The CMPP codec against golden octets, which other codecs made."""

import json
from pathlib import Path
from typing import Any

import pytest

from infrastructure.carriers import cmpp
from infrastructure.carriers.cmpp_pdus import (
    Connect,
    ConnectResp,
    Deliver,
    Report,
    Version,
)
from infrastructure.carriers.cmpp_report import decode_report, encode_report

FILES: dict[str, Version] = {"cmpp20": 0x20, "cmpp30": 0x30}
VECTORS: dict[tuple[str, str], dict[str, Any]] = {
    (name, vector["name"]): vector
    for name in FILES
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / f"{name}.json").read_text())["vectors"]
}
REPORT_BODIES = [key for key in VECTORS if key[1].startswith("report_body")]
PDU_VECTORS = [key for key in VECTORS if key not in REPORT_BODIES]
# Its maker writes the result of a cancel in four octets in 2.0 too; the specification has one.
WIDER_THAN_THE_SPECIFICATION = ("cmpp20", "cancel_resp")
OWN_NAMES = {
    "AuthIsmg": "authenticator",
    "AuthSrc": "authenticator",
    "DestId": "destination",
    "Dest_Id": "destination",
    "DestTerminalId": "destinations",
    "DestTerminalType": "destination_type",
    "FeeTerminalId": "fee_terminal",
    "LinkId": "link_id",
    "MO_FL": "mo_failed",
    "MO_Scs": "mo_succeeded",
    "MO_WT": "mo_waiting",
    "MT_FL": "mt_failed",
    "MT_Scs": "mt_succeeded",
    "MT_TLMsg": "mt_messages",
    "MT_Tlusr": "mt_users",
    "MT_WT": "mt_waiting",
    "MsgContent": "content",
    "MsgFmt": "message_format",
    "MsgId": "message_id",
    "MsgLevel": "level",
    "MsgSrc": "message_source",
    "Msg_Id": "message_id",
    "PkNumber": "part",
    "PkTotal": "parts",
    "Query_Code": "query_code",
    "Query_Type": "query_type",
    "RegisterDelivery": "registered_delivery",
    "Registered_Delivery": "registered_delivery",
    "Reserve": "link_id",
    "SeqId": "sequence",
    "Service_Id": "service_id",
    "SrcAddr": "source_address",
    "SrcId": "source",
    "SrcTerminalId": "source",
    "SrcTerminalType": "source_type",
    "Src_terminal_Id": "source",
    "Success_Id": "result",
    "Time": "day",
    "ValidTime": "valid_time",
    "FeeUserType": "fee_user_type",
    "seq": "sequence",
}
REPORT_NAMES = {
    "DestTerminalId": "destination",
    "Dest_terminal_Id": "destination",
    "DoneTime": "done_time",
    "Done_time": "done_time",
    "MsgId": "message_id",
    "Msg_Id": "message_id",
    "SMSC_sequence": "smsc_sequence",
    "SmscSequence": "smsc_sequence",
    "Stat": "status",
    "SubmitTime": "submit_time",
    "Submit_time": "submit_time",
}
ELSEWHERE = {"DestUsrTl", "Header", "MsgLength", "Msg_Length", "Secret", "report"}


def snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name).lstrip("_")


def expected(value, found):
    """What the vector's JSON means, in the type that was read."""
    if isinstance(found, bytes):
        return bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode()
    if isinstance(found, int) and isinstance(value, str):
        return int(value, 10 if value.isdecimal() and len(value) != 16 else 16)
    return tuple(value) if isinstance(value, list) else value


def golden(key: tuple[str, str]) -> tuple[bytes, Version]:
    return bytes.fromhex(VECTORS[key]["hex"]), FILES[key[0]]


@pytest.mark.parametrize("key", PDU_VECTORS, ids="-".join)
def test_every_golden_pdu_comes_back_octet_for_octet(key):
    octets, version = golden(key)
    again = cmpp.encode(cmpp.decode(octets, version), version)
    if key == WIDER_THAN_THE_SPECIFICATION:
        octets = bytes.fromhex("0000000d800000070000000e00")
    assert again == octets


@pytest.mark.parametrize("key", PDU_VECTORS, ids="-".join)
def test_every_golden_pdu_is_read_as_its_fields_say(key):
    pdu = cmpp.decode(*golden(key))
    compared = 0
    for name, value in VECTORS[key]["fields"].items():
        if name in ELSEWHERE or (name == "AuthSrc" and isinstance(pdu, ConnectResp)):
            continue
        if name == "MsgContent" and VECTORS[key]["name"] == "submit_140_octets":
            value = "hex:" + "00" * 140
        found = getattr(pdu, OWN_NAMES.get(name, snake(name)))
        assert found == expected(value, found), name
        compared += 1
    assert compared


@pytest.mark.parametrize("key", REPORT_BODIES, ids="-".join)
def test_every_golden_report_is_read_and_written_alike(key):
    octets, version = golden(key)
    report = decode_report(octets)
    for name, value in VECTORS[key]["fields"].items():
        found = getattr(report, REPORT_NAMES[name])
        assert found == expected(value, found)
    assert encode_report(report, version) == octets


@pytest.mark.parametrize("name", FILES)
def test_a_golden_report_within_a_deliver_is_read(name):
    deliver = cmpp.decode(*golden((name, "deliver_report")))
    assert isinstance(deliver, Deliver)
    report = Report(
        message_id=0xBBC5964003E90001,
        status="DELIVRD",
        submit_time="2611231725",
        done_time="2611231726",
        destination="13800138000",
        smsc_sequence=0x11223344,
    )
    assert decode_report(deliver.content) == report
    assert encode_report(report, FILES[name]) == deliver.content


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("vector", ["connect", "connect_ts_leading_zero"])
def test_the_golden_digests_of_a_connect_are_made_from_the_secret(name, vector):
    connect = cmpp.decode(*golden((name, vector)))
    assert isinstance(connect, Connect)
    secret = VECTORS[name, vector]["fields"]["Secret"]
    assert cmpp.authenticator(connect.source_address, secret, connect.timestamp) == connect.authenticator


@pytest.mark.parametrize("name", FILES)
def test_the_golden_digest_of_the_carrier_is_made_from_the_secret(name):
    answer = cmpp.decode(*golden((name, "connect_resp_ok")))
    assert isinstance(answer, ConnectResp)
    fields = VECTORS[name, "connect_resp_ok"]["fields"]
    theirs = bytes.fromhex(fields["AuthSrc"][4:])
    assert cmpp.carrier_authenticator(0, theirs, fields["Secret"], FILES[name]) == answer.authenticator
