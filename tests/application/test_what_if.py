"""What if: with nothing said the replay is the bill; under other terms it is what those terms would have billed."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.what_if import Figures, OtherTerms, Replay, Span, recount, replay, span_of
from domain.aggregates import message
from domain.aggregates.contract import Contract
from domain.aggregates.ledger import Ledger
from domain.aggregates.message import DebitDue, Message, RefundDue, Status
from domain.errors import BadInput
from domain.events import Event
from domain.events.contract import Terms
from domain.events.ledger import DebitReason, LedgerEvent, Totals
from domain.events.message import Accepted, Charged, Submitted, SubmittedPart
from domain.recorded import Context, Recorded
from domain.text import count_segments, count_units
from domain.values import (
    Carrier,
    Category,
    ChargeOn,
    Counting,
    Lane,
    PartialYears,
    Sealed,
    UnknownPolicy,
    local_day,
    stream_id,
)
from tests.simulation.run import simulate
from tests.support.past import ACCOUNT, past

BY = Context(actor="test")
BEGIN = datetime(2026, 1, 5, 4, tzinfo=UTC)
STEP = timedelta(hours=20)
UNITS = st.sampled_from((1, 70, 71, 134, 135, 300))
ACTIONS = (
    "submit",
    "refuse",
    "refuse_with_a_part",
    "doubt",
    "resend",
    "give_up",
    "delivered",
    "failed",
    "expire",
    "cancel",
)
Step = tuple[str, int]


@dataclass(slots=True)
class World:
    """One account under some terms: what callers, carriers and time do is given, what is billed follows."""

    terms: Terms
    now: datetime = BEGIN
    log: list[Recorded] = field(default_factory=list)
    states: dict[int, Message] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(account=ACCOUNT, year=2026))
    versions: dict[UUID, int] = field(default_factory=dict)
    submitted: dict[int, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The year is open."""
        self.post(self.ledger.open(allowance=self.terms.allowance_segments, at=self.now))

    def live(self, steps: list[Step]) -> "World":
        """All steps, and then a week in which nothing happens."""
        for number, (what, value) in enumerate(steps):
            self.now = BEGIN + STEP * (number + 1)
            self.sweep()
            if what == "accept":
                self.accept(number, value)
            elif self.states:
                self.act(what, value)
        self.now += timedelta(days=7)
        self.sweep()
        return self

    def accept(self, number: int, units: int) -> None:
        segments = count_segments("字" * units, self.terms.counting)
        (debit,) = self.ledger.debit(
            message=UUID(int=number),
            reason=DebitReason.ACCEPTED,
            segments=segments,
            price_micros=self.terms.overage_price_micros,
            at=self.now,
        )
        cap = self.terms.spending_cap_micros
        if cap is not None and debit.overage and debit.after.payable_micros > cap:
            return
        charged = Charged(
            year=2026,
            posting=self.ledger.version + 1,
            included=debit.included,
            overage=debit.overage,
            price_micros=debit.price_micros,
        )
        event = accepted(segments, units, self.terms.charge_on, charged, self.now)
        self.record(UUID(int=number), event)
        self.states[number] = message.evolve(None, event, self.now)
        self.post((debit,))

    def act(self, what: str, value: int) -> None:
        """Something happens to a message; one that this world never accepted is passed over."""
        number = value
        state = self.states.get(number)
        if state is None:
            return
        started: tuple[Event, ...] = ()
        if what in ("submit", "refuse", "refuse_with_a_part", "doubt"):
            started = state.start_submission(link="l", now=self.now)
            state = self.keep(number, state, started)
        self.keep(number, state, self.events(what, state))

    def events(self, what: str, state: Message) -> tuple[Event, ...]:
        part = (SubmittedPart(number=1, carrier_id="c"),)
        match what:
            case "submit":
                return state.record_submitted(parts=part)
            case "refuse":
                return state.record_refused(code="11", retryable=False)
            case "refuse_with_a_part":
                return state.record_refused(code="11", retryable=False, taken=part)
            case "doubt":
                return state.record_in_doubt(reason="silence")
            case "resend" | "give_up":
                return state.resolve_doubt(resend=what == "resend", reason="asked")
            case "delivered" | "failed":
                status = "DELIVRD" if what == "delivered" else "UNDELIV"
                return state.record_receipt(part=1, carrier_id="c", status=status, error="", carrier_time="")
            case "expire":
                return state.expire(now=self.now + timedelta(days=400))
            case _:
                return state.cancel(reason="mistake")

    def keep(self, number: int, state: Message, events: tuple[Any, ...]) -> Message:
        """Record events of a message with their posting."""
        charge = state.charge_due(events)
        for event in events:
            self.record(UUID(int=number), event)
            state = message.evolve(state, event, self.now)
            if isinstance(event, Submitted):
                self.submitted[number] = self.now
        self.states[number] = state
        match charge:
            case RefundDue():
                self.post(
                    self.ledger.refund(
                        message=UUID(int=number),
                        debit=charge.debit,
                        reason=charge.reason,
                        segments=charge.segments,
                        price_micros=charge.price_micros,
                        at=self.now,
                    )
                )
            case DebitDue():
                self.post(
                    self.ledger.debit(
                        message=UUID(int=number),
                        reason=charge.reason,
                        segments=charge.segments,
                        price_micros=charge.price_micros,
                        at=self.now,
                    )
                )
            case None:
                pass
        return state

    def sweep(self) -> None:
        """What waited for two days expires; no report for three days is given up where the policy refunds."""
        for number, state in list(self.states.items()):
            self.keep(number, state, state.expire(now=self.now))
        if self.terms.unknown_policy is UnknownPolicy.REFUNDED:
            for number, state in list(self.states.items()):
                taken = self.submitted.get(number, self.now)
                if state.status is Status.SUBMITTED and self.now - taken >= timedelta(hours=72):
                    self.keep(number, state, state.give_up_unreported())

    def post(self, made: tuple[LedgerEvent, ...]) -> None:
        for event in made:
            self.ledger = self.ledger.after_posting(event)
            self.record(self.ledger.stream, event)

    def record(self, stream: UUID, event: Event) -> None:
        self.versions[stream] = version = self.versions.get(stream, 0) + 1
        self.log.append(
            Recorded(stream=stream, version=version, at=self.now, context=BY, event=event, position=0)
        )


