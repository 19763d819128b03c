"""The life of a day's data key: the personal data of a day dies with it."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class DayKeyCreated:
    """The day's keys exist; the fingerprint tells which, and tells nothing else."""

    TOPIC: ClassVar = "vault.day_key_created"
    day: date
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayKeyDestroyed:
    """The day's keys are gone and with them every text and number of that day; final."""

    TOPIC: ClassVar = "vault.day_key_destroyed"
    day: date
    fingerprint: str


VaultEvent = DayKeyCreated | DayKeyDestroyed
