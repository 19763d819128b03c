"""What a carrier's status code means (SMPP 3.4 appendix B; the carriers' own codes are final failures)."""

from enum import Enum

DELIVERED = frozenset({"DELIVRD"})
NOT_FINAL = frozenset({"ACCEPTD", "UNKNOWN", "ENROUTE", ""})
"""Codes in capital letters."""


class Verdict(Enum):
    """What a status says about its part."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PENDING = "pending"


def verdict(status: str) -> Verdict:
    """The meaning of a status code as it stands in a receipt; what nobody knows is a failure with its own code."""
    code = status.strip().upper()
    if code in DELIVERED:
        return Verdict.DELIVERED
    return Verdict.PENDING if code in NOT_FINAL else Verdict.FAILED
