"""TLS to a carrier: its certificate and its name are always checked."""

import ssl
from functools import lru_cache

from infrastructure.carriers.traffic import LinkSettings

__all__ = ["encryption"]


def encryption(settings: LinkSettings) -> ssl.SSLContext | None:
    """What a connection is encrypted with; None where it is not. Raises OSError for an authority that is no PEM."""
    return _context(settings.authority) if settings.encrypted else None


@lru_cache(maxsize=64)
def _context(authority: str) -> ssl.SSLContext:
    """One for many connections: reading the system's authorities takes tens of milliseconds."""
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except ValueError as error:
        raise ssl.SSLError(f"the authority is no certificate: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
