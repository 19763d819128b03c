"""Examples of the facts of reconciliation, with a value of its own in every field."""

from uuid import UUID

from domain.events import reconciliation
from domain.values import Carrier

_RUN = UUID("9b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b13")
_STATEMENT = UUID("8b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b14")
_BEFORE = UUID("4b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b15")

RECONCILIATION: tuple[reconciliation.ReconciliationEvent, ...] = (
    reconciliation.MappingSaved(
        name="mobile-1",
        columns=reconciliation.Columns(
            carrier_id="消息ID",
            time="提交时间",
            phone="号码",
            segments="条数",
            status="状态",
            price="单价",
            amount="金额",
            network="归属网络",
        ),
        header_row=2,
        time_format="%Y/%m/%d %H:%M",
        money_unit=reconciliation.MoneyUnit.FEN,
        rows_are=reconciliation.RowsAre.MESSAGES,
        billed_on=reconciliation.BilledOn.DELIVERED,
        receipts=reconciliation.Receipts.ONE_PART,
        price_micros=31_000,
        rounding_micros=1_000,
        delivered_statuses=("成功",),
        pending_statuses=("未知",),
        ported_statuses=("携转",),
        networks=(("移动", Carrier.MOBILE), ("联通", Carrier.UNICOM)),
        late_hours=48,
        edge_minutes=60,
        sealed_test_numbers="c2VhbGVk",
    ),
    reconciliation.StatementImported(
        statement=_STATEMENT,
        link="mobile-1",
        month="2026-11",
        mapping="mobile-1",
        mapping_version=3,
        file_digest="a" * 64,
        content_digest="b" * 64,
        rows=1_000_000,
        bad_rows=12,
    ),
    reconciliation.RunCompleted(
        run=_RUN,
        link="mobile-1",
        month="2026-11",
        statement=_STATEMENT,
        upto=6_000_123,
        content_digest="b" * 64,
        mapping="mobile-1",
        mapping_version=3,
        neighbours=(reconciliation.Neighbour(month="2026-10", statement=_BEFORE, content_digest="c" * 64),),
        platform_segments=1_000_100,
        carrier_segments=1_000_090,
        ledger_segments=1_000_080,
        platform_micros=31_003_100_000,
        carrier_micros=31_002_790_000,
        totals=(
            reconciliation.ReasonTotals(
                reason="MONTH_EDGE", differences=10, segments=-10, amount_micros=-310_000
            ),
        ),
        result_hash="d" * 64,
        supersedes=_BEFORE,
    ),
    reconciliation.DifferenceResolved(
        run=_RUN,
        difference=UUID("3b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b16"),
        adjustment=UUID("7b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b12"),
        reason="the carrier credited it",
        by="key:ab12cd34",
    ),
)
