"""Routes over HTTP, for keys of the platform: read, set, remove, and ask which link a message would take."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import network_examples as examples
from api.answers import answer
from api.auth import context_of, platform_of
from api.describing import operation
from api.links import NAME, OF_THE_PLATFORM, body_of, operator_of_network, reader_of_network
from api.messages import OF_A_BODY
from api.route_schemas import (
    RouteAnswer,
    RouteList,
    RouteRequest,
    RouteTried,
    RouteTry,
    route_answer,
    route_of,
    tried_answer,
)
from application import manage_routes
from application.choose_route import require_extension
from application.try_routes import ANY_MESSAGE, try_route
from domain.aggregates.access import Key
from domain.aggregates.route import Wanted
from domain.errors import BadInput, NotFound
from domain.events.access import Scope
from infrastructure.bootstrap import Platform
from infrastructure.network import network_reader

router = APIRouter(tags=["network"])
Name = Annotated[str, Path(pattern=NAME, description="The route's name.")]
Reader = Annotated[Key, Depends(reader_of_network)]
Operator = Annotated[Key, Depends(operator_of_network)]


@router.get(
    "/v1/routes",
    **operation(
        "All routes",
        scope=Scope.MONITORING,
        answer=RouteList,
        example=examples.ROUTES,
        problems=OF_THE_PLATFORM,
    ),
)
async def list_routes(request: Request, key: Reader) -> Response:  # noqa: ARG001
    """In the order in which they are asked. A message that no route is for takes any link of its carrier."""
    return await _table(platform_of(request))


@router.put(
    "/v1/routes/{name}",
    **operation(
        "Set a route",
        scope=Scope.NETWORK,
        body=RouteRequest,
        body_examples=examples.ROUTE_REQUESTS,
        answer=RouteAnswer,
        example=examples.ROUTE,
        problems=(
            *OF_A_BODY,
            *OF_THE_PLATFORM,
            "route_name",
            "route_invalid",
            "link_unknown",
            "extension_unfit",
            "busy",
        ),
    ),
)
async def set_route(request: Request, name: str, key: Operator) -> Response:
    """Make it, or make it anew as a whole. It holds for what is accepted from now on."""
    platform, context = platform_of(request), context_of(request, key)
    body = await body_of(request, RouteRequest)
    wanted = route_of(name, body, by=context.actor)
    try:
        await manage_routes.set_route(platform.store, wanted=wanted, context=context)
    except BadInput as refused:
        raise _in_words_of_the_body(refused) from None
    table = await manage_routes.read_routes(platform.store)
    return answer(route_answer(next((one for one in table.routes if one.name == name), wanted)))


@router.delete(
    "/v1/routes/{name}",
    **operation(
        "Remove a route",
        scope=Scope.NETWORK,
        answer=RouteList,
        example=examples.ROUTES,
        problems=("missing_field", "invalid_value", "reason_required", *OF_THE_PLATFORM, "not_found", "busy"),
    ),
)
async def remove_route(
    request: Request,
    name: Name,
    key: Operator,
    reason: Annotated[str, Query(min_length=1, max_length=200, description="Why; it is recorded.")],
) -> Response:
    """Ask it no more; answers with the routes that are left."""
    platform = platform_of(request)
    await manage_routes.remove_route(
        platform.store, name=name, reason=reason, context=context_of(request, key)
    )
    return await _table(platform)


@router.post(
    "/v1/routes/try",
    **operation(
        "Which link a message would take",
        scope=Scope.MONITORING,
        body=RouteTry,
        body_examples=examples.ROUTE_TRIES,
        answer=RouteTried,
        example=examples.ROUTE_TRIED,
        problems=(*OF_A_BODY, *OF_THE_PLATFORM, "not_found", "extension_unfit"),
    ),
)
async def try_a_route(request: Request, key: Reader) -> Response:  # noqa: ARG001
    """With the network as it stands now, and why. Nothing is sent and nothing is recorded."""
    return answer(await try_on(platform_of(request), await body_of(request, RouteTry)))


async def try_on(platform: Platform, asked: RouteTry) -> RouteTried:
    """Ask the network as it stands. Refuses not_found for an account that is not there, extension_unfit."""
    require_extension(asked.extension)
    if await platform.directory.contract(asked.account) is None:
        raise NotFound("not_found", "There is no such account.", field="account")
    wanted = Wanted(
        message=asked.message or ANY_MESSAGE,
        account=asked.account,
        category=asked.category,
        carrier=asked.carrier,
        signature=asked.signature,
        extension=asked.extension,
    )
    network = await asyncio.to_thread(network_reader(platform))
    return tried_answer(try_route(network, wanted))


def _in_words_of_the_body(refused: BadInput) -> BadInput:
    """The shares of a route are its `links` in a body."""
    field = "links" if refused.field == "shares" else refused.field
    return BadInput(refused.code, refused.detail, field=field)


async def _table(platform: Platform) -> Response:
    table = await manage_routes.read_routes(platform.store)
    return answer(RouteList(routes=[route_answer(one) for one in table.routes]))
