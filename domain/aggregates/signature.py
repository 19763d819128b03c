"""Signatures: the 【…】 before a text. Only an approved one is used."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.errors import BadInput, NotAccepting
from domain.events.signature import Approved, Drafted, Retired, SignatureEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it stands."""

    account: str
    name: str
    approved: bool = False
    retired: bool = False

    def approve(self) -> tuple[SignatureEvent, ...]:
        """Allow its use; nothing to do where it is allowed."""
        return () if self.approved or self.retired else (Approved(),)

    def retire(self, *, reason: str) -> tuple[SignatureEvent, ...]:
        """Forbid its use for good."""
        return () if self.retired else (Retired(reason=reason),)

    def sign(self, body: str) -> str:
        """The text as it goes out. Refuses signature_not_approved and signature_in_text (a second one)."""
        if not self.approved or self.retired:
            raise NotAccepting(
                "signature_not_approved",
                "The signature is not approved: have it approved first.",
                field="signature",
            )
        if body.startswith("【"):
            raise BadInput(
                "signature_in_text",
                "Leave the 【signature】 out of the text: it is put before it.",
                field="text",
            )
        return f"【{self.name}】{body}"


def draft(*, account: str, name: str) -> tuple[SignatureEvent, ...]:
    """A new signature of 2 to 12 characters without brackets. Refuses signature_name."""
    if not 2 <= len(name) <= 12 or not name.isprintable() or any(c in "【】[]" for c in name):
        raise BadInput("signature_name", "A signature has 2 to 12 characters and no brackets.", field="name")
    return (Drafted(account=account, name=name),)


def evolve(state: Signature | None, event: SignatureEvent, at: datetime) -> Signature:  # noqa: ARG001
    """The signature after one more fact."""
    if isinstance(event, Drafted):
        return Signature(account=event.account, name=event.name)
    if state is None:
        raise ValueError("a signature begins with signature.drafted")
    match event:
        case Approved():
            return replace(state, approved=True)
        case Retired():
            return replace(state, retired=True)
        case _:
            assert_never(event)
