"""The board in Redis on which workers write the figures of their connections, about once a second.

What a worker wrote is gone a few seconds after it stopped writing, so nobody reads figures of the dead. Losing the
board loses nothing: it is filled again within a second.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec
import redis

from infrastructure.link_figures import ConnectionFigures

EVERY_SECONDS = 1.0
LIFE_SECONDS = 5
"""How long figures stand that nobody writes anew."""
_PATIENCE_SECONDS = 2.0

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(ConnectionFigures).decode


class Board:
    """Figures by link and connection. Nothing connects before it is used; `read` and `write` raise RedisError."""

    def __init__(self, redis_url: str, *, schema: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
        )
        self._schema = schema

    def write(self, connections: Sequence[ConnectionFigures]) -> None:
        """Show the figures of these connections."""
        with self._redis.pipeline(transaction=False) as pipe:
            for each in connections:
                pipe.set(self._key(each.link, each.connection), msgspec.json.encode(each), ex=LIFE_SECONDS)
            pipe.execute()

    def read(self, connections: Mapping[str, int]) -> dict[str, tuple[ConnectionFigures, ...]]:
        """The figures of each link, given how many connections it has; those that nobody tells are missing."""
        keys = [
            self._key(link, number) for link, many in connections.items() for number in range(1, many + 1)
        ]
        told = [_told(text) for text in self._redis.mget(keys)] if keys else []
        known = [each for each in told if each is not None]
        return {link: tuple(each for each in known if each.link == link) for link in connections}

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    def _key(self, link: str, connection: int) -> str:
        return f"smsledger:{self._schema}:figures:{link}:{connection}"


class BoardWriter:
    """Writes what `tell` gives until it is cancelled; while Redis is away nothing is kept for later."""

    def __init__(self, board: Board, tell: Callable[[], Sequence[ConnectionFigures]]) -> None:
        self._board = board
        self._tell = tell
        self._news = asyncio.Event()
        self._away = False

    def soon(self) -> None:
        """Do not wait for the next second: something changed that people wait for."""
        self._news.set()

    async def run(self) -> None:
        """Write again and again."""
        while True:
            self._news.clear()
            await self._write()
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _write(self) -> None:
        try:
            await asyncio.to_thread(self._board.write, self._tell())
        except redis.RedisError as error:
            if not self._away:
                _log.warning("nobody sees the figures of the links: %s", type(error).__name__)
            self._away = True
        else:
            self._away = False


def _told(text: object) -> ConnectionFigures | None:
    """What another version wrote, and this one cannot read, is not shown."""
    if not isinstance(text, bytes):
        return None
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None
