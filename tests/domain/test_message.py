"""A message has one outcome at a time; a contradiction is a revision, and money follows the terms."""

from datetime import timedelta

import pytest

from domain.aggregates import message
from domain.aggregates.message import MAX_ATTEMPTS, DebitDue, Message, RefundDue, Status
from domain.events.ledger import DebitReason, RefundReason
from domain.events.message import (
    Cancelled,
    Cause,
    Delivered,
    DoubtResolved,
    Expired,
    Failed,
    ReceiptRecorded,
    SubmissionInDoubt,
    SubmissionRefused,
    SubmissionStarted,
    Submitted,
)
from domain.values import Carrier, ChargeOn, Lane
from tests.domain.facts import (
    LATER,
    NOW,
    accepted,
    after,
    ids,
    in_doubt,
    on_the_wire,
    part,
    report,
    reported,
    taken,
    waiting,
)

BY_RECEIPT = ChargeOn.DELIVERED
MOMENT = timedelta(microseconds=1)


def kinds(events: tuple[object, ...]) -> list[type]:
    return [type(event) for event in events]


def sent_again(*, charge_on: ChargeOn = ChargeOn.SUBMITTED) -> Message:
    """A message that was in doubt and waits again, because a person said so."""
    state = in_doubt(charge_on=charge_on)
    return after(state, state.resolve_doubt(resend=True, reason="asked the carrier"))


# From accepted to the carrier.


def test_an_accepted_message_waits():
    state = waiting()
    assert (state.status, state.attempt, state.refunded) == (Status.ACCEPTED, 0, False)


def test_a_submission_starts_while_the_message_is_valid():
    assert waiting().start_submission(link="mobile", now=LATER - MOMENT) == (
        SubmissionStarted(attempt=1, link="mobile"),
    )


def test_a_message_past_its_validity_expires_instead_of_being_sent():
    assert kinds(waiting().start_submission(link="mobile", now=LATER)) == [Expired]


def test_a_message_that_does_not_wait_is_not_started():
    for state in (on_the_wire(), taken(), in_doubt(), reported(taken(), (1, "DELIVRD"))):
        assert state.start_submission(link="mobile", now=NOW) == ()


def test_only_a_waiting_message_expires():
    assert kinds(waiting().expire(now=LATER)) == [Expired]
    assert waiting().expire(now=LATER - MOMENT) == ()
    for state in (on_the_wire(), taken(), in_doubt()):
        assert state.expire(now=LATER) == ()


def test_only_a_waiting_message_is_cancelled():
    state = waiting()
    assert state.cancel(reason="by mistake") == (Cancelled(reason="by mistake", of=state.dimensions),)
    for other in (on_the_wire(), taken(), in_doubt()):
        assert other.cancel(reason="by mistake") == ()


def test_every_part_taken_is_submitted():
    made = on_the_wire(parts=2).record_submitted(parts=ids(2))
    assert made == (Submitted(link="mobile", parts=ids(2)),)
    assert taken(parts=2).status is Status.SUBMITTED


def test_a_late_answer_settles_a_submission_in_doubt():
    assert kinds(in_doubt().record_submitted(parts=ids(1))) == [Submitted]


def test_an_answer_for_a_message_that_is_settled_is_nothing_to_do():
    for state in (waiting(), taken(), reported(taken(), (1, "DELIVRD"))):
        assert state.record_submitted(parts=ids(1)) == ()


# Refused by the carrier.


def test_a_refusal_for_the_moment_lets_the_message_wait_again():
    state = on_the_wire()
    made = state.record_refused(code="88", retryable=True)
    assert made == (
        SubmissionRefused(
            link="mobile",
            carrier=Carrier.MOBILE,
            lane=Lane.REALTIME,
            code="88",
            retryable=True,
            attempt=1,
        ),
    )
    assert after(state, made).status is Status.ACCEPTED


def test_a_refusal_for_good_fails_the_message_and_refunds_it():
    state = on_the_wire()
    made = state.record_refused(code="11", retryable=False)
    assert kinds(made) == [SubmissionRefused, Failed]
    assert made[1] == Failed(cause=Cause.REFUSED, code="11", refunded=True, of=state.dimensions)
    assert state.charge_due(made) == RefundDue(
        account="acme", year=2026, debit=7, reason=RefundReason.REFUSED, segments=1, price_micros=38_000
    )


