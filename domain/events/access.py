"""Who may do what, and every look at personal data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Scope(StrEnum):
    """What an API key may do."""

    SEND = "messages:send"
    READ = "messages:read"
    HISTORY = "history:read"
    UNMASKED = "history:unmasked"
    BILLING = "billing:read"
    AGREE = "billing:agree"
    """Accept or dispute a statement in the customer's name."""
    FINANCE = "billing:write"
    """Statements, adjustments, amendments, reconciliations: what changes money, and always names who did it."""
    NETWORK = "network:write"
    """Links and routes: how all accounts' messages reach the carriers."""
    STATISTICS = "statistics:read"
    MONITORING = "monitoring:read"


OF_THE_PLATFORM = frozenset({Scope.FINANCE, Scope.BILLING, Scope.NETWORK, Scope.MONITORING})
"""What a key of the platform's own people may have: it speaks for no account and names one in each call."""
OF_ACCOUNTS = frozenset(Scope) - {Scope.FINANCE, Scope.NETWORK}
"""What an account's key may have: a customer never writes its own bill, nor everybody's routes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssued:
    """An API key exists; only the digest of its secret is kept. No account: a key of the platform's own people."""

    TOPIC: ClassVar = "access.key_issued"
    key: str
    account: str
    name: str
    scopes: tuple[Scope, ...]
    secret_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """The key opens nothing any more; final."""

    TOPIC: ClassVar = "access.key_revoked"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLookedUp:
    """Somebody looked up the messages of a phone number; the number is there only as a blind index."""

    TOPIC: ClassVar = "access.history_looked_up"
    account: str
    key: str
    why: str
    subject: str
    """Blind index of the number under the key of the day: gone with that key."""
    hits: int
    unmasked: bool


KeyEvent = KeyIssued | KeyRevoked
AccessEvent = KeyIssued | KeyRevoked | HistoryLookedUp
