"""A template is sent only when approved and only with exactly its variables, each short and without a link."""

from datetime import UTC, datetime

import pytest

from domain.aggregates import template
from domain.aggregates.template import Template
from domain.errors import BadInput, NotAccepting, Refusal
from domain.events.template import Approved, Drafted, Retired
from domain.values import Category

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TEXT = "${name}，验证码${code}，${code}请勿外传。"


def approved(text: str = TEXT) -> Template:
    (drafted,) = template.draft(account="acme", code="login", category=Category.OTP, text=text)
    return template.evolve(template.evolve(None, drafted, NOW), Approved(), NOW)


def code_of(kind: type[Refusal], state: Template, variables: dict[str, str]) -> tuple[str, str | None]:
    with pytest.raises(kind) as refused:
        state.render(variables)
    return refused.value.code, refused.value.field


def test_a_draft_knows_its_variables():
    state = approved()
    assert state.names == {"name", "code"}


def test_every_place_of_a_variable_is_filled():
    assert approved().render({"name": "王女士", "code": "1234"}) == "王女士，验证码1234，1234请勿外传。"


def test_a_value_that_looks_like_a_variable_is_not_filled_again():
    state = approved()
    assert state.render({"name": "${code}", "code": "1"}) == "${code}，验证码1，1请勿外传。"


def test_a_template_without_variables_takes_none():
    assert approved("今日停水").render({}) == "今日停水"
    assert code_of(BadInput, approved("今日停水"), {"x": "1"})[0] == "template_variable_unknown"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"name": "a"}, ("template_variable_missing", "variables")),
        ({"name": "a", "code": "1", "more": "2"}, ("template_variable_unknown", "variables")),
        ({"name": "", "code": "1"}, ("template_variable_length", "variables.name")),
        ({"name": "a" * 36, "code": "1"}, ("template_variable_length", "variables.name")),
        ({"name": "a", "code": "HTTP://x"}, ("template_variable_url", "variables.code")),
        ({"name": "www.example", "code": "1"}, ("template_variable_url", "variables.name")),
    ],
)
def test_wrong_variables_are_refused_with_their_code(variables, expected):
    assert code_of(BadInput, approved(), variables) == expected


def test_a_value_of_35_characters_is_taken():
    assert approved().render({"name": "a" * 35, "code": "1"}).startswith("a" * 35)


def test_a_refusal_does_not_repeat_the_value():
    with pytest.raises(BadInput) as refused:
        approved().render({"name": "http://secret.example", "code": "1"})
    assert "secret" not in str(refused.value)


def test_a_draft_and_a_retired_template_are_not_sent():
    (drafted,) = template.draft(account="acme", code="login", category=Category.OTP, text="x")
    draft = template.evolve(None, drafted, NOW)
    retired = template.evolve(template.evolve(draft, Approved(), NOW), Retired(reason="old"), NOW)
    for state in (draft, retired):
        assert code_of(NotAccepting, state, {}) == ("template_not_approved", "template")


def test_approving_and_retiring_twice_are_nothing_to_do_and_a_retired_one_is_never_approved():
    state = approved()
    assert state.approve() == ()
    assert state.retire(reason="old") == (Retired(reason="old"),)
    retired = template.evolve(state, Retired(reason="old"), NOW)
    assert retired.retire(reason="again") == retired.approve() == ()


@pytest.mark.parametrize("code", ["", "a b", "a" * 65, "码", "a/b", "a\n"])
def test_a_code_is_1_to_64_plain_characters(code):
    with pytest.raises(BadInput, match="template_code"):
        template.draft(account="acme", code=code, category=Category.OTP, text="x")


@pytest.mark.parametrize("text", ["", "字" * 501])
def test_a_text_has_1_to_500_characters(text):
    with pytest.raises(BadInput, match="template_text"):
        template.draft(account="acme", code="login", category=Category.OTP, text=text)


def test_a_draft_is_one_fact():
    assert template.draft(account="acme", code="a.b_c-1", category=Category.OTP, text="字" * 500) == (
        Drafted(account="acme", code="a.b_c-1", category=Category.OTP, text="字" * 500),
    )
