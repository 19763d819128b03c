"""Seals: one tree over all ledgers, each ledger shown without the others, each seal naming the one before."""

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from domain import merkle
from domain.aggregates.seal import Seals, hash_of, inclusion, leaf_octets, root_of, signed_octets
from domain.events.seal import Leaf, Sealed

DAY = date(2026, 3, 2)


def leaves_of(count: int) -> list[Leaf]:
    return [
        Leaf(account=f"a{number:03d}", year=2026, version=number + 1, chain=f"{number:064x}")
        for number in range(count)
    ]


def sealed(seals: Seals, day: date, leaves: list[Leaf]) -> Sealed:
    (made,) = seals.seal(
        day=day,
        position=7,
        leaves=leaves,
        log="l" * 64,
        key="k",
        sign=lambda octets: sha256(octets).hexdigest(),
    )
    return made


def largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def root_by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, written as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + root_by_the_book(leaves[:k]) + root_by_the_book(leaves[k:])).digest()


def path_by_the_book(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, written as it stands there."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if index < k:
        return [*path_by_the_book(index, leaves[:k]), root_by_the_book(leaves[k:])]
    return [*path_by_the_book(index - k, leaves[k:]), root_by_the_book(leaves[:k])]


@given(st.integers(0, 70))
def test_the_root_is_that_of_the_specification(size: int):
    leaves = [leaf_octets(leaf) for leaf in leaves_of(size)]
    assert merkle.root(leaves) == root_by_the_book(leaves)


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_leaf_is_shown_by_the_path_of_the_specification(case: tuple[int, int]):
    size, index = case
    leaves = [leaf_octets(leaf) for leaf in leaves_of(size)]
    path = merkle.inclusion(leaves, index)
    assert path == path_by_the_book(index, leaves)
    assert merkle.root_from(leaves[index], index=index, size=size, path=path) == merkle.root(leaves)


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_no_other_leaf_place_or_path_leads_to_the_root(case: tuple[int, int]):
    size, index = case
    leaves = [leaf_octets(leaf) for leaf in leaves_of(size)]
    path, root = merkle.inclusion(leaves, index), merkle.root(leaves)
    assert merkle.root_from(b"another", index=index, size=size, path=path) != root
    assert merkle.root_from(leaves[index], index=index, size=size, path=[*path, b"\x00" * 32]) != root
    assert merkle.root_from(leaves[index], index=size, size=size, path=path) is None
    if path:
        assert merkle.root_from(leaves[index], index=index, size=size, path=path[1:]) != root


def test_leaves_are_sealed_in_the_order_of_account_and_year():
    made = sealed(Seals(), DAY, leaves_of(5)[::-1])
    assert [leaf.account for leaf in made.leaves] == ["a000", "a001", "a002", "a003", "a004"]
    assert made.root == root_of(leaves_of(5))


def test_a_day_is_sealed_once():
    made = sealed(Seals(), DAY, leaves_of(2))
    again = Seals(last=made)
    assert again.seal(day=DAY, position=9, leaves=leaves_of(3), log="", key="k", sign=lambda _: "") == ()
    assert again.next_day(date(2020, 1, 1)) == DAY + timedelta(days=1)


def test_the_first_seal_names_none_before_and_the_second_names_the_first():
    first = sealed(Seals(), DAY, leaves_of(2))
    second = sealed(Seals(last=first), DAY + timedelta(days=1), leaves_of(3))
    assert (first.previous, second.previous) == ("", hash_of(first))


def test_every_field_is_under_the_signature():
    made = sealed(Seals(), DAY, leaves_of(3))
    changes: dict[str, object] = {
        "day": DAY + timedelta(days=1),
        "position": 8,
        "leaves": made.leaves[:2],
        "root": "0" * 64,
        "log": "0" * 64,
        "previous": "0" * 64,
        "key": "another",
    }
    for name, value in changes.items():
        changed = replace(made, **{name: value})  # type: ignore[arg-type]
        assert signed_octets(changed) != signed_octets(made), name
    assert hash_of(replace(made, signature="0")) != hash_of(made)


def test_a_ledger_that_is_not_sealed_has_no_proof():
    made = sealed(Seals(), DAY, leaves_of(3))
    assert inclusion(made, "a001", 2025) is None
    found = inclusion(made, "a001", 2026)
    assert found is not None
    assert found[0] == 1
