"""Configure a link as an operator says it: only what its protocol allows, and no password that is not sealed."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from application.manage_links import configured_anew, require_name
from application.platform import change
from application.ports import Store
from domain.aggregates import link
from domain.aggregates.link import Link
from domain.errors import BadInput
from domain.events import Event
from domain.events.link import Configured, LinkEvent
from domain.protocols import require_inbound_password, require_link, require_password
from domain.recorded import Context
from domain.values import stream_id

_LONGEST_AUTHORITY = 200_000
_NOTHING_GIVEN = (
    "A new link needs its password: in the request, or on the command line in LINK_PASSWORD (LINK_INBOUND_PASSWORD"
    " for the carrier's own), by --password-stdin or --ask-password."
)


def password_purpose(name: str) -> str:
    """What the password of a link is sealed for."""
    return f"link:{name}"


def inbound_purpose(name: str) -> str:
    """What the password is sealed for by which the carrier logs in to us."""
    return f"link-inbound:{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Passwords as they were given; None keeps the one that is sealed already."""

    own: str | None = field(default=None, repr=False)
    """Ours at the carrier."""
    inbound: str | None = field(default=None, repr=False)
    """The carrier's at our port (SGIP)."""


class SecretVault(Protocol):
    """Seals passwords for the log."""

    def seal_secret(self, secret: str, *, purpose: str) -> str:
        """The secret sealed for one purpose."""
        ...

    def open_secret(self, sealed: str, *, purpose: str) -> str:
        """The secret again; ValueError where it was sealed elsewhere or altered."""
        ...


async def save_link(
    store: Store,
    vault: SecretVault,
    *,
    name: str,
    draft: Callable[[Configured | None], Configured],
    passwords: Passwords,
    context: Context,
) -> tuple[Event, ...]:
    """Make a link, or change how it is reached; a new one is enabled. `()` where nothing changes.

    `draft` makes the link from what is configured now; its sealed passwords are not looked at. Refuses link_name,
    password_missing, password_unreadable, link_password and what `require_link` refuses.
    """
    require_name(name)

    def decide(state: Link | None) -> tuple[LinkEvent, ...]:
        known = state.configured if state is not None else None
        wanted = draft(known)
        require_link(wanted)
        require_authority(wanted)
        return configured_anew(state, _sealed(vault, wanted, known, passwords))

    return await change(store, stream_id("link", name), link.evolve, decide, context)


def require_authority(wanted: Configured) -> None:
    """Refuse link_encryption: an authority that is no certificate, or has a private key beside it."""
    authority = wanted.encryption.authority if wanted.encryption is not None else ""
    if not authority:
        return
    if "PRIVATE KEY" in authority:
        detail = (
            "The authority has a private key in it, which would be kept for ever: give certificates only."
        )
        raise BadInput("link_encryption", detail, field="encryption.authority")
    try:
        if not authority.isascii() or len(authority) > _LONGEST_AUTHORITY:
            raise ValueError("no PEM")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authority)
    except (ValueError, ssl.SSLError):
        detail = "The authority is no certificate: give PEM text (-----BEGIN CERTIFICATE-----)."
        raise BadInput("link_encryption", detail, field="encryption.authority") from None


def _sealed(
    vault: SecretVault, wanted: Configured, known: Configured | None, passwords: Passwords
) -> Configured:
    """The link with its passwords sealed; as they were sealed before where they are the same, so nothing changes."""
    own = _Secret(
        sealed=known.sealed_password if known is not None else "",
        purpose=password_purpose(wanted.name),
        field="password",
        check=lambda password: require_password(wanted.protocol, password),
        recheck=known is not None and known.protocol != wanted.protocol,
    )
    made = replace(wanted, sealed_password=own.seal(vault, passwords.own))
    if wanted.inbound is None:
        if passwords.inbound is not None:
            detail = "The carrier does not come to us in this protocol: give no password for it."
            raise BadInput("link_inbound", detail, field="inbound.password")
        return made
    theirs = _Secret(
        sealed=known.inbound.sealed_password if known is not None and known.inbound is not None else "",
        purpose=inbound_purpose(wanted.name),
        field="inbound.password",
        check=require_inbound_password,
    )
    sealed = theirs.seal(vault, passwords.inbound)
    return replace(made, inbound=replace(wanted.inbound, sealed_password=sealed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    """One password of a link: what is sealed already, and what a new one has to be."""

    sealed: str
    purpose: str
    field: str
    check: Callable[[str], None]
    recheck: bool = False
    """The one that is kept was given for another protocol."""

    def seal(self, vault: SecretVault, given: str | None) -> str:
        if given is None:
            return self._kept(vault)
        self.check(given)
        if self.sealed and self._open(vault) == given:
            return self.sealed
        return vault.seal_secret(given, purpose=self.purpose)

    def _kept(self, vault: SecretVault) -> str:
        if not self.sealed:
            raise BadInput("password_missing", _NOTHING_GIVEN, field=self.field)
        if self.recheck:
            password = self._open(vault)
            if password is None:
                raise unreadable(self.field)
            self.check(password)
        return self.sealed

    def _open(self, vault: SecretVault) -> str | None:
        try:
            return vault.open_secret(self.sealed, purpose=self.purpose)
        except ValueError:
            return None


def unreadable(field: str) -> BadInput:
    """The refusal where a sealed password cannot be opened."""
    detail = "The sealed password cannot be opened with the keys of this machine: give it again."
    return BadInput("password_unreadable", detail, field=field)
