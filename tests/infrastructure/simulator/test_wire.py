"""The simulator's own codec against the golden octets and against anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.simulator.wire import Pdu, WireError, build, parse, split
from tests.infrastructure.carriers.rig import GOLDEN, VECTORS

OPTIONS = {
    "sc_interface_version": 0x0210,
    "message_payload": 0x0424,
    "sar_msg_ref_num": 0x020C,
    "sar_total_segments": 0x020E,
    "sar_segment_seqnum": 0x020F,
    "receipted_message_id": 0x001E,
}


def readable(octets: bytes) -> bool:
    """Read the octets; anything but a refusal escapes."""
    try:
        parse(octets)
    except WireError:
        return False
    return True


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_pdu_comes_back_octet_for_octet(name):
    assert build(parse(GOLDEN[name])) == GOLDEN[name]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_golden_pdu_is_read_as_its_fields_say(vector):
    pdu = parse(bytes.fromhex(vector["hex"]))
    read = {"sequence_number": pdu.sequence, "command_status": pdu.status, **(pdu.fields or {})}
    options = dict(pdu.options)
    for name, value in vector["fields"].items():
        expected = bytes(value["data"]) if isinstance(value, dict) else value
        if name in read:
            assert read[name] == expected
        else:
            found = options[OPTIONS.get(name, 0x0427)]
            assert expected in (found, int.from_bytes(found, "big"), found[:-1].decode("latin-1"))


@given(st.binary(min_size=16, max_size=300))
def test_any_octets_give_a_pdu_or_a_wire_error(octets):
    assert readable(octets) in (True, False)


@given(st.sampled_from(list(GOLDEN.values())), st.integers(0, 200), st.binary(max_size=6))
def test_any_damage_gives_a_pdu_or_a_wire_error(frame, at, inserted):
    at = max(at, 16)
    assert readable(frame[:at] + inserted + frame[at + 2 :]) in (True, False)


@given(st.lists(st.integers(min_value=1, max_value=100), min_size=1))
def test_any_pieces_give_the_same_frames(sizes):
    frames, buffer, found, at = list(GOLDEN.values()), bytearray(), [], 0
    stream = b"".join(frames)
    for size in sizes * (len(stream) // sum(sizes) + 1):
        buffer += stream[at : at + size]
        found += split(buffer)
        at += size
    assert found == frames


def test_an_impossible_length_is_refused():
    with pytest.raises(WireError):
        split(bytearray(b"\xff\xff\xff\xff"))


def test_an_unknown_command_is_refused_with_its_number():
    with pytest.raises(WireError) as refused:
        parse(bytes.fromhex("00000010000000210000000000000005"))
    assert (refused.value.status, refused.value.sequence) == (3, 5)


def test_no_number_or_text_shows_in_a_repr():
    assert "13800138000" not in repr(parse(GOLDEN["submit_sm_ascii"]))
    assert Pdu("enquire_link", 1) == parse(build(Pdu("enquire_link", 1)))
