"""What phones write: one message or parts of a long one, in three codings."""

import pytest

from domain.errors import BadInput
from infrastructure.simulator.phone import CODINGS, written

ROOM = {"ucs2": (70, 67), "ascii": (160, 153), "gb18030": (70, 67)}
LETTER = {"ucs2": "长", "ascii": "a", "gb18030": "长"}
CODEC = {"ucs2": "utf-16-be", "ascii": "ascii", "gb18030": "gb18030"}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_text_that_fits_is_one_message_without_a_header(coding):
    text = LETTER[coding] * ROOM[coding][0]
    (part,) = written(text, coding, reference=7)
    assert (part.payload.decode(CODEC[coding]), part.udh) == (text, False)


@pytest.mark.parametrize("coding", CODINGS)
def test_one_character_more_makes_two_parts_of_one_reference(coding):
    single, room = ROOM[coding]
    text = LETTER[coding] * (single + 1)
    parts = written(text, coding, reference=7)
    assert [part.payload[:6] for part in parts] == [bytes((5, 0, 3, 7, 2, number)) for number in (1, 2)]
    assert [part.udh for part in parts] == [True, True]
    told = [part.payload[6:].decode(CODEC[coding]) for part in parts]
    assert (told[0], "".join(told)) == (text[:room], text)


@pytest.mark.parametrize("coding", ["ucs2", "gb18030"])
def test_no_character_is_cut_in_two(coding):
    text = "退" * 66 + "😀" * 5
    parts = written(text, coding, reference=1)
    assert "".join(part.payload[6:].decode(CODEC[coding]) for part in parts) == text


def test_ascii_has_the_number_that_the_protocol_gives_it():
    numbers = [written("TD", "ascii", reference=1, ascii_coding=each)[0].data_coding for each in (0, 1)]
    assert numbers == [0, 1]


@pytest.mark.parametrize(("text", "coding"), [("", "ucs2"), ("字" * 1_001, "ucs2"), ("退订", "ascii")])
def test_what_cannot_be_written_is_refused(text, coding):
    with pytest.raises(BadInput) as refused:
        written(text, coding, reference=1)
    assert (refused.value.code, refused.value.field) == ("invalid_value", "text")