def test_the_last_attempt_that_is_refused_for_the_moment_fails():
    state = waiting()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        state = after(state, state.start_submission(link="mobile", now=NOW))
        assert state.attempt == attempt
        made = state.record_refused(code="88", retryable=True)
        state = after(state, made)
    assert kinds(made) == [SubmissionRefused, Failed]
    assert made[0].retryable is False
    assert state.status is Status.FAILED


@pytest.mark.parametrize(("charge_on", "refunded"), [(ChargeOn.SUBMITTED, False), (BY_RECEIPT, True)])
def test_a_message_of_which_a_part_was_taken_is_refunded_only_where_delivery_is_charged(charge_on, refunded):
    state = on_the_wire(parts=2, charge_on=charge_on)
    made = state.record_refused(code="88", retryable=True, taken=(part(1),))
    assert kinds(made) == [SubmissionRefused, Failed]
    assert after(state, made).refunded is refunded
    assert (state.charge_due(made) is not None) is refunded


def test_a_refusal_of_what_is_not_on_the_wire_is_nothing_to_do():
    for state in (waiting(), taken(), sent_again(), reported(in_doubt(), (1, "DELIVRD"))):
        assert state.record_refused(code="11", retryable=False) == ()


# In doubt.


def test_a_submission_without_an_answer_is_in_doubt_and_costs_or_refunds_nothing():
    state = on_the_wire(parts=2)
    made = state.record_in_doubt(reason="no answer", taken=(part(1),))
    assert made == (SubmissionInDoubt(link="mobile", reason="no answer", taken=(part(1),)),)
    assert state.charge_due(made) is None
    assert after(state, made).taken == (part(1),)


def test_only_a_submission_on_the_wire_gets_into_doubt():
    for state in (waiting(), taken(), in_doubt(), reported(taken(), (1, "UNDELIV"))):
        assert state.record_in_doubt(reason="no answer") == ()


def test_the_late_answers_of_a_message_in_doubt_add_up_until_every_part_is_taken():
    state = on_the_wire(parts=3)
    state = after(state, state.record_in_doubt(reason="no answer", taken=(part(2),)))
    late = state.record_in_doubt(reason="late", taken=(part(3),))
    assert late == (SubmissionInDoubt(link="mobile", reason="late", taken=(part(2), part(3))),)
    state = after(state, late)
    assert state.record_in_doubt(reason="late", taken=(part(3),)) == ()
    assert state.record_in_doubt(reason="late", taken=(part(1),)) == (Submitted(link="mobile", parts=ids(3)),)


def test_a_new_attempt_begins_with_no_part_taken():
    state = on_the_wire(parts=2)
    state = after(state, state.record_in_doubt(reason="no answer", taken=(part(1),)))
    state = after(state, state.resolve_doubt(resend=True, reason="asked the carrier"))
    assert after(state, state.start_submission(link="mobile", now=NOW)).taken == ()


def test_what_turns_out_not_to_have_been_taken_is_in_doubt_no_longer():
    state = in_doubt()
    again = state.record_refused(code="local:not-sent", retryable=True, attempt=1)
    assert kinds(again) == [SubmissionRefused]
    assert (after(state, again).status, after(state, again).doubted) == (Status.ACCEPTED, False)
    for_good = state.record_refused(code="11", retryable=False, attempt=1)
    assert kinds(for_good) == [SubmissionRefused, Failed]
    assert after(state, for_good).refunded


def test_a_refusal_of_some_parts_leaves_in_doubt_a_message_of_which_others_were_taken():
    state = in_doubt(parts=3)
    made = state.record_refused(code="88", retryable=True, taken=(part(2),), attempt=1)
    assert kinds(made) == [SubmissionInDoubt]
    state = after(state, made)
    assert (state.status, state.taken) == (Status.IN_DOUBT, (part(2),))
    assert state.record_refused(code="88", retryable=True, attempt=1) == ()


@pytest.mark.parametrize("status", ["ACCEPTD", "DELIVRD"])
def test_what_a_carrier_refused_and_reported_on_all_the_same_stays_in_doubt(status):
    state = reported(in_doubt(parts=2), (1, status))
    assert state.record_refused(code="88", retryable=True, attempt=1) == ()


def test_an_answer_to_an_attempt_after_which_another_began_decides_nothing():
    first = in_doubt(parts=2)
    second = after(first, first.resolve_doubt(resend=True, reason="asked the carrier"))
    second = after(second, second.start_submission(link="other", now=NOW))
    for state in (second, after(second, second.record_in_doubt(reason="no answer", taken=(part(2),)))):
        assert state.record_submitted(parts=ids(2), attempt=1) == ()
        assert state.record_refused(code="88", retryable=True, attempt=1) == ()
        assert state.record_refused(code="11", retryable=False, attempt=1) == ()
        assert state.record_in_doubt(reason="late", taken=(part(1),), attempt=1) == ()
        assert kinds(state.record_submitted(parts=ids(2), attempt=2)) == [Submitted]


