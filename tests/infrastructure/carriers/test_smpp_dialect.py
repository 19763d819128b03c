"""What SMPP's receipts and ids mean to the platform."""

from datetime import datetime

import pytest

from infrastructure.carriers.dialect import Delivery
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.smpp import decode
from infrastructure.carriers.smpp_dialect import SmppDialect
from infrastructure.carriers.traffic import Receipt, Taken
from infrastructure.simulator.wire import Pdu, build
from tests.infrastructure.carriers.rig import GOLDEN, part, settings


def heard(pdu: Pdu, id_format: str = "same") -> Receipt:
    delivery = SmppDialect(settings(1, id_format=id_format)).hear(build(pdu))
    assert isinstance(delivery, Delivery)
    assert isinstance(delivery.content, Receipt)
    return delivery.content


def receipt(text: str = "", *, esm_class: int = 4, options: tuple = ()) -> Pdu:
    fields = {
        "source_addr": "+8613800138000",
        "destination_addr": "10690001",
        "esm_class": esm_class,
        "short_message": text.encode(),
    }
    return Pdu("deliver_sm", 1, 0, fields, options)


def test_the_golden_receipt_says_everything():
    delivery = SmppDialect(settings(1)).hear(GOLDEN["deliver_sm_dlr_text"])
    assert delivery.content == Receipt(
        carrier_id="a1b2c3d4",
        status="DELIVRD",
        error_code="000",
        done_text="2611231726",
        done_at=datetime(2026, 11, 23, 17, 26, tzinfo=CHINA),
        phone="8613800138000",
    )


def test_the_parameter_is_trusted_before_the_text_for_the_id():
    pdu = receipt("id:text stat:DELIVRD", options=((0x001E, b"parameter\0"),))
    assert heard(pdu).carrier_id == "parameter"


def test_an_unterminated_parameter_is_read_whole():
    assert heard(receipt(options=((0x001E, b"a1b2c3d4"),))).carrier_id == "a1b2c3d4"


def test_what_stands_behind_the_nul_of_a_parameter_is_no_part_of_the_id():
    """A carrier that sends a buffer of fixed length; the database takes no text with a NUL."""
    assert heard(receipt(options=((0x001E, b"a1b2\0\0left over"),))).carrier_id == "a1b2"


def test_a_text_in_ucs2_brings_no_nul_into_what_it_says():
    text = "id:a\0b stat:DELIVRD err:\0".encode("utf-16-be").decode("latin-1")
    pdu = receipt()
    pdu.fields["short_message"] = text.encode("latin-1")
    said = heard(pdu)
    assert (said.carrier_id, said.status) == ("a", "DELIVRD")
    assert "\0" not in f"{said}"


@pytest.mark.parametrize("named", [True, False])
def test_an_id_without_an_end_is_cut(named: bool):
    name = "7" * 10_000
    options = ((0x001E, name.encode()),) if named else ((0x0424, f"id:{name} stat:DELIVRD".encode()),)
    assert heard(receipt(options=options)).carrier_id == "7" * 255


def test_the_text_is_trusted_before_the_parameter_for_the_state():
    assert heard(receipt("id:1 stat:UNDELIV", options=((0x0427, b"\x02"),))).status == "UNDELIV"


@pytest.mark.parametrize(
    ("octet", "status"), [(2, "DELIVRD"), (3, "EXPIRED"), (8, "REJECTD"), (0, "UNKNOWN"), (99, "UNKNOWN")]
)
def test_an_empty_text_leaves_the_state_to_the_parameter(octet, status):
    assert heard(receipt(options=((0x0427, bytes([octet])),))).status == status


def test_the_network_error_is_the_code_when_the_text_has_none():
    assert heard(receipt("id:1 stat:UNDELIV", options=((0x0423, b"\x03\x01\x02"),))).error_code == "258"


def test_an_intermediate_notification_is_a_receipt_too():
    assert heard(receipt("id:1 stat:ENROUTE", esm_class=0x20)).status == "ENROUTE"


