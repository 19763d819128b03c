"""Phone numbers of mainland China: the normal form, the carrier by prefix (MIIT number segments), and what is
known better of numbers that were ported (携号转网)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.errors import BadInput
from domain.values import Carrier, FoundBy

_SEPARATORS = str.maketrans("", "", " -\u00a0")
_NUMBER = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})", re.ASCII)

_PREFIXES: dict[Carrier, str] = {
    Carrier.MOBILE: "134 135 136 137 138 139 147 150 151 152 157 158 159 165 172 178 182 183 184 187 188 195 "
    "197 198 1703 1705 1706",
    Carrier.UNICOM: "130 131 132 145 155 156 166 167 171 175 176 185 186 196 1704 1707 1708 1709",
    Carrier.TELECOM: "133 149 153 162 173 177 180 181 189 190 191 193 199 1349 1700 1701 1702",
    Carrier.BROADNET: "192",
}
_CARRIER_BY_PREFIX = {prefix: carrier for carrier, text in _PREFIXES.items() for prefix in text.split()}


def normalise(phone: str) -> str:
    """E.164 of a mobile number written as 1…, 86…, +86… or 0086…, spaces and dashes allowed.

    Refuses invalid_phone. The number itself never appears in the refusal.
    """
    found = _NUMBER.fullmatch(phone) or _NUMBER.fullmatch(phone.translate(_SEPARATORS))
    if found is None:
        raise BadInput(
            "invalid_phone",
            "Not a mobile number of mainland China: give 11 digits beginning with 13 to 19, +86 before is fine.",
            field="phone",
        )
    return "+86" + found[1]


def carrier_of(phone: str) -> Carrier:
    """The carrier of a normalised number by its prefix: a first guess, since numbers are portable.

    Refuses unassigned_phone where the prefix belongs to nobody (or to machines that take no messages).
    """
    carrier = _CARRIER_BY_PREFIX.get(phone[3:7]) or _CARRIER_BY_PREFIX.get(phone[3:6])
    if carrier is None:
        raise BadInput(
            "unassigned_phone", "The number's prefix is not given to any mobile carrier.", field="phone"
        )
    return carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about a number beyond its segment."""

    carrier: Carrier | None = None
    """Whose it is, as a person or a list says."""
    by: FoundBy = FoundBy.OVERRIDE
    gone: frozenset[Carrier] = frozenset()
    """Carriers that said it is not theirs, since that was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """The carrier of a number and how it was found; `segment_carrier` is there where it is another one."""

    carrier: Carrier
    by: FoundBy = FoundBy.SEGMENTS
    segment_carrier: Carrier | None = None


def whose(phone: str, known: Known | None, *, order: Sequence[Carrier], served: Collection[Carrier]) -> Whose:
    """The carrier of a normalised number: what a person said, else what carriers taught, a list, its segment.

    Where carriers only said that it is not theirs, it is taken to be of the first in `order` that has not said
    so and is `served` by a link. Refuses unassigned_phone.
    """
    if known is None:
        return Whose(carrier=carrier_of(phone))
    try:
        segment = carrier_of(phone)
    except BadInput:
        if known.carrier is None:
            raise
        segment = None
    carrier, by = _better(segment, known, order, served)
    return Whose(carrier=carrier, by=by, segment_carrier=segment if segment is not carrier else None)


def _better(
    segment: Carrier | None, known: Known, order: Sequence[Carrier], served: Collection[Carrier]
) -> tuple[Carrier, FoundBy]:
    if known.carrier is not None and (known.by is FoundBy.OVERRIDE or known.carrier not in known.gone):
        return known.carrier, known.by
    first = segment or known.carrier
    assert first is not None
    if first not in known.gone:
        return first, FoundBy.SEGMENTS if segment else known.by
    left = [carrier for carrier in order if carrier not in known.gone]
    likely = next((carrier for carrier in left if carrier in served), None)
    return (likely, FoundBy.LEARNED) if likely else (first, FoundBy.SEGMENTS)


def mask(phone: str) -> str:
    """A normalised number with its middle hidden: +86138****8000."""
    return f"{phone[:6]}****{phone[-4:]}"
