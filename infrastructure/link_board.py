"""The board in Redis on which workers write the figures of their connections, about once a second.

What a worker wrote is gone a few seconds after it stopped writing, so nobody reads figures of the dead for long.
Losing the board loses nothing: it is filled again within a second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import msgspec
import redis

from infrastructure.link_figures import ConnectionFigures

EVERY_SECONDS = 1.0
LIFE_SECONDS = 10
"""How long figures stand that nobody writes anew: longer than a worker is ever kept from writing."""
_PATIENCE_SECONDS = 2.0

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(ConnectionFigures).decode


class Board:
    """Figures by link and connection. Nothing connects before it is used; every call may raise RedisError."""

    def __init__(self, redis_url: str, *, schema: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
        )
        self._schema = schema

    def read(self, connections: Mapping[str, int]) -> dict[str, tuple[ConnectionFigures, ...]]:
        """The figures of each link, given how many connections it has; those that nobody tells are missing."""
        keys = [
            self._key(link, number) for link, many in connections.items() for number in range(1, many + 1)
        ]
        texts = self._redis.mget(keys) if keys else []
        told = [each for text in texts if (each := _told(text)) is not None]
        return {link: tuple(each for each in told if each.link == link) for link in connections}

    def write(self, connections: Sequence[ConnectionFigures]) -> None:
        """Show the figures of these connections for a while."""
        with self._redis.pipeline(transaction=False) as pipe:
            for each in connections:
                pipe.set(self._key(each.link, each.connection), msgspec.json.encode(each), ex=LIFE_SECONDS)
            pipe.execute()

    def erase(self, link: str, connection: int) -> None:
        """Nobody runs the connection any more."""
        self._redis.delete(self._key(link, connection))

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    def _key(self, link: str, connection: int) -> str:
        return f"smsledger:{self._schema}:figures:{link}:{connection}"


class BoardWriter:
    """Writes what `tell` gives, until `run` is cancelled; while Redis is away nothing is kept for later.

    It has a thread of its own: those of the loop may be busy with ending connections.
    """

    def __init__(self, board: Board, tell: Callable[[], Sequence[ConnectionFigures]]) -> None:
        self._board = board
        self._tell = tell
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="figures")
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
                await self._guarded(lambda: self._in_thread(partial(self._board.write, self._tell())))
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._news.wait()
        finally:
            self._thread.shutdown(wait=False)
            self._board.close()

    async def erase(self, link: str, connection: int) -> None:
        """Nobody here runs the connection any more; what is being written of it comes first."""
        await self._guarded(lambda: self._in_thread(partial(self._board.erase, link, connection)))

    def _in_thread(self, work: Callable[[], None]) -> Awaitable[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Messages go on, whatever becomes of their figures."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (the next second tries again)
            if not self._away:
                _log.warning("the figures of the links are not seen: %s", type(error).__name__)
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
