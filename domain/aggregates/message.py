"""One message from acceptance to its outcome: one outcome at a time, a contradiction is a revision."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.events.ledger import DebitReason, RefundReason
from domain.events.message import (
    Accepted,
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
from domain.receipts import Verdict, verdict
from domain.values import ChargeOn

MAX_ATTEMPTS = 5
"""Submissions that a carrier refused for the moment (throttled, queue full) before the message fails."""


class Status(StrEnum):
    """Where a message stands."""

    ACCEPTED = "accepted"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitDue:
    """The ledger has to owe a message again: a revision says it was delivered after all."""

    account: str
    year: int
    reason: DebitReason
    segments: int
    price_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDue:
    """The ledger of `year` has to give the segments back that its posting `debit` took."""

    account: str
    year: int
    debit: int
    reason: RefundReason
    segments: int
    price_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What decides about a message's next step; its text and number are elsewhere, sealed."""

    accepted: Accepted
    accepted_at: datetime
    status: Status = Status.ACCEPTED
    attempt: int = 0
    link: str = ""
    connection: int = 1
    """Which of the link's connections the latest submission went over."""
    taken: tuple[SubmittedPart, ...] = ()
    reports: tuple[tuple[int, str], ...] = ()
    """The latest status code of each part that has one; a final one stays until another final one comes."""
    refunded: bool = False
    doubted: bool = False
    """An attempt was left in doubt for good: the carrier may have it, under ids nobody knows."""

    @property
    def dimensions(self) -> Dimensions:
        """By what its outcome is counted."""
        return Dimensions(
            account=self.accepted.account,
            carrier=self.accepted.carrier,
            template=self.accepted.template,
            accepted_at=self.accepted_at,
            segments=self.accepted.segments,
        )

    def start_submission(
        self,
        *,
        link: str,
        now: datetime,
        route: str = "",
        passed_over: tuple[str, ...] = (),
        connection: int = 1,
        extension: str = "",
    ) -> tuple[MessageEvent, ...]:
        """Hand it to a carrier; it expires instead where its time is over. Nothing to do unless it waits."""
        if self.status is not Status.ACCEPTED:
            return ()
        if now >= self.accepted.expires_at:
            return self.expire(now=now)
        return (
            SubmissionStarted(
                attempt=self.attempt + 1,
                link=link,
                route=route,
                passed_over=passed_over,
                connection=connection,
                extension=extension,
            ),
        )

    def expire(self, *, now: datetime) -> tuple[MessageEvent, ...]:
        """Give it up where its validity is over: unsent it has expired; after a doubt it was sent, maybe."""
        if self.status is not Status.ACCEPTED or now < self.accepted.expires_at:
            return ()
        return (self._lost_in_doubt(),) if self.doubted else (Expired(of=self.dimensions),)

    def cancel(self, *, reason: str) -> tuple[MessageEvent, ...]:
        """Take it back; nothing to do where a carrier may have it already."""
        if self.status is not Status.ACCEPTED or self.doubted:
            return ()
        return (Cancelled(reason=reason, of=self.dimensions),)

    def record_submitted(
        self, *, parts: tuple[SubmittedPart, ...], attempt: int | None = None
    ) -> tuple[MessageEvent, ...]:
        """The carrier took every part of an attempt (the latest, where none is named).

        Also the late answer to a submission in doubt; one that a person wants sent again is not sent then.
        """
        called_off = self.status is Status.ACCEPTED and self.doubted
        open_ = called_off or self.status in (Status.SUBMITTING, Status.IN_DOUBT)
        if not open_ or self._is_over(attempt):
            return ()
        return (Submitted(link=self.link, parts=parts),)

    def record_refused(
        self,
        *,
        code: str,
        retryable: bool,
        taken: tuple[SubmittedPart, ...] = (),
        attempt: int | None = None,
    ) -> tuple[MessageEvent, ...]:
        """The carrier refused. For the moment: it waits again. For good: it fails, refunded if none has it.

        Ends a doubt about the same attempt where nothing says that the carrier has a part of it after all.
        """
        if self._is_over(attempt) or self.status not in (Status.SUBMITTING, Status.IN_DOUBT):
            return ()
        if self.status is Status.IN_DOUBT and (taken or self.taken or self.reports):
            return self.record_in_doubt(reason="only some parts were taken", taken=taken)
        again = retryable and not taken and self.attempt < MAX_ATTEMPTS
        refused = SubmissionRefused(
            link=self.link,
            carrier=self.accepted.carrier,
            lane=self.accepted.lane,
            code=code,
            retryable=again,
            attempt=self.attempt,
            taken=taken,
        )
        if again:
            return (refused,)
        refunded = not (taken or self.doubted) or self.accepted.charge_on is ChargeOn.DELIVERED
        return refused, Failed(cause=Cause.REFUSED, code=code, refunded=refunded, of=self.dimensions)

    def record_in_doubt(
        self, *, reason: str, taken: tuple[SubmittedPart, ...] = (), attempt: int | None = None
    ) -> tuple[MessageEvent, ...]:
        """Sent and not answered, or answered for some parts only; late answers add up until it is submitted."""
        if self._is_over(attempt):
            return ()
        if self.status is Status.SUBMITTING:
            return (SubmissionInDoubt(link=self.link, reason=reason, taken=taken),)
        known = {part.number: part for part in (*self.taken, *taken)}
        parts = tuple(known[number] for number in sorted(known))
        if len(parts) == self.accepted.parts:
            return self.record_submitted(parts=parts)
        if self.status is not Status.IN_DOUBT or len(parts) == len(self.taken):
            return ()
        return (SubmissionInDoubt(link=self.link, reason=reason, taken=parts),)

    def _is_over(self, attempt: int | None) -> bool:
        """Whether a later attempt has begun: what is said about an earlier one decides nothing about it."""
        return attempt not in (None, self.attempt)

    def resolve_doubt(self, *, resend: bool, reason: str) -> tuple[MessageEvent, ...]:
        """A person decides: send again, or give it up (refunded only where delivery is what is charged)."""
        if self.status is not Status.IN_DOUBT:
            return ()
        resolved = DoubtResolved(
            carrier=self.accepted.carrier, lane=self.accepted.lane, resend=resend, reason=reason
        )
        return (resolved,) if resend else (resolved, self._lost_in_doubt())

    def _lost_in_doubt(self) -> Failed:
        refunded = self.accepted.charge_on is ChargeOn.DELIVERED
        return Failed(cause=Cause.UNKNOWN, code="IN_DOUBT", refunded=refunded, of=self.dimensions)

    def record_receipt(
        self, *, part: int, carrier_id: str, status: str, error: str, carrier_time: str
    ) -> tuple[MessageEvent, ...]:
        """The carrier's report on a part; a repeated one is nothing to do, a contrary one revises the outcome."""
        known = dict(self.reports)
        if known.get(part) == status or not 1 <= part <= self.accepted.parts:
            return ()
        receipt = ReceiptRecorded(
            part=part, carrier_id=carrier_id, status=status, error=error, carrier_time=carrier_time
        )
        if verdict(status) is Verdict.PENDING:
            return (receipt,)
        return (receipt, *self._outcome(known | {part: status}, code=status))

    def _outcome(self, reports: dict[int, str], *, code: str) -> tuple[MessageEvent, ...]:
        """The outcome that the reports on all parts say, where it is a new one."""
        verdicts = [verdict(status) for status in reports.values()]
        if Verdict.FAILED in verdicts:
            if self.status in _NOT_DELIVERED:
                return ()
            failed_code = next(s for s in (code, *reports.values()) if verdict(s) is Verdict.FAILED)
            return (
                Failed(
                    cause=Cause.RECEIPT,
                    code=failed_code,
                    refunded=self.accepted.charge_on is ChargeOn.DELIVERED,
                    of=self.dimensions,
                    revises="delivered" if self.status is Status.DELIVERED else "",
                ),
            )
        if self.status is Status.DELIVERED or verdicts.count(Verdict.DELIVERED) < self.accepted.parts:
            return ()
        revises = self.status.value if self.status in _NOT_DELIVERED else ""
        return (Delivered(of=self.dimensions, revises=revises, owed_again=self.refunded),)

    def give_up_unreported(self) -> tuple[MessageEvent, ...]:
        """No receipt came in time and the policy refunds; only where delivery is what is charged."""
        waiting = self.status in (Status.SUBMITTED, Status.IN_DOUBT)
        if not waiting or self.accepted.charge_on is not ChargeOn.DELIVERED:
            return ()
        return (Failed(cause=Cause.UNKNOWN, code="NO_RECEIPT", refunded=True, of=self.dimensions),)

    def charge_due(self, events: tuple[MessageEvent, ...]) -> DebitDue | RefundDue | None:
        """What the ledger has to post together with these events of this message."""
        for event in events:
            match event:
                case Expired():
                    return self._refund(RefundReason.EXPIRED)
                case Cancelled():
                    return self._refund(RefundReason.CANCELLED)
                case Failed(refunded=True) if not self.refunded:
                    return self._refund(_REASONS[event.cause])
                case Delivered(owed_again=True):
                    return DebitDue(
                        account=self.accepted.account,
                        year=self.accepted.charged.year,
                        reason=DebitReason.REVISED,
                        segments=self.accepted.segments,
                        price_micros=self.accepted.charged.price_micros,
                    )
                case _:
                    pass
        return None

    def _refund(self, reason: RefundReason) -> RefundDue:
        return RefundDue(
            account=self.accepted.account,
            year=self.accepted.charged.year,
            debit=self.accepted.charged.posting,
            reason=reason,
            segments=self.accepted.segments,
            price_micros=self.accepted.charged.price_micros,
        )


