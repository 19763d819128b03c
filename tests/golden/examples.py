"""One example of every topic, with a value of its own in every field. Add new ones; never change one."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import cast
from uuid import UUID

from domain.events import (
    TOPICS,
    Event,
    access,
    adjustment,
    alarm,
    batch,
    contract,
    ledger,
    link,
    message,
    route,
    seal,
    signature,
    template,
    vault,
)
from domain.recorded import Context, Recorded
from domain.values import (
    Carrier,
    Category,
    ChargeOn,
    Counting,
    FoundBy,
    Lane,
    PartialYears,
    Sealed,
    UnknownPolicy,
)
from tests.golden import statement_examples
from tests.golden.portability_examples import PORTABILITY
from tests.golden.reconciliation_examples import RECONCILIATION
from tests.golden.reply_examples import REPLIES, REPLIES_2

_AT = datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
_STREAM = UUID("5f0a7d0c-3c0b-5b1e-9a53-6d1f5c1e2b11")
_TOTALS = ledger.Totals(allowance=300_000, net=300_002, overage=2, amount_micros=76_000, closed=False)
_CHAIN = "c0ffee" * 10 + "beef"
_ADJUSTMENT = UUID("7b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b12")
_GIVEN_BACK = (ledger.AtPrice(38_000, 1), ledger.AtPrice(48_000, 1))
_TERMS_2 = contract.Terms(
    allowance_segments=100,
    overage_price_micros=40_000,
    charge_on=ChargeOn.DELIVERED,
    counting=Counting.GSM7_WHERE_POSSIBLE,
    unknown_policy=UnknownPolicy.REFUNDED,
    term_years=3,
    retention_months=7,
    partial_years=PartialYears.PRO_RATA,
    spending_cap_micros=9_000_000,
    alarm_percents=(50, 100),
    dispute_days=15,
    notice_days=20,
    fixed_fee_micros=50_000_000_000,
    stage_shares=(6, 4),
)
_PART = message.SubmittedPart(number=2, carrier_id="0A1B2C")
_OF = message.Dimensions(
    account="acme", carrier=Carrier.UNICOM, template="login", accepted_at=_AT, segments=3
)


def recorded(event: Event) -> Recorded:
    """An event in the envelope that every golden file has."""
    context = Context(actor="key:ab12cd34", correlation="request-1", causation="event-2")
    return Recorded(stream=_STREAM, version=7, at=_AT, context=context, event=event)


_ALL: tuple[Event, ...] = (
    access.KeyIssued(
        key="ab12cd34",
        account="acme",
        name="web shop",
        scopes=(access.Scope.SEND, access.Scope.UNMASKED),
        secret_digest="d" * 64,
    ),
    access.KeyRevoked(reason="lost"),
    access.HistoryLookedUp(
        account="acme", key="ab12cd34", why="ticket 4711", subject="0f" * 16, hits=2, unmasked=True
    ),
    batch.ChunkAccepted(
        account="acme", batch="spring", accepted=998, segments=1200, refused=(("invalid_phone", 2),)
    ),
    contract.Signed(
        account="acme",
        name="示例科技有限公司",
        terms=contract.Terms(
            allowance_segments=100,
            overage_price_micros=40_000,
            charge_on=ChargeOn.DELIVERED,
            counting=Counting.GSM7_WHERE_POSSIBLE,
            unknown_policy=UnknownPolicy.REFUNDED,
            term_years=3,
            retention_months=7,
        ),
    ),
    contract.WentLive(on=date(2026, 2, 28)),
    contract.Suspended(reason="unpaid"),
    contract.Resumed(reason="paid"),
    contract.Ended(reason="two years are over"),
    contract.AmendmentProposed(
        number=2,
        effective_from=date(2027, 1, 1),
        terms=_TERMS_2,
        retroactive=True,
        notice_waived=True,
        reason="a new price",
        by="cli:one",
    ),
    contract.AmendmentApproved(number=2, by="cli:two"),
    contract.AmendmentWithdrawn(number=2, reason="too dear", by="cli:one"),
    contract.Amended(
        number=2,
        effective_from=date(2027, 1, 1),
        terms=_TERMS_2,
        retroactive=True,
        approved_by=("cli:one", "cli:two"),
    ),
    contract.StageInvoiced(
        stage=2,
        amount_micros=20_000_000_000,
        invoice="INV-7",
        invoiced_on=date(2026, 3, 1),
        due_on=date(2026, 3, 31),
    ),
    contract.StagePaid(stage=2, paid_on=date(2026, 3, 20), reference="transfer 4711"),
    adjustment.Requested(
        adjustment=_ADJUSTMENT,
        account="acme",
        year=2026,
        segments=-3,
        amount_micros=-500_000,
        period="2026-11",
        reason="billed though they failed",
        reference="reconciliation 7",
        approvals=2,
        by="cli:one",
    ),
    adjustment.Approved(by="cli:two", posted=True),
    adjustment.Rejected(by="cli:two", reason="no evidence"),
    alarm.Raised(account="acme", year=2026, percent=80, allowance=300_000, net=240_001, posting=200_007),
    ledger.Opened(account="acme", year=2026, after=_TOTALS, chain=_CHAIN),
    ledger.Debited(
        account="acme",
        message=_STREAM,
        reason=ledger.DebitReason.REVISED,
        segments=3,
        included=1,
        overage=2,
        price_micros=38_000,
        after=_TOTALS,
        chain=_CHAIN,
    ),
    ledger.Refunded(
        account="acme",
        message=_STREAM,
        debit=6,
        reason=ledger.RefundReason.UNKNOWN,
        segments=3,
        included=1,
        overage=2,
        price_micros=38_000,
        after=_TOTALS,
        chain=_CHAIN,
    ),
    ledger.Closed(account="acme", year=2026, unused=4, after=_TOTALS, chain=_CHAIN),
    ledger.AllowanceChanged(
        account="acme",
        year=2026,
        amendment=2,
        segments=-100,
        overage=-2,
        price_micros=38_000,
        after=_TOTALS,
        chain=_CHAIN,
        given_back=_GIVEN_BACK,
    ),
    ledger.Adjusted(
        account="acme",
        year=2026,
        adjustment=_ADJUSTMENT,
        segments=-3,
        included=-1,
        overage=-2,
        price_micros=38_000,
        amount_micros=-500_000,
        period="2026-11",
        reason="billed though they failed",
        reference="reconciliation 7",
        requested_by="cli:one",
        approved_by=("cli:two", "cli:three"),
        after=_TOTALS,
        chain=_CHAIN,
        given_back=_GIVEN_BACK,
    ),
    link.Configured(
        name="mobile-1",
        protocol="smpp34",
        host="sms.example",
        port=2775,
        system_id="acme",
        sealed_password="c2VhbGVk",
        source_address="10690000",
        carriers=(Carrier.MOBILE, Carrier.BROADNET),
        window=16,
        rate_per_second=200,
        response_timeout_seconds=30,
        id_format="resp-hex-dlr-dec",
    ),
    link.Enabled(),
    link.Disabled(reason="repair"),
    link.Connected(name="mobile-1"),
    link.Lost(name="mobile-1", reason="reset by peer"),
    link.Draining(reason="maintenance"),
    link.Broken(name="mobile-1", reason="61 of 100 refused"),
    link.Mended(name="mobile-1"),
    route.RouteSet(
        name="codes",
        priority=10,
        accounts=("acme",),
        categories=(Category.OTP,),
        carriers=(Carrier.MOBILE,),
        signatures=("示例科技",),
        shares=(route.Share(link="mobile-1", weight=7), route.Share(link="mobile-2", weight=3)),
        extension="01",
        by="cli:one",
    ),
    route.RouteRemoved(name="codes", reason="not needed", by="cli:one"),
    message.Accepted(
        account="acme",
        category=Category.MARKETING,
        lane=Lane.BATCH,
        carrier=Carrier.TELECOM,
        signature="示例科技",
        template="login",
        batch="spring",
        client_reference="order-4711",
        segments=3,
        parts=4,
        units=201,
        charge_on=ChargeOn.DELIVERED,
        charged=message.Charged(year=2026, posting=6, included=1, overage=2, price_micros=38_000),
        expires_at=_AT,
        sealed=Sealed(day=date(2026, 12, 31), digest="e" * 64),
        body_digest="b" * 32,
    ),
    message.SubmissionStarted(attempt=2, link="mobile-1"),
    message.Submitted(link="mobile-1", parts=(message.SubmittedPart(number=1, carrier_id="99"), _PART)),
    message.SubmissionRefused(
        link="mobile-1",
        carrier=Carrier.BROADNET,
        lane=Lane.REALTIME,
        code="0x00000058",
        retryable=True,
        attempt=4,
        taken=(_PART,),
    ),
    message.SubmissionInDoubt(link="mobile-1", reason="no answer in time", taken=(_PART,)),
    message.DoubtResolved(carrier=Carrier.MOBILE, lane=Lane.BATCH, resend=True, reason="asked the carrier"),
    message.ReceiptRecorded(
        part=2, carrier_id="0A1B2C", status="DELIVRD", error="000", carrier_time="2612312359"
    ),
    message.Delivered(of=_OF, revises="failed", owed_again=True),
    message.Failed(cause=message.Cause.RECEIPT, code="MK:0001", refunded=True, of=_OF, revises="delivered"),
    message.Expired(of=_OF),
    message.Cancelled(reason="by mistake", of=_OF),
    seal.KeyCreated(key="c0ffee00c0ffee00", public_key="d" * 64),
    seal.Sealed(
        day=date(2026, 12, 31),
        position=4711,
        leaves=(
            seal.Leaf(account="acme", year=2026, version=12, chain=_CHAIN),
            seal.Leaf(account="bolt", year=2026, version=3, chain="a" * 64),
        ),
        root="1" * 64,
        log="2" * 64,
        previous="3" * 64,
        key="c0ffee00c0ffee00",
        signature="4" * 128,
    ),
    signature.Drafted(account="acme", name="示例科技"),
    signature.Approved(),
    signature.Retired(reason="renamed"),
    *PORTABILITY,
    *RECONCILIATION,
    *REPLIES,
    *statement_examples.ALL,
    template.Drafted(account="acme", code="login", category=Category.OTP, text="验证码${code}。"),
    template.Approved(),
    template.Retired(reason="replaced"),
    vault.DayKeyCreated(day=date(2026, 12, 31), fingerprint="f" * 32),
    vault.DayKeyDestroyed(day=date(2026, 6, 30), fingerprint="f" * 32),
)

_TOTALS_2 = replace(
    _TOTALS,
    amount_micros=86_000,
    adjusted_micros=-500_000,
    mixed=(ledger.AtPrice(38_000, 1), ledger.AtPrice(48_000, 1)),
)
_SECOND: tuple[Event, ...] = (
    replace(
        cast("link.Configured", next(e for e in _ALL if isinstance(e, link.Configured))),
        protocol="sgip12",
        system_type="corp",
        keep_alive_seconds=20,
        connections=4,
        tariff=link.Tariff(
            service_id="HELP",
            fee_user_type=1,
            fee_type="02",
            fee_code="5",
            corp_id="12345",
            node_id=3_000_112_345,
        ),
        inbound=link.Inbound(host="10.0.0.1", port=8_801, login="gateway", sealed_password="c2VhbGVk"),
        breaker=link.Breaker(refused_percent=20, undelivered_percent=40, least=10, open_seconds=30),
        encryption=link.Encryption(authority="-----BEGIN CERTIFICATE-----"),
        signs=True,
    ),
    link.Connected(name="mobile-1", connection=2),
    link.Lost(name="mobile-1", reason="reset by peer", connection=2),
    link.Broken(name="mobile-1", reason="34 of the latest 50 answers refused, most with 8", open_seconds=120),
    link.Mended(name="mobile-1", reason="the carrier says it is repaired"),
    message.SubmissionStarted(attempt=2, link="mobile-1", route="codes", passed_over=("mobile-2:down",)),
    replace(
        cast("message.Accepted", next(e for e in _ALL if isinstance(e, message.Accepted))),
        carrier_by=FoundBy.LEARNED,
        segment_carrier=Carrier.TELECOM,
    ),
    replace(
        cast("route.RouteSet", next(e for e in _ALL if isinstance(e, route.RouteSet))), extensions=("20", "3")
    ),
    contract.Signed(account="acme", name="示例科技有限公司", terms=_TERMS_2),
    ledger.Opened(account="acme", year=2026, after=_TOTALS_2, chain=_CHAIN),
    replace(cast("ledger.Debited", next(e for e in _ALL if isinstance(e, ledger.Debited))), after=_TOTALS_2),
    ledger.Refunded(
        account="acme",
        message=_STREAM,
        debit=6,
        reason=ledger.RefundReason.UNKNOWN,
        segments=3,
        included=1,
        overage=2,
        price_micros=38_000,
        after=_TOTALS_2,
        chain=_CHAIN,
        given_back=_GIVEN_BACK,
    ),
    ledger.Closed(account="acme", year=2026, unused=4, after=_TOTALS_2, chain=_CHAIN),
    *REPLIES_2,
)
"""Fields that were added with a default: the first form reads as before, the last is what is written now."""
_THIRD: tuple[Event, ...] = (
    message.SubmissionStarted(
        attempt=2,
        link="mobile-1",
        route="codes",
        passed_over=("mobile-2:down",),
        connection=2,
        extension="0012",
    ),
    replace(
        cast("message.Accepted", next(e for e in _SECOND if isinstance(e, message.Accepted))),
        extension="2048",
    ),
    replace(
        cast("link.Configured", next(e for e in _ALL if isinstance(e, link.Configured))),
        connections=3,
        receivers=1,
    ),
)
EXAMPLES: dict[str, Event] = (
    {event.TOPIC: event for event in _ALL}
    | {f"{event.TOPIC}@2": event for event in _SECOND}
    | {f"{event.TOPIC}@3": event for event in _THIRD}
)


def fields_of(topic: str) -> set[str]:
    """The names of the fields of a topic's facts as they are written now."""
    return {field.name for field in fields(TOPICS[topic.partition("@")[0]])}
