"""The examples of what is recorded about statements, with a value of its own in every field."""

from datetime import date

from domain.events import statement
from domain.events.ledger import AtPrice

_HASH = "5ea1" * 16
_OPENING = statement.Balance(
    allowance=0, net=0, overage=0, by_price=(), amount_micros=0, adjusted_micros=0, closed=False
)
_CLOSING = statement.Balance(
    allowance=300_000,
    net=300_002,
    overage=2,
    by_price=(AtPrice(38_000, 1), AtPrice(48_000, 1)),
    amount_micros=86_000,
    adjusted_micros=-500_000,
    closed=True,
)
_LINE = statement.Line(
    kind=statement.LineKind.DEBITS,
    year=2026,
    period="2026-10",
    stated_in="2026-11",
    price_micros=38_000,
    first=2,
    last=7,
    postings=5,
    segments=9,
    included=8,
    overage=1,
    allowance=6,
    amount_micros=38_000,
    amount_fen=4,
    difference_micros=2_000,
)
_FORECAST = statement.Forecast(
    method="net_of_last_28_days",
    as_of=date(2026, 11, 30),
    observed_days=28,
    observed_segments=1_400,
    runs_out_on=date(2026, 12, 24),
    net=301_550,
    overage=1_550,
    amount_micros=58_900_000,
)
_CONTENT = statement.Content(
    form=1,
    account="acme",
    customer="示例科技有限公司",
    period="2026-11",
    number="acme-2026-11",
    dispute_days=30,
    sections=(
        statement.Section(
            year=2026, after=1, upto=7, chain="c0ffee" * 10 + "beef", opening=_OPENING, closing=_CLOSING
        ),
    ),
    lines=(_LINE,),
    amount_micros=38_001,
    amount_fen=5,
    difference_micros=11_999,
    remaining=4,
    expired=3,
    forecast=_FORECAST,
    rests_on=(statement.Rest(period="2026-10", number="acme-2026-10", hash="f00d" * 16, amount_fen=123),),
)
ALL: tuple[statement.StatementEvent, ...] = (
    statement.Issued(content=_CONTENT, hash=_HASH),
    statement.Accepted(by="key:ab12cd34", note="paid on Friday"),
    statement.Disputed(by="key:ab12cd34", reason="line 3 is too much"),
    statement.DisputeResolved(by="cli:operator", reason="billed twice", adjustment="adj-1"),
)