def test_what_was_taken_after_all_is_not_sent_again():
    state = sent_again()
    made = state.record_submitted(parts=ids(1), attempt=1)
    assert made == (Submitted(link="mobile", parts=ids(1)),)
    assert after(state, made).start_submission(link="mobile", now=NOW) == ()
    long = in_doubt(parts=2)
    long = after(long, long.record_in_doubt(reason="late", taken=(part(1),)))
    long = after(long, long.resolve_doubt(resend=True, reason="asked the carrier"))
    assert kinds(long.record_in_doubt(reason="late", taken=(part(2),), attempt=1)) == [Submitted]


def test_a_long_message_of_which_some_parts_were_taken_is_sent_again_where_a_person_says_so():
    state = in_doubt(parts=2)
    state = after(state, state.resolve_doubt(resend=True, reason="asked the carrier"))
    assert state.record_in_doubt(reason="late", taken=(part(1),), attempt=1) == ()


def test_an_answer_after_a_person_gave_up_changes_nothing():
    state = in_doubt()
    state = after(state, state.resolve_doubt(resend=False, reason="too late"))
    assert state.record_submitted(parts=ids(1), attempt=1) == ()
    assert state.record_refused(code="88", retryable=True, attempt=1) == ()


def test_a_person_may_have_a_doubtful_message_sent_again():
    state = in_doubt()
    made = state.resolve_doubt(resend=True, reason="asked the carrier")
    assert made == (
        DoubtResolved(carrier=Carrier.MOBILE, lane=Lane.REALTIME, resend=True, reason="asked the carrier"),
    )
    assert after(state, made).start_submission(link="mobile", now=NOW) == (
        SubmissionStarted(attempt=2, link="mobile"),
    )


@pytest.mark.parametrize(("charge_on", "refunded"), [(ChargeOn.SUBMITTED, False), (BY_RECEIPT, True)])
def test_a_doubtful_message_that_is_given_up_is_refunded_only_where_delivery_is_charged(charge_on, refunded):
    state = in_doubt(charge_on=charge_on)
    made = state.resolve_doubt(resend=False, reason="too late")
    assert kinds(made) == [DoubtResolved, Failed]
    assert after(state, made).refunded is refunded


@pytest.mark.parametrize(("charge_on", "refunded"), [(ChargeOn.SUBMITTED, False), (BY_RECEIPT, True)])
def test_what_was_in_doubt_and_ends_before_it_is_sent_again_was_maybe_sent(charge_on, refunded):
    state = sent_again(charge_on=charge_on)
    lost = Failed(cause=Cause.UNKNOWN, code="IN_DOUBT", refunded=refunded, of=state.dimensions)
    assert state.expire(now=LATER) == (lost,)
    assert state.start_submission(link="mobile", now=LATER) == (lost,)
    assert (state.charge_due((lost,)) is not None) is refunded


def test_what_was_in_doubt_is_not_cancelled_since_the_carrier_may_have_it():
    assert sent_again().cancel(reason="by mistake") == ()


@pytest.mark.parametrize(("charge_on", "refunded"), [(ChargeOn.SUBMITTED, False), (BY_RECEIPT, True)])
def test_a_refusal_after_a_doubt_does_not_say_that_the_carrier_never_took_it(charge_on, refunded):
    state = sent_again(charge_on=charge_on)
    state = after(state, state.start_submission(link="mobile", now=NOW))
    assert after(state, state.record_refused(code="11", retryable=False)).refunded is refunded


def test_there_is_no_doubt_to_resolve_about_other_messages():
    for state in (waiting(), on_the_wire(), taken()):
        assert state.resolve_doubt(resend=True, reason="") == ()


def test_a_receipt_settles_a_submission_in_doubt():
    assert reported(in_doubt(), (1, "DELIVRD")).status is Status.DELIVERED
    assert reported(in_doubt(), (1, "UNDELIV")).status is Status.FAILED


# Receipts.


def test_a_single_part_delivered_is_a_message_delivered():
    state = taken()
    assert report(state, 1, "DELIVRD") == (
        ReceiptRecorded(part=1, carrier_id="id-1", status="DELIVRD", error="000", carrier_time="2605011200"),
        Delivered(of=state.dimensions),
    )


