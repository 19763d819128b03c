"""API keys: who may do what. Only digests of secrets are known here."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.errors import BadInput, NotAllowed, NotFound
from domain.events.access import OF_ACCOUNTS, OF_THE_PLATFORM, KeyEvent, KeyIssued, KeyRevoked, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key as it stands."""

    key: str
    account: str
    name: str
    scopes: frozenset[Scope]
    secret_digest: str
    revoked: bool = False

    def revoke(self, *, reason: str) -> tuple[KeyEvent, ...]:
        """Close it for good."""
        return () if self.revoked else (KeyRevoked(reason=reason),)

    def speaks_for(self, account: str) -> str:
        """The account a call is about: the key's own, or the one that a key of the platform names.

        Refuses not_found, account_missing.
        """
        if self.account:
            if account not in ("", self.account):
                raise NotFound("not_found", "There is no such account.", field="account")
            return self.account
        if not account:
            raise BadInput("account_missing", "Name the account: this key is of no account.", field="account")
        return account

    def require(self, scope: Scope) -> None:
        """Refuse missing_scope."""
        if scope not in self.scopes:
            raise NotAllowed("missing_scope", f"The key lacks the scope {scope}: ask for a key that has it.")


def issue(
    *, key: str, account: str, name: str, scopes: tuple[Scope, ...], secret_digest: str
) -> tuple[KeyEvent, ...]:
    """A new key; of the platform's own people where it names no account. Refuses scope_not_possible."""
    possible = OF_ACCOUNTS if account else OF_THE_PLATFORM
    wrong = [scope for scope in scopes if scope not in possible]
    if wrong or not scopes:
        raise BadInput(
            "scope_not_possible",
            f"Such a key may have: {', '.join(sorted(possible))}.",
            field="scopes",
        )
    return (KeyIssued(key=key, account=account, name=name, scopes=scopes, secret_digest=secret_digest),)


def evolve(state: Key | None, event: KeyEvent, at: datetime) -> Key:  # noqa: ARG001
    """The key after one more fact."""
    if isinstance(event, KeyIssued):
        return Key(
            key=event.key,
            account=event.account,
            name=event.name,
            scopes=frozenset(event.scopes),
            secret_digest=event.secret_digest,
        )
    if state is None:
        raise ValueError("a key begins with access.key_issued")
    match event:
        case KeyRevoked():
            return replace(state, revoked=True)
        case _:
            assert_never(event)
