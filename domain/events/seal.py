"""The daily seal over all ledgers: a signed root that no later change of the log can match."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One ledger as it stood when the day ended: its last posting, and the chain of that posting."""

    account: str
    year: int
    version: int
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCreated:
    """A key seals from here on; the private half is in the key store and never here."""

    TOPIC: ClassVar = "seal.key_created"
    key: str
    """The key's id: the first 16 hexadecimal digits of SHA-256 of the public key."""
    public_key: str
    """Ed25519 (RFC 8032), 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A day (Shanghai) is over and sealed: every ledger, and every row of the log since the seal before."""

    TOPIC: ClassVar = "seal.sealed"
    day: date
    position: int
    """The last position of the log that it covers."""
    leaves: tuple[Leaf, ...]
    """By account and year."""
    root: str
    """Of the Merkle tree over the leaves."""
    log: str
    """Digest of the rows of the log after the position of the seal before, up to `position`."""
    previous: str
    """Hash of the seal before, empty for the first."""
    key: str
    signature: str


SealEvent = KeyCreated | Sealed
