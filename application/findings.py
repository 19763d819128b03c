"""What a proof says is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: a stable code, where, and what was expected."""

    code: str
    account: str
    year: int
    posting: int
    detail: str