def test_a_receipt_that_names_no_message_is_kept_without_an_id():
    assert heard(receipt("stat:DELIVRD")).carrier_id == ""


def test_the_parameter_alone_makes_a_receipt():
    assert heard(receipt("", esm_class=0, options=((0x001E, b"9"), (0x0427, b"\x02")))).carrier_id == "9"


@pytest.mark.parametrize(
    ("id_format", "answered", "reported"),
    [
        ("same", "00a1B2", "00a1B2"),
        ("resp-hex-dlr-dec", "1A2B", "6699"),
        ("resp-hex-dlr-dec", "00001a2b", "0000006699"),
        ("resp-dec-hex", "6699", "1a2b"),
        ("resp-dec-hex", "6699", "00001A2B"),
        ("resp-hex-dlr-dec", "not-a-number", "not-a-number"),
    ],
)
@pytest.mark.parametrize("named_by", ["text", "parameter as in the text", "parameter as in the answer"])
def test_ids_of_answer_and_receipt_meet_in_every_format(id_format, answered, reported, named_by):
    answer = SmppDialect(settings(1, id_format=id_format)).hear(
        build(Pdu("submit_sm_resp", 1, 0, {"message_id": answered}))
    )
    parameter = {"text": None, "parameter as in the text": reported, "parameter as in the answer": answered}
    named = parameter[named_by]
    options = () if named is None else ((0x001E, named.encode() + b"\0"),)
    found = heard(receipt(f"id:{reported} stat:DELIVRD", options=options), id_format)
    assert answer.answer == Taken(found.carrier_id)


@pytest.mark.parametrize("named", ["7B", "0000007b"])
def test_an_id_in_hexadecimal_is_the_same_in_either_case_and_with_noughts(named):
    found = heard(receipt("id:7b stat:DELIVRD", options=((0x001E, named.encode()),)), "resp-dec-hex")
    assert found.carrier_id == "123"


@pytest.mark.parametrize("destination", ["10690001", "+10690001", " 10690001 "])
def test_a_reply_names_our_number_in_digits(destination):
    fields = {"source_addr": "8613800138000", "destination_addr": destination, "short_message": b"TD"}
    delivery = SmppDialect(settings(1)).hear(build(Pdu("deliver_sm", 1, 0, fields)))
    assert delivery.content.destination == "10690001"


def test_blanks_round_an_id_are_no_part_of_it():
    answer = SmppDialect(settings(1)).hear(build(Pdu("submit_sm_resp", 1, 0, {"message_id": " a1 "})))
    assert answer.answer == Taken("a1")
    assert heard(receipt(options=((0x001E, b"a1 \0"),))).carrier_id == "a1"


@pytest.mark.parametrize("ours", ["10690001", "1069000112"])
def test_a_receipt_that_leaves_the_addresses_as_the_submit_had_them_names_the_same_phone(ours):
    fields = {
        "source_addr": ours,
        "destination_addr": "8613800138000",
        "esm_class": 4,
        "short_message": b"id:1 stat:DELIVRD",
    }
    assert heard(Pdu("deliver_sm", 1, 0, fields)).phone == "8613800138000"


@pytest.mark.parametrize(
    ("sender", "kind"), [("10690001", (0, 0)), ("SHILI", (5, 0)), ("106 90", (5, 0)), ("9to5", (5, 0))]
)
def test_a_sender_of_letters_is_announced_as_such(sender, kind):
    sent = decode(SmppDialect(settings(1, source_address=sender)).submit(1, part()))
    assert (sent.source, sent.source_ton, sent.source_npi) == (sender, *kind)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, ""),
        (86_400, "000001000000000R"),
        (3_661, "000000010101000R"),
        (0, "000000000001000R"),
        (10**9, "000031000000000R"),
    ],
)
def test_a_validity_is_a_relative_time(seconds, written):
    octets = SmppDialect(settings(1)).submit(1, part(validity_seconds=seconds))
    assert written.encode() + b"\0" in octets
