"""Templates: reviewed texts with `${variables}`. Only an approved one is sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.errors import BadInput, NotAccepting
from domain.events.template import Approved, Drafted, Retired, TemplateEvent
from domain.values import Category

MAX_TEXT = 500
MAX_VARIABLE = 35
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]{0,31})\}", re.ASCII)
_URL = re.compile(r"https?://|www\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as it stands."""

    account: str
    code: str
    category: Category
    text: str
    names: frozenset[str]
    approved: bool = False
    retired: bool = False

    def approve(self) -> tuple[TemplateEvent, ...]:
        """Allow sending; nothing to do where it is allowed."""
        return () if self.approved or self.retired else (Approved(),)

    def retire(self, *, reason: str) -> tuple[TemplateEvent, ...]:
        """Forbid sending for good."""
        return () if self.retired else (Retired(reason=reason),)

    def render(self, variables: Mapping[str, str]) -> str:
        """The text with its variables filled in.

        Refuses template_not_approved, template_variable_unknown, template_variable_missing,
        template_variable_length (1 to 35 characters) and template_variable_url.
        """
        if not self.approved or self.retired:
            raise NotAccepting(
                "template_not_approved",
                "The template is not approved: have it approved first.",
                field="template",
            )
        if variables.keys() != self.names:
            self._refuse_names(variables)
        for name, value in variables.items():
            _require_value(name, value)
        return _PLACEHOLDER.sub(lambda found: variables[found[1]], self.text)

    def _refuse_names(self, variables: Mapping[str, str]) -> None:
        unknown = sorted(variables.keys() - self.names)
        if unknown:
            raise BadInput(
                "template_variable_unknown",
                f"The template has no such variable; it has: {', '.join(sorted(self.names)) or 'none'}.",
                field="variables",
            )
        raise BadInput(
            "template_variable_missing",
            f"Give a value for: {', '.join(sorted(self.names - variables.keys()))}.",
            field="variables",
        )


def draft(*, account: str, code: str, category: Category, text: str) -> tuple[TemplateEvent, ...]:
    """A new template. Refuses template_code and template_text."""
    if not _CODE.fullmatch(code):
        raise BadInput("template_code", "A code is 1 to 64 letters, digits, dots, dashes.", field="code")
    if not 1 <= len(text) <= MAX_TEXT:
        raise BadInput("template_text", f"A template has 1 to {MAX_TEXT} characters.", field="text")
    return (Drafted(account=account, code=code, category=category, text=text),)


def evolve(state: Template | None, event: TemplateEvent, at: datetime) -> Template:  # noqa: ARG001
    """The template after one more fact."""
    if isinstance(event, Drafted):
        names = frozenset(_PLACEHOLDER.findall(event.text))
        return Template(
            account=event.account, code=event.code, category=event.category, text=event.text, names=names
        )
    if state is None:
        raise ValueError("a template begins with template.drafted")
    match event:
        case Approved():
            return replace(state, approved=True)
        case Retired():
            return replace(state, retired=True)
        case _:
            assert_never(event)


def _require_value(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_VARIABLE:
        raise BadInput(
            "template_variable_length",
            f"The variable {name} must have 1 to {MAX_VARIABLE} characters.",
            field=f"variables.{name}",
        )
    if _URL.search(value):
        raise BadInput(
            "template_variable_url", f"The variable {name} must not carry a link.", field=f"variables.{name}"
        )
