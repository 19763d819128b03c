"""Books of any size for the benchmarks of proof: made by the ledger itself, with the messages they belong to."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg

from domain.aggregates.ledger import Ledger
from domain.events import Event, contract
from domain.events.contract import Terms
from domain.events.ledger import DebitReason, LedgerEvent, RefundReason
from domain.events.message import Accepted, Charged, Dimensions, Expired
from domain.recorded import Context, Recorded
from domain.values import Carrier, Category, ChargeOn, Lane, Sealed, local_day, message_id, stream_id
from infrastructure.mapper import encode

_BY = Context(actor="key:bench")
_REFUNDED_EACH = 40
"""Every so many messages one expires and is refunded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """How much to make: postings altogether, over some accounts, in one year, evenly over its days."""

    postings: int
    accounts: int = 4
    year: int = 2026
    days: int = 300
    terms: Terms = Terms()  # noqa: RUF009  (frozen)

    def recorded(self) -> Iterator[Recorded]:
        """Every event in the order of the log."""
        began = datetime(self.year - 1, 12, 31, 16, tzinfo=UTC)
        ledgers = {name: Ledger(account=name, year=self.year) for name in self.names}
        for name in self.names:
            yield from _contract(name, began, self.terms)
        made, step = 0, timedelta(days=self.days) / max(1, self.postings)
        for number in range(self.postings):
            name, at = self.names[number % self.accounts], began + step * number
            for recorded, ledger in _message(ledgers[name], number, at, self.terms):
                ledgers[name] = ledger
                made += isinstance(recorded.event, LedgerEvent)
                yield recorded
            if made >= self.postings:
                return

    @property
    def last_day(self) -> date:
        """The day after the last posting, at the latest."""
        return date(self.year, 1, 1) + timedelta(days=self.days)

    @property
    def names(self) -> list[str]:
        """The accounts."""
        return [f"bench-{number}" for number in range(self.accounts)]


def _contract(name: str, at: datetime, terms: Terms) -> Iterator[Recorded]:
    events: tuple[Event, ...] = (
        contract.Signed(account=name, name=name, terms=terms),
        contract.WentLive(on=local_day(at)),
    )
    for version, event in enumerate(events, 1):
        yield _recorded(stream_id("contract", name), version, at, event)


def _recorded(stream: object, version: int, at: datetime, event: Event) -> Recorded:
    return Recorded(stream=stream, version=version, at=at, context=_BY, event=event)  # type: ignore[arg-type]


def _message(ledger: Ledger, number: int, at: datetime, terms: Terms) -> Iterator[tuple[Recorded, Ledger]]:
    """One message with its debit, and sometimes its expiry with the refund."""

    def post(made: tuple[LedgerEvent, ...]) -> Recorded:
        nonlocal ledger
        ledger = ledger.after_posting(made[0])
        return _recorded(ledger.stream, ledger.version, at, made[0])

    if not ledger.version:
        opened = post(ledger.open(allowance=terms.allowance_segments, at=at))
        yield opened, ledger
    id_, segments, price = message_id(ledger.account, str(number)), 1 + number % 3, terms.overage_price_micros
    (debit,) = ledger.debit(
        message=id_, reason=DebitReason.ACCEPTED, segments=segments, price_micros=price, at=at
    )
    charged = Charged(
        year=ledger.year,
        posting=ledger.version + 1,
        included=debit.included,
        overage=debit.overage,
        price_micros=price,
    )
    yield _recorded(id_, 1, at, _accepted(ledger.account, number, segments, at, charged)), ledger
    debited = post((debit,))
    yield debited, ledger
    if number % _REFUNDED_EACH == 0:
        of = Dimensions(
            account=ledger.account, carrier=Carrier.MOBILE, template="", accepted_at=at, segments=segments
        )
        yield _recorded(id_, 2, at, Expired(of=of)), ledger
        refunded = post(
            ledger.refund(
                message=id_,
                debit=charged.posting,
                reason=RefundReason.EXPIRED,
                segments=segments,
                price_micros=price,
                at=at,
            )
        )
        yield refunded, ledger


def _accepted(account: str, number: int, segments: int, at: datetime, charged: Charged) -> Accepted:
    return Accepted(
        account=account,
        category=Category.NOTICE,
        lane=Lane.REALTIME,
        carrier=Carrier.MOBILE,
        signature="示例科技",
        template="",
        batch="",
        client_reference=f"order-{number}",
        segments=segments,
        parts=segments,
        units=67 * segments - 10,
        charge_on=ChargeOn.SUBMITTED,
        charged=charged,
        expires_at=at + timedelta(days=1),
        sealed=Sealed(day=local_day(at), digest=f"{number:064x}"),
        body_digest=f"{number:032x}",
    )


def write(database_url: str, schema: str, events: Iterator[Recorded]) -> int:
    """Put events into the log by COPY; returns how many."""
    count = 0
    with psycopg.connect(database_url) as connection:
        table = f"{schema}.stored_events (originator_id, originator_version, topic, state)"
        with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "int8", "text", "bytea"])
            for recorded in events:
                copy.write_row((recorded.stream, recorded.version, recorded.event.TOPIC, encode(recorded)))
                count += 1
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM ANALYZE {schema}.stored_events")
    return count
