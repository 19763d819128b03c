"""Seals, one after the other: each signs the ledgers of a day and names the seal before (docs/ledger-chain)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from uuid import UUID

from domain import merkle
from domain.events.seal import Leaf, Sealed
from domain.values import stream_id

Sign = Callable[[bytes], str]
"""Octets to an Ed25519 signature in 128 hexadecimal digits; the same octets always give the same."""


def seals_stream() -> UUID:
    """The stream of all seals."""
    return stream_id("seal")


def key_stream(key: str) -> UUID:
    """The stream of a sealing key."""
    return stream_id("seal-key", key)


def leaf_octets(leaf: Leaf) -> bytes:
    """A leaf as it is hashed: `account|year|version|chain`."""
    return f"{leaf.account}|{leaf.year}|{leaf.version}|{leaf.chain}".encode()


def root_of(leaves: Sequence[Leaf]) -> str:
    """The Merkle root over leaves in their order, 64 hexadecimal digits."""
    return merkle.root([leaf_octets(leaf) for leaf in leaves]).hex()


def signed_octets(sealed: Sealed) -> bytes:
    """What the signature is over: every field but the signature, the leaves as their number and root."""
    return (
        f"smsledger-seal-1|{sealed.day}|{sealed.position}|{len(sealed.leaves)}|{sealed.root}|{sealed.log}|"
        f"{sealed.previous}|{sealed.key}"
    ).encode()


def hash_of(sealed: Sealed) -> str:
    """What the next seal names: SHA-256 of the signed octets, `|` and the signature."""
    return sha256(signed_octets(sealed) + f"|{sealed.signature}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seals:
    """All seals, of which only the last one matters for the next."""

    last: Sealed | None = None

    def next_day(self, first: date) -> date:
        """The day to seal next; `first` is where sealing begins."""
        return first if self.last is None else self.last.day + timedelta(days=1)

    def seal(
        self, *, day: date, position: int, leaves: Sequence[Leaf], log: str, key: str, sign: Sign
    ) -> tuple[Sealed, ...]:
        """Seal a day; nothing to do where it is sealed."""
        if self.last is not None and day <= self.last.day:
            return ()
        ordered = tuple(sorted(leaves, key=lambda leaf: (leaf.account, leaf.year)))
        unsigned = Sealed(
            day=day,
            position=position,
            leaves=ordered,
            root=root_of(ordered),
            log=log,
            previous="" if self.last is None else hash_of(self.last),
            key=key,
            signature="",
        )
        return (replace(unsigned, signature=sign(signed_octets(unsigned))),)


def inclusion(sealed: Sealed, account: str, year: int) -> tuple[int, list[str]] | None:
    """Where a ledger's leaf is in a seal, and the hashes up to the root; None where it is not in it."""
    places = {(leaf.account, leaf.year): place for place, leaf in enumerate(sealed.leaves)}
    index = places.get((account, year))
    if index is None:
        return None
    path = merkle.inclusion([leaf_octets(leaf) for leaf in sealed.leaves], index)
    return index, [beside.hex() for beside in path]
