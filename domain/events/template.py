"""Reviewed texts with variables. The review itself comes later; an administrator approves."""

from dataclasses import dataclass
from typing import ClassVar

from domain.values import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A text with `${variables}` under a code of the account's own."""

    TOPIC: ClassVar = "template.drafted"
    account: str
    code: str
    category: Category
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """May be sent."""

    TOPIC: ClassVar = "template.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """May no longer be sent; final."""

    TOPIC: ClassVar = "template.retired"
    reason: str


TemplateEvent = Drafted | Approved | Retired
