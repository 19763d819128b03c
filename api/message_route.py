"""Why a message took its link, for its own account: data, and the same in words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta, Struct

from api.answers import answer
from api.auth import platform_of, requires
from api.describing import operation
from api.messages import message_id_of
from application.explain_route import Attempt, AttemptOutcome, Explanation, Rule, explain
from application.look_up_history import own_history
from application.manage_routes import STREAM
from domain.aggregates.access import Key
from domain.aggregates.message import Status
from domain.aggregates.route import Fitness
from domain.events.access import Scope
from domain.values import Carrier, FoundBy
from infrastructure.network import NetworkReader, network_reader

router = APIRouter(tags=["messages"])


_WHY = "down, broken, unfiled, unfit (digits), or none: off, or not for this carrier."


class LinkPassed(Struct, kw_only=True):
    """A link that was asked before the one that was taken."""

    link: str
    why: Annotated[str, Meta(description=_WHY)]


class LinkShare(Struct, kw_only=True):
    """A link and its weight among those that were as fit."""

    link: str
    weight: int


class RouteRule(Struct, kw_only=True):
    """The route as it stood when it chose."""

    priority: int
    conditions: Annotated[
        list[str],
        Meta(description="By what it is for a message: account, category, carrier, signature, extension."),
    ]
    among: Annotated[
        list[LinkShare], Meta(description="Links that were as fit as the one taken: weights and id decided.")
    ]


class RouteAttempt(Struct, kw_only=True):
    """One submission of the message."""

    attempt: int
    at: datetime
    route: Annotated[str, Meta(description="Empty where no route was recorded.")]
    link: str
    connection: int
    extension: Annotated[str, Meta(description="Digits behind the link's number.")]
    passed_over: list[LinkPassed]
    rule: Annotated[
        RouteRule | None, Meta(description="Null where the default route chose, or none was recorded.")
    ]
    outcome: AttemptOutcome
    code: Annotated[str, Meta(description="What the carrier said where it refused or reported.")]


class RouteNow(Struct, kw_only=True):
    """Where a message that waits would go now."""

    link: str
    route: str
    extension: str
    fitness: Fitness
    passed_over: list[LinkPassed]


class MessageRoute(Struct, kw_only=True):
    """Whose the number was taken to be, every attempt, and where the message would go now."""

    id: UUID
    status: Status
    carrier: Carrier
    found_by: Annotated[FoundBy, Meta(description="How the carrier was found when it was accepted.")]
    segment_carrier: Annotated[Carrier, Meta(description="Whose the number is by its segment.")]
    attempts: list[RouteAttempt]
    now: Annotated[
        RouteNow | None,
        Meta(description="Null where the message does not wait, or where no link may take it."),
    ] = None
    words: Annotated[list[str], Meta(description="The same, a sentence for each step.")]


EXAMPLE: dict[str, Any] = {
    "id": "5f0a7d0c-3c0b-5b1e-9a53-6d1f5c1e2b11",
    "status": "delivered",
    "carrier": "unicom",
    "found_by": "list",
    "segment_carrier": "mobile",
    "attempts": [
        {
            "attempt": 1,
            "at": "2026-03-01T09:12:44.120000Z",
            "route": "codes",
            "link": "unicom-2",
            "connection": 1,
            "extension": "12",
            "passed_over": [{"link": "unicom-1", "why": "down"}],
            "rule": {
                "priority": 10,
                "conditions": ["category", "carrier"],
                "among": [{"link": "unicom-2", "weight": 3}],
            },
            "outcome": "delivered",
            "code": "DELIVRD",
        }
    ],
    "now": None,
    "words": [
        (
            "The number was taken to be of unicom: a list of ported numbers says so. "
            "By its segment it would be of mobile."
        ),
        (
            "Attempt 1 went over unicom-2, connection 1 with 12 behind its number. "
            "Route codes (priority 10, by category and carrier) chose it. "
            "Before it came unicom-1, which was not connected. Outcome: it was delivered (DELIVRD)."
        ),
    ],
}


@router.get(
    "/v1/messages/{message_id}/route",
    **operation(
        "Why a message took its link",
        scope=Scope.READ,
        answer=MessageRoute,
        example=EXAMPLE,
        problems=("not_found", "overloaded"),
    ),
)
async def read_route(
    request: Request, message_id: str, key: Annotated[Key, Depends(requires(Scope.READ))]
) -> Response:
    """From the message's own facts: never behind. For a message that waits, the network as it stands is asked."""
    platform, wanted = platform_of(request), message_id_of(message_id)
    histories = await platform.store.load([wanted, STREAM])
    history = own_history(histories, wanted, key.account)
    network, routes = _network(request), histories.get(STREAM, ())
    told = await platform.store.in_thread(lambda: explain(wanted, history, network, routes=routes))
    return answer(message_route(wanted, told))


def message_route(id_: UUID, told: Explanation) -> MessageRoute:
    """In the form that is answered."""
    now = told.now
    return MessageRoute(
        id=id_,
        status=told.status,
        carrier=told.carrier,
        found_by=told.found_by,
        segment_carrier=told.segment_carrier,
        attempts=list(map(_attempt, told.attempts)),
        now=None
        if now is None
        else RouteNow(
            link=now.link,
            route=now.route,
            extension=now.digits,
            fitness=now.fitness,
            passed_over=_passed(dict.fromkeys(now.passed_over)),
        ),
        words=list(told.words),
    )


def _attempt(attempt: Attempt) -> RouteAttempt:
    return RouteAttempt(
        attempt=attempt.number,
        at=attempt.at,
        route=attempt.route,
        link=attempt.link,
        connection=attempt.connection,
        extension=attempt.extension,
        passed_over=_passed(attempt.passed_over),
        rule=_rule(attempt.rule),
        outcome=attempt.outcome,
        code=attempt.code,
    )


def _rule(rule: Rule | None) -> RouteRule | None:
    if rule is None:
        return None
    among = [LinkShare(link=share.link, weight=share.weight) for share in rule.among]
    return RouteRule(priority=rule.priority, conditions=list(rule.conditions), among=among)


def _passed(links: Iterable[tuple[str, str]]) -> list[LinkPassed]:
    return [LinkPassed(link=link, why=str(why)) for link, why in links]


def _network(request: Request) -> NetworkReader:
    """One reader for all requests, so that many questions read the network once a second."""
    state = request.app.state
    if not hasattr(state, "network"):
        state.network = network_reader(platform_of(request))
    reader: NetworkReader = state.network
    return reader