def test_a_long_message_is_delivered_when_its_last_part_is_whatever_the_order():
    state = reported(taken(parts=3), (3, "DELIVRD"), (1, "DELIVRD"))
    assert state.status is Status.SUBMITTED
    assert reported(state, (2, "DELIVRD")).status is Status.DELIVERED


def test_a_long_message_fails_with_the_first_part_that_fails():
    state = taken(parts=3)
    made = report(state, 2, "UNDELIV")
    assert kinds(made) == [ReceiptRecorded, Failed]
    assert made[1] == Failed(cause=Cause.RECEIPT, code="UNDELIV", refunded=False, of=state.dimensions)


def test_a_second_part_that_fails_is_recorded_and_changes_nothing_else():
    state = reported(taken(parts=3), (2, "UNDELIV"))
    assert kinds(report(state, 3, "REJECTD")) == [ReceiptRecorded]


def test_an_early_receipt_counts_before_the_answer_and_the_answer_does_not_undo_it():
    state = reported(on_the_wire(), (1, "DELIVRD"))
    assert state.status is Status.DELIVERED
    assert state.record_submitted(parts=ids(1)) == ()


def test_an_early_receipt_of_one_part_waits_for_the_others():
    state = reported(on_the_wire(parts=2), (1, "DELIVRD"))
    assert state.status is Status.SUBMITTING
    state = after(state, state.record_submitted(parts=ids(2)))
    assert reported(state, (2, "DELIVRD")).status is Status.DELIVERED


@pytest.mark.parametrize("status", ["DELIVRD", "UNDELIV", "ACCEPTD"])
def test_a_repeated_receipt_is_nothing_to_do(status):
    assert report(reported(taken(parts=2), (1, status)), 1, status) == ()


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_receipt_for_a_part_the_message_does_not_have_is_nothing_to_do(number):
    assert report(taken(parts=2), number, "DELIVRD") == ()


@pytest.mark.parametrize("status", ["ACCEPTD", "UNKNOWN", "ENROUTE", " acceptd "])
def test_a_status_that_is_not_final_is_recorded_and_decides_nothing(status):
    made = report(taken(), 1, status)
    assert kinds(made) == [ReceiptRecorded]
    assert after(taken(), made).status is Status.SUBMITTED


@pytest.mark.parametrize("stale", ["ACCEPTD", "ENROUTE"])
def test_a_status_that_is_not_final_and_comes_late_does_not_hide_the_final_one(stale):
    state = reported(taken(parts=2), (1, "DELIVRD"), (1, stale), (2, "DELIVRD"))
    assert state.status is Status.DELIVERED


def test_a_final_status_repeated_after_a_stale_one_is_nothing_to_do():
    assert report(reported(taken(parts=2), (1, "DELIVRD"), (1, "ACCEPTD")), 1, "DELIVRD") == ()


def test_what_a_carrier_calls_by_its_own_code_is_a_failure_with_that_code():
    made = report(taken(), 1, "MK:0001")
    assert made[1].code == "MK:0001"


def test_a_failure_after_a_delivery_revises_it():
    state = reported(taken(), (1, "DELIVRD"))
    made = report(state, 1, "UNDELIV")
    assert made[1] == Failed(
        cause=Cause.RECEIPT, code="UNDELIV", refunded=False, of=state.dimensions, revises="delivered"
    )


def test_a_delivery_after_a_failure_revises_it():
    state = reported(taken(), (1, "UNDELIV"))
    assert report(state, 1, "DELIVRD")[1] == Delivered(of=state.dimensions, revises="failed")


def test_a_delivery_after_a_refunded_failure_is_owed_again_at_the_price_of_the_debit():
    state = reported(taken(charge_on=BY_RECEIPT), (1, "UNDELIV"))
    assert state.refunded
    made = report(state, 1, "DELIVRD")
    assert made[1] == Delivered(of=state.dimensions, revises="failed", owed_again=True)
    assert state.charge_due(made) == DebitDue(
        account="acme", year=2026, reason=DebitReason.REVISED, segments=1, price_micros=38_000
    )


def test_a_carrier_that_keeps_changing_its_mind_is_followed_by_the_money():
    state = taken(charge_on=BY_RECEIPT)
    owed = 1
    for status in ("UNDELIV", "DELIVRD", "UNDELIV", "UNDELIV", "DELIVRD", "DELIVRD"):
        made = report(state, 1, status)
        due = state.charge_due(made)
        owed += isinstance(due, DebitDue) - isinstance(due, RefundDue)
        state = after(state, made)
        assert owed == (0 if status == "UNDELIV" else 1)
        assert state.refunded is (owed == 0)


