"""What a protocol has no room for is refused by a stable code, before a carrier refuses it without a clear word."""

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import BadInput
from domain.events.link import Breaker, Configured, Encryption, Inbound, Tariff
from domain.protocols import PROTOCOLS, notes, require_inbound_password, require_link, require_password
from domain.values import Carrier

INBOUND = Inbound(host="192.0.2.1", port=8801, login="smg", sealed_password="")
NODE = 3_010_012_345


def link(protocol: str, **changes: Any) -> Configured:  # noqa: ANN401
    """A link that its protocol allows, but for the changes; `tariff` is a change of the tariff."""
    sgip = protocol == "sgip12"
    tariff = replace(Tariff(node_id=NODE if sgip else 0), **changes.pop("tariff", {}))
    made = Configured(
        name="test",
        protocol=protocol,
        host="192.0.2.10",
        port=7890,
        system_id="901234",
        sealed_password="",
        source_address="10690000",
        carriers=(Carrier.MOBILE,),
        window=16,
        rate_per_second=0,
        response_timeout_seconds=60,
        tariff=tariff,
        inbound=INBOUND if sgip else None,
    )
    return replace(made, **changes)


ALL = tuple(PROTOCOLS)
CMPP = ("cmpp20", "cmpp30")
NOT_SMPP = (*CMPP, "sgip12", "smgp30")
ONE_WAY = ("smpp34", "smgp30")
BOTH_WAYS = (*CMPP, "sgip12")
NOT_SGIP = ("smpp34", *CMPP, "smgp30")

WRONG: tuple[tuple[tuple[str, ...], dict[str, Any], str, str], ...] = (
    (ALL, {"host": ""}, "link_address", "host"),
    (ALL, {"host": "carrier.example:7890/x"}, "link_address", "host"),
    (ALL, {"host": "two words"}, "link_address", "host"),
    (ALL, {"host": "gw..example"}, "link_address", "host"),
    (ALL, {"host": f"{'a' * 64}.example"}, "link_address", "host"),
    (ALL, {"host": "-gw.example"}, "link_address", "host"),
    (ALL, {"port": 0}, "link_address", "port"),
    (ALL, {"port": 65_536}, "link_address", "port"),
    (ALL, {"system_id": ""}, "link_account", "system_id"),
    (ALL, {"system_id": "a b"}, "link_account", "system_id"),
    (ALL, {"system_id": "账户"}, "link_account", "system_id"),
    (("smpp34",), {"system_id": "a" * 16}, "link_account", "system_id"),
    (CMPP, {"system_id": "9012345"}, "link_account", "system_id"),
    (("sgip12",), {"system_id": "a" * 17}, "link_account", "system_id"),
    (("smgp30",), {"system_id": "a" * 9}, "link_account", "system_id"),
    (ALL, {"source_address": ""}, "link_number", "source_address"),
    (("smpp34",), {"source_address": "1" * 21}, "link_number", "source_address"),
    (("smpp34",), {"source_address": "TWELVELETTER"}, "link_number", "source_address"),
    (NOT_SMPP, {"source_address": "1" * 22}, "link_number", "source_address"),
    (NOT_SMPP, {"source_address": "SHILI"}, "link_number", "source_address"),
    (ALL, {"source_address": "１０６９"}, "link_number", "source_address"),
    (ALL, {"window": 0}, "link_invalid", "window"),
    (ALL, {"window": 5_001}, "link_invalid", "window"),
    (ALL, {"rate_per_second": -1}, "link_invalid", "rate_per_second"),
    (ALL, {"connections": 0}, "link_invalid", "connections"),
    (ALL, {"connections": 65}, "link_invalid", "connections"),
    (ONE_WAY, {"connections": 2, "receivers": 2}, "link_invalid", "receivers"),
    (ONE_WAY, {"receivers": 1}, "link_invalid", "receivers"),
    (ONE_WAY, {"receivers": -1}, "link_invalid", "receivers"),
    (BOTH_WAYS, {"connections": 2, "receivers": 1}, "link_option", "receivers"),
    (ALL, {"response_timeout_seconds": 0}, "link_invalid", "response_timeout_seconds"),
    (ALL, {"keep_alive_seconds": 0}, "link_invalid", "keep_alive_seconds"),
    (ALL, {"carriers": ()}, "link_invalid", "carriers"),
    (ALL, {"carriers": (Carrier.MOBILE, Carrier.MOBILE)}, "link_invalid", "carriers"),
    (ALL, {"breaker": Breaker(refused_percent=101)}, "link_invalid", "breaker.refused_percent"),
    (ALL, {"breaker": Breaker(undelivered_percent=-1)}, "link_invalid", "breaker.undelivered_percent"),
    (ALL, {"breaker": Breaker(least=0)}, "link_invalid", "breaker.least"),
    (ALL, {"breaker": Breaker(open_seconds=0)}, "link_invalid", "breaker.open_seconds"),
    (("smpp34",), {"tariff": {"service_id": "X"}}, "link_tariff", "tariff.service_id"),
    (NOT_SMPP, {"tariff": {"service_id": "S" * 11}}, "link_tariff", "tariff.service_id"),
    (NOT_SMPP, {"tariff": {"service_id": "业务"}}, "link_tariff", "tariff.service_id"),
    (("smpp34", *CMPP), {"tariff": {"corp_id": "1"}}, "link_tariff", "tariff.corp_id"),
    (("sgip12",), {"tariff": {"corp_id": "123456"}}, "link_tariff", "tariff.corp_id"),
    (("smgp30",), {"tariff": {"corp_id": "123456789"}}, "link_tariff", "tariff.corp_id"),
    (("smpp34",), {"tariff": {"fee_type": "01"}}, "link_tariff", "tariff.fee_type"),
    (("cmpp30",), {"tariff": {"fee_type": "04"}}, "link_tariff", "tariff.fee_type"),
    (("cmpp20",), {"tariff": {"fee_type": "06"}}, "link_tariff", "tariff.fee_type"),
    (("sgip12",), {"tariff": {"fee_type": "01"}}, "link_tariff", "tariff.fee_type"),
    (("smgp30",), {"tariff": {"fee_type": "1"}}, "link_tariff", "tariff.fee_type"),
    (ALL, {"tariff": {"fee_code": "free"}}, "link_tariff", "tariff.fee_code"),
    (ALL, {"tariff": {"fee_code": "1234567"}}, "link_tariff", "tariff.fee_code"),
    (("sgip12",), {"tariff": {"fee_code": "123456"}}, "link_tariff", "tariff.fee_code"),
    (CMPP, {"tariff": {"fee_user_type": 3}}, "link_tariff", "tariff.fee_user_type"),
    (("smpp34", "sgip12", "smgp30"), {"tariff": {"fee_user_type": 1}}, "link_tariff", "tariff.fee_user_type"),
    (NOT_SGIP, {"tariff": {"node_id": NODE}}, "link_tariff", "tariff.node_id"),
    (("sgip12",), {"tariff": {"node_id": 0}}, "link_tariff", "tariff.node_id"),
    (("sgip12",), {"tariff": {"node_id": 1 << 32}}, "link_tariff", "tariff.node_id"),
    (NOT_SMPP, {"system_type": "SMS"}, "link_option", "system_type"),
    (("smpp34",), {"system_type": "T" * 13}, "link_option", "system_type"),
    (NOT_SMPP, {"id_format": "resp-dec-hex"}, "link_option", "id_format"),
    (NOT_SMPP, {"encryption": Encryption()}, "link_encryption", "encryption"),
    (NOT_SGIP, {"inbound": INBOUND}, "link_inbound", "inbound"),
    (("sgip12",), {"inbound": None}, "link_inbound", "inbound"),
    (("sgip12",), {"inbound": replace(INBOUND, port=0)}, "link_address", "inbound.port"),
    (("sgip12",), {"inbound": replace(INBOUND, host="")}, "link_address", "inbound.host"),
    (("sgip12",), {"inbound": replace(INBOUND, login="")}, "link_inbound", "inbound.login"),
    (("sgip12",), {"inbound": replace(INBOUND, login="L" * 17)}, "link_inbound", "inbound.login"),
)
CASES = [(protocol, *rest) for protocols, *rest in WRONG for protocol in protocols]


