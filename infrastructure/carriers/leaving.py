"""How a connection ends of our accord: what is under way comes to its end, then we take leave."""

import asyncio
import contextlib

from infrastructure.carriers.connection import Connection
from infrastructure.carriers.intake import Intake
from infrastructure.carriers.reception import Reception
from infrastructure.carriers.traffic import LinkSettings

__all__ = ["take_leave"]

_FAREWELL_SECONDS = 2.0
"""How long a carrier may take to let us go."""


async def take_leave(
    connection: Connection,
    settings: LinkSettings,
    something_happened: asyncio.Event,
    *,
    intake: Intake,
    reception: Reception,
) -> None:
    """Finish for as long as a close may take, and unbind. `something_happened` is set by everything on the
    connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.close_timeout_seconds):
            while connection.pending:
                something_happened.clear()
                await something_happened.wait()
            await reception.finish()
            # A carrier that brings on and on is read no more, else there would be no end of it.
            intake.leave(connection)
            connection.hold_reading()
            await intake.drained(connection)
    connection.resume_reading()
    connection.unbind()
    await asyncio.wait([connection.closed], timeout=_FAREWELL_SECONDS)
