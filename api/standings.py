"""Looks at all links at once: the log's view, the figures that workers tell, the queues, and what is in doubt."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import redis
from dramatiq.brokers.redis import RedisBroker
from msgspec import convert

from api.read_side import read
from api.report_schemas import ConnectionStanding, LinkStanding, LiveFigures
from domain.values import Lane
from infrastructure import jobs, link_standing
from infrastructure.bootstrap import Platform
from infrastructure.link_board import Board
from infrastructure.link_figures import ConnectionFigures
from infrastructure.link_standing import NetworkStanding
from projections import links, messages
from projections.links import LinkLine

PROBE_SECONDS = 3

Told = Mapping[str, Sequence[ConnectionFigures]]
Queued = Mapping[str, Mapping[str, int]]


class Standings:
    """Looks at the links of a platform; without Redis they stand as the log knows them."""

    def __init__(self, platform: Platform) -> None:
        settings = platform.settings
        self._platform = platform
        self._broker = (
            jobs.make_broker(settings.redis_url, realm=settings.realm) if settings.redis_url else None
        )
        self._board = Board(settings.redis_url, schema=settings.db_schema) if settings.redis_url else None
        self._known = NetworkStanding()
        self._looked = float("-inf")

    async def look(self) -> NetworkStanding:
        """All links now. Refuses read_model_missing."""
        lines, doubts = await read(self._platform, lambda rows: (links.links(rows), messages.in_doubt(rows)))
        told, queued = await self._ask_redis(lines)
        return NetworkStanding(
            links=[
                link_standing.LinkStanding(
                    line=line,
                    told=None if told is None else told.get(line.name, ()),
                    queued=None if queued is None else queued.get(line.name),
                    in_doubt_now=doubts.get(line.name, 0),
                )
                for line in lines
            ],
            board=told is not None and queued is not None,
        )

    def __call__(self) -> NetworkStanding:
        """The links as they were last looked at."""
        return self._known

    async def refresh(self) -> None:
        """Look again, at most once a second; links that cannot be read are not shown."""
        if time.monotonic() - self._looked < 1:
            return
        self._looked = time.monotonic()
        try:
            async with asyncio.timeout(2 * PROBE_SECONDS):
                self._known = await self.look()
        except Exception:  # noqa: BLE001  (the page must show what else there is)
            self._known = NetworkStanding(database=False)

    async def _ask_redis(self, lines: Sequence[LinkLine]) -> tuple[Told | None, Queued | None]:
        board, broker = self._board, self._broker
        if board is None or broker is None:
            return None, None
        connections = {line.name: line.connections for line in lines}
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await asyncio.to_thread(lambda: (board.read(connections), _queued(broker, lines)))
        except (redis.RedisError, TimeoutError):
            return None, None


def _queued(broker: RedisBroker, lines: Sequence[LinkLine]) -> Queued:
    return {
        line.name: {lane.value: jobs.waiting(broker, link=line.name, lane=lane) for lane in Lane}
        for line in lines
    }


def link_answer(of: link_standing.LinkStanding) -> LinkStanding:
    """A link as the API shows it."""
    line = of.line
    return LinkStanding(
        name=line.name,
        protocol=line.protocol,
        carriers=list(line.carriers),
        state=of.state,
        condition=of.condition,
        since=of.since,
        reason=of.reason,
        enabled=line.enabled,
        connected=of.connected,
        hears=of.hears,
        connections_bound=of.bound,
        connections_configured=line.connections,
        submitted=line.submitted,
        refused=line.refused,
        in_doubt=line.in_doubt,
        receipts=line.receipts,
        in_doubt_now=of.in_doubt_now,
        queued=None if of.queued is None else dict(of.queued),
        figures=None if of.figures is None else convert(of.figures, LiveFigures, from_attributes=True),
        connections=[convert(each, ConnectionStanding, from_attributes=True) for each in of.connections],
    )
