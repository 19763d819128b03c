"""Where the carrier of one link comes in with its receipts, where its protocol wants that (SGIP)."""

import asyncio
import errno
import logging

from infrastructure.carriers.intake import Intake
from infrastructure.carriers.sgip_listener import SgipListeners
from infrastructure.carriers.traffic import LinkSettings

__all__ = ["Reception"]

_log = logging.getLogger(__name__)


class Reception:
    """A link's place at the listeners of its process; of a link whose carrier does not come to us it does nothing."""

    def __init__(self, settings: LinkSettings, listeners: SgipListeners, intake: Intake) -> None:
        self._settings = settings
        self._listeners = listeners
        self._intake = intake
        self._opened = False
        self._closed_for = ""

    @property
    def deaf(self) -> str:
        """Why the carrier cannot come in; empty where it can, or never does."""
        if self._opened and self._listeners.is_turned_away(self._settings):
            return "the carrier comes to us with another password than the link has for it"
        return self._closed_for

    async def open(self) -> None:
        """Let the carrier in; where that cannot be, try again until it can."""
        while self._settings.listener_port and not self._opened:
            try:
                await self._listeners.join(self._settings, self._intake)
            except (OSError, ValueError) as error:
                self._closed_for = _why(self._settings.listener_port, error)
                _log.error("link %s: %s", self._settings.name, self._closed_for)
                await asyncio.sleep(4 * self._settings.reconnect_min_seconds)
            else:
                self._opened, self._closed_for = True, ""

    async def finish(self) -> None:
        """Answer what the carrier brought, and take nothing more of it."""
        if self._opened:
            await self._listeners.finish(self._settings)

    def close(self) -> None:
        """Let the carrier in no more."""
        if self._opened:
            self._opened = False
            self._listeners.leave(self._settings)


def _why(port: int, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"the carrier cannot come to us: another program has port {port}"
    said = (isinstance(error, OSError) and error.strerror) or str(error)
    return f"the carrier cannot come to us at port {port}: {said}"
