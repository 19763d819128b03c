"""The key that signs the daily seal: a file in the key store, outside the database and its backups."""

from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infrastructure.vault import KeyStore

_NAME = "seal"
_SEED_BYTES = 32


def key_id(public_key: bytes) -> str:
    """The id of a public key, 16 hexadecimal digits."""
    return sha256(public_key).hexdigest()[:16]


class SealingKey:
    """Signs with Ed25519 (RFC 8032); the first 32 octets of the key file are the private key."""

    def __init__(self, material: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(material[:_SEED_BYTES])
        public = self._private.public_key().public_bytes_raw()
        self.public_key = public.hex()
        self.key = key_id(public)

    def sign(self, octets: bytes) -> str:
        """The signature over octets, 128 hexadecimal digits."""
        return self._private.sign(octets).hex()


def get_or_create(folder: Path) -> SealingKey:
    """The sealing key of a key folder; made with the first seal, mode 0600."""
    return SealingKey(KeyStore(folder).get_or_create(_NAME))


def find(folder: Path) -> SealingKey | None:
    """The sealing key of a key folder, None where nothing was sealed from there."""
    if not (folder / _NAME).exists():
        return None
    material = KeyStore(folder).get(_NAME)
    return None if material is None else SealingKey(material)
