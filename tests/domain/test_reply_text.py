"""What phones write is read as far as it can be, says where it could not, and words for "no more" are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reply_text import Place, Read, keyword, read, split_header
from domain.text import split_ucs2


@pytest.mark.parametrize(
    ("octets", "coding", "gsm", "text", "exact"),
    [
        ("退订😀".encode("utf-16-be"), 8, False, "退订😀", True),
        ("退订".encode("utf-16-be"), 25, False, "退订", True),
        (b"\xfe\xff" + "退订".encode("utf-16-be"), 8, False, "退订", True),
        ("退订".encode("utf-16-be") + b"\x00", 8, False, "退订", False),
        (b"\xd8\x3d\x00A", 8, False, "\ufffdA", False),
        ("退订".encode("gb18030"), 15, False, "退订", True),
        (b"\xcd\xcb\xff", 15, False, "退\ufffd", False),
        (b"TD", 0, False, "TD", True),
        ("退订".encode("gb18030"), 0, False, "退订", False),
        (b"\xff\xff", 0, False, "ÿÿ", False),
        (b"\x00\x11\x1b\x65\x1b\x40\x02", 0, True, "@_€|$", True),
        (b"TD\x1b", 0, True, "TD", False),
        (b"\x1b\x01", 0, True, "\ufffd", False),
        (b"caf\xe9", 0, True, "café", False),
        (b"caf\xe9", 3, True, "café", True),
        (b"caf\xe9", 3, False, "", False),
        (b"TD", 1, True, "TD", True),
        (b"TD\r\n", 1, True, "TD\r\n", True),
        (b"\x00\x11\x1b\x65", 1, True, "@_€", False),
        ("退订".encode("gb18030"), 1, True, "退订", False),
        (b"T\x00D", 0, False, "T\ufffdD", False),
        (b"\x01\x02", 4, False, "", False),
        (b"", 8, False, "", True),
    ],
)
def test_octets_are_read_by_their_coding(octets, coding, gsm, text, exact):
    assert read(octets, coding, gsm=gsm) == Read(text, exact)


@given(st.binary(max_size=160), st.integers(0, 255), st.booleans())
def test_whatever_comes_is_read_to_something_that_can_be_sealed(octets, coding, gsm):
    text = read(octets, coding, gsm=gsm).text
    assert "\0" not in text
    assert text.encode().decode() == text


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffd"), max_size=70)
)
def test_what_a_phone_writes_in_ucs2_comes_back(text):
    assert read(text.encode("utf-16-be"), 8) == Read(text, exact=True)
    assert split_ucs2(text)


@pytest.mark.parametrize(
    ("payload", "place", "body"),
    [
        (b"\x05\x00\x03\x2a\x02\x01ab", Place(42, 2, 1), b"ab"),
        (b"\x06\x08\x04\x01\x02\x03\x03ab", Place(258, 3, 3), b"ab"),
        (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x2a\x02\x02ab", Place(42, 2, 2), b"ab"),
        (b"\x05\x00\x03\x2a\x02\x03ab", Place(), b"ab"),
        (b"\x05\x00\x03\x2a\x00\x00ab", Place(), b"ab"),
        (b"\x06\x05\x04\x0b\x84\x23\xf0ab", Place(), b"ab"),
        (b"\x09\x00\x03\x2a\x02\x01", Place(), b"\x09\x00\x03\x2a\x02\x01"),
        (b"", Place(), b""),
        (b"\x00ab", Place(), b"ab"),
    ],
)
def test_the_header_says_which_part_it_is(payload, place, body):
    assert split_header(payload) == (place, body)


@given(st.binary(max_size=160))
def test_no_header_is_beyond_reading(payload):
    place, body = split_header(payload)
    assert 1 <= place.part <= place.parts <= 255
    assert payload.endswith(body)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("TD", "TD"),
        (" td。", "TD"),
        ("ＴＤ", "TD"),
        ("t", "T"),
        ("N", "N"),
        ("【退订】", "退订"),
        ("退 订", "退订"),
        ("TDX", ""),
        ("谢谢", ""),
        ("我要退订吗？", ""),
        ("", ""),
    ],
)
def test_a_reply_that_consists_of_a_word_for_no_more_is_known_by_it(text, word):
    assert keyword(text) == word


@pytest.mark.parametrize("text", ["Yes, I will come @ 5 {ok} [1] ~ 10$", "a_b", "x|y^z\\`"])
def test_ascii_under_the_number_of_the_gsm_alphabet_is_read_as_such_and_called_a_guess(text: str):
    assert read(text.encode(), 0, gsm=True) == Read(text, exact=False)


def test_the_gsm_alphabet_is_known_by_its_controls_and_escapes():
    assert read(b"\x00 10\x02 \x1b(a\x1b)", 0, gsm=True) == Read("@ 10$ {a}", exact=True)
    assert read(b"\x04[", 0, gsm=True) == Read("èÄ", exact=True)


def test_what_both_alphabets_read_alike_is_no_guess():
    assert read(b"OK, 100% (see #5)\r\n", 0, gsm=True) == Read("OK, 100% (see #5)\r\n", exact=True)
