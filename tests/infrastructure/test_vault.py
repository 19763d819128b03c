"""Sealed data opens only in its own place, under its own day's keys, and never again once they are gone."""

import multiprocessing
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from infrastructure import vault as vault_module
from infrastructure.vault import FileVault, KeyStore

DAY, OTHER_DAY = date(2026, 5, 1), date(2026, 5, 2)
MESSAGE, OTHER = UUID(int=1), UUID(int=2)
PHONE, TEXT = "+8613800138000", "【示例科技】验证码1234😀"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def vault(folder: Path, clock: "Clock") -> FileVault:
    return FileVault(KeyStore(folder))


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(vault_module.time, "monotonic", made.monotonic)
    yield made
    monkeypatch.undo()


def seal(vault: FileVault, *, message: UUID = MESSAGE, day: date = DAY):
    return vault.seal(account="acme", message=message, day=day, phone=PHONE, text=TEXT)


def test_what_is_sealed_opens_again(vault):
    sealed, row = seal(vault)
    assert (sealed.day, row.day, row.message, row.account) == (DAY, DAY, MESSAGE, "acme")
    assert sealed.digest == sha256(row.ciphertext).hexdigest()
    opened = vault.open(account="acme", message=MESSAGE, sealed=sealed, ciphertext=row.ciphertext)
    assert opened == (PHONE, TEXT)


def test_neither_number_nor_text_can_be_read_from_what_is_stored(vault, folder):
    _, row = seal(vault)
    for secret in (b"13800138000", "验证码".encode(), "验证码".encode("utf-16-be")):
        assert secret not in row.ciphertext
        assert secret not in row.phone_index


def test_the_same_message_sealed_twice_looks_different(vault):
    assert seal(vault)[1].ciphertext != seal(vault)[1].ciphertext


def test_another_account_or_message_or_day_cannot_open_it(vault):
    sealed, row = seal(vault)
    seal(vault, day=OTHER_DAY)
    places = [
        {"account": "bolt", "message": MESSAGE, "sealed": sealed},
        {"account": "acme", "message": OTHER, "sealed": sealed},
        {"account": "acme", "message": MESSAGE, "sealed": replace(sealed, day=OTHER_DAY)},
    ]
    for place in places:
        with pytest.raises(ValueError, match="another message"):
            vault.open(ciphertext=row.ciphertext, **place)


def test_a_name_that_runs_into_another_field_is_another_place(vault):
    sealed, row = vault.seal(account="ab", message=MESSAGE, day=DAY, phone=PHONE, text=TEXT)
    with pytest.raises(ValueError, match="another message"):
        vault.open(account="a", message=MESSAGE, sealed=sealed, ciphertext=row.ciphertext)


@pytest.mark.parametrize("place", [0, 12, -1])
def test_an_altered_octet_is_noticed_by_the_digest_and_by_the_seal(vault, place):
    sealed, row = seal(vault)
    octets = bytearray(row.ciphertext)
    octets[place] ^= 1
    with pytest.raises(ValueError, match="digest"):
        vault.open(account="acme", message=MESSAGE, sealed=sealed, ciphertext=bytes(octets))
    forged = replace(sealed, digest=sha256(octets).hexdigest())
    with pytest.raises(ValueError, match="altered"):
        vault.open(account="acme", message=MESSAGE, sealed=forged, ciphertext=bytes(octets))


def test_a_destroyed_day_reads_as_nothing_within_a_second_in_every_process(vault, folder, clock):
    sealed, row = seal(vault)
    (folder / f"day-{DAY}").unlink()
    clock.seconds += 1.0
    assert vault.open(account="acme", message=MESSAGE, sealed=sealed, ciphertext=row.ciphertext) is None
    assert vault.phone_index(PHONE, DAY) is None
    assert vault.digest("body", DAY) is None
    assert vault.days() == []


def test_another_process_opens_what_this_one_sealed(vault, folder):
    sealed, row = seal(vault)
    other = FileVault(KeyStore(folder))
    assert other.open(account="acme", message=MESSAGE, sealed=sealed, ciphertext=row.ciphertext) == (
        PHONE,
        TEXT,
    )


def test_the_index_of_a_number_is_the_same_on_a_day_and_another_on_another(vault):
    _, row = seal(vault)
    seal(vault, day=OTHER_DAY)
    assert vault.phone_index(PHONE, DAY) == row.phone_index
    assert vault.phone_index("+8613800138001", DAY) != row.phone_index
    assert vault.phone_index(PHONE, OTHER_DAY) != row.phone_index


