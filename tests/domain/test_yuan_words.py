"""Amounts in capital numerals, against examples written by hand from the rules."""

import pytest

from domain.yuan_words import in_capitals


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (8, "捌分"),
        (50, "伍角整"),
        (100, "壹元整"),
        (105, "壹元零伍分"),
        (160_732, "壹仟陆佰零柒元叁角贰分"),
        (140_950, "壹仟肆佰零玖元伍角整"),
        (600_714, "陆仟零柒元壹角肆分"),
        (10_700_053, "壹拾万柒仟元伍角叁分"),
        (1_640_902, "壹万陆仟肆佰零玖元零贰分"),
        (100_000_000_000, "壹拾亿元整"),
        (100_010_000_100, "壹拾亿零壹拾万零壹元整"),
        (-12_345, "负壹佰贰拾叁元肆角伍分"),
    ],
)
def test_an_amount_is_said_as_on_a_bill(fen: int, words: str):
    assert in_capitals(fen) == words
