"""The HTTP application: its routes, what surrounds every request, and its description."""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api import (
    adjustments,
    billing,
    bulk,
    contracts,
    docs_page,
    filings,
    history,
    links,
    message_route,
    messages,
    monitoring,
    numbers,
    reconciliations,
    replies,
    routes,
    statements,
    statistics,
    what_if,
)
from api.describing import describe
from api.errors import FORESEEN, handle, refusal_of, respond
from api.standings import Standings
from infrastructure import link_metrics
from infrastructure.bootstrap import Platform
from infrastructure.metrics import Metrics

Handler = Callable[[Request], Awaitable[Response]]
DIRECT: Mapping[tuple[str, str], Handler] = {
    ("POST", "/v1/messages"): messages.send_message,
    ("POST", "/v1/messages/bulk"): bulk.send_bulk,
}
"""The hot path: these handlers need nothing of FastAPI's routing, which costs more than the rest of them."""

PARTS = (
    messages,
    message_route,
    bulk,
    history,
    replies,
    billing,
    contracts,
    adjustments,
    statements,
    reconciliations,
    what_if,
    statistics,
    monitoring,
    links,
    routes,
    numbers,
    filings,
    docs_page,
)
"""The modules whose routers make up the application."""

DESCRIPTION = """Send text messages, follow each one, and prove every bill.

Times are RFC 3339, days and years those of Asia/Shanghai. Money is a decimal string in yuan with its integer
in millionths beside it. A refusal is `application/problem+json` with a stable `code`; `/problems` lists all.
Every answer carries `X-Request-Id`: name it when you ask for help."""

_log = logging.getLogger(__name__)


def create_app(platform: Platform) -> FastAPI:
    """The application over a platform, which stays its owner's to close."""
    app = Application(
        platform,
        title="smsledger",
        version="1",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys((*FORESEEN, Exception), handle),
    )
    for part in PARTS:
        app.include_router(part.router)
    return app


class Application(FastAPI):
    """FastAPI with what every request gets around it: an id, a count, a time, an answer whatever happens."""

    def __init__(self, platform: Platform, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self.lags = monitoring.Lags(platform)
        self.standings = Standings(platform)
        self.metrics = Metrics(
            waiting=lambda: platform.store.waiting,
            lags=self.lags,
            links=lambda: link_metrics.families(self.standings()),
        )
        self.state.platform = platform
        platform.store.group.wrote = self.metrics.wrote_group

    def openapi(self) -> dict[str, Any]:
        """The description of the API, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(self, description=DESCRIPTION)
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Stands in the hot path, so it is plain ASGI."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        started = time.perf_counter()
        # Not a secret, only unlike any other; the module's generator is seeded anew in a forked process.
        request_id = f"{random.getrandbits(128):032x}"
        scope["smsledger.request_id"] = request_id
        scope["app"] = self
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        handler = DIRECT.get((scope["method"], scope["path"]))
        try:
            if handler is None:
                await super().__call__(scope, receive, sending)
            else:
                await _call(handler, scope, receive, sending)
        except ClientDisconnect:
            status = 499
        except Exception as error:  # noqa: BLE001  (this is the last place that can answer)
            refused = refusal_of(error).code
            scope["smsledger.refused"] = refused
            _log.error(
                "a request failed",
                exc_info=error,
                extra={"request_id": request_id, "route": _route(scope), "code": refused},
            )
            if not status:
                await respond(error, request_id=request_id)(scope, receive, sending)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        refused = scope.get("smsledger.refused")
        if refused is not None:
            self.metrics.refused(refused)
        self.metrics.answered(
            method=_method(scope), route=_route(scope), status=status or 500, seconds=seconds
        )


async def _call(handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    """What FastAPI does for a route without parameters."""
    request = Request(scope, receive)
    try:
        response = await handler(request)
    except FORESEEN as error:
        response = await handle(request, error)
    await response(scope, receive, send)


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _method(scope: Scope) -> str:
    """The method, where it is one: a label must not be what somebody sends."""
    method: str = scope["method"]
    return method if method in _METHODS else "other"


def _route(scope: Scope) -> str:
    """The template of the address; the address itself may carry anything."""
    if (scope["method"], scope["path"]) in DIRECT:
        return str(scope["path"])
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unknown"
