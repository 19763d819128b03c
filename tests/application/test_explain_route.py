"""A message says why it took its link: whose its number was found to be, each attempt, and where it would go now."""

from datetime import datetime, timedelta

import pytest

from application.choose_route import Network
from application.explain_route import AttemptOutcome, Explanation, Rule, explain
from domain.aggregates.link import Link
from domain.aggregates.message import Status
from domain.aggregates.route import Fitness
from domain.aggregates.signature import Filing, FilingState
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.events.message import (
    Cancelled,
    Cause,
    Delivered,
    Dimensions,
    DoubtResolved,
    Expired,
    Failed,
    MessageEvent,
    ReceiptRecorded,
    SubmissionInDoubt,
    SubmissionRefused,
    SubmissionStarted,
    Submitted,
    SubmittedPart,
)
from domain.events.route import RouteSet, Share
from domain.recorded import Context, Recorded
from domain.values import Carrier, Category, FoundBy, Lane
from tests.application.office import configured
from tests.domain.facts import NOW, accepted
from tests.domain.test_route import made, table, wanted

LINKS = tuple(
    Link(configured=configured(name, carrier), enabled=True)
    for name, carrier in (("one", Carrier.MOBILE), ("two", Carrier.MOBILE), ("other", Carrier.UNICOM))
)
ID = wanted(1).message
SENT = NOW + timedelta(seconds=1)
PART = SubmittedPart(number=1, carrier_id="C1")
UP: tuple[ConditionEvent, ...] = (Connected(name="x"),)
DOWN: tuple[ConditionEvent, ...] = (Lost(name="x", reason="kicked"),)
BROKEN: tuple[ConditionEvent, ...] = (Connected(name="x"), Broken(name="x", reason="refusals"))


def recorded(event: MessageEvent | RouteSet, version: int = 1, at: datetime = SENT) -> Recorded:
    return Recorded(stream=ID, version=version, at=at, context=Context(actor="test"), event=event)


def network(*routes: RouteSet, filed: bool = True, **states: tuple[ConditionEvent, ...]) -> Network:
    filing = Filing(carrier=Carrier.MOBILE, link="one", state=FilingState.FILED)
    return Network(
        links=LINKS,
        conditions={link.name: states.get(link.name, UP) for link in LINKS},
        table=table(*routes),
        filings=lambda account, signature: (filing,),  # noqa: ARG005
        require_filing=not filed,
    )


def told(
    *facts: MessageEvent,
    standing: Network | None = None,
    routes: tuple[Recorded, ...] = (),
    **changes: object,
) -> Explanation:
    """The explanation of a message to China Mobile with some facts after its acceptance."""
    history = [recorded(accepted(**changes), at=NOW)]
    history += [recorded(fact, number) for number, fact in enumerate(facts, 2)]
    return explain(ID, history, lambda: standing or network(), routes=routes)


def started(link: str = "one", **changes: object) -> SubmissionStarted:
    return SubmissionStarted(**({"attempt": 1, "link": link, "route": "codes"} | changes))  # type: ignore[arg-type]


def refused(*, retryable: bool = True) -> SubmissionRefused:
    return SubmissionRefused(
        link="one",
        carrier=Carrier.MOBILE,
        lane=Lane.REALTIME,
        code="CMPP:8",
        retryable=retryable,
        attempt=1,
    )


def receipt(status: str, error: str = "") -> ReceiptRecorded:
    return ReceiptRecorded(part=1, carrier_id="C1", status=status, error=error, carrier_time="")


# Whose the number is.


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (FoundBy.OVERRIDE, "a person said so"),
        (
            FoundBy.LEARNED,
            "its former carrier said that it is not there any more, and this one is asked next",
        ),
        (FoundBy.LIST, "a list of ported numbers says so"),
    ],
)
def test_a_ported_number_says_how_that_is_known_and_whose_it_would_be_by_its_segment(by: FoundBy, why: str):
    found = told(carrier=Carrier.UNICOM, carrier_by=by, segment_carrier=Carrier.MOBILE)
    assert (found.carrier, found.found_by, found.segment_carrier) == (Carrier.UNICOM, by, Carrier.MOBILE)
    assert found.words[0] == (
        f"The number was taken to be of unicom: {why}. By its segment it would be of mobile."
    )