def accepted(segments: int, units: int, charge_on: ChargeOn, charged: Charged, at: datetime) -> Accepted:
    return Accepted(
        account=ACCOUNT,
        category=Category.NOTICE,
        lane=Lane.REALTIME,
        carrier=Carrier.MOBILE,
        signature="示例科技",
        template="",
        batch="",
        client_reference="",
        segments=segments,
        parts=1,
        units=units,
        charge_on=charge_on,
        charged=charged,
        expires_at=at + timedelta(days=2),
        sealed=Sealed(day=date(2026, 1, 5), digest="e" * 64),
        body_digest="b" * 32,
    )


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Messages, and what happens to them later."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 14))):
        numbers = [place for place, (what, _) in enumerate(made) if what == "accept"]
        if not numbers or draw(st.booleans()):
            made.append(("accept", draw(UNITS)))
        else:
            made.append((draw(st.sampled_from(ACTIONS)), draw(st.sampled_from(numbers))))
        assert len(made) == number + 1
    return made


TERMS = st.builds(
    Terms,
    allowance_segments=st.integers(0, 12),
    overage_price_micros=st.sampled_from((0, 1, 38_000, 50_000)),
    charge_on=st.sampled_from(ChargeOn),
    unknown_policy=st.sampled_from(UnknownPolicy),
    counting=st.sampled_from(Counting),
)


def tried(world: World, other: OtherTerms) -> Replay:
    made = Replay(
        account=ACCOUNT,
        span=Span(years=(2026,)),
        terms=other,
        allowances={} if other.allowance_segments is None else {2026: other.allowance_segments},
        unknown_policy=world.terms.unknown_policy,
        history=lambda id_: [one for one in world.log if one.stream == id_],
    )
    return replay(made, world.log, now=world.now)


def as_figures(after: Totals) -> Figures:
    return Figures(after.net, after.overage, after.amount_micros, after.adjusted_micros)


def whole(terms: Terms) -> OtherTerms:
    return OtherTerms(
        allowance_segments=terms.allowance_segments,
        overage_price_micros=terms.overage_price_micros,
        counting=terms.counting,
        charge_on=terms.charge_on,
        unknown_policy=terms.unknown_policy,
        spending_cap_micros=terms.spending_cap_micros,
    )


@settings(max_examples=300)
@given(steps(), TERMS)
def test_with_nothing_said_and_with_the_same_said_it_is_the_bill_of_every_month(happened, terms):
    world = World(terms).live(happened)
    for other in (OtherTerms(), whole(terms)):
        found = tried(world, other)
        assert found.total().billed == as_figures(world.ledger.after)
        for month in found.months.values():
            assert month.other == month.billed


@settings(max_examples=500)
@given(steps(), TERMS, TERMS, st.none() | st.sampled_from((0, 50_000, 200_000)))
def test_under_other_terms_it_is_what_they_would_have_billed(happened, terms, others, cap):
    others = replace(others, spending_cap_micros=cap)
    found = tried(World(terms).live(happened), whole(others))
    assert found.total().other == as_figures(World(others).live(happened).ledger.after)


