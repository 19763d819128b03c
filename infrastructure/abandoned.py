"""What a worker that ended left on the wire: whoever owns a link now knows that all older submissions are abandoned.

Nobody waits for their answers any more, so they are in doubt at once, and receipts can find them.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.sql import SQL, Identifier

from application import settle_messages
from application.ports import Entry
from domain.aggregates.message import Status
from domain.recorded import Context
from infrastructure.bootstrap import Platform
from projections import messages, tracking
from projections.messages import Overdue

_CONTEXT = Context(actor="worker")
_POLL_SECONDS = 0.2
_MOST = 20_000
"""More than all windows of a carrier's links together can hold."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """The moment from which a process owns a link's connection, by the store's clock, and the log's end then."""

    at: datetime
    position: int


async def take_over(platform: Platform) -> Takeover:
    """Mark the moment; to be called with the lease in hand and before the first own submission.

    The empty group waits for the log's lock, so that what a dead owner was still committing comes before.
    """
    await platform.store.commit([Entry(stream=None, version=None, context=_CONTEXT)])
    table = Identifier(platform.settings.db_schema, "stored_events")
    query = SQL("SELECT clock_timestamp(), coalesce(max(notification_id), 0) FROM {}").format(table)
    rows = await platform.store.in_thread(lambda: platform.store.recorder.rows(query))
    return Takeover(*rows[0])


async def doubt_abandoned(platform: Platform, link: str, takeover: Takeover, *, connection: int = 1) -> int:
    """Put into doubt what was submitted over a link's connection before it was taken over; returns how many.

    The candidates come from the message history, once that has seen the log up to the takeover.
    """
    found = await asyncio.to_thread(_submitting, platform, takeover)
    while found is None:
        await asyncio.sleep(_POLL_SECONDS)
        found = await asyncio.to_thread(_submitting, platform, takeover)
    ids = [one.id for one in found if one.link == link]
    return await settle_messages.doubt_abandoned(
        platform.store, ids, before=takeover.at, connection=connection, context=_CONTEXT
    )


def _submitting(platform: Platform, takeover: Takeover) -> list[Overdue] | None:
    """Submissions without an answer, None while the history is behind or the database is away."""
    schema = tracking.live_schema(platform.settings.db_schema)
    try:
        with psycopg.connect(platform.settings.database_url, autocommit=True) as connection:
            connection.execute("SELECT set_config('search_path', %s, false)", (schema,))
            cursor = connection.cursor()
            if (tracking.position(cursor, messages.PROJECTION.name) or 0) < takeover.position:
                return None
            return messages.waiting(cursor, Status.SUBMITTING, before=takeover.at, limit=_MOST)
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return None
