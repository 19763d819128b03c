"""Why a message took its link: whose its number was found to be, each attempt with what was passed over, and
where it would go now. All of it from the message's own facts, and the network as it stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from application.choose_route import Network, wanted_of
from domain.aggregates import fold, message
from domain.aggregates.message import Status
from domain.aggregates.route import DEFAULT, Choice, Fitness
from domain.events.message import (
    Accepted,
    Delivered,
    DoubtResolved,
    Failed,
    ReceiptRecorded,
    SubmissionInDoubt,
    SubmissionRefused,
    SubmissionStarted,
    Submitted,
)
from domain.events.route import RouteSet, Share
from domain.recorded import Recorded
from domain.values import Carrier, FoundBy

Passed = tuple[str, str]
"""A link that was asked first, and what kept it."""


class AttemptOutcome(StrEnum):
    """What became of an attempt."""

    UNDER_WAY = "under_way"
    SUBMITTED = "submitted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route as it stood when it chose: which of its conditions there were, and the links that were as fit as
    the one that was taken, among which weights decided by the message's id."""

    priority: int
    conditions: tuple[str, ...]
    among: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission; `code` is the carrier's where it refused or reported. `rule` is None where the default
    route chose, or none was recorded."""

    number: int
    at: datetime
    route: str
    link: str
    connection: int
    extension: str
    passed_over: tuple[Passed, ...]
    rule: Rule | None = None
    outcome: AttemptOutcome = AttemptOutcome.UNDER_WAY
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Data and words. `now` is where a message that waits would go, None where no link may take it."""

    carrier: Carrier
    found_by: FoundBy
    segment_carrier: Carrier
    status: Status
    attempts: tuple[Attempt, ...]
    now: Choice | None
    words: tuple[str, ...]


def explain(
    id_: UUID,
    history: Sequence[Recorded],
    network: Callable[[], Network],
    *,
    routes: Sequence[Recorded] = (),
) -> Explanation:
    """The explanation of a message from its history, which is not empty, and that of the route table.

    `network` is asked where the message waits.
    """
    accepted, state = history[0].event, fold(message.evolve, history)
    assert isinstance(accepted, Accepted)
    assert state is not None
    attempts = _attempts(history, routes)
    now: Choice | None = None
    waits: tuple[str, ...] = ()
    if state.status is Status.ACCEPTED:
        standing = network()
        now = standing.choose(wanted_of(id_, accepted))
        waits = (_of_now(id_, accepted, now, standing),)
    return Explanation(
        carrier=accepted.carrier,
        found_by=accepted.carrier_by,
        segment_carrier=accepted.segment_carrier or accepted.carrier,
        status=state.status,
        attempts=attempts,
        now=now,
        words=(_of_carrier(accepted), *map(_of_attempt, attempts), *waits, *_of_end(state.status)),
    )


def _attempts(history: Sequence[Recorded], routes: Sequence[Recorded]) -> tuple[Attempt, ...]:
    attempts: list[Attempt] = []
    for recorded in history:
        event = recorded.event
        if isinstance(event, SubmissionStarted):
            attempts.append(_begun(event, recorded.at, routes))
        elif attempts:
            attempts[-1] = _after(attempts[-1], recorded)
    return tuple(attempts)


def _begun(event: SubmissionStarted, at: datetime, routes: Sequence[Recorded]) -> Attempt:
    passed = (each.partition(":") for each in event.passed_over)
    unfit = {link: why for link, _, why in passed}
    return Attempt(
        number=event.attempt,
        at=at,
        route=event.route,
        link=event.link,
        connection=event.connection,
        extension=event.extension,
        passed_over=tuple(unfit.items()),
        rule=_rule(event, at, unfit, routes),
    )


def _rule(
    event: SubmissionStarted, at: datetime, unfit: Mapping[str, str], routes: Sequence[Recorded]
) -> Rule | None:
    stood = [
        recorded.event
        for recorded in routes
        if recorded.at <= at and isinstance(recorded.event, RouteSet) and recorded.event.name == event.route
    ]
    if not stood:
        return None
    route = stood[-1]
    conditions = {
        "account": route.accounts,
        "category": route.categories,
        "carrier": route.carriers,
        "signature": route.signatures,
        "extension": route.extensions,
    }
    return Rule(
        priority=route.priority,
        conditions=tuple(name for name, values in conditions.items() if values),
        among=tuple(share for share in route.shares if share.link not in unfit),
    )