def test_a_report_of_failure_that_came_after_the_giving_up_refunds_where_nobody_gives_up():
    given_up = Terms(
        allowance_segments=0, charge_on=ChargeOn.DELIVERED, unknown_policy=UnknownPolicy.REFUNDED
    )
    kept = replace(given_up, unknown_policy=UnknownPolicy.CHARGED)
    silence: list[Step] = [("accept", 1), ("submit", 0), *[("submit", 0)] * 4]
    for end, owed in (("failed", 0), ("delivered", 1), ("submit", 1)):
        found = tried(World(given_up).live([*silence, (end, 0)]), whole(kept)).total()
        assert (found.billed.segments, found.other.segments) == (end == "delivered", owed), end


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_simulated_world_with_crashes_is_billed_again_to_the_micro_yuan(seed: int):
    world, wrong = simulate(seed)
    assert wrong == []
    log = world.disk.everything()
    for account, year in {
        (one.event.account, one.event.year) for one in log if one.event.TOPIC == "ledger.opened"
    }:
        ledger = [one for one in log if one.stream == stream_id("ledger", account, year)]
        span = Span(years=(year,))
        found = replay(
            Replay(account=account, span=span, terms=OtherTerms(), unknown_policy=UnknownPolicy.REFUNDED),
            log,
            now=log[-1].at,
        )
        assert found.messages > 0
        assert found.total().other == found.total().billed == as_figures(ledger[-1].event.after)


def test_new_prices_allowances_and_adjustments_within_the_year_are_billed_again():
    log = past().log()
    found = replay(Replay(account=ACCOUNT, span=Span(years=(2025,)), terms=OtherTerms()), log, now=log[-1].at)
    assert {str(month) for month in found.months} == {"2025-11", "2025-12", "2026-01"}
    for month in found.months.values():
        assert month.other == month.billed
    assert found.total().billed.adjusted_micros == 150_000


def test_days_cut_a_piece_out_of_the_bill():
    log = past().log()
    span = span_of(None, date(2025, 12, 1), date(2025, 12, 15))
    found = replay(Replay(account=ACCOUNT, span=span, terms=OtherTerms()), log, now=log[-1].at)
    postings = [
        one
        for one in log
        if isinstance(one.event, LedgerEvent)
        and local_day(one.at) in span
        and one.event.TOPIC != "ledger.opened"
    ]
    assert postings
    (month,) = found.months.values()
    assert month.billed == month.other
    assert month.billed.segments == 2


def test_a_text_without_signature_beyond_one_segment_is_not_counted_anew_by_the_other_rule():
    charged = Charged(year=2026, posting=2, included=2, overage=0, price_micros=0)
    event = accepted(2, 100, ChargeOn.SUBMITTED, charged, BEGIN)
    assert recount(event, Counting.GSM7_WHERE_POSSIBLE) == (2, True)
    bare = replace(event, signature="")
    assert recount(bare, Counting.GSM7_WHERE_POSSIBLE) == (2, False)
    assert recount(replace(bare, units=70, segments=1), Counting.GSM7_WHERE_POSSIBLE) == (1, True)
    assert recount(bare, Counting.UCS2_FOR_ALL) == (2, True)
    found = Replay(
        account=ACCOUNT,
        span=Span(years=(2026,)),
        terms=OtherTerms(counting=Counting.GSM7_WHERE_POSSIBLE),
    )
    found.feed(Recorded(stream=UUID(int=1), version=1, at=BEGIN, context=BY, event=bare))
    assert (found.messages, found.uncertain_messages) == (1, 1)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=400))
def test_a_signed_text_counts_the_same_by_both_rules_as_the_recount_says(body: str):
    text = f"【示例】{body}"
    event = accepted(
        1,
        count_units(text),
        ChargeOn.SUBMITTED,
        Charged(year=2026, posting=1, included=0, overage=0, price_micros=0),
        BEGIN,
    )
    for rule in Counting:
        assert recount(event, rule) == (count_segments(text, rule), True)


def test_pro_rata_gives_a_year_its_days():
    agreed = Contract(
        account=ACCOUNT,
        name="示例",
        terms=Terms(allowance_segments=300_000),
        signed_on=date(2026, 7, 1),
        live_on=date(2026, 7, 2),
    )
    assert OtherTerms().allowance_of(agreed, 2026) is None
    assert OtherTerms(partial_years=PartialYears.PRO_RATA).allowance_of(agreed, 2026) == 150_411
    assert OtherTerms(allowance_segments=500_000).allowance_of(agreed, 2026) == 500_000


@pytest.mark.parametrize(
    ("year", "first", "last", "code"),
    [
        (None, None, None, "period_missing"),
        (None, date(2026, 1, 1), None, "period_missing"),
        (2026, date(2026, 1, 1), None, "span_invalid"),
        (None, date(2026, 1, 2), date(2026, 1, 1), "span_invalid"),
    ],
)
def test_a_period_that_is_none_is_refused(year, first, last, code):
    with pytest.raises(BadInput) as refused:
        span_of(year, first, last)
    assert refused.value.code == code


def test_impossible_terms_are_refused():
    with pytest.raises(BadInput) as refused:
        OtherTerms(overage_price_micros=-1).require_possible()
    assert (refused.value.code, refused.value.field) == ("terms_invalid", "overage_price_micros")


def test_the_facts_of_other_accounts_and_years_are_passed_over():
    log = past().log()
    found = replay(Replay(account="bolt", span=Span(years=(2025,)), terms=OtherTerms()), log, now=BEGIN)
    assert (found.messages, found.months) == (0, {})
