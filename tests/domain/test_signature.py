"""Every text goes out under one approved signature, and only one."""

from datetime import UTC, datetime

import pytest

from domain.aggregates import signature
from domain.aggregates.signature import Filing, FilingState, Signature
from domain.errors import BadInput, NotAccepting
from domain.events.signature import Approved, Retired
from domain.values import Carrier

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def drafted() -> Signature:
    (event,) = signature.draft(account="acme", name="示例科技")
    return signature.evolve(None, event, NOW)


def approved() -> Signature:
    return signature.evolve(drafted(), Approved(), NOW)


def test_an_approved_signature_stands_before_the_text():
    assert approved().sign("您好") == "【示例科技】您好"


def test_a_text_that_brings_its_own_signature_is_refused():
    with pytest.raises(BadInput, match="signature_in_text"):
        approved().sign("【别家】您好")


def test_brackets_inside_a_text_are_no_signature():
    assert approved().sign("请回复【1】") == "【示例科技】请回复【1】"


def test_a_draft_and_a_retired_signature_sign_nothing():
    retired = signature.evolve(approved(), Retired(reason="old"), NOW)
    for state in (drafted(), retired):
        with pytest.raises(NotAccepting, match="signature_not_approved"):
            state.sign("您好")


def test_a_retired_signature_is_never_approved_again():
    retired = signature.evolve(approved(), Retired(reason="old"), NOW)
    assert retired.approve() == retired.retire(reason="again") == ()


def test_approving_twice_is_nothing_to_do():
    assert drafted().approve() == (Approved(),)
    assert approved().approve() == ()


@pytest.mark.parametrize("name", ["", "一", "一" * 13, "【甲乙】", "甲]乙", "甲\n乙", "甲\x00乙"])
def test_a_name_has_2_to_12_visible_characters_and_no_brackets(name):
    with pytest.raises(BadInput, match="signature_name"):
        signature.draft(account="acme", name=name)


def filing(state: FilingState = FilingState.FILED, *, link: str = "", **more: str) -> Filing:
    return Filing(carrier=Carrier.MOBILE, link=link, state=state, **more)


def test_a_filing_goes_from_asked_to_filed_and_can_be_taken_away():
    state = approved()
    for step in (
        filing(FilingState.PENDING),
        filing(extension="12"),
        filing(FilingState.REJECTED, reason="the licence is over"),
    ):
        (event,) = state.file(step)
        state = signature.evolve(state, event, NOW)
        assert state.filing(Carrier.MOBILE, "any") == step
        assert state.is_filed(Carrier.MOBILE) is (step.state is FilingState.FILED)
        assert state.file(step) == ()
    assert len(state.filings) == 1


def test_a_filing_of_one_link_goes_before_that_of_all():
    state = approved()
    for step in (filing(), filing(FilingState.PENDING, link="mobile-2")):
        state = signature.evolve(state, state.file(step)[0], NOW)
    assert state.filing(Carrier.MOBILE, "mobile-1") == filing()
    assert state.filing(Carrier.MOBILE, "mobile-2") == filing(FilingState.PENDING, link="mobile-2")
    assert state.filing(Carrier.UNICOM, "mobile-1") is None


@pytest.mark.parametrize(
    "wrong",
    [
        filing(extension="1" * 13),
        filing(extension="１２"),
        filing(FilingState.PENDING, extension="12"),
        filing(FilingState.REJECTED),
        filing(reason="none is needed"),
    ],
)
def test_a_filing_that_cannot_be_is_refused(wrong: Filing):
    with pytest.raises(BadInput, match="filing_invalid"):
        approved().file(wrong)
