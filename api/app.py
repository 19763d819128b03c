"""The HTTP application: its routes, what surrounds every request, and its description."""

import logging
import time
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import billing, bulk, docs_page, history, messages, monitoring, statistics
from api.describing import describe
from api.errors import handle, refusal_of, respond
from domain.errors import Refusal
from infrastructure.bootstrap import Platform, new_id
from infrastructure.jobs import make_broker
from infrastructure.metrics import Metrics

DESCRIPTION = """Send text messages, follow each one, and prove every bill.

Times are RFC 3339, days and years those of Asia/Shanghai. Money is a decimal string in yuan with its integer
in millionths beside it. A refusal is `application/problem+json` with a stable `code`; `/problems` lists all.
Every answer carries `X-Request-Id`: name it when you ask for help."""

_log = logging.getLogger(__name__)


def create_app(platform: Platform) -> FastAPI:
    """The application over a platform, which stays its owner's to close."""
    app = FastAPI(
        title="smsledger",
        version="1",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys((Refusal, HTTPException, RequestValidationError), handle),
    )
    lags = monitoring.Lags(platform)
    app.state.platform = platform
    app.state.lags = lags
    app.state.metrics = Metrics(waiting=lambda: platform.store.waiting, lags=lags)
    app.state.broker = make_broker(platform.settings.redis_url) if platform.settings.redis_url else None
    for part in (messages, bulk, history, billing, statistics, monitoring, docs_page):
        app.include_router(part.router)
    app.add_middleware(Surroundings, metrics=app.state.metrics)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = describe(app, description=DESCRIPTION)
    return app.openapi_schema


class Surroundings:
    """What every request gets: an id, a count, a time, and an answer whatever happens.

    Plain ASGI, since it stands in the hot path.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = new_id()
        scope["smsledger.request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, sending)
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
            self._metrics.refused(refused)
        self._metrics.answered(
            method=_method(scope), route=_route(scope), status=status or 500, seconds=seconds
        )


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _method(scope: Scope) -> str:
    """The method, where it is one: a label must not be what somebody sends."""
    method: str = scope["method"]
    return method if method in _METHODS else "other"


def _route(scope: Scope) -> str:
    """The template of the address; the address itself may carry anything."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unknown"
