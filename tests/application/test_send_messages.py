"""Every message of a call gets its own answer; what is refused leaves nothing behind, and a key holds for ever."""

from datetime import UTC, date, datetime, timedelta

import pytest

from application.manage_contracts import end, resume, suspend
from application.manage_links import disable_link
from application.manage_templates import retire_signature, retire_template
from application.send_messages import Draft, Sent
from domain.aggregates.message import Status
from domain.errors import Conflicting, Refusal
from domain.events.contract import Terms
from domain.events.message import Accepted
from domain.values import Category, Counting, Lane, message_id
from tests.application.office import (
    ACCOUNT,
    BY,
    LINK,
    PHONE,
    SIGNATURE,
    TEMPLATE,
    Office,
    codes,
    draft,
    story,
)


def nothing_recorded(office: Office, key: str = "k1") -> bool:
    return not office.store.disk.history(message_id(ACCOUNT, key)) and not office.postings()


def accepted(office: Office, key: str = "k1") -> Accepted:
    event = office.store.disk.history(message_id(ACCOUNT, key))[0].event
    assert isinstance(event, Accepted)
    return event


@story
async def test_an_accepted_message_is_debited_and_sealed_in_one_commit():
    office = await Office().open()
    before = office.store.commits
    (answer,) = await office.send(("k1", draft("字" * 80)))
    assert isinstance(answer, Sent)
    assert (answer.id, answer.status, answer.segments) == (message_id(ACCOUNT, "k1"), Status.ACCEPTED, 2)
    assert (answer.charged.included, answer.charged.overage, answer.charged.posting) == (2, 0, 2)
    assert office.store.commits == before + 1
    assert office.totals().net == 2
    assert list(office.store.disk.sealed) == [(office.now.date(), answer.id)]


@story
async def test_neither_number_nor_text_is_in_any_event():
    office = await Office().open()
    await office.accept(text="秘密口令")
    log = b"".join(row.state for row in office.store.disk.log)
    assert b"13800138000" not in log
    assert "秘密".encode() not in log


@story
async def test_the_signature_counts():
    office = await Office().open()
    await office.accept(text="字" * 64)
    await office.accept("k2", "字" * 65)
    assert (accepted(office).segments, accepted(office, "k2").segments) == (1, 2)
    assert accepted(office).units == 70


@story
async def test_the_contract_s_counting_decides_what_is_billed_and_not_how_it_is_sent():
    office = await Office(terms=Terms(counting=Counting.GSM7_WHERE_POSSIBLE)).open()
    await office.accept(text="字" * 80)
    event = accepted(office)
    assert (event.segments, event.parts) == (2, 2)


@story
async def test_a_template_is_filled_in_and_decides_the_category():
    office = await Office().open()
    made = Draft(phone=PHONE, signature=SIGNATURE, template=TEMPLATE, variables={"code": "1234"})
    (answer,) = await office.send(("k1", made))
    assert isinstance(answer, Sent)
    event = accepted(office)
    assert (event.template, event.category, event.lane) == (TEMPLATE, Category.OTP, Lane.REALTIME)
    assert event.expires_at == office.now + timedelta(seconds=300)


@pytest.mark.parametrize(
    ("category", "lane", "valid"),
    [
        (None, Lane.REALTIME, 86_400),
        (Category.OTP, Lane.REALTIME, 300),
        (Category.MARKETING, Lane.BATCH, 172_800),
    ],
)
@story
async def test_lane_and_validity_follow_the_category_unless_they_are_given(category, lane, valid):
    office = await Office().open()
    await office.send(("k1", draft(category=category)), ("k2", draft(category=category, validity_seconds=10)))
    assert accepted(office).lane is lane
    assert accepted(office).expires_at == office.now + timedelta(seconds=valid)
    assert accepted(office, "k2").expires_at == office.now + timedelta(seconds=10)


