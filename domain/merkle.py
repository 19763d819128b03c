"""The Merkle tree over sealed ledgers (RFC 9162 §2.1, as in RFC 6962): one root, and a short proof for each leaf."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf: SHA-256 over a zero octet and the leaf."""
    return sha256(b"\x00" + leaf).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves in their order; of no leaves at all it is SHA-256 of nothing."""
    if not leaves:
        return sha256(b"").digest()
    return _fold([leaf_hash(leaf) for leaf in leaves])


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from a leaf up to the root, lowest first."""
    return _path([leaf_hash(leaf) for leaf in leaves], index)


def root_from(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to, None where the path has not the length it must have."""
    node, last, hashes = leaf_hash(leaf), size - 1, list(path)
    if not 0 <= index < size:
        return None
    while last:
        if index % 2 or index < last:
            if not hashes:
                return None
            beside = hashes.pop(0)
            node = _node(beside, node) if index % 2 else _node(node, beside)
        index, last = index // 2, last // 2
    return None if hashes else node


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Each level from the leaves to the root: neighbours are joined, an odd last one moves up as it is."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(above + below[2 * len(above) :])
    return levels


def _fold(hashes: Sequence[bytes]) -> bytes:
    return _levels(hashes)[-1][0]


def _path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    path: list[bytes] = []
    for level in _levels(hashes)[:-1]:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        index //= 2
    return path
