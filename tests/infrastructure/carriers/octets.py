"""Golden PDUs of each protocol, and the ways in which a codec's octets are damaged to try it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from infrastructure.carriers.framing import ProtocolError

_FOLDER = Path(__file__).parents[2] / "vectors"

octet = st.integers(min_value=0, max_value=0xFF)
word = st.integers(min_value=0, max_value=0xFFFF_FFFF)
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)


def vectors(protocol: str) -> list[dict[str, Any]]:
    """The golden PDUs with their fields; bodies without a header are among them."""
    found: list[dict[str, Any]] = json.loads((_FOLDER / f"{protocol}.json").read_text())["vectors"]
    return found


def golden(protocol: str) -> dict[str, bytes]:
    """The octets of the whole PDUs by name."""
    return {
        each["name"]: bytes.fromhex(each["hex"])
        for each in vectors(protocol)
        if not each["name"].startswith("report_body")
    }


def verdict(decode: Callable[[bytes], object], octets: bytes, *, sequence: slice) -> str | int:
    """Read the octets: "read", or the status of the refusal; anything but a ProtocolError escapes.

    `sequence` is where the number stands that the refusal has to name, in a frame that reaches so far.
    """
    try:
        decode(octets)
    except ProtocolError as error:
        refusal = error
    else:
        return "read"
    if len(octets) >= sequence.stop:
        assert refusal.sequence == int.from_bytes(octets[sequence], "big")
    return refusal.status


def text(longest: int) -> st.SearchStrategy[str]:
    """Any Latin-1 text that a padded field of so many octets can hold."""
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=longest)


def plain(value: object) -> object:
    """A value of the vectors as the codec gives it: 'hex:…' are octets."""
    return bytes.fromhex(value[4:]) if isinstance(value, str) and value.startswith("hex:") else value


@st.composite
def damaged(draw: st.DrawFn, frames: list[bytes]) -> bytes:
    """A golden PDU with octets put in, cut out or changed; its length field is mended or lies."""
    frame = bytearray(draw(st.sampled_from(frames)))
    at = draw(st.integers(0, len(frame)))
    frame[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=8))
    if frame and draw(st.booleans()):
        frame[draw(st.integers(0, len(frame) - 1))] = draw(octet)
    del frame[draw(st.integers(0, len(frame))) if draw(st.booleans()) else len(frame) :]
    if draw(st.booleans()):
        frame[:4] = len(frame).to_bytes(4, "big")
    return bytes(frame)
