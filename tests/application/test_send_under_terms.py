"""What the terms of a day say reaches the sender: prices, caps, the end of the term, whosever clock is off."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from application.manage_contracts import resume, suspend
from application.send_messages import Answer, Draft, MessageSender, SendMessages, Sent
from domain.events.contract import Terms
from domain.values import Category
from tests.application.agreements import amend
from tests.application.office import ACCOUNT, BY, Office, codes, draft, story

MIDNIGHT = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)
JUNE = date(2026, 6, 1)


@dataclass(slots=True)
class SkewedOffice(Office):
    """Its processes have another clock than its store."""

    skew: timedelta = timedelta()

    async def send(self, *drafts: tuple[str, Draft], **options: Any) -> list[Answer]:  # noqa: ANN401
        sender = MessageSender(
            store=self.store,
            vault=self.vault,
            directory=self.directory,
            now=lambda: self.now + self.skew,
            validity_seconds={Category.OTP: 300, Category.NOTICE: 86_400, Category.MARKETING: 172_800},
        )
        return await sender(SendMessages(account=ACCOUNT, drafts=drafts, context=BY, **options))


@pytest.mark.parametrize("skew", [-3_600, -1, 0, 1, 3_600])
@pytest.mark.parametrize(("moment", "price"), [(-1, 38_000), (0, 30_000)])
@story
async def test_the_price_is_that_of_the_store_s_day_whatever_the_process_thinks(skew, moment, price):
    office = SkewedOffice(terms=Terms(allowance_segments=0), skew=timedelta(seconds=skew))
    await office.open()
    await amend(office, JUNE, overage_price_micros=30_000)
    office.now = MIDNIGHT + timedelta(microseconds=moment)
    (answer,) = await office.send(("k", draft()))
    assert isinstance(answer, Sent)
    assert (answer.charged.price_micros, office.totals().amount_micros) == (price, price)


@story
async def test_midnight_between_preparation_and_stamp_prepares_a_second_time():
    office = await Office(terms=Terms(allowance_segments=0)).open()
    await amend(office, JUNE, overage_price_micros=30_000)
    office.now = MIDNIGHT - timedelta(microseconds=1)

    async def midnight() -> None:
        office.now = MIDNIGHT

    office.store.meanwhile = midnight
    before = office.store.commits
    (answer,) = await office.send(("k", draft()))
    assert isinstance(answer, Sent)
    assert answer.charged.price_micros == 30_000
    assert office.store.commits == before + 2


@story
async def test_all_messages_of_a_call_have_the_price_of_one_day():
    office = await Office(terms=Terms(allowance_segments=0)).open()
    await amend(office, JUNE, overage_price_micros=30_000)
    office.now = MIDNIGHT - timedelta(microseconds=1)

    async def midnight() -> None:
        office.now = MIDNIGHT

    office.store.meanwhile = midnight
    answers = await office.send(*((f"k{number}", draft()) for number in range(20)))
    assert {answer.charged.price_micros for answer in answers if isinstance(answer, Sent)} == {30_000}
    assert codes(answers) == ["sent"] * 20


@story
async def test_a_message_beyond_the_cap_is_refused_and_its_neighbours_are_not():
    office = await Office(terms=Terms(allowance_segments=1, spending_cap_micros=2 * 38_000)).open()
    answers = await office.send(
        ("a", draft()), ("b", draft("长" * 150)), ("c", draft()), ("d", draft()), ("e", draft())
    )
    assert codes(answers) == ["sent", "spending_cap_reached", "sent", "sent", "spending_cap_reached"]
    assert office.totals().amount_micros == 2 * 38_000


@story
async def test_what_was_accepted_before_the_cap_was_reached_is_still_answered_again():
    office = await Office(terms=Terms(allowance_segments=0, spending_cap_micros=38_000)).open()
    await office.send(("a", draft()))
    assert codes(await office.send(("a", draft()), ("b", draft()))) == ["replayed", "spending_cap_reached"]


@story
async def test_raising_the_cap_by_an_amendment_lets_the_rest_through():
    office = await Office(terms=Terms(allowance_segments=0, spending_cap_micros=0)).open()
    assert codes(await office.send(("a", draft()))) == ["spending_cap_reached"]
    await amend(office, office.now.date(), spending_cap_micros=None)
    office.directory.forget("contract", ACCOUNT)
    assert codes(await office.send(("a", draft()))) == ["sent"]


@story
async def test_suspended_for_non_payment_and_resumed():
    office = await Office().open()
    await suspend(office.store, account=ACCOUNT, reason="invoice 7 unpaid", context=BY)
    assert codes(await office.send(("a", draft()))) == ["contract_suspended"]
    await resume(office.store, account=ACCOUNT, reason="paid", context=BY)
    office.directory.forget("contract", ACCOUNT)
    assert codes(await office.send(("a", draft()))) == ["sent"]


@story
async def test_after_the_term_nothing_is_accepted_until_an_amendment_brings_a_new_price():
    office = await Office(terms=Terms(allowance_segments=0)).open()
    office.now = datetime(2027, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
    assert codes(await office.send(("a", draft()))) == ["sent"]
    office.pass_time(microseconds=1)
    assert codes(await office.send(("b", draft()))) == ["contract_term_over"]
    assert office.postings(2028) == []
    await amend(office, date(2028, 1, 1), term_years=3, overage_price_micros=45_000)
    office.directory.forget("contract", ACCOUNT)
    (answer,) = await office.send(("b", draft()))
    assert isinstance(answer, Sent)
    assert (answer.charged.year, answer.charged.price_micros) == (2028, 45_000)
