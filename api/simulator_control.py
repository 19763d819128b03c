"""The control port of the simulated carriers: what they do and have counted, and orders while they run.

For test carriers only, so it asks for no key, takes JSON whatever it is declared as, and opens only when it is
asked for. Every answer to an order is the state after it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.errors import FORESEEN, Unreadable, handle
from domain.errors import NotFound
from infrastructure.simulator.carriers import DEEDS, Carriers, PortTaken
from infrastructure.simulator.phone import Coding
from infrastructure.simulator.speech import Condition

__all__ = ["control_app", "control_port"]

_LARGEST_BODY_OCTETS = 65_536
_GRACE_SECONDS = 1

Shape = TypeVar("Shape")


class Whose(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a deed: one account, or all of the carrier."""

    account: str | None = None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what has no choice in it."""


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a message from a phone."""

    phone: str
    to: str
    text: str
    coding: Coding = "ucs2"
    account: str | None = None


class UserReport(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what became of a subscriber."""

    phone: str
    condition: Condition
    account: str | None = None


def control_app(carriers: Carriers) -> Starlette:
    """The application over carriers that run in the same event loop."""
    door = _Door(carriers)
    return Starlette(
        routes=[
            Route("/", door.state, methods=["GET"]),
            Route("/{carrier}", door.state, methods=["GET"]),
            Route("/{carrier}/script", door.script, methods=["PATCH", "PUT"]),
            Route("/{carrier}/reply", door.reply, methods=["POST"]),
            Route("/{carrier}/user-report", door.user_report, methods=["POST"]),
            Route("/{carrier}/stop", door.stop, methods=["POST"]),
            Route("/{carrier}/start", door.start, methods=["POST"]),
            Route("/{carrier}/{deed}", door.deed, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((*FORESEEN, Exception), handle),
    )


@contextlib.asynccontextmanager
async def control_port(carriers: Carriers, *, host: str, port: int) -> AsyncIterator[str]:
    """Answer at this address, port 0 takes a free one, until the block ends; yields the URL. Raises PortTaken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        said = (
            f"the control port cannot be {port} of {host}: {error.strerror}; give another by --control-port"
        )
        raise PortTaken(said) from error
    server = _Server(
        uvicorn.Config(
            control_app(carriers),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn's server as a guest in somebody else's event loop, who looks after the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Door:
    """The handlers."""

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers

    async def state(self, request: Request) -> Response:
        return self._after(request)

    async def script(self, request: Request) -> Response:
        """PATCH changes the fields that are named, PUT gives the others their defaults."""
        changes = await _body(request, dict[str, object])
        account = request.query_params.get("account")
        whole = request.method == "PUT"
        self._carriers.change_script(_carrier(request), changes, account=account, whole=whole)
        return self._after(request)

    async def reply(self, request: Request) -> Response:
        told = await _body(request, Reply)
        self._carriers.reply(_carrier(request), **msgspec.structs.asdict(told))
        return self._after(request)

    async def user_report(self, request: Request) -> Response:
        told = await _body(request, UserReport)
        self._carriers.user_report(_carrier(request), **msgspec.structs.asdict(told))
        return self._after(request)

    async def stop(self, request: Request) -> Response:
        await _body(request, Nothing)
        await self._carriers.stop(_carrier(request))
        return self._after(request)

    async def start(self, request: Request) -> Response:
        await _body(request, Nothing)
        await self._carriers.start(_carrier(request))
        return self._after(request)

    async def deed(self, request: Request) -> Response:
        deed = request.path_params["deed"]
        if deed not in DEEDS:
            known = ", ".join((*DEEDS, "stop", "start", "reply", "user-report"))
            raise NotFound("not_found", f"There is no such deed; there are {known}.")
        whose = await _body(request, Whose)
        self._carriers.do(deed, _carrier(request), whose.account)
        return self._after(request)

    def _after(self, request: Request) -> Response:
        state = self._carriers.state(request.path_params.get("carrier", "all"))
        text = msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"
        return Response(text, media_type="application/json")


def _carrier(request: Request) -> str:
    name: str = request.path_params["carrier"]
    return name


async def _body(request: Request, shape: type[Shape]) -> Shape:
    """What the caller says, `{}` where it says nothing. Refuses body_too_large and what does not fit."""
    octets = b""
    async for piece in request.stream():
        octets += piece
        if len(octets) > _LARGEST_BODY_OCTETS:
            raise Unreadable("body_too_large", f"A body has up to {_LARGEST_BODY_OCTETS} octets.")
    return msgspec.json.decode(octets or b"{}", type=shape)
