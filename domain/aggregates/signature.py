"""Signatures: the 【…】 before a text. Only an approved one is used, and each carrier wants it filed with itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.errors import BadInput, NotAccepting
from domain.events.signature import (
    Approved,
    Drafted,
    Filed,
    FilingEvent,
    FilingRejected,
    FilingRequested,
    Retired,
    SignatureEvent,
)
from domain.values import Carrier, is_extension


class FilingState(StrEnum):
    """How far a carrier is with registering a signature."""

    PENDING = "pending"
    FILED = "filed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Where a signature stands with a carrier: over every link to it, or over the one that is named."""

    carrier: Carrier
    link: str
    state: FilingState
    extension: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it stands."""

    account: str
    name: str
    approved: bool = False
    retired: bool = False
    filings: tuple[Filing, ...] = ()

    def filing(self, carrier: Carrier, link: str) -> Filing | None:
        """Where it stands with a carrier over a link: what is said of the link goes before what is of all."""
        return filing_of(self.filings, carrier, link)

    def is_filed(self, carrier: Carrier) -> bool:
        """Whether it is filed with a carrier over any link."""
        return any(f.carrier is carrier and f.state is FilingState.FILED for f in self.filings)

    def file(self, wanted: Filing) -> tuple[SignatureEvent, ...]:
        """Note where it stands with a carrier; nothing to do where it stands so. Refuses filing_invalid."""
        _require(wanted)
        known = next((f for f in self.filings if _place(f) == _place(wanted)), None)
        return () if known == wanted else (_fact(wanted),)

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
        case FilingRequested() | Filed() | FilingRejected():
            filing = _filing(event)
            others = tuple(f for f in state.filings if _place(f) != _place(filing))
            return replace(state, filings=(*others, filing))
        case _:
            assert_never(event)


def filing_of(filings: Sequence[Filing], carrier: Carrier, link: str) -> Filing | None:
    """The filing that counts for a link of a carrier: its own, else the one for all; None where there is none."""
    found = {f.link: f for f in filings if f.carrier is carrier}
    return found.get(link) or found.get("")


def _place(filing: Filing) -> tuple[Carrier, str]:
    return filing.carrier, filing.link


def _fact(wanted: Filing) -> FilingEvent:
    carrier, link = wanted.carrier, wanted.link
    match wanted.state:
        case FilingState.PENDING:
            return FilingRequested(carrier=carrier, link=link)
        case FilingState.FILED:
            return Filed(carrier=carrier, link=link, extension=wanted.extension)
        case FilingState.REJECTED:
            return FilingRejected(carrier=carrier, link=link, reason=wanted.reason)
        case _:
            assert_never(wanted.state)


def _filing(event: FilingEvent) -> Filing:
    match event:
        case FilingRequested():
            return Filing(carrier=event.carrier, link=event.link, state=FilingState.PENDING)
        case Filed():
            return Filing(
                carrier=event.carrier,
                link=event.link,
                state=FilingState.FILED,
                extension=event.extension,
            )
        case FilingRejected():
            return Filing(
                carrier=event.carrier, link=event.link, state=FilingState.REJECTED, reason=event.reason
            )
        case _:
            assert_never(event)


def _require(wanted: Filing) -> None:
    possible = is_extension(wanted.extension) and wanted.state is FilingState.FILED
    if wanted.extension and not possible:
        raise BadInput(
            "filing_invalid",
            "An extension is up to 12 digits, of a signature that is filed.",
            field="extension",
        )
    if bool(wanted.reason) != (wanted.state is FilingState.REJECTED):
        raise BadInput("filing_invalid", "A rejection, and nothing else, has a reason.", field="reason")
