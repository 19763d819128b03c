"""Links over HTTP, for keys of the platform: configure, switch, and try them. A password goes in, and never out."""

import asyncio
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from api import network_examples as examples
from api.answers import answer
from api.auth import authorise, context_of, platform_of
from api.body import read_json
from api.describing import operation
from api.link_schemas import (
    LinkAnswer,
    LinkList,
    LinkReason,
    LinkRequest,
    LinkTest,
    configured_of,
    link_answer,
    link_answers,
    trial_answer,
)
from api.messages import OF_A_BODY
from application import manage_links
from application.configure_links import Passwords, save_link
from application.keep_circuits import mend_link
from domain.aggregates.access import Key
from domain.errors import Conflicting, NotAllowed, NotFound
from domain.events.access import Scope
from infrastructure.bootstrap import Platform
from infrastructure.link_test import try_configured
from infrastructure.network import read_network

router = APIRouter(tags=["network"])
Body = TypeVar("Body")
NAME = "^[a-z0-9][a-z0-9-]{0,31}$"
OF_THE_PLATFORM = ("platform_key_needed",)
_OF_A_LINK = (
    "link_name",
    "link_account",
    "link_address",
    "link_encryption",
    "link_inbound",
    "link_invalid",
    "link_number",
    "link_option",
    "link_password",
    "link_tariff",
    "password_missing",
    "password_unreadable",
)
Name = Annotated[str, Path(pattern=NAME, description="The link's name.")]
_trying: set[str] = set()
"""Links that this process tries just now: carriers count connections, so one trial a time is enough."""


async def reader_of_network(request: Request) -> Key:
    """A key of the platform that may look. Refuses missing_scope, platform_key_needed."""
    return _of_platform(await authorise(request, Scope.MONITORING))


async def operator_of_network(request: Request) -> Key:
    """A key of the platform that may change. Refuses missing_scope, platform_key_needed."""
    return _of_platform(await authorise(request, Scope.NETWORK))


def _of_platform(key: Key) -> Key:
    if key.account:
        raise NotAllowed("platform_key_needed", "Links carry messages of all accounts: use a platform's key.")
    return key


Reader = Annotated[Key, Depends(reader_of_network)]
Operator = Annotated[Key, Depends(operator_of_network)]


@router.get(
    "/v1/links",
    **operation(
        "All links",
        scope=Scope.MONITORING,
        answer=LinkList,
        example={"links": [examples.LINK]},
        problems=OF_THE_PLATFORM,
    ),
)
async def list_links(request: Request, key: Reader) -> Response:  # noqa: ARG001
    """How each is configured and whether it takes messages, from the log itself; figures are at /v1/monitoring."""
    network = await asyncio.to_thread(read_network, platform_of(request).store)
    return answer(LinkList(links=link_answers(network)))


@router.get(
    "/v1/links/{name}",
    **operation(
        "One link",
        scope=Scope.MONITORING,
        answer=LinkAnswer,
        example=examples.LINK,
        problems=("invalid_value", *OF_THE_PLATFORM, "not_found"),
    ),
)
async def read_link(request: Request, name: Name, key: Reader) -> Response:  # noqa: ARG001
    """Everything but its passwords."""
    return await _link(platform_of(request), name)


@router.put(
    "/v1/links/{name}",
    **operation(
        "Configure a link",
        scope=Scope.NETWORK,
        body=LinkRequest,
        body_examples=examples.LINK_REQUESTS,
        answer=LinkAnswer,
        example=examples.LINK,
        problems=(*OF_A_BODY, *OF_THE_PLATFORM, *_OF_A_LINK, "busy"),
    ),
)
async def configure_link(request: Request, name: str, key: Operator) -> Response:
    """Make it, or change it as a whole: what is left out has its default, but for passwords, which stay.

    A new link is enabled. A change takes effect within a second or two; connections are made anew where
    the carrier has to know of it.
    """
    platform, body = platform_of(request), await body_of(request, LinkRequest)
    wanted = configured_of(name, body)
    await save_link(
        platform.store,
        platform.vault,
        name=name,
        draft=lambda _: wanted,
        passwords=Passwords(own=body.password, inbound=body.inbound.password if body.inbound else None),
        context=context_of(request, key),
    )
    return await _link(platform, name)