def test_of_a_number_that_nobody_spoke_of_its_segment_decides():
    found = told()
    assert (found.found_by, found.segment_carrier) == (FoundBy.SEGMENTS, Carrier.MOBILE)
    assert found.words[0] == "The number was taken to be of mobile: its number segment says so."


# Attempts.


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("down", "which was not connected"),
        ("broken", "whose circuit was open"),
        ("unfiled", "with whose carrier the signature was not filed"),
        ("unfit", "behind whose number its digits did not fit, or were another account's"),
        ("none", "which does not take this carrier's numbers, or was off"),
    ],
)
def test_a_link_that_was_passed_over_says_what_kept_it(why: str, words: str):
    found = told(started("two", passed_over=(f"one:{why}", f"one:{why}"), connection=2))
    (attempt,) = found.attempts
    assert attempt.passed_over == (("one", why),)
    assert found.words[1] == (
        f"Attempt 1 went over two, connection 2. Route codes chose it. Before it came one, {words}."
        " Outcome: there is no answer yet."
    )


def test_the_route_says_what_it_was_for_and_among_which_links_the_id_fell():
    route = made(
        "codes", ("one", 7), ("two", 3), "other", categories=(Category.OTP,), signatures=("示例科技",)
    )
    found = told(started("two", passed_over=("other:none",)), routes=(recorded(route, at=NOW),))
    (attempt,) = found.attempts
    among = (Share(link="one", weight=7), Share(link="two", weight=3))
    assert attempt.rule == Rule(priority=10, conditions=("category", "signature"), among=among)
    assert (
        "Route codes (priority 10, by category and signature) chose it."
        " Its id fell to two among one (7) and two (3)."
    ) in found.words[1]


def test_a_route_that_is_for_digits_says_so():
    route = made("codes", "one", extensions=("12", "3"))
    (attempt,) = told(started(extension="1299"), routes=(recorded(route, at=NOW),), extension="1299").attempts
    assert attempt.rule is not None
    assert attempt.rule.conditions == ("extension",)


def test_a_message_whose_digits_fit_nowhere_any_more_says_what_it_waits_for():
    route = made("codes", "one", extension="1" * 12)
    found = told(standing=network(route), extension="12345")
    assert found.now is None
    assert "one, behind whose number its digits did not fit, or were another account's." in found.words[-1]
    fits = told(standing=network(route), extension="1234")
    assert fits.now is not None
    assert fits.now.digits == "1" * 12 + "1234"


def test_a_route_that_was_changed_later_is_told_as_it_stood():
    before, later = made("codes", "one", priority=5), made("codes", "two", priority=1, accounts=("acme",))
    routes = (recorded(before, at=NOW), recorded(later, 2, at=SENT + timedelta(seconds=1)))
    (attempt,) = told(started(), routes=routes).attempts
    assert attempt.rule == Rule(priority=5, conditions=(), among=(Share(link="one"),))


def test_the_default_route_and_a_message_from_before_there_were_routes_name_none():
    default = told(started(route="default"))
    assert "The default route chose it, since no other was for it." in default.words[1]
    before = told(started(route=""))
    assert before.words[1] == "Attempt 1 went over one, connection 1. Outcome: there is no answer yet."
    assert [found.attempts[0].rule for found in (default, before)] == [None, None]


def test_digits_behind_the_number_are_named():
    found = told(started(extension="12"))
    assert "Attempt 1 went over one, connection 1 with 12 behind its number." in found.words[1]


