"""The quota ledger of one account and year: exact at every posting, sealed by a hash chain.

The law: after every posting `overage = max(0, net - allowance)`, for any order of debits and refunds.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import assert_never
from uuid import UUID

from domain.aggregates.overage import listed, moved, one_price, require_room
from domain.errors import Conflicting
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    AtPrice,
    Closed,
    Debited,
    DebitReason,
    LedgerEvent,
    Opened,
    Refunded,
    RefundReason,
    Totals,
)
from domain.values import stream_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the last posting says. `version` 0 is a year that is not opened yet."""

    account: str
    year: int
    version: int = 0
    after: Totals = Totals(allowance=0)
    chain: str = ""

    @property
    def stream(self) -> UUID:
        """The stream of this ledger."""
        return stream_id("ledger", self.account, self.year)

    def open(self, *, allowance: int, at: datetime) -> tuple[LedgerEvent, ...]:
        """Begin the year; nothing to do where it is open already."""
        if self.version:
            return ()
        after = Totals(allowance=allowance)
        chain = self._seal(at, Opened.TOPIC, after)
        return (Opened(account=self.account, year=self.year, after=after, chain=chain),)

    def debit(
        self, *, message: UUID, reason: DebitReason, segments: int, price_micros: int, at: datetime
    ) -> tuple[Debited]:
        """Owe the segments of a message: those within the allowance are included, the rest is overage."""
        before = self.after
        after, _ = moved(before, before.net + segments, before.allowance, price_micros)
        overage = after.overage - before.overage
        included = segments - overage
        chain = self._seal(
            at,
            Debited.TOPIC,
            after,
            message=message,
            reason=reason.value,
            segments=segments,
            included=included,
            overage=overage,
            price_micros=price_micros,
        )
        return (
            Debited(
                account=self.account,
                message=message,
                reason=reason,
                segments=segments,
                included=included,
                overage=overage,
                price_micros=price_micros,
                after=after,
                chain=chain,
            ),
        )

    def refund(
        self,
        *,
        message: UUID,
        debit: int,
        reason: RefundReason,
        segments: int,
        price_micros: int,
        at: datetime,
    ) -> tuple[Refunded]:
        """Give the segments of a message back, those beyond the allowance first; `price_micros` is its own."""
        before = self.after
        after, given_back = moved(before, before.net - segments, before.allowance, price_micros)
        overage = before.overage - after.overage
        price, several = one_price(given_back, price_micros)
        included = segments - overage
        chain = self._seal(
            at,
            Refunded.TOPIC,
            after,
            message=message,
            reason=reason.value,
            debit=debit,
            segments=segments,
            included=included,
            overage=overage,
            price_micros=price,
            given_back=several,
        )
        return (
            Refunded(
                account=self.account,
                message=message,
                debit=debit,
                reason=reason,
                segments=segments,
                included=included,
                overage=overage,
                price_micros=price,
                after=after,
                chain=chain,
                given_back=several,
            ),
        )

    def change_allowance(
        self, *, allowance: int, amendment: int, price_micros: int, at: datetime
    ) -> tuple[LedgerEvent, ...]:
        """Include more or less from now on; nothing to do where it is the allowance already.

        What becomes overage by it is owed at `price_micros`, the price in force.
        """
        before = self.after
        if allowance == before.allowance or not self.version:
            return ()
        after, given_back = moved(before, before.net, allowance, price_micros)
        price, several = one_price(given_back, price_micros)
        segments, overage = allowance - before.allowance, after.overage - before.overage
        chain = self._seal(
            at,
            AllowanceChanged.TOPIC,
            after,
            debit=amendment,
            segments=segments,
            overage=overage,
            price_micros=price,
            given_back=several,
        )
        return (
            AllowanceChanged(
                account=self.account,
                year=self.year,
                amendment=amendment,
                segments=segments,
                overage=overage,
                price_micros=price,
                after=after,
                chain=chain,
                given_back=several,
            ),
        )

    def adjust(
        self,
        *,
        adjustment: UUID,
        segments: int,
        amount_micros: int,
        price_micros: int,
        period: str,
        reason: str,
        reference: str,
        requested_by: str,
        approved_by: tuple[str, ...],
        at: datetime,
    ) -> tuple[Adjusted]:
        """Post a correction; positive is owed.

        Refuses adjustment_too_large: less than nothing was sent, or more than a ledger can hold.
        """
        before = self.after
        require_room(before, segments=segments, amount_micros=amount_micros)
        changed, given_back = moved(before, before.net + segments, before.allowance, price_micros)
        after = replace(changed, adjusted_micros=before.adjusted_micros + amount_micros)
        price, several = one_price(given_back, price_micros)
        overage = after.overage - before.overage
        included = segments - overage
        people = (reason, reference, period, str(amount_micros), requested_by, *approved_by)
        chain = self._seal(
            at,
            Adjusted.TOPIC,
            after,
            message=adjustment,
            segments=segments,
            included=included,
            overage=overage,
            price_micros=price,
            given_back=several,
            note=sha256("\x1f".join(people).encode()).hexdigest(),
        )
        return (
            Adjusted(
                account=self.account,
                year=self.year,
                adjustment=adjustment,
                segments=segments,
                included=included,
                overage=overage,
                price_micros=price,
                amount_micros=amount_micros,
                period=period,
                reason=reason,
                reference=reference,
                requested_by=requested_by,
                approved_by=approved_by,
                after=after,
                chain=chain,
                given_back=several,
            ),
        )

    def close(self, *, at: datetime) -> tuple[LedgerEvent, ...]:
        """End the year; what was not used expires. Nothing to do where it is closed or was never opened."""
        if self.after.closed or not self.version:
            return ()
        unused = max(0, self.after.allowance - self.after.net)
        after = replace(self.after, closed=True)
        chain = self._seal(at, Closed.TOPIC, after, segments=unused)
        return (Closed(account=self.account, year=self.year, unused=unused, after=after, chain=chain),)

    def _seal(
        self,
        at: datetime,
        topic: str,
        after: Totals,
        *,
        message: UUID | str = "",
        reason: str = "",
        debit: int = 0,
        segments: int = 0,
        included: int = 0,
        overage: int = 0,
        price_micros: int = 0,
        given_back: tuple[AtPrice, ...] = (),
        note: str = "",
    ) -> str:
        """SHA-256 over the chain so far and every field of the posting, joined by `|` (docs/ledger-chain)."""
        micros = (at - _EPOCH) // _MICROSECOND
        line = (
            f"{self.chain}|{self.account}|{self.year}|{self.version + 1}|{micros}|{topic}|{message}|{reason}|"
            f"{debit}|{segments}|{included}|{overage}|{price_micros}|"
            f"{after.allowance}|{after.net}|{after.overage}|{after.amount_micros}|{int(after.closed)}"
        )
        if note or given_back or after.mixed or after.adjusted_micros:
            line += f"|{after.adjusted_micros}|{listed(after.mixed)}|{listed(given_back)}|{note}"
        return sha256(line.encode()).hexdigest()

    def after_posting(self, event: LedgerEvent) -> "Ledger":
        """This ledger with one more posting."""
        return Ledger(
            account=self.account,
            year=self.year,
            version=self.version + 1,
            after=event.after,
            chain=event.chain,
        )

    def again(self, event: LedgerEvent, at: datetime) -> LedgerEvent | None:
        """What this ledger would post for the same facts now: equal to `event` where the ledger is true.

        Used by the proof (`smsledger verify`): totals and chain are computed afresh from the state before.
        """
        match event:
            case Opened():
                made: tuple[LedgerEvent, ...] = self.open(allowance=event.after.allowance, at=at)
            case Debited():
                made = self.debit(
                    message=event.message,
                    reason=event.reason,
                    segments=event.segments,
                    price_micros=event.price_micros,
                    at=at,
                )
            case Refunded():
                made = self.refund(
                    message=event.message,
                    debit=event.debit,
                    reason=event.reason,
                    segments=event.segments,
                    price_micros=event.price_micros,
                    at=at,
                )
            case AllowanceChanged():
                made = self.change_allowance(
                    allowance=event.after.allowance,
                    amendment=event.amendment,
                    price_micros=event.price_micros,
                    at=at,
                )
            case Adjusted():
                made = self._adjust_again(event, at)
            case Closed():
                made = self.close(at=at)
            case _:
                assert_never(event)
        return made[0] if made else None

    def _adjust_again(self, event: Adjusted, at: datetime) -> tuple[LedgerEvent, ...]:
        try:
            return self.adjust(
                adjustment=event.adjustment,
                segments=event.segments,
                amount_micros=event.amount_micros,
                price_micros=event.price_micros,
                period=event.period,
                reason=event.reason,
                reference=event.reference,
                requested_by=event.requested_by,
                approved_by=event.approved_by,
                at=at,
            )
        except Conflicting:
            return ()


_MICROSECOND = datetime.resolution


def at_posting(*, account: str, year: int, version: int, event: LedgerEvent) -> Ledger:
    """The ledger as its posting number `version` says: the last posting is the state."""
    return Ledger(account=account, year=year, version=version, after=event.after, chain=event.chain)
