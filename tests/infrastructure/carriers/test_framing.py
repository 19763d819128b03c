"""The stream is cut into the same PDUs however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers.framing import Framer, ProtocolError
from tests.infrastructure.carriers.rig import GOLDEN

FRAMES = list(GOLDEN.values())


def framer() -> Framer:
    return Framer(shortest=16, longest=70_000)


@given(st.lists(st.integers(min_value=1, max_value=200), min_size=1))
def test_any_pieces_give_the_same_pdus(sizes):
    stream, cutter, found, at = b"".join(FRAMES), framer(), [], 0
    for size in sizes * (len(stream) // sum(sizes) + 1):
        found.extend(cutter.feed(stream[at : at + size]))
        at += size
    assert found == FRAMES


def test_an_impossible_length_is_refused_after_the_pdus_before_it():
    frames = framer().feed(FRAMES[0] + b"\xff\xff\xff\xff")
    assert next(frames) == FRAMES[0]
    with pytest.raises(ProtocolError):
        next(frames)


def test_a_length_shorter_than_a_header_is_refused():
    with pytest.raises(ProtocolError):
        list(framer().feed(b"\x00\x00\x00\x0f"))
