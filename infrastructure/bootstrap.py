"""The composition root: the only place that builds. Processes, commands and tests all begin here."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from application.directory import Directory
from application.ports import Now
from application.send_messages import MessageSender
from domain.values import Carrier, Category
from infrastructure.embedded import default_data_dir
from infrastructure.event_store import EventStore
from infrastructure.portability import KnownNumbers
from infrastructure.recorder import connect
from infrastructure.settings import Settings, SettingsError
from infrastructure.vault import FileVault, KeyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long reads and writes wait for a database that is away, and writes for company in their group."""

    seconds: float
    gather_entries: int
    gather_seconds: float


SOMEBODY_WAITS = Patience(seconds=10.0, gather_entries=32, gather_seconds=0.003)
"""A caller waits for the answer: soon an error, soon a write."""
NOBODY_WAITS = Patience(seconds=600.0, gather_entries=200, gather_seconds=0.02)
"""Answers of carriers are in memory until they are written: rather late than lost, and in few large groups, so
that the lock is there for those who wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What a process works with; close it to let go of connections after the last write."""

    settings: Settings
    store: EventStore
    vault: FileVault
    directory: Directory
    sender: MessageSender
    numbers: KnownNumbers
    now: Now

    def close(self) -> None:
        """Write what waits, then let go."""
        self.store.close()


def utc_now() -> datetime:
    """The clock port of the real world."""
    return datetime.now(UTC)


def new_id() -> str:
    """A random id for what the caller gave none: a request, a batch, an idempotency key."""
    return secrets.token_hex(16)


def data_dir(settings: Settings) -> Path:
    """Where embedded servers and, by default, keys live."""
    return settings.data_dir or default_data_dir()


def keys_dir(settings: Settings) -> Path:
    """Where the keys live."""
    return settings.keys_dir or data_dir(settings) / "keys"


def ported_order(settings: Settings) -> tuple[Carrier, ...]:
    """Whose a number is taken to be that its own carrier does not have, the likeliest first."""
    return tuple(map(Carrier, settings.ported_order.split(",")))


def build(settings: Settings, *, now: Now = utc_now, patience: Patience = SOMEBODY_WAITS) -> Platform:
    """Everything wired over one pool. Raises SettingsError where no database is named."""
    if not settings.database_url:
        raise SettingsError(
            "SMSLEDGER_DATABASE_URL is empty: start everything with `smsledger up`, or set it"
        )
    store = EventStore(
        connect(settings.database_url, schema=settings.db_schema, pool_size=settings.pool_size),
        most_entries=settings.group_entries,
        most_waiting=settings.max_waiting,
        patience_seconds=patience.seconds,
        gather_entries=patience.gather_entries,
        gather_seconds=patience.gather_seconds,
    )
    vault = FileVault(KeyStore(keys_dir(settings)))
    directory = Directory(store, seconds=time.monotonic)
    numbers = KnownNumbers(store, vault.number_digest)
    return Platform(
        settings=settings,
        store=store,
        vault=vault,
        directory=directory,
        sender=MessageSender(
            store=store,
            vault=vault,
            directory=directory,
            now=now,
            validity_seconds=_validity(settings),
            numbers=numbers,
            ported_order=ported_order(settings),
            require_filing=settings.require_filing,
        ),
        numbers=numbers,
        now=now,
    )


@contextmanager
def platform(
    settings: Settings, *, now: Now = utc_now, patience: Patience = SOMEBODY_WAITS
) -> Iterator[Platform]:
    """A platform for the length of a block."""
    made = build(settings, now=now, patience=patience)
    try:
        yield made
    finally:
        made.close()


def _validity(settings: Settings) -> dict[Category, int]:
    return {
        Category.OTP: settings.otp_validity_seconds,
        Category.NOTICE: settings.notice_validity_seconds,
        Category.MARKETING: settings.marketing_validity_seconds,
    }