def test_a_delivery_after_a_refusal_by_the_link_is_owed_again():
    state = on_the_wire()
    state = after(state, state.record_refused(code="11", retryable=False))
    made = report(state, 1, "DELIVRD")
    assert made[1] == Delivered(of=state.dimensions, revises="failed", owed_again=True)


def given_up_unsent(status: Status) -> Message:
    """A message that a carrier refused for the moment, and that expired or was cancelled then."""
    state = on_the_wire(charge_on=BY_RECEIPT)
    state = after(state, state.record_refused(code="88", retryable=True))
    ended = state.expire(now=LATER) if status is Status.EXPIRED else state.cancel(reason="by mistake")
    state = after(state, ended)
    assert state.status is status
    return state


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.CANCELLED])
def test_a_carrier_that_delivers_what_it_refused_revises_the_outcome_and_is_owed_again(status):
    state = given_up_unsent(status)
    made = report(state, 1, "DELIVRD")
    assert made[1] == Delivered(of=state.dimensions, revises=status.value, owed_again=True)
    assert isinstance(state.charge_due(made), DebitDue)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.CANCELLED])
def test_a_failure_of_what_had_expired_or_was_cancelled_says_nothing_new(status):
    state = given_up_unsent(status)
    assert kinds(report(state, 1, "UNDELIV")) == [ReceiptRecorded]
    assert reported(state, (1, "UNDELIV")).refunded


# No receipt.


def test_a_message_nobody_reports_on_is_given_up_only_where_delivery_is_charged():
    assert taken().give_up_unreported() == ()
    for state in (taken(charge_on=BY_RECEIPT), in_doubt(charge_on=BY_RECEIPT)):
        (made,) = state.give_up_unreported()
        assert made == Failed(cause=Cause.UNKNOWN, code="NO_RECEIPT", refunded=True, of=state.dimensions)
        due = state.charge_due((made,))
        assert isinstance(due, RefundDue)
        assert due.reason is RefundReason.UNKNOWN


def test_a_message_with_an_outcome_or_without_a_carrier_is_not_given_up():
    for state in (
        waiting(charge_on=BY_RECEIPT),
        on_the_wire(charge_on=BY_RECEIPT),
        reported(taken(charge_on=BY_RECEIPT), (1, "DELIVRD")),
        reported(taken(charge_on=BY_RECEIPT), (1, "UNDELIV")),
    ):
        assert state.give_up_unreported() == ()


def test_a_receipt_after_giving_up_is_owed_again():
    state = taken(charge_on=BY_RECEIPT)
    state = after(state, state.give_up_unreported())
    assert isinstance(state.charge_due(report(state, 1, "DELIVRD")), DebitDue)


def test_a_failure_after_giving_up_refunds_nothing_more():
    state = taken(charge_on=BY_RECEIPT)
    state = after(state, state.give_up_unreported())
    assert state.charge_due(report(state, 1, "UNDELIV")) is None


# Money.


@pytest.mark.parametrize("charge_on", ChargeOn)
def test_what_expires_or_is_cancelled_is_refunded_whatever_is_charged(charge_on):
    state = waiting(charge_on=charge_on)
    expired, cancelled = state.expire(now=LATER), state.cancel(reason="")
    assert state.charge_due(expired).reason is RefundReason.EXPIRED
    assert state.charge_due(cancelled).reason is RefundReason.CANCELLED
    assert after(state, expired).refunded
    assert after(state, cancelled).refunded


def test_nothing_is_due_with_facts_that_are_no_outcome():
    state = waiting()
    assert state.charge_due(state.start_submission(link="mobile", now=NOW)) is None
    assert on_the_wire().charge_due(on_the_wire().record_submitted(parts=ids(1))) is None
    assert taken().charge_due(report(taken(), 1, "DELIVRD")) is None


def test_a_history_that_does_not_begin_with_its_acceptance_is_refused():
    with pytest.raises(ValueError, match=r"message\.accepted"):
        message.evolve(None, SubmissionStarted(attempt=1, link="mobile"), NOW)


def test_outcomes_carry_the_dimensions_of_the_acceptance():
    of = waiting().dimensions
    event = accepted()
    assert (of.account, of.carrier, of.template, of.segments, of.accepted_at) == (
        event.account,
        event.carrier,
        event.template,
        event.segments,
        NOW,
    )