@story
async def test_a_call_may_choose_its_lane():
    office = await Office().open()
    await office.send(("k1", draft()), lane=Lane.BATCH, batch="spring")
    assert (accepted(office).lane, accepted(office).batch) == (Lane.BATCH, "spring")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (draft(phone="123"), "invalid_phone"),
        (draft(phone="1400013" + "8000"), "unassigned_phone"),
        (draft(""), "text_empty"),
        (draft("字" * 1_001), "text_too_long"),
        (draft("字" * 997), "text_too_long"),
        (draft("a\x00b"), "text_control_character"),
        (draft("a\ud800b"), "text_control_character"),
        (draft(None), "text_or_template"),
        (draft("x", template=TEMPLATE), "text_or_template"),
        (draft("【别家】您好"), "signature_in_text"),
        (Draft(phone=PHONE, signature="别家", text="您好"), "signature_not_approved"),
        (draft(None, template="nobody's"), "template_not_found"),
        (draft(None, template=TEMPLATE), "template_variable_missing"),
        (draft(None, template=TEMPLATE, variables={"code": "1", "x": "2"}), "template_variable_unknown"),
        (draft(None, template=TEMPLATE, variables={"code": "http://x"}), "template_variable_url"),
        (draft(None, template=TEMPLATE, variables={"code": "\x1b"}), "text_control_character"),
        (draft(phone="1920013" + "8000"), "no_route"),
        (draft(validity_seconds=9), "validity_invalid"),
        (draft(validity_seconds=259_201), "validity_invalid"),
    ],
)
@story
async def test_each_wrong_message_is_refused_with_its_code_and_leaves_nothing(wrong, code):
    office = await Office().open()
    assert codes(await office.send(("k1", wrong))) == [code]
    assert nothing_recorded(office)
    assert office.store.disk.sealed == {}


@story
async def test_wrong_messages_do_not_harm_their_neighbours():
    office = await Office().open()
    answers = await office.send(
        ("k1", draft(phone="123")), ("k2", draft()), ("k3", draft("")), ("k4", draft())
    )
    assert codes(answers) == ["invalid_phone", "sent", "text_empty", "sent"]
    assert office.totals().net == 2


@story
async def test_an_account_without_a_contract_sends_nothing():
    office = Office()
    assert codes(await office.send(("k1", draft()), ("k2", draft()))) == ["no_contract", "no_contract"]


# Idempotency.


@story
async def test_the_same_key_and_message_gets_the_first_answer_again_and_is_not_debited_again():
    office = await Office().open()
    (first,) = await office.send(("k1", draft()))
    office.pass_time(days=3)
    (again,) = await office.send(("k1", draft()))
    assert isinstance(first, Sent)
    assert isinstance(again, Sent)
    assert (again.id, again.charged, again.replayed) == (first.id, first.charged, True)
    assert office.totals().net == 1


@story
async def test_the_replayed_answer_says_where_the_message_stands_now():
    office = await Office().open()
    await office.submit(await office.accept())
    (again,) = await office.send(("k1", draft()))
    assert isinstance(again, Sent)
    assert again.status is Status.SUBMITTED


@pytest.mark.parametrize(
    "other",
    [
        draft("再见"),
        draft(phone="13800138001"),
        draft(category=Category.MARKETING),
        draft(client_reference="x"),
        draft(validity_seconds=60),
        draft(extension="2048"),
    ],
)
@story
async def test_the_same_key_with_another_message_is_a_conflict(other):
    office = await Office().open()
    await office.accept()
    (answer,) = await office.send(("k1", other))
    assert isinstance(answer, Conflicting)
    assert answer.code == "idempotency_conflict"
    assert office.totals().net == 1


@story
async def test_a_key_still_holds_when_the_keys_of_its_day_are_destroyed():
    office = await Office().open()
    await office.accept()
    office.vault.destroy(office.now.date())
    office.pass_time(days=200)
    assert codes(await office.send(("k1", draft()))) == ["replayed"]


@story
async def test_a_key_is_the_account_s_own():
    assert message_id("acme", "k1") != message_id("bolt", "k1")


@story
async def test_one_key_twice_in_a_call_is_one_message():
    office = await Office().open()
    answers = await office.send(("k1", draft()), ("k1", draft()), ("k1", draft("再见")))
    assert codes(answers) == ["sent", "replayed", "idempotency_conflict"]
    assert office.totals().net == 1


@story
async def test_two_calls_at_once_with_one_key_are_one_message():
    office = await Office().open()
    others: list[object] = []

    async def other_call() -> None:
        others.extend(codes(await office.send(("k1", draft()))))

    office.store.meanwhile = other_call
    assert codes(await office.send(("k1", draft()))) == ["replayed"]
    assert others == ["sent"]
    assert office.totals().net == 1


@pytest.mark.parametrize("change", [suspend, end])
@story
async def test_a_key_gets_its_first_answer_even_when_the_contract_refuses_now(change):
    office = await Office().open()
    await office.accept()
    await change(office.store, account=ACCOUNT, reason="unpaid", context=BY)
    office.directory.forget("contract", ACCOUNT)
    assert codes(await office.send(("k1", draft()), ("k2", draft())))[0] == "replayed"