@pytest.mark.parametrize(("protocol", "changes", "code", "field"), CASES)
def test_what_the_protocol_has_no_room_for_is_refused(
    protocol: str, changes: dict[str, Any], code: str, field: str
):
    with pytest.raises(BadInput) as refused:
        require_link(link(protocol, **changes))
    assert (refused.value.code, refused.value.field) == (code, field)


FULL: dict[str, dict[str, Any]] = {
    "smpp34": {
        "system_id": "a" * 15,
        "source_address": "1" * 20,
        "system_type": "T" * 12,
        "id_format": "resp-hex-dlr-dec",
        "encryption": Encryption(),
        "window": 5_000,
        "connections": 64,
        "receivers": 63,
    },
    "cmpp20": {
        "source_address": "1" * 21,
        "tariff": {"service_id": "S" * 10, "fee_type": "05", "fee_code": "000000", "fee_user_type": 0},
    },
    "cmpp30": {"tariff": {"service_id": "S" * 10, "fee_type": "03", "fee_code": "999999"}},
    "sgip12": {
        "system_id": "a" * 16,
        "inbound": replace(INBOUND, host="::", login="L" * 16),
        "tariff": {"corp_id": "99999", "fee_type": "4", "fee_code": "99999", "node_id": (1 << 32) - 1},
    },
    "smgp30": {"system_id": "a" * 8, "tariff": {"corp_id": "C" * 8, "fee_type": "00", "fee_code": "0"}},
}


@pytest.mark.parametrize("protocol", ALL)
def test_what_just_fits_is_taken(protocol: str):
    require_link(link(protocol))
    require_link(link(protocol, **FULL[protocol]))


def test_a_sender_of_letters_is_possible_with_smpp_alone():
    require_link(link("smpp34", source_address="SHILI TECH"))


def test_a_protocol_that_nobody_here_speaks_is_refused():
    with pytest.raises(BadInput, match="link_protocol"):
        require_link(replace(link("smpp34"), protocol="smpp50"))


@pytest.mark.parametrize(
    ("protocol", "most"), [("smpp34", 8), ("cmpp20", 64), ("cmpp30", 64), ("sgip12", 16), ("smgp30", 15)]
)
def test_a_password_fits_the_protocol_s_login_and_is_never_quoted(protocol: str, most: int):
    require_password(protocol, "p" * most)
    for wrong in ("p" * (most + 1), "", "密码", "tab\t"):
        with pytest.raises(BadInput, match="link_password") as refused:
            require_password(protocol, wrong)
        assert not wrong or wrong not in str(refused.value)


def test_the_carrier_s_password_at_our_port_is_one_of_sgip():
    require_inbound_password("p" * 16)
    with pytest.raises(BadInput, match="link_password") as refused:
        require_inbound_password("p" * 17)
    assert refused.value.field == "inbound.password"


def test_what_is_possible_and_often_not_meant_is_told():
    assert notes(link("smpp34", window=500)) == ()
    assert notes(link("cmpp20", tariff={"service_id": "MSGOK"})) == ()
    (wide,) = notes(link("cmpp20", window=17, tariff={"service_id": "MSGOK"}))
    assert "16" in wide
    assert len(notes(link("sgip12"))) == 2
