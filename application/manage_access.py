"""API keys: issue, revoke, and tell who is calling.

A key reads `sl_<public>_<secret>`; the secret has 256 random bits, so its plain SHA-256 is enough to keep.
"""

import hmac
from hashlib import sha256

from application.directory import Directory
from application.platform import change
from application.ports import Store
from domain.aggregates import access
from domain.aggregates.access import Key
from domain.errors import NotAllowed, NotFound
from domain.events import Event
from domain.events.access import Scope
from domain.recorded import Context
from domain.values import stream_id


async def issue_key(
    store: Store,
    *,
    account: str,
    name: str,
    scopes: tuple[Scope, ...],
    public: str,
    secret: str,
    context: Context,
) -> str:
    """Record a key made from random `public` and `secret`; returns the token.

    The token is shown once. Refuses not_found, scope_not_possible.
    """
    if account and not (await store.load([stream_id("contract", account)])):
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    events = access.issue(
        key=public, account=account, name=name, scopes=scopes, secret_digest=_digest(secret)
    )
    await change(
        store, stream_id("key", public), access.evolve, lambda state: () if state else events, context
    )
    return f"sl_{public}_{secret}"


async def revoke_key(store: Store, *, key: str, reason: str, context: Context) -> tuple[Event, ...]:
    """Close a key for good. Refuses not_found."""

    def decide(state: Key | None) -> tuple[Event, ...]:
        if state is None:
            raise NotFound("not_found", "There is no such key.", field="key")
        return state.revoke(reason=reason)

    return await change(store, stream_id("key", key), access.evolve, decide, context)


async def authenticate(directory: Directory, token: str) -> Key:
    """The key of a token. Refuses invalid_key, and says nothing about what was wrong with it."""
    prefix, _, rest = token.partition("_")
    public, _, secret = rest.partition("_")
    found = await directory.key(public) if prefix == "sl" and 1 <= len(public) <= 32 else None
    expected = found.state.secret_digest if found else "0" * 64
    right = hmac.compare_digest(expected, _digest(secret))
    if found is None or not right or found.state.revoked:
        raise NotAllowed("invalid_key", "The API key is not valid: send `Authorization: Bearer <key>`.")
    return found.state


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
