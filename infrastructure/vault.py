"""Sealing of personal data: AES-256-GCM and a blind index, both under keys of the day.

The keys live in files of their own, outside the database and its backups: destroying a day's file makes
every number and text of that day unreadable for ever.
"""

import os
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b, sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.ports import SealedRow
from domain.values import Sealed

_KEY_BYTES = 64
_NONCE_BYTES = 12
_NONCES_FETCHED = 100
_INDEX_BYTES = 16
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DayKeys:
    """The two keys of a day: one seals, one indexes."""

    cipher: AESGCM
    index: bytes
    fingerprint: str


def _day_keys(material: bytes) -> DayKeys:
    return DayKeys(
        cipher=AESGCM(material[:32]), index=material[32:], fingerprint=sha256(material).hexdigest()[:32]
    )


class KeyStore:
    """One file of 64 random octets a key, mode 0600, in a folder of mode 0700; made once, never rewritten."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def get_or_create(self, name: str) -> bytes:
        """The key of a name. Whoever comes first makes it; it is on disk before anybody uses it."""
        existing = self.get(name)
        if existing is not None:
            return existing
        draft = self._folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, self._folder / name)
            self._sync_folder()
        finally:
            draft.unlink()
        made = self.get(name)
        assert made is not None
        return made

    def get(self, name: str) -> bytes | None:
        """The key of a name, None where there is none (not made yet, or destroyed)."""
        try:
            material = (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        if len(material) != _KEY_BYTES:
            raise ValueError(f"the key file {name} is damaged: restore it from the keys' own backup")
        return material

    def names(self) -> list[str]:
        """Names of all keys, in order."""
        return sorted(entry.name for entry in self._folder.iterdir() if not entry.name.startswith("."))

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Nonces:
    """Random nonces from the system's generator, fetched by the hundred: one fetch gives the interpreter away."""

    def __init__(self) -> None:
        self._stock: list[bytes] = []
        # A forked child must not use its parent's nonces again.
        os.register_at_fork(after_in_child=self._stock.clear)

    def next(self) -> bytes:
        try:
            return self._stock.pop()
        except IndexError:
            fresh = os.urandom(_NONCE_BYTES * _NONCES_FETCHED)
            self._stock += [
                fresh[start : start + _NONCE_BYTES] for start in range(_NONCE_BYTES, len(fresh), _NONCE_BYTES)
            ]
            return fresh[:_NONCE_BYTES]


class FileVault:
    """The vault over a key store. Keys of a day are made with its first message."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._nonces = _Nonces()
        self._days: dict[date, DayKeys] = {}
        self._looked: dict[date, float] = {}
        self._numbers = b""

    def seal(
        self, *, account: str, message: UUID, day: date, phone: str, text: str
    ) -> tuple[Sealed, SealedRow]:
        """Seal a number and a text under the keys of the day, bound to account, message and day."""
        keys = self._days.get(day) or self._make(day)
        nonce = self._nonces.next()
        plain = f"{phone}\x00{text}".encode()
        ciphertext = nonce + keys.cipher.encrypt(nonce, plain, _bound(account, message, day))
        row = SealedRow(
            day=day,
            message=message,
            account=account,
            phone_index=_keyed(keys, phone),
            ciphertext=ciphertext,
        )
        return Sealed(day=day, digest=sha256(ciphertext).hexdigest()), row

    def open(
        self, *, account: str, message: UUID, sealed: Sealed, ciphertext: bytes
    ) -> tuple[str, str] | None:
        """Number and text, None where the day's keys are gone; ValueError where somebody changed the octets."""
        keys = self._find(sealed.day)
        if keys is None:
            return None
        if sha256(ciphertext).hexdigest() != sealed.digest:
            raise ValueError("sealed data does not match the digest in the log")
        nonce, body = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        try:
            plain = keys.cipher.decrypt(nonce, body, _bound(account, message, sealed.day))
        except InvalidTag:
            raise ValueError("sealed data belongs to another message or was altered") from None
        phone, _, text = plain.decode().partition("\x00")
        return phone, text

    def phone_index(self, phone: str, day: date) -> bytes | None:
        """Blind index of a normalised number on a day, None where the day has no keys."""
        keys = self._find(day)
        return None if keys is None else _keyed(keys, phone)

    def digest(self, body: str, day: date) -> str | None:
        """Keyed digest of a request, None where the day's keys are gone."""
        keys = self._find(day)
        return None if keys is None else _keyed(keys, body).hex()

    def ensure(self, day: date) -> str:
        """Make the keys of a day where there are none; returns their fingerprint."""
        return (self._days.get(day) or self._make(day)).fingerprint

    def days(self) -> Sequence[date]:
        """Days that have keys, newest first."""
        found = [name.removeprefix("day-") for name in self._keys.names() if name.startswith("day-")]
        return [date.fromisoformat(name) for name in reversed(found)]

    def number_digest(self, phone: str) -> int:
        """The digest of a normalised number that is the same on every day: 64 bits, signed, under a key that lives
        as long as what is known about numbers. It stands in one table, and in no event."""
        if not self._numbers:
            self._numbers = self._keys.get_or_create("numbers")
        return int.from_bytes(blake2b(phone.encode(), key=self._numbers, digest_size=8).digest(), signed=True)

    def seal_secret(self, secret: str, *, purpose: str) -> str:
        """A carrier's password for the log: sealed under the platform's own key, not a day's."""
        keys = _day_keys(self._keys.get_or_create("configuration"))
        nonce = os.urandom(_NONCE_BYTES)
        return b64encode(nonce + keys.cipher.encrypt(nonce, secret.encode(), purpose.encode())).decode()

    def open_secret(self, sealed: str, *, purpose: str) -> str:
        """The secret again; ValueError where it was sealed elsewhere or altered."""
        material = self._keys.get("configuration")
        if material is None:
            raise ValueError(
                "the key store has no configuration key: point SMSLEDGER_KEYS_DIR at the right one"
            )
        raw = b64decode(sealed)
        try:
            plain = _day_keys(material).cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode()
            )
        except InvalidTag:
            raise ValueError("the secret was sealed under another key or altered") from None
        return plain.decode()

    def _make(self, day: date) -> DayKeys:
        keys = _day_keys(self._keys.get_or_create(f"day-{day.isoformat()}"))
        self._days[day] = keys
        self._looked.pop(day, None)
        return keys

    def _find(self, day: date) -> DayKeys | None:
        """Keys of a day, asked of the store again every second: a destroyed key is soon gone everywhere."""
        if time.monotonic() < self._looked.get(day, 0.0):
            return self._days.get(day)
        material = self._keys.get(f"day-{day.isoformat()}")
        self._looked[day] = time.monotonic() + _LOOK_SECONDS
        if material is None:
            self._days.pop(day, None)
            return None
        return self._days.get(day) or self._days.setdefault(day, _day_keys(material))


def _keyed(keys: DayKeys, text: str) -> bytes:
    """Keyed BLAKE2b (RFC 7693), a MAC as good as HMAC-SHA-256 here at a quarter of its time."""
    return blake2b(text.encode(), key=keys.index, digest_size=_INDEX_BYTES).digest()


def _bound(account: str, message: UUID, day: date) -> bytes:
    """The associated data that ties a ciphertext to its place: 16 octets, the day as an ordinal, the account."""
    return message.bytes + day.toordinal().to_bytes(4) + account.encode()
