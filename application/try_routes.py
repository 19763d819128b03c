"""Asks the network which link a message would take now, and why; nothing is sent and nothing is recorded."""

from dataclasses import dataclass
from uuid import UUID

from application.choose_route import Network
from domain.aggregates.route import DEFAULT, Choice, Fitness, Wanted
from domain.events.route import Share

ANY_MESSAGE = UUID(int=0)
"""Where no message is named: of several links in equal rank the first one shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The choice, None where no link may take the message; the links among which weights decide by the message's
    id; those that were passed over with the reason; and all of it in one sentence."""

    choice: Choice | None
    among: tuple[Share, ...]
    passed_over: tuple[tuple[str, Fitness], ...]
    why: str


def try_route(network: Network, wanted: Wanted) -> Tried:
    """Which link a message would take in the network as it stands."""
    choice = network.choose(wanted)
    if choice is None:
        states = network.fitness_for(wanted)
        return Tried(
            choice=None, among=(), passed_over=tuple(sorted(states.items())), why=_why_not(network, wanted)
        )
    return Tried(
        choice=choice,
        among=choice.among,
        passed_over=tuple(dict.fromkeys(choice.passed_over)),
        why=_why(choice, choice.among),
    )


_STATES = {
    Fitness.READY: "is ready",
    Fitness.BROKEN: "has its circuit open, and nothing better is there",
    Fitness.DOWN: "is not connected, and nothing better is there: the message would wait for it",
}


def _why_not(network: Network, wanted: Wanted) -> str:
    filed = " with the signature filed" if network.require_filing else ""
    room = ", with room for its digits" if wanted.extension else ""
    return f"No link may take it: none that its routes name serves {wanted.carrier}{filed}{room} now."


def _why(choice: Choice, among: tuple[Share, ...]) -> str:
    route = "No route is for it, so all links of its carrier share it" if choice.route == DEFAULT else ""
    route = route or f"Route {choice.route} is for it"
    if len(among) > 1:
        state = _STATES[choice.fitness].replace("is ", "are ", 1).replace("has its", "have their", 1)
        names = ", ".join(share.link for share in among)
        return f"{route}; {names} {state}, and the message's id decides among them by weight."
    return f"{route}; {choice.link} {_STATES[choice.fitness]}."
