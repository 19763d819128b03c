"""Who is calling: the API key of the `Authorization` header, and the scope an operation needs."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from application.manage_access import authenticate
from domain.aggregates.access import Key
from domain.events.access import Scope
from domain.recorded import Context
from infrastructure.bootstrap import Platform


def platform_of(request: Request) -> Platform:
    """The platform this process works with."""
    platform: Platform = request.app.state.platform
    return platform


def header(request: Request, name: bytes) -> str | None:
    """A header by its name in small letters; the last where it came twice. Cheaper than `request.headers`."""
    scope = request.scope
    headers: dict[bytes, bytes] | None = scope.get("smsledger.headers")
    if headers is None:
        headers = scope["smsledger.headers"] = dict(scope["headers"])
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def authorise(request: Request, scope: Scope) -> Key:
    """The caller's key. Refuses invalid_key and missing_scope."""
    scheme, _, token = (header(request, b"authorization") or "").partition(" ")
    key = await authenticate(
        platform_of(request).directory, token.strip() if scheme.lower() == "bearer" else ""
    )
    key.require(scope)
    return key


def requires(scope: Scope) -> Callable[[Request], Awaitable[Key]]:
    """A FastAPI dependency: the caller's key, which must have this scope."""

    async def caller(request: Request) -> Key:
        return await authorise(request, scope)

    return caller


def context_of(request: Request, key: Key) -> Context:
    """Who acts, for the envelope of every event this request makes."""
    return Context(actor=f"key:{key.key}", correlation=request.scope["smsledger.request_id"])
