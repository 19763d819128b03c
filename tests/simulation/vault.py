"""A vault without secrets: what it seals can be read by the auditor, and is bound to its place all the same."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from uuid import UUID

from application.ports import SealedRow
from domain.values import Sealed


class PlainVault:
    """Implements `application.ports.Vault`; `destroy` takes a day away."""

    def __init__(self) -> None:
        self._days: set[date] = set()
        self._destroyed: set[date] = set()

    def destroy(self, day: date) -> None:
        """Make everything of a day unreadable."""
        self._destroyed.add(day)

    def ensure(self, day: date) -> str:
        self._days.add(day)
        return day.isoformat()

    def seal(
        self, *, account: str, message: UUID, day: date, phone: str, text: str
    ) -> tuple[Sealed, SealedRow]:
        self._days.add(day)
        ciphertext = "\x00".join((account, str(message), day.isoformat(), phone, text)).encode()
        index = self.phone_index(phone, day)
        assert index is not None
        row = SealedRow(day=day, message=message, account=account, phone_index=index, ciphertext=ciphertext)
        return Sealed(day=day, digest=sha256(ciphertext).hexdigest()), row

    def open(
        self, *, account: str, message: UUID, sealed: Sealed, ciphertext: bytes
    ) -> tuple[str, str] | None:
        if sealed.day in self._destroyed:
            return None
        if sha256(ciphertext).hexdigest() != sealed.digest:
            raise ValueError("sealed data does not match the digest in the log")
        *place, phone, text = ciphertext.decode().split("\x00")
        if place != [account, str(message), sealed.day.isoformat()]:
            raise ValueError("sealed data belongs to another message")
        return phone, text

    def phone_index(self, phone: str, day: date) -> bytes | None:
        return None if self._gone(day) else sha256(f"{day}|{phone}".encode()).digest()[:16]

    def digest(self, body: str, day: date) -> str | None:
        return None if self._gone(day) else sha256(f"{day}|{body}".encode()).hexdigest()[:32]

    def days(self) -> Sequence[date]:
        return sorted(self._days - self._destroyed, reverse=True)

    def _gone(self, day: date) -> bool:
        return day in self._destroyed or day not in self._days
