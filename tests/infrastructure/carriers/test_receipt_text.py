"""Receipts as the vendors write them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers.receipt_text import CHINA, ReceiptText, carrier_time, read_receipt_text


def test_the_text_of_the_specification_is_read():
    text = (
        "id:a1b2c3d4 sub:001 dlvrd:001 submit date:2611231725 done date:2611231726 stat:DELIVRD err:000 text:"
    )
    assert read_receipt_text(text) == ReceiptText("a1b2c3d4", "DELIVRD", "000", "2611231726")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ID:77 STAT:undeliv ERR:MK:0001", ReceiptText("77", "UNDELIV", "MK:0001", "")),
        ("stat:EXPIRED id:9-a/b", ReceiptText("9-a/b", "EXPIRED", "", "")),
        (
            "id: 5 sub: 001 done_date: 261123172659 stat: DELIVRD",
            ReceiptText("5", "DELIVRD", "", "261123172659"),
        ),
        ("id: sub:001 stat: err: text:hello", ReceiptText("", "", "", "")),
        ("id:1 stat:DELIVRD err:000 Text:id:2 stat:UNDELIV", ReceiptText("1", "DELIVRD", "000", "")),
        ("id:1\tstat:REJECTD\r\nerr:006", ReceiptText("1", "REJECTD", "006", "")),
        ("id:   5  stat:  DELIVRD err:    text:", ReceiptText("5", "DELIVRD", "", "")),
        ("id:1 stat:Delivered", ReceiptText("1", "DELIVRD", "", "")),
        ("id:1 stat:UNDELIVERABLE", ReceiptText("1", "UNDELIV", "", "")),
        ("", ReceiptText("", "", "", "")),
        ("thanks, grid:7 is paid:yes", ReceiptText("", "", "", "")),
    ],
)
def test_every_vendors_text_is_read(text, read):
    assert read_receipt_text(text) == read


def test_the_message_after_text_cannot_speak_for_the_carrier():
    assert read_receipt_text("id:1 err:001 text:x stat:DELIVRD").status == ""


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert isinstance(read_receipt_text(text), ReceiptText)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2611231726", datetime(2026, 11, 23, 17, 26, tzinfo=CHINA)),
        ("261123172659", datetime(2026, 11, 23, 17, 26, 59, tzinfo=CHINA)),
        ("202611231726", datetime(2026, 11, 23, 17, 26, tzinfo=CHINA)),
        ("20261123172659", datetime(2026, 11, 23, 17, 26, 59, tzinfo=CHINA)),
    ],
)
def test_a_time_of_any_length_is_read_as_a_time_of_china(text, moment):
    assert carrier_time(text) == moment


@given(st.text() | st.text("0123456789", max_size=16))
def test_what_is_no_time_is_none(text):
    read = carrier_time(text)
    assert read is None or len(text) in (10, 12, 14)
