"""Reads the user data header of a long message's part (3GPP TS 23.040, 9.2.3.24)."""

__all__ = ["place_of"]

_REFERENCE_OCTETS = {0x00: 1, 0x08: 2}


def place_of(payload: bytes) -> tuple[int, int]:
    """Return how many parts the message has and which one this is, from 1; (1, 1) where no element says so.

    Other elements may stand beside the one of concatenation; a header that is cut short says nothing.
    """
    end = min(1 + payload[0], len(payload)) if payload else 0
    at = 1
    while at + 2 <= end:
        kind, length = payload[at], payload[at + 1]
        at += 2 + length
        reference = _REFERENCE_OCTETS.get(kind)
        if reference is not None and length == reference + 2 and at <= end:
            total, number = payload[at - 2], payload[at - 1]
            return (total, number) if 0 < number <= total else (1, 1)
    return 1, 1