OF = Dimensions(account="acme", carrier=Carrier.MOBILE, template="", accepted_at=NOW, segments=1)
IN_DOUBT = SubmissionInDoubt(link="one", reason="no answer in time")
SUBMITTED = Submitted(link="one", parts=(PART,))
RESENT = DoubtResolved(carrier=Carrier.MOBILE, lane=Lane.REALTIME, resend=True, reason="nobody has it")
OUTCOMES: dict[str, tuple[tuple[MessageEvent, ...], AttemptOutcome, str, str]] = {
    "taken": ((SUBMITTED,), AttemptOutcome.SUBMITTED, "", "the carrier took it"),
    "refused": (
        (refused(retryable=False),),
        AttemptOutcome.REFUSED,
        "CMPP:8",
        "the carrier refused it (CMPP:8)",
    ),
    "in doubt": (
        (IN_DOUBT,),
        AttemptOutcome.IN_DOUBT,
        "no answer in time",
        "no answer came, so the carrier may have it (no answer in time)",
    ),
    "delivered": (
        (SUBMITTED, receipt("DELIVRD"), Delivered(of=OF)),
        AttemptOutcome.DELIVERED,
        "DELIVRD",
        "it was delivered (DELIVRD)",
    ),
    "failed": (
        (
            SUBMITTED,
            receipt("UNDELIV", "MK:0012"),
            Failed(cause=Cause.RECEIPT, code="UNDELIV", refunded=False, of=OF),
        ),
        AttemptOutcome.FAILED,
        "UNDELIV MK:0012",
        "it was not delivered (UNDELIV MK:0012)",
    ),
}


@pytest.mark.parametrize("what", OUTCOMES)
def test_an_attempt_says_what_became_of_it(what: str):
    facts, outcome, code, words = OUTCOMES[what]
    found = told(started(), *facts)
    (attempt,) = found.attempts
    assert (attempt.outcome, attempt.code) == (outcome, code)
    assert found.words[1].endswith(f" Outcome: {words}.")


def test_a_message_that_was_given_to_another_link_tells_both_attempts():
    found = told(
        started("one"),
        refused(),
        started("two", attempt=2, passed_over=("one:broken",)),
        SUBMITTED,
        standing=network(),
    )
    assert [(each.number, each.link, each.outcome) for each in found.attempts] == [
        (1, "one", AttemptOutcome.REFUSED),
        (2, "two", AttemptOutcome.SUBMITTED),
    ]
    assert (found.attempts[0].code, found.attempts[1].code) == ("CMPP:8", "")
    assert "Before it came one, whose circuit was open." in found.words[2]


# Where it would go now.


def test_a_message_that_waits_says_where_it_would_go_and_why():
    found = told(standing=network(made("codes", "one", "two"), one=BROKEN))
    assert found.status is Status.ACCEPTED
    assert found.now is not None
    assert (found.now.link, found.now.route, found.now.fitness) == ("two", "codes", Fitness.READY)
    assert found.words[1] == (
        "Now route codes would choose two, which is ready. Before it comes one, whose circuit was open."
    )


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((DOWN, DOWN), "which is not connected; it waits for it."),
        ((BROKEN, DOWN), "whose circuit is open, since nothing better is there. Before it comes two, "),
    ],
)
def test_where_nothing_is_ready_it_says_what_it_waits_for(
    states: tuple[tuple[ConditionEvent, ...], ...], words: str
):
    found = told(standing=network(one=states[0], two=states[1]))
    assert found.now is not None
    assert found.words[1].startswith(f"Now the default route would choose {found.now.link}, {words}")


def test_a_message_that_no_link_may_take_says_what_keeps_each():
    found = told(standing=network(made("codes", "two"), filed=False))
    assert found.now is None
    assert found.words[1] == (
        "Now no link may take it: it waits until one may, or until it expires."
        " one, which none of its routes names."
        " two, with whose carrier the signature was not filed."
        " other, which does not take this carrier's numbers, or was off."
    )


def test_after_a_refusal_for_the_moment_and_after_a_resend_it_waits_again():
    for facts in ((started(), refused()), (started(), IN_DOUBT, RESENT)):
        found = told(*facts, standing=network(made("codes", "two")))
        assert found.now is not None
        assert found.words[-1] == "Now route codes would choose two, which is ready."


def test_the_network_is_not_asked_for_a_message_that_does_not_wait():
    history = [recorded(accepted(), at=NOW), recorded(started(), 2), recorded(SUBMITTED, 3)]

    def never() -> Network:
        raise AssertionError("asked")

    assert explain(ID, history, never).now is None


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Expired(of=OF), "Its validity is over."),
        (Cancelled(reason="a mistake", of=OF), "It was taken back."),
    ],
)
def test_a_message_that_never_left_says_so(fact: MessageEvent, words: str):
    found = told(fact)
    assert (found.attempts, found.now, found.words[1:]) == ((), None, (words,))
