"""Reading what phones write: the header of a part, the alphabets of the wire, and the words that mean "no more".

Codings as in common.md of the protocols: 0 ASCII (SMPP: GSM 03.38, an octet a character), 8 UCS-2, 15 GBK.
"""

import unicodedata
from dataclasses import dataclass

_UCS2 = frozenset({8, 24, 25})
"""24 and 25 are UCS-2 with a message class, which some gateways pass on."""
_GBK = 15
_DEFAULT, _ASCII, _LATIN_1 = 0, 1, 3
_ESCAPE = 0x1B
_UNREADABLE = "\ufffd"

# 3GPP TS 23.038, 6.2.1: 128 characters in their order, with the escape in its place, and the extension table.
_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

_OTHERWISE_IN_GSM = frozenset(octet for octet in range(0x20, 0x80) if _GSM[octet] != chr(octet))
"""Their characters in ASCII have controls and escapes in the GSM alphabet, by which it is known."""

_REFERENCE_OCTETS = {0x00: 1, 0x08: 2}

_NO_MORE = frozenset(
    (
        "T",
        "TD",
        "N",
        "R",
        "QX",
        "STOP",
        "UNSUBSCRIBE",
        "0000",
        "00000",
        "退订",
        "退定",
        "退訂",
        "拒收",
        "取消订阅",
    )
)


@dataclass(frozen=True, slots=True)
class Read:
    """A text, and whether every octet of it could be read for sure."""

    text: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of a long reply this is, from 1; `reference` is the phone's own count of its long messages."""

    reference: int = 0
    parts: int = 1
    part: int = 1


def read(payload: bytes, coding: int, *, gsm: bool = False) -> Read:
    """The text of some octets. What cannot be read shows as U+FFFD, what is no text (binary) as nothing.

    `gsm` says that coding 0 is the GSM alphabet. Gateways send GBK under coding 0, so octets beyond ASCII are
    tried as that; such a guess is not exact. Nor is any of octets that are other characters in ASCII: many gateways
    mean that by 0, and what a phone in this country writes is a dollar rather than a ¤.
    """
    if coding in _UCS2:
        found = _strictly(payload[: len(payload) // 2 * 2], "utf-16-be", whole=len(payload) % 2 == 0)
    elif coding == _GBK:
        found = _strictly(payload, "gb18030")
    elif coding == _DEFAULT and gsm and payload.isascii() and not _has_controls(payload):
        found = Read(payload.decode(), exact=_OTHERWISE_IN_GSM.isdisjoint(payload))
    elif coding == _DEFAULT and gsm:
        found = _gsm(payload)
    elif coding == _ASCII and gsm and _has_controls(payload):
        found = Read(_gsm(payload).text, exact=False)
    elif coding in (_DEFAULT, _ASCII):
        found = Read(payload.decode(), exact=True) if payload.isascii() else _guess(payload)
    elif coding == _LATIN_1 and gsm:
        found = Read(payload.decode("latin-1"), exact=True)
    else:
        found = Read("", exact=False)
    text = found.text.removeprefix("\ufeff")
    return Read(text.replace("\0", _UNREADABLE), found.exact and "\0" not in text)


def _strictly(octets: bytes, encoding: str, *, whole: bool = True) -> Read:
    try:
        return Read(octets.decode(encoding), exact=whole)
    except UnicodeDecodeError:
        return Read(octets.decode(encoding, "replace"), exact=False)


def _guess(octets: bytes) -> Read:
    try:
        return Read(octets.decode("gb18030"), exact=False)
    except UnicodeDecodeError:
        return Read(octets.decode("latin-1"), exact=False)


def _has_controls(octets: bytes) -> bool:
    """What no text in ASCII holds: some carriers call the GSM alphabet by the number of ASCII."""
    return octets.isascii() and any(octet < 0x20 and octet not in b"\t\n\r" for octet in octets)


def _gsm(octets: bytes) -> Read:
    """Unpacked septets; a carrier that means Latin-1 by coding 0 gives itself away by the eighth bit."""
    if not octets.isascii():
        return Read(octets.decode("latin-1"), exact=False)
    characters: list[str] = []
    escaped = False
    for octet in octets:
        if escaped:
            characters.append(_GSM_EXTENSION.get(octet, _UNREADABLE))
        elif octet != _ESCAPE:
            characters.append(_GSM[octet])
        escaped = octet == _ESCAPE and not escaped
    text = "".join(characters)
    return Read(text, exact=not escaped and _UNREADABLE not in text)


def split_header(payload: bytes) -> tuple[Place, bytes]:
    """The place that the user data header says (3GPP TS 23.040, 9.2.3.24), and the octets behind it.

    Other elements may stand beside that of concatenation; a header that is cut short is no header.
    """
    end = 1 + payload[0] if payload else 1
    if end > len(payload):
        return Place(), payload
    place, at = Place(), 1
    while at + 2 <= end:
        kind, length = payload[at], payload[at + 1]
        value = payload[at + 2 : min(at + 2 + length, end)]
        at += 2 + length
        size = _REFERENCE_OCTETS.get(kind)
        if size is not None and len(value) == size + 2 and 0 < value[-1] <= value[-2]:
            place = Place(int.from_bytes(value[:size]), value[-2], value[-1])
    return place, payload[end:]


def keyword(text: str) -> str:
    """The word for "no more messages" that a reply consists of, in normal form; empty for any other text."""
    plain = "".join(
        each for each in unicodedata.normalize("NFKC", text).upper() if unicodedata.category(each)[0] in "LN"
    )
    return plain if plain in _NO_MORE else ""