def test_a_day_without_keys_has_neither_index_nor_digest_and_gets_keys_with_its_first_message(vault):
    assert vault.phone_index(PHONE, DAY) is None
    assert vault.digest("body", DAY) is None
    seal(vault)
    assert vault.phone_index(PHONE, DAY) is not None
    assert vault.digest("body", DAY) is not None


def test_the_digest_of_a_body_is_keyed_by_day(vault):
    seal(vault)
    seal(vault, day=OTHER_DAY)
    assert vault.digest("body", DAY) == vault.digest("body", DAY)
    assert len({vault.digest("body", DAY), vault.digest("other", DAY), vault.digest("body", OTHER_DAY)}) == 3


def test_days_are_listed_newest_first(vault):
    for day in (DAY, date(2025, 12, 31), OTHER_DAY):
        vault.ensure(day)
    vault.seal_secret("secret", purpose="link:one")
    assert vault.days() == [OTHER_DAY, DAY, date(2025, 12, 31)]


def test_ensuring_a_day_twice_is_one_key(vault, folder):
    assert vault.ensure(DAY) == vault.ensure(DAY) == FileVault(KeyStore(folder)).ensure(DAY)
    assert vault.ensure(DAY) != vault.ensure(OTHER_DAY)


def test_keys_are_private_files_in_a_private_folder(vault, folder):
    vault.ensure(DAY)
    key = folder / f"day-{DAY}"
    assert (folder.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o700, 0o600)
    assert key.stat().st_size == 64
    assert sorted(entry.name for entry in folder.iterdir()) == [key.name]


@pytest.mark.parametrize("octets", [b"", b"x" * 63, b"x" * 65])
def test_a_damaged_key_file_is_said_to_be_damaged_and_never_replaced(folder, octets):
    folder.mkdir(mode=0o700)
    (folder / f"day-{DAY}").write_bytes(octets)
    with pytest.raises(ValueError, match="damaged"):
        FileVault(KeyStore(folder)).ensure(DAY)
    assert (folder / f"day-{DAY}").read_bytes() == octets


def test_an_unreadable_draft_of_a_writer_that_died_is_in_nobody_s_way(folder):
    folder.mkdir(mode=0o700)
    (folder / f".day-{DAY}.1.abcd").write_bytes(b"half")
    vault = FileVault(KeyStore(folder))
    vault.ensure(DAY)
    assert vault.days() == [DAY]


def fingerprint(folder: Path) -> str:
    """In another process: whoever comes first makes the key."""
    return FileVault(KeyStore(folder)).ensure(DAY)


def test_several_processes_and_threads_that_make_a_day_s_key_at_once_agree_on_one(folder):
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        elsewhere = processes.map_async(fingerprint, [folder] * 8, chunksize=1)
        with ThreadPoolExecutor(4) as threads:
            here = list(threads.map(fingerprint, [folder] * 8))
        assert len({*here, *elsewhere.get(60)}) == 1
    assert len(list(folder.iterdir())) == 1


def test_nonces_are_never_used_twice_not_by_threads_and_not_by_a_forked_child(vault):
    def nonces(_: int) -> list[bytes]:
        return [seal(vault)[1].ciphertext[:12] for _ in range(400)]

    with ThreadPoolExecutor(4) as pool:
        seen = [nonce for some in pool.map(nonces, range(4)) for nonce in some]
    assert len(set(seen)) == 1_600
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # The child does one thing and ends.
        child = os.fork()
    if child == 0:
        os.write(write_end, seal(vault)[1].ciphertext[:12])
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 12) != seal(vault)[1].ciphertext[:12]
    os.close(read_end)
    os.close(write_end)


def test_a_secret_opens_only_for_its_purpose_and_under_its_own_key_store(vault, tmp_path):
    sealed = vault.seal_secret("pässword", purpose="link:one")
    assert "password" not in sealed
    assert vault.open_secret(sealed, purpose="link:one") == "pässword"
    with pytest.raises(ValueError, match="altered"):
        vault.open_secret(sealed, purpose="link:two")
    stranger = FileVault(KeyStore(tmp_path / "other"))
    with pytest.raises(ValueError, match="SMSLEDGER_KEYS_DIR"):
        stranger.open_secret(sealed, purpose="link:one")
    stranger.seal_secret("x", purpose="link:one")
    with pytest.raises(ValueError, match="another key"):
        stranger.open_secret(sealed, purpose="link:one")
