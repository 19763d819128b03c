"""The digits of a route stand behind the link's number on the wire of every protocol."""

from dataclasses import replace
from datetime import datetime

import pytest

from infrastructure.carriers import cmpp, sgip, smgp, smpp
from infrastructure.carriers.dialects import DIALECTS
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.traffic import LinkSettings, Part

NOW = datetime(2026, 11, 23, 17, 25, tzinfo=CHINA)
DECODE = {
    "smpp34": smpp.decode,
    "cmpp20": lambda octets: cmpp.decode(octets, 0x20),
    "cmpp30": lambda octets: cmpp.decode(octets, 0x30),
    "smgp30": smgp.decode,
    "sgip12": sgip.decode,
}
LONGEST = {"smpp34": 20, "cmpp20": 21, "cmpp30": 21, "smgp30": 21, "sgip12": 21}
PART = Part(destination="8613800138000", payload="您好".encode("utf-16-be"), data_coding=8)


def submit(protocol: str, number: str, extension: str) -> bytes:
    settings = LinkSettings(
        name="one",
        protocol=protocol,
        host="127.0.0.1",
        port=7890,
        system_id="901234",
        password="secret",
        source_address=number,
        node_id=3_000_112_345,
    )
    return DIALECTS[protocol](settings, lambda: NOW).submit(1, replace(PART, extension=extension))


@pytest.mark.parametrize("protocol", DECODE)
def test_the_phone_sees_the_link_s_number_with_the_route_s_digits_behind_it(protocol: str):
    assert DECODE[protocol](submit(protocol, "10690001", "0012")).source == "106900010012"
    assert DECODE[protocol](submit(protocol, "10690001", "")).source == "10690001"


@pytest.mark.parametrize(("protocol", "longest"), LONGEST.items())
def test_a_number_of_the_longest_form_goes_out_whole_and_a_longer_one_not_at_all(protocol: str, longest: int):
    number = "1" * (longest - 4)
    assert DECODE[protocol](submit(protocol, number, "0012")).source == number + "0012"
    with pytest.raises((ProtocolError, ValueError)):
        submit(protocol, number, "00123")
