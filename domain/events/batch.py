"""Many messages accepted under one id."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkAccepted:
    """One bulk call of a batch was answered: so many accepted, so many refused by code."""

    TOPIC: ClassVar = "batch.chunk_accepted"
    account: str
    batch: str
    accepted: int
    segments: int
    refused: tuple[tuple[str, int], ...]


BatchEvent = ChunkAccepted
