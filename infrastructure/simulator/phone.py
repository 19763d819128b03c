"""What somebody writes on a phone, in the octets in which a carrier hands it on; long texts in parts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from domain.errors import BadInput

__all__ = ["CODINGS", "Coding", "Written", "written"]

Coding = Literal["ucs2", "ascii", "gb18030"]
CODINGS: tuple[Coding, ...] = get_args(Coding)
MOST_CHARACTERS = 1_000


class _Form(NamedTuple):
    """How a coding is written: its number, Python's name, and the octets of one message and of a part."""

    data_coding: int
    codec: str
    single: int
    part: int


_FORMS: dict[Coding, _Form] = {
    "ucs2": _Form(8, "utf-16-be", 140, 134),
    "ascii": _Form(0, "ascii", 160, 153),
    "gb18030": _Form(15, "gb18030", 140, 134),
}


@dataclass(frozen=True, slots=True)
class Written:
    """One part; `udh` says that the payload begins with a user data header."""

    payload: bytes = field(repr=False)
    data_coding: int
    udh: bool = False


def written(text: str, coding: Coding, *, reference: int, ascii_coding: int = 0) -> tuple[Written, ...]:
    """Return the parts of a text, which share a `reference` of one octet; no character is cut.

    `ascii_coding` is the protocol's number for ASCII.
    Refuses invalid_value: a text that is empty, too long, or not to be written in this coding.
    """
    if not 1 <= len(text) <= MOST_CHARACTERS:
        raise BadInput("invalid_value", f"A text has 1 to {MOST_CHARACTERS} characters.", field="text")
    form = _FORMS[coding]
    try:
        octets = text.encode(form.codec)
    except UnicodeEncodeError:
        raise BadInput("invalid_value", f"This text cannot be written in {coding}.", field="text") from None
    data_coding = ascii_coding if coding == "ascii" else form.data_coding
    if len(octets) <= form.single:
        return (Written(octets, data_coding),)
    pieces = list(_pieces(text, form))
    return tuple(
        Written(bytes((5, 0, 3, reference, len(pieces), number)) + piece, data_coding, udh=True)
        for number, piece in enumerate(pieces, 1)
    )


def _pieces(text: str, form: _Form) -> Iterator[bytes]:
    piece = b""
    for character in text:
        octets = character.encode(form.codec)
        if len(piece) + len(octets) > form.part:
            yield piece
            piece = b""
        piece += octets
    yield piece