@router.post(
    "/v1/links/{name}/enable",
    **operation(
        "Route messages to a link",
        scope=Scope.NETWORK,
        answer=LinkAnswer,
        example=examples.LINK,
        problems=("invalid_value", *OF_THE_PLATFORM, "not_found", "busy"),
    ),
)
async def enable(request: Request, name: Name, key: Operator) -> Response:
    """From now on, or again; nothing to send along."""
    platform = platform_of(request)
    await manage_links.enable_link(platform.store, name=name, context=context_of(request, key))
    return await _link(platform, name)


@router.post(
    "/v1/links/{name}/disable",
    **operation(
        "Route no more messages to a link",
        scope=Scope.NETWORK,
        body=LinkReason,
        body_examples=examples.LINK_REASONS,
        answer=LinkAnswer,
        example=examples.LINK | {"state": "disabled", "condition": "down"},
        problems=(*OF_A_BODY, *OF_THE_PLATFORM, "reason_required", "not_found", "busy"),
    ),
)
async def disable(request: Request, name: Name, key: Operator) -> Response:
    """Its connections end. What waits goes to other links after five seconds; what no other link takes waits on."""
    platform, body = platform_of(request), await body_of(request, LinkReason)
    await manage_links.disable_link(
        platform.store, name=name, reason=body.reason, context=context_of(request, key)
    )
    return await _link(platform, name)


@router.post(
    "/v1/links/{name}/drain",
    **operation(
        "Empty a link",
        scope=Scope.NETWORK,
        body=LinkReason,
        body_examples=examples.LINK_REASONS,
        answer=LinkAnswer,
        example=examples.LINK | {"state": "draining"},
        problems=(*OF_A_BODY, *OF_THE_PLATFORM, "reason_required", "not_found", "busy"),
    ),
)
async def drain(request: Request, name: Name, key: Operator) -> Response:
    """No new message takes it, what waits goes elsewhere, what is on the wire is finished."""
    platform, body = platform_of(request), await body_of(request, LinkReason)
    await manage_links.drain_link(
        platform.store, name=name, reason=body.reason, context=context_of(request, key)
    )
    return await _link(platform, name)


@router.post(
    "/v1/links/{name}/mend",
    **operation(
        "Close a link's circuit by hand",
        scope=Scope.NETWORK,
        body=LinkReason,
        body_examples=examples.MEND_REASONS,
        answer=LinkAnswer,
        example=examples.LINK,
        problems=(*OF_A_BODY, *OF_THE_PLATFORM, "not_found", "busy"),
    ),
)
async def mend(request: Request, name: Name, key: Operator) -> Response:
    """Take it again like any other, and judge it as if nothing had been; nothing to do where it is closed."""
    platform, body = platform_of(request), await body_of(request, LinkReason)
    await mend_link(platform.store, name=name, reason=body.reason, context=context_of(request, key))
    return await _link(platform, name)


@router.post(
    "/v1/links/{name}/test",
    **operation(
        "Try a link",
        scope=Scope.NETWORK,
        answer=LinkTest,
        example=examples.LINK_TEST,
        problems=(
            "invalid_value",
            *OF_THE_PLATFORM,
            "not_found",
            "link_invalid",
            "password_unreadable",
            "busy",
        ),
    ),
)
async def try_link(request: Request, name: Name, key: Operator) -> Response:  # noqa: ARG001
    """Connect, log in, ask for a sign of life and take leave, on a connection of its own from the API's machine.

    Carriers count connections: one that allows no further one refuses this, and some end another one for it. Each
    step waits for the link's own answer time, at most ten seconds. Nothing is submitted and nothing is recorded.
    """
    if name in _trying:
        raise Conflicting("busy", "The link is being tried just now: wait for that.")
    _trying.add(name)
    try:
        return answer(trial_answer(name, await try_configured(platform_of(request), name=name)))
    finally:
        _trying.discard(name)


async def _link(platform: Platform, name: str) -> Response:
    network = await asyncio.to_thread(read_network, platform.store)
    found = next((link for link in network.links if link.name == name), None)
    if found is None:
        raise NotFound("not_found", "There is no such link.", field="name")
    return answer(link_answer(found, network))


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The body of a call as its structure."""
    octets = await read_json(request, limit=platform_of(request).settings.max_body_bytes)
    return msgspec.json.decode(octets, type=kind)
