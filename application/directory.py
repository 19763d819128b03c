"""Contracts, templates, signatures, keys, links and routes as a process sees them, at most a second old.

The cache is for speed only: what must be exact (a contract that is suspended this moment) is checked again
under the lock, by the version that comes with it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from application.manage_routes import read_routes
from application.platform import load
from application.ports import Store
from domain.aggregates import access, contract, fold, link, signature, template
from domain.aggregates.route import RouteTable
from domain.aggregates.signature import Signature
from domain.values import stream_id

Value = TypeVar("Value")
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Versioned(Generic[Value]):
    """A state and the version of its stream."""

    state: Value
    version: int


class Directory:
    """Looks nouns up by name. `seconds` is a clock that only goes forward."""

    def __init__(self, store: Store, *, seconds: Callable[[], float], age_seconds: float = 1.0) -> None:
        self._store = store
        self._seconds = seconds
        self._age = age_seconds
        self._known: dict[Hashable, tuple[float, Any]] = {}
        self._reading: dict[Hashable, asyncio.Task[Any]] = {}

    async def contract(self, account: str) -> Versioned[contract.Contract] | None:
        """The contract of an account."""
        return await self._one("contract", contract.evolve, account)

    async def template(self, account: str, code: str) -> Versioned[template.Template] | None:
        """A template by its code."""
        return await self._one("template", template.evolve, account, code)

    async def signature(self, account: str, name: str) -> Versioned[signature.Signature] | None:
        """A signature by its name."""
        return await self._one("signature", signature.evolve, account, name)

    async def key(self, key: str) -> Versioned[access.Key] | None:
        """An API key by its public part."""
        return await self._one("key", access.evolve, key)

    async def links(self) -> tuple[link.Link, ...]:
        """All configured links, in the order of their configuration."""
        return await self._cached(("links",), self._load_links)

    async def routes(self) -> RouteTable:
        """The route table."""
        return await self._cached(("routes",), lambda: read_routes(self._store))

    async def signatures(self) -> tuple[Signature, ...]:
        """All signatures of all accounts."""
        return await self._cached(("signatures",), self._load_signatures)

    def forget(self, noun: str, *names: str) -> None:
        """Load it afresh the next time."""
        self._known.pop((noun, *names), None)

    async def _one(
        self, noun: str, evolve: Callable[[Value | None, Any, datetime], Value], *names: str
    ) -> Versioned[Value] | None:
        known = self._known.get((noun, *names))
        if known is not None and known[0] > self._seconds():
            return cast("Versioned[Value] | None", known[1])
        return await self._cached((noun, *names), lambda: self._read(stream_id(noun, *names), evolve))

    async def _read(
        self, stream: UUID, evolve: Callable[[Value | None, Any, datetime], Value]
    ) -> Versioned[Value] | None:
        state, version = await load(self._store, stream, evolve)
        return None if state is None else Versioned(state, version)

    async def _load_links(self) -> tuple[link.Link, ...]:
        names = {founding.stream: None for founding in await self._store.founded("link.configured")}
        found = [(await load(self._store, stream, link.evolve))[0] for stream in names]
        return tuple(state for state in found if state is not None)

    async def _load_signatures(self) -> tuple[Signature, ...]:
        streams = [founding.stream for founding in await self._store.founded("signature.drafted")]
        histories = await self._store.load(streams) if streams else {}
        found = [fold(signature.evolve, history) for history in histories.values()]
        return tuple(state for state in found if state is not None)

    async def _cached(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What is known, or read afresh: by one caller, while those who come meanwhile take what was known."""
        known = self._known.get(key)
        if known is not None and known[0] > self._seconds():
            return cast("Value", known[1])
        reading = self._reading.get(key)
        if reading is not None and known is not None:
            return cast("Value", known[1])
        if reading is None:
            reading = asyncio.create_task(self._refresh(key, read))
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return cast("Value", await asyncio.shield(reading))

    async def _refresh(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        value = await read()
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (self._seconds() + self._age, value)
        return value
