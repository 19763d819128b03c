"""The quota ledger of one account and year: exact at every posting, sealed by a hash chain.

The law: after every posting `overage = max(0, net - allowance)`, for any order of debits and refunds.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import assert_never
from uuid import UUID

from domain.events.ledger import (
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
        chain = self._seal(at, Opened.TOPIC, after, "", "", 0, 0, 0, 0, 0)
        return (Opened(account=self.account, year=self.year, after=after, chain=chain),)

    def debit(
        self, *, message: UUID, reason: DebitReason, segments: int, price_micros: int, at: datetime
    ) -> tuple[Debited]:
        """Owe the segments of a message: those within the allowance are included, the rest is overage."""
        before = self.after
        net = before.net + segments
        overage_total = max(0, net - before.allowance)
        overage = overage_total - before.overage
        after = Totals(
            allowance=before.allowance,
            net=net,
            overage=overage_total,
            amount_micros=before.amount_micros + overage * price_micros,
            closed=before.closed,
        )
        included = segments - overage
        chain = self._seal(
            at, Debited.TOPIC, after, message, reason.value, 0, segments, included, overage, price_micros
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
        """Give the segments of a message back, those beyond the allowance first, at the price of its debit."""
        before = self.after
        net = before.net - segments
        overage_total = max(0, net - before.allowance)
        overage = before.overage - overage_total
        after = Totals(
            allowance=before.allowance,
            net=net,
            overage=overage_total,
            amount_micros=before.amount_micros - overage * price_micros,
            closed=before.closed,
        )
        included = segments - overage
        chain = self._seal(
            at, Refunded.TOPIC, after, message, reason.value, debit, segments, included, overage, price_micros
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
                price_micros=price_micros,
                after=after,
                chain=chain,
            ),
        )

    def close(self, *, at: datetime) -> tuple[LedgerEvent, ...]:
        """End the year; what was not used expires. Nothing to do where it is closed or was never opened."""
        if self.after.closed or not self.version:
            return ()
        unused = max(0, self.after.allowance - self.after.net)
        after = replace(self.after, closed=True)
        chain = self._seal(at, Closed.TOPIC, after, "", "", 0, unused, 0, 0, 0)
        return (Closed(account=self.account, year=self.year, unused=unused, after=after, chain=chain),)

    def _seal(
        self,
        at: datetime,
        topic: str,
        after: Totals,
        message: UUID | str,
        reason: str,
        debit: int,
        segments: int,
        included: int,
        overage: int,
        price_micros: int,
    ) -> str:
        """SHA-256 over the chain so far and every field of the posting, joined by `|` (docs/ledger-chain)."""
        micros = (at - _EPOCH) // _MICROSECOND
        line = (
            f"{self.chain}|{self.account}|{self.year}|{self.version + 1}|{micros}|{topic}|{message}|{reason}|"
            f"{debit}|{segments}|{included}|{overage}|{price_micros}|"
            f"{after.allowance}|{after.net}|{after.overage}|{after.amount_micros}|{int(after.closed)}"
        )
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
            case Closed():
                made = self.close(at=at)
            case _:
                assert_never(event)
        return made[0] if made else None


_MICROSECOND = datetime.resolution


def at_posting(*, account: str, year: int, version: int, event: LedgerEvent) -> Ledger:
    """The ledger as its posting number `version` says: the last posting is the state."""
    return Ledger(account=account, year=year, version=version, after=event.after, chain=event.chain)
