"""Facts as the domain's tests need them: everything that does not matter to a test has a value here."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from domain.aggregates import message
from domain.aggregates.message import Message
from domain.events.message import Accepted, Charged, MessageEvent, SubmittedPart
from domain.events.reply import MatchedBy, Origin, PartReceived, ReplyReceived
from domain.values import Carrier, Category, ChargeOn, Lane, Sealed

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
LATER = datetime(2026, 5, 2, 4, 0, tzinfo=UTC)
ACCOUNT = "acme"


def accepted(*, parts: int = 1, charge_on: ChargeOn = ChargeOn.SUBMITTED, **others: Any) -> Accepted:  # noqa: ANN401
    """An acceptance of a message of so many parts, debited by posting 7 of 2026 and valid for a day."""
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "category": Category.NOTICE,
        "lane": Lane.REALTIME,
        "carrier": Carrier.MOBILE,
        "signature": "示例科技",
        "template": "",
        "batch": "",
        "client_reference": "",
        "segments": parts,
        "parts": parts,
        "units": 70 if parts == 1 else 67 * parts,
        "charge_on": charge_on,
        "charged": Charged(year=2026, posting=7, included=parts, overage=0, price_micros=38_000),
        "expires_at": LATER,
        "sealed": Sealed(day=date(2026, 5, 1), digest="0" * 64),
        "body_digest": "1" * 32,
    }
    return Accepted(**(values | others))


def after(state: Message | None, events: Iterable[MessageEvent]) -> Message:
    """A message after some more facts, all recorded at NOW."""
    for event in events:
        state = message.evolve(state, event, NOW)
    assert state is not None
    return state


def waiting(*, parts: int = 1, charge_on: ChargeOn = ChargeOn.SUBMITTED) -> Message:
    """A message that waits for a carrier."""
    return after(None, [accepted(parts=parts, charge_on=charge_on)])


def on_the_wire(*, parts: int = 1, charge_on: ChargeOn = ChargeOn.SUBMITTED) -> Message:
    """A message whose submission has started and is not answered."""
    state = waiting(parts=parts, charge_on=charge_on)
    return after(state, state.start_submission(link="mobile", now=NOW))


def taken(*, parts: int = 1, charge_on: ChargeOn = ChargeOn.SUBMITTED) -> Message:
    """A message of which the carrier took every part."""
    state = on_the_wire(parts=parts, charge_on=charge_on)
    return after(state, state.record_submitted(parts=ids(parts)))


def in_doubt(*, parts: int = 1, charge_on: ChargeOn = ChargeOn.SUBMITTED) -> Message:
    """A message that was sent and not answered."""
    state = on_the_wire(parts=parts, charge_on=charge_on)
    return after(state, state.record_in_doubt(reason="no answer"))


def ids(parts: int) -> tuple[SubmittedPart, ...]:
    """The carrier's ids of so many parts."""
    return tuple(part(number) for number in range(1, parts + 1))


def part(number: int) -> SubmittedPart:
    """One part and the id the carrier gave it."""
    return SubmittedPart(number=number, carrier_id=f"id-{number}")


def report(state: Message, number: int, status: str) -> tuple[MessageEvent, ...]:
    """What a carrier's report on one part makes of a message."""
    return state.record_receipt(
        part=number, carrier_id=f"id-{number}", status=status, error="000", carrier_time="2605011200"
    )


def reported(state: Message, *reports: tuple[int, str]) -> Message:
    """A message after reports on its parts, in the order they came."""
    for number, status in reports:
        state = after(state, report(state, number, status))
    return state


def _origin(account: str) -> Origin:
    return Origin(
        account=account,
        link="mobile-1",
        number="106900012",
        extension="12",
        matched_by=MatchedBy.EXTENSION if account else MatchedBy.NOBODY,
        message="",
    )


def whole_reply(account: str = "acme", *, parts: int = 1, keyword: str = "") -> ReplyReceived:
    """A reply that is all there."""
    sealed = Sealed(day=date(2026, 5, 1), digest="a" * 64)
    return ReplyReceived(of=_origin(account), keyword=keyword, parts=parts, exact=True, sealed=sealed)


def part_of_reply(account: str = "acme", part: int = 1) -> PartReceived:
    """One half of a long reply."""
    return PartReceived(
        of=_origin(account),
        part=part,
        parts=2,
        coding=8,
        gsm=False,
        identity=f"{part:032x}",
        exact=True,
        sealed=Sealed(day=date(2026, 5, 1), digest=f"{part:064x}"),
    )