@story
async def test_duplicates_in_a_call_are_refused_where_the_caller_wants_it():
    office = await Office().open()
    drafts = [("k1", draft()), ("k2", draft()), ("k3", draft("再见")), ("k4", draft(phone="+86 13800138000"))]
    assert codes(await office.send(*drafts)) == ["sent"] * 4
    fresh = [(f"again-{key}", each) for key, each in drafts]
    answers = await office.send(*fresh, refuse_duplicates=True)
    assert codes(answers) == ["sent", "duplicate_recipient", "sent", "duplicate_recipient"]


# What changes between the decision and the lock.


@story
async def test_a_contract_suspended_between_decision_and_lock_accepts_nothing():
    office = await Office().open()

    async def suspend_now() -> None:
        await suspend(office.store, account=ACCOUNT, reason="unpaid", context=BY)

    office.store.meanwhile = suspend_now
    assert codes(await office.send(("k1", draft()), ("k2", draft()))) == ["contract_suspended"] * 2
    assert nothing_recorded(office)


@story
async def test_a_contract_that_changes_and_still_accepts_costs_the_caller_nothing_but_time():
    office = await Office().open()

    async def suspend_and_resume() -> None:
        await suspend(office.store, account=ACCOUNT, reason="unpaid", context=BY)
        await resume(office.store, account=ACCOUNT, reason="paid", context=BY)

    office.store.meanwhile = suspend_and_resume
    assert codes(await office.send(("k1", draft()))) == ["sent"]
    assert office.totals().net == 1


@story
async def test_a_contract_that_never_stops_changing_refuses_busy_and_leaves_nothing():
    office = await Office().open()

    async def keep_changing() -> None:
        await suspend(office.store, account=ACCOUNT, reason="unpaid", context=BY)
        await resume(office.store, account=ACCOUNT, reason="paid", context=BY)
        office.store.meanwhile = keep_changing

    office.store.meanwhile = keep_changing
    assert codes(await office.send(("k1", draft()))) == ["busy"]
    assert nothing_recorded(office)


@story
async def test_the_term_is_judged_at_the_lock_when_the_clock_passes_its_end_meanwhile():
    office = await Office().open(live_on=date(2024, 5, 1))
    office.now = datetime(2026, 4, 30, 15, 59, 59, tzinfo=UTC)

    async def a_second_passes() -> None:
        office.pass_time(seconds=1)

    office.store.meanwhile = a_second_passes
    assert codes(await office.send(("k1", draft()))) == ["contract_term_over"]
    assert nothing_recorded(office)


@story
async def test_a_year_that_ends_between_decision_and_lock_is_debited_to_the_new_one():
    office = await Office().open()
    office.now = datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)

    async def a_moment_passes() -> None:
        office.pass_time(microseconds=1)

    await office.accept("last")
    office.store.meanwhile = a_moment_passes
    await office.accept("first")
    assert accepted(office, "last").charged.year == 2026
    assert accepted(office, "first").charged.year == 2027
    assert (office.totals(2026).net, office.totals(2027).net) == (1, 1)


@story
async def test_an_ended_contract_a_retired_template_and_a_disabled_link_accept_nothing_more():
    office = await Office().open()
    await retire_template(office.store, account=ACCOUNT, code=TEMPLATE, reason="old", context=BY)
    filled = draft(None, template=TEMPLATE, variables={"code": "1"})
    assert codes(await office.send(("k1", filled))) == ["template_not_approved"]
    await disable_link(office.store, name=LINK, reason="repair", context=BY)
    office.directory.forget("links")
    assert codes(await office.send(("k1", draft()))) == ["no_route"]
    await retire_signature(office.store, account=ACCOUNT, name=SIGNATURE, reason="old", context=BY)
    office.directory.forget("signature", ACCOUNT, SIGNATURE)
    assert codes(await office.send(("k1", draft()))) == ["signature_not_approved"]
    assert nothing_recorded(office)


@story
async def test_the_message_that_crosses_the_allowance_is_split_and_the_next_is_all_overage():
    office = await Office(terms=Terms(allowance_segments=3)).open()
    answers = await office.send(*((f"k{number}", draft("字" * 80)) for number in range(3)))
    shares = [(a.charged.included, a.charged.overage) for a in answers if isinstance(a, Sent)]
    assert shares == [(2, 0), (1, 1), (0, 2)]
    assert office.totals().amount_micros == 3 * 38_000


@story
async def test_a_refusal_never_repeats_number_or_text():
    office = await Office().open()
    wrong = [draft("口令secret", phone="138001380001"), draft("secret\x00")]
    answers = await office.send(*((f"k{number}", each) for number, each in enumerate(wrong)))
    assert all(isinstance(answer, Refusal) for answer in answers)
    assert "138001380001" not in repr(answers)
    assert "secret" not in repr(answers)
