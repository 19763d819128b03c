"""A key opens what its scopes say until it is revoked."""

from datetime import UTC, datetime

import pytest

from domain.aggregates import access
from domain.aggregates.access import Key
from domain.errors import NotAllowed
from domain.events.access import KeyRevoked, Scope

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def issued(*scopes: Scope) -> Key:
    (event,) = access.issue(key="k1", account="acme", name="shop", scopes=scopes, secret_digest="0" * 64)
    return access.evolve(None, event, NOW)


def test_a_key_opens_what_its_scopes_say():
    issued(Scope.SEND, Scope.READ).require(Scope.SEND)


def test_a_key_without_a_scope_is_refused():
    with pytest.raises(NotAllowed, match="missing_scope"):
        issued(Scope.READ).require(Scope.SEND)


def test_a_revoked_key_stays_revoked():
    key = issued(Scope.READ)
    assert key.revoke(reason="lost") == (KeyRevoked(reason="lost"),)
    revoked = access.evolve(key, KeyRevoked(reason="lost"), NOW)
    assert revoked.revoked
    assert revoked.revoke(reason="again") == ()
