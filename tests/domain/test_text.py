"""Segments are counted by the trade's rules, and a text is cut into parts that lose and break nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.text import (
    MAX_UNITS,
    Measure,
    count_segments,
    count_units,
    measure,
    require_sendable,
    split_ucs2,
)
from domain.values import Counting

EMOJI = "😀"
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
"""Any text of whole characters: lone halves of surrogate pairs are refused before."""


def refusal(whole: str) -> str:
    with pytest.raises(BadInput) as refused:
        require_sendable(whole)
    return refused.value.code


@pytest.mark.parametrize(
    ("units", "segments"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (1000, 15)]
)
def test_up_to_70_units_are_one_segment_and_67_a_segment_beyond(units, segments):
    assert count_segments("字" * units) == segments
    assert count_segments("a" * units) == segments


@pytest.mark.parametrize(("emoji", "segments"), [(35, 1), (36, 2), (67, 2), (68, 3)])
def test_an_emoji_counts_as_two(emoji, segments):
    assert count_units(EMOJI * emoji) == 2 * emoji
    assert count_segments(EMOJI * emoji) == segments


@pytest.mark.parametrize(("length", "segments"), [(160, 1), (161, 2), (306, 2), (307, 3)])
def test_where_it_is_agreed_a_plain_text_counts_at_160_and_153(length, segments):
    assert count_segments("a" * length, Counting.GSM7_WHERE_POSSIBLE) == segments


def test_a_character_of_the_extension_table_counts_as_two_septets():
    assert count_segments("€" * 80, Counting.GSM7_WHERE_POSSIBLE) == 1
    assert count_segments("€" * 80 + "a", Counting.GSM7_WHERE_POSSIBLE) == 2


def test_one_character_outside_the_alphabet_counts_the_whole_text_at_70():
    assert count_segments("a" * 159 + "中", Counting.GSM7_WHERE_POSSIBLE) == 3
    assert count_segments("a" * 70 + "`", Counting.GSM7_WHERE_POSSIBLE) == 2


def test_a_short_text_is_one_part_as_it_stands():
    assert split_ucs2("字" * 70) == ("字" * 70,)


def test_a_long_text_is_cut_into_parts_of_67():
    assert [len(part) for part in split_ucs2("字" * 135)] == [67, 67, 1]


def test_a_pair_that_would_straddle_a_border_moves_to_the_next_part():
    parts = split_ucs2("字" * 66 + EMOJI + "字" * 10)
    assert parts == ("字" * 66, EMOJI + "字" * 10)


def test_emoji_at_every_border_may_need_a_part_more_than_is_billed():
    whole = "字" * 66 + EMOJI * 34
    assert count_segments(whole) == 2
    assert len(split_ucs2(whole)) == 3


@given(WHOLE)
@example(EMOJI * 68)
@example("字" * 66 + EMOJI * 34)
def test_the_parts_together_are_the_text_and_each_fits_one_pdu(whole):
    parts = split_ucs2(whole)
    assert "".join(parts) == whole
    longest = 70 if len(parts) == 1 else 67
    assert all(count_units(part) <= longest for part in parts)
    assert all(part.encode("utf-16-be") for part in parts) or whole == ""


@given(WHOLE)
def test_there_are_as_many_parts_as_segments_or_a_few_more_for_pairs_that_moved(whole):
    parts, segments = len(split_ucs2(whole)), count_segments(whole)
    assert parts >= segments
    if whole.isascii() or all(character <= "\uffff" for character in whole):
        assert parts == segments


@given(WHOLE, WHOLE)
def test_a_longer_text_never_counts_less(one, more):
    assert count_segments(one) <= count_segments(one + more)


@given(WHOLE)
def test_the_7_bit_rule_never_bills_more_than_the_rule_for_all(whole):
    assert count_segments(whole, Counting.GSM7_WHERE_POSSIBLE) <= count_segments(whole)


@given(st.text(max_size=1_200))
def test_every_text_is_sendable_or_refused_with_a_code(whole):
    try:
        require_sendable(whole)
        parts = measure(whole).parts
    except BadInput as refused:
        code, parts = refused.code, 0
    else:
        code = ""
        whole.encode("utf-16-be")
    assert (code in ("text_empty", "text_too_long", "text_control_character")) == (parts == 0)
    assert parts <= 16


@pytest.mark.parametrize("whole", ["", " ", "\n\t", "\u3000"])
def test_a_text_without_a_visible_character_is_refused(whole):
    assert refusal(whole) == "text_empty"


@pytest.mark.parametrize("whole", ["字" * MAX_UNITS, EMOJI * (MAX_UNITS // 2)])
def test_the_longest_text_is_measured_in_units_not_in_characters(whole):
    require_sendable(whole)
    assert measure(whole).segments == 15
    with pytest.raises(BadInput, match="text_too_long"):
        measure(whole + "a")


def test_a_text_of_too_many_characters_is_refused_before_it_is_measured():
    assert refusal("字" * (MAX_UNITS + 1)) == "text_too_long"


@given(WHOLE, st.sampled_from(Counting))
def test_a_measured_text_is_counted_as_one_counts_it(whole, counting):
    assert measure(whole, counting) == Measure(
        count_units(whole), count_segments(whole, counting), len(split_ucs2(whole))
    )


@pytest.mark.parametrize("code", [0x00, 0x07, 0x1B, 0x7F, 0x85, 0x9F, 0xD83D, 0xDE00, 0xDFFF])
def test_control_characters_and_lone_halves_of_pairs_are_refused_by_number(code):
    with pytest.raises(BadInput) as refused:
        require_sendable(f"您好{chr(code)}")
    assert refused.value.code == "text_control_character"
    assert f"U+{code:04X}" in refused.value.detail
    refused.value.detail.encode()


@pytest.mark.parametrize(
    "whole", ["第一行\n第二行", "a\tb", "a\r\nb", "您好\u200d", "你好\u3000世界", "👨\u200d👩"]
)
def test_line_breaks_tabs_and_joiners_are_texts(whole):
    require_sendable(whole)