_NOT_DELIVERED = frozenset({Status.FAILED, Status.EXPIRED, Status.CANCELLED})
_REASONS = {
    Cause.REFUSED: RefundReason.REFUSED,
    Cause.RECEIPT: RefundReason.FAILED,
    Cause.UNKNOWN: RefundReason.UNKNOWN,
}


def evolve(state: Message | None, event: MessageEvent, at: datetime) -> Message:
    """The message after one more fact."""
    if isinstance(event, Accepted):
        return Message(accepted=event, accepted_at=at)
    if state is None:
        raise ValueError("a message begins with message.accepted")
    match event:
        case SubmissionStarted():
            return replace(
                state,
                status=Status.SUBMITTING,
                attempt=event.attempt,
                link=event.link,
                connection=event.connection,
                taken=(),
            )
        case Submitted():
            return replace(state, status=_unless_final(state, Status.SUBMITTED), taken=event.parts)
        case SubmissionRefused():
            return replace(state, status=Status.ACCEPTED, taken=event.taken)
        case SubmissionInDoubt():
            return replace(state, status=Status.IN_DOUBT, taken=event.taken)
        case DoubtResolved():
            return replace(state, status=Status.ACCEPTED if event.resend else state.status, doubted=True)
        case ReceiptRecorded():
            return replace(state, reports=_with_report(state.reports, event))
        case Delivered():
            return replace(state, status=Status.DELIVERED, refunded=False)
        case Failed():
            doubted = state.doubted or state.status is Status.IN_DOUBT
            return replace(state, status=Status.FAILED, refunded=event.refunded, doubted=doubted)
        case Expired():
            return replace(state, status=Status.EXPIRED, refunded=True)
        case Cancelled():
            return replace(state, status=Status.CANCELLED, refunded=True)
        case _:
            assert_never(event)


def _with_report(reports: tuple[tuple[int, str], ...], event: ReceiptRecorded) -> tuple[tuple[int, str], ...]:
    """The reports with one more; receipts come unordered, so one that is not final never hides one that is."""
    known = dict(reports)
    stale = (
        verdict(event.status) is Verdict.PENDING and verdict(known.get(event.part, "")) is not Verdict.PENDING
    )
    return reports if stale else tuple((known | {event.part: event.status}).items())


def _unless_final(state: Message, status: Status) -> Status:
    return state.status if state.status in (Status.DELIVERED, Status.FAILED) else status