def _after(attempt: Attempt, recorded: Recorded) -> Attempt:
    """The latest attempt after one more fact of its message."""
    match recorded.event:
        case Submitted():
            return replace(attempt, outcome=AttemptOutcome.SUBMITTED)
        case SubmissionRefused(code=code):
            return replace(attempt, outcome=AttemptOutcome.REFUSED, code=code)
        case SubmissionInDoubt(reason=reason):
            return replace(attempt, outcome=AttemptOutcome.IN_DOUBT, code=reason)
        case DoubtResolved(resend=True):
            return replace(attempt, outcome=AttemptOutcome.IN_DOUBT)
        case ReceiptRecorded(status=status, error=error):
            return replace(attempt, code=f"{status} {error}".strip())
        case Delivered():
            return replace(attempt, outcome=AttemptOutcome.DELIVERED)
        case Failed(code=code) if attempt.outcome is not AttemptOutcome.REFUSED:
            return replace(attempt, outcome=AttemptOutcome.FAILED, code=attempt.code or code)
        case _:
            return attempt


_FOUND = {
    FoundBy.OVERRIDE: "a person said so",
    FoundBy.LEARNED: "its former carrier said that it is not there any more, and this one is asked next",
    FoundBy.LIST: "a list of ported numbers says so",
    FoundBy.SEGMENTS: "its number segment says so",
}
_KEPT: dict[str, str] = {
    Fitness.BROKEN: "whose circuit was open",
    Fitness.DOWN: "which was not connected",
    Fitness.UNFILED: "with whose carrier the signature was not filed",
    Fitness.UNFIT: "behind whose number its digits did not fit, or were another account's",
    Fitness.NONE: "which does not take this carrier's numbers, or was off",
}
_TAKES_NOTHING = frozenset({Fitness.UNFILED, Fitness.UNFIT, Fitness.NONE})
_OUTCOMES = {
    AttemptOutcome.UNDER_WAY: "there is no answer yet",
    AttemptOutcome.SUBMITTED: "the carrier took it",
    AttemptOutcome.REFUSED: "the carrier refused it",
    AttemptOutcome.IN_DOUBT: "no answer came, so the carrier may have it",
    AttemptOutcome.DELIVERED: "it was delivered",
    AttemptOutcome.FAILED: "it was not delivered",
}
_NOW = {
    Fitness.READY: "which is ready",
    Fitness.BROKEN: "whose circuit is open, since nothing better is there",
    Fitness.DOWN: "which is not connected; it waits for it",
}


def _of_carrier(accepted: Accepted) -> str:
    sentence = f"The number was taken to be of {accepted.carrier}: {_FOUND[accepted.carrier_by]}."
    if accepted.segment_carrier is None:
        return sentence
    return f"{sentence} By its segment it would be of {accepted.segment_carrier}."


def _of_end(status: Status) -> tuple[str, ...]:
    match status:
        case Status.EXPIRED:
            return ("Its validity is over.",)
        case Status.CANCELLED:
            return ("It was taken back.",)
        case _:
            return ()


def _of_attempt(attempt: Attempt) -> str:
    passed = "".join(f" Before it came {link}, {_kept(why)}." for link, why in attempt.passed_over)
    digits = f" with {attempt.extension} behind its number" if attempt.extension else ""
    code = f" ({attempt.code})" if attempt.code else ""
    return (
        f"Attempt {attempt.number} went over {attempt.link}, connection {attempt.connection}{digits}."
        f"{_chosen(attempt)}{passed} Outcome: {_OUTCOMES[attempt.outcome]}{code}."
    )


def _chosen(attempt: Attempt) -> str:
    """By which route, and why by that one."""
    if not attempt.route:
        return ""
    if attempt.route == DEFAULT:
        return " The default route chose it, since no other was for it."
    if attempt.rule is None:
        return f" Route {attempt.route} chose it."
    rule = attempt.rule
    by = f"by {_listed(rule.conditions)}" if rule.conditions else "for every message"
    shares = _listed([f"{share.link} ({share.weight})" for share in rule.among])
    among = f" Its id fell to {attempt.link} among {shares}." if len(rule.among) > 1 else ""
    return f" Route {attempt.route} (priority {rule.priority}, {by}) chose it.{among}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _of_now(id_: UUID, accepted: Accepted, now: Choice | None, network: Network) -> str:
    if now is not None:
        passed = "".join(
            f" Before it comes {link}, {_kept(fit)}." for link, fit in dict.fromkeys(now.passed_over)
        )
        return f"Now {_named(now.route).lower()} would choose {now.link}, {_NOW[now.fitness]}.{passed}"
    fitness = network.fitness_for(wanted_of(id_, accepted))
    kept = "".join(
        f" {link}, {_kept(fit) if fit in _TAKES_NOTHING else 'which none of its routes names'}."
        for link, fit in fitness.items()
    )
    return f"Now no link may take it: it waits until one may, or until it expires.{kept}"


def _named(route: str) -> str:
    return "The default route" if route == DEFAULT else f"Route {route}"


def _kept(why: str) -> str:
    return _KEPT.get(why, why)
