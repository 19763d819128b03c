"""Every protocol that a link can speak, by its name in the configuration."""

from collections.abc import Callable
from datetime import datetime

from infrastructure.carriers.cmpp_dialect import CmppDialect
from infrastructure.carriers.dialect import Dialect
from infrastructure.carriers.sgip_dialect import SgipDialect
from infrastructure.carriers.smgp_dialect import SmgpDialect
from infrastructure.carriers.smpp_dialect import SmppDialect
from infrastructure.carriers.traffic import LinkSettings

__all__ = ["DIALECTS", "dialect_of"]

DIALECTS: dict[str, Callable[[LinkSettings, Callable[[], datetime]], Dialect]] = {
    "smpp34": lambda settings, _now: SmppDialect(settings),
    "cmpp20": CmppDialect,
    "cmpp30": CmppDialect,
    "sgip12": SgipDialect,
    "smgp30": SmgpDialect,
}


def dialect_of(settings: LinkSettings, now: Callable[[], datetime]) -> Dialect:
    """The link's way of speaking. Raises ValueError for a protocol or a value that cannot be spoken."""
    if settings.protocol not in DIALECTS:
        raise ValueError(f"the protocol is none of {', '.join(DIALECTS)}")
    return DIALECTS[settings.protocol](settings, now)
