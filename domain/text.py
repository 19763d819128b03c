"""Counting, choosing the coding and splitting of texts (GSM 03.40 §9.2.3.24, and the trade's 70/67 rule)."""

from dataclasses import dataclass

from domain.errors import BadInput
from domain.values import Counting

UCS2_SINGLE, UCS2_PART = 70, 67
GSM7_SINGLE, GSM7_PART = 160, 153
MAX_UNITS = 1_000
"""Longest text in UTF-16 units, signature included: 15 segments."""

_GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
_ALLOWED_CONTROLS = frozenset("\n\r\t")


def count_units(text: str) -> int:
    """The length in UTF-16 units: a Chinese character is 1, an emoji outside the BMP is 2."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Measure:
    """A text counted once: UTF-16 units, billed segments, and the parts it goes out in."""

    units: int
    segments: int
    parts: int


def measure(text: str, counting: Counting = Counting.UCS2_FOR_ALL) -> Measure:
    """Count a whole text, signature included. Refuses text_too_long."""
    units = count_units(text)
    if units > MAX_UNITS:
        raise _too_long()
    if units <= UCS2_SINGLE and counting is Counting.UCS2_FOR_ALL:
        return Measure(units, 1, 1)
    return Measure(units, count_segments(text, counting), len(split_ucs2(text)))


def count_segments(text: str, counting: Counting = Counting.UCS2_FOR_ALL) -> int:
    """Billed segments of a whole text (signature and opt-out included), by the contract's counting rule."""
    if counting is Counting.GSM7_WHERE_POSSIBLE:
        septets = _septets(text)
        if septets is not None:
            return 1 if septets <= GSM7_SINGLE else -(-septets // GSM7_PART)
    units = count_units(text)
    return 1 if units <= UCS2_SINGLE else -(-units // UCS2_PART)


def _septets(text: str) -> int | None:
    """Length in GSM-7 septets, or None where a character is outside the alphabet."""
    total = 0
    for character in text:
        if character in _GSM7_BASIC:
            total += 1
        elif character in _GSM7_EXTENSION:
            total += 2
        else:
            return None
    return total


def split_ucs2(text: str) -> tuple[str, ...]:
    """The texts of the parts: one up to 70 units, else parts of at most 67; a surrogate pair is never cut.

    A pair that would straddle a border moves to the next part, so in rare texts with emoji there is
    one part more than billed segments (docs/decisions/0006).
    """
    if count_units(text) <= UCS2_SINGLE:
        return (text,)
    parts: list[str] = []
    start = used = 0
    for index, character in enumerate(text):
        width = 2 if character > "\uffff" else 1
        if used + width > UCS2_PART:
            parts.append(text[start:index])
            start, used = index, 0
        used += width
    return (*parts, text[start:])


def require_sendable(text: str) -> None:
    """Refuse what no carrier takes as it stands: text_empty, text_too_long, text_control_character."""
    if not text.strip():
        raise BadInput("text_empty", "The text is empty: give at least one visible character.", field="text")
    if len(text) > MAX_UNITS:
        raise _too_long()
    if not text.isprintable():
        _refuse_controls(text)


def _too_long() -> BadInput:
    return BadInput(
        "text_too_long", f"The text has more than {MAX_UNITS} characters: shorten it.", field="text"
    )


def _refuse_controls(text: str) -> None:
    for character in text:
        if character in _ALLOWED_CONTROLS:
            continue
        if character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff":
            raise BadInput(
                "text_control_character",
                f"The text has the control character U+{ord(character):04X}: remove it.",
                field="text",
            )
