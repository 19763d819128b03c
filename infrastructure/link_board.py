"""The board in Redis on which workers write the figures of their connections, about once a second.

What a worker wrote is gone a few seconds after it stopped writing, so nobody reads figures of the dead for long.
Losing the board loses nothing: it is filled again within a second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import redis
from redis.asyncio import Redis

from infrastructure.link_figures import ConnectionFigures

EVERY_SECONDS = 1.0
LIFE_SECONDS = 10
"""How long figures stand that nobody writes anew: longer than a worker is ever kept from writing."""
_PATIENCE_SECONDS = 2.0

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(ConnectionFigures).decode


class BoardReader:
    """Reads figures by link and connection. Nothing connects before it is used."""

    def __init__(self, redis_url: str, *, schema: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
        )
        self._schema = schema

    def __call__(self, connections: Mapping[str, int]) -> dict[str, tuple[ConnectionFigures, ...]]:
        """The figures of each link, given how many connections it has; those that nobody tells are missing.

        Raises RedisError.
        """
        keys = [
            _key(self._schema, link, number)
            for link, many in connections.items()
            for number in range(1, many + 1)
        ]
        texts = self._redis.mget(keys) if keys else []
        told = [each for text in texts if (each := _told(text)) is not None]
        return {link: tuple(each for each in told if each.link == link) for link in connections}

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()


class BoardWriter:
    """Writes what `tell` gives, until `run` is cancelled; while Redis is away nothing is kept for later.

    Lives in one event loop, and takes no thread: those may be busy with ending connections.
    """

    def __init__(
        self, redis_url: str, *, schema: str, tell: Callable[[], Sequence[ConnectionFigures]]
    ) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
        )
        self._schema = schema
        self._tell = tell
        self._news = asyncio.Event()
        self._away = False

    def soon(self) -> None:
        """Do not wait for the next second: something changed that people wait for."""
        self._news.set()

    async def run(self) -> None:
        """Write again and again."""
        try:
            while True:
                self._news.clear()
                await self._guarded(self._write)
                try:
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    continue
        finally:
            await self._redis.aclose()

    async def erase(self, link: str, connection: int) -> None:
        """Nobody here runs the connection any more."""
        await self._guarded(lambda: self._redis.delete(_key(self._schema, link, connection)))

    async def _write(self) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in self._tell():
                key = _key(self._schema, each.link, each.connection)
                pipe.set(key, msgspec.json.encode(each), ex=LIFE_SECONDS)
            await pipe.execute()

    async def _guarded(self, work: Callable[[], Awaitable[object]]) -> None:
        """Messages go on, whatever becomes of their figures."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (the next second tries again)
            if not self._away:
                _log.warning("the figures of the links are not seen: %s", type(error).__name__)
            self._away = True
        else:
            self._away = False


def _key(schema: str, link: str, connection: int) -> str:
    return f"smsledger:{schema}:figures:{link}:{connection}"


def _told(text: object) -> ConnectionFigures | None:
    """What another version wrote, and this one cannot read, is not shown."""
    if not isinstance(text, bytes):
        return None
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None
