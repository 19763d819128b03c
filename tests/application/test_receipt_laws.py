"""The law of receipts, against an oracle of a few lines: link, id, number and date together name one part or none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from application.carriage import Receipt, Taken
from application.settling import Settling
from domain.events.message import ReceiptRecorded
from tests.application.office import LINK, OTHER_PHONE, PHONE, Office
from tests.simulation import virtual_time

WITHIN = timedelta(days=360)
SPELLINGS = {PHONE: PHONE, "86" + PHONE: PHONE, OTHER_PHONE: OTHER_PHONE, "+86" + OTHER_PHONE: OTHER_PHONE}
"""How a carrier writes a number, and what it means; anything else names nobody."""
Step = tuple[Literal["send", "report", "wait", "restart"], str, str | int]

SENDS = st.tuples(st.just("send"), st.sampled_from(["7", "8"]), st.sampled_from([PHONE, OTHER_PHONE]))
REPORTS = st.tuples(
    st.just("report"), st.sampled_from(["7", "8"]), st.sampled_from([*SPELLINGS, "", "10690001"])
)
WAITS = st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 90, 200]))
RESTARTS = st.tuples(st.just("restart"), st.just(""), st.just(""))
STORIES = st.lists(st.one_of(SENDS, REPORTS, REPORTS, WAITS, RESTARTS), min_size=3, max_size=14)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the carrier took under an id."""

    message: UUID
    carrier_id: str
    phone: str
    at: datetime


def meant(sent: list[Sent], carrier_id: str, phone: str, now: datetime) -> Sent | None:
    """The message that a receipt is about: the newest that it can mean."""
    number = SPELLINGS.get(phone)
    possible = [
        each
        for each in sent
        if each.carrier_id == carrier_id and now - each.at <= WITHIN and number in (None, each.phone)
    ]
    return possible[-1] if possible else None


def reported(office: Office, each: Sent) -> list[str]:
    history = office.store.disk.history(each.message)
    return [fact.event.status for fact in history if isinstance(fact.event, ReceiptRecorded)]


@settings(max_examples=150, deadline=None)
@given(STORIES)
def test_a_receipt_goes_to_the_newest_message_it_can_mean_and_to_no_other(steps: list[Step]):
    virtual_time.run(_follow(steps))


async def _follow(steps: list[Step]) -> None:
    office, sent, waited = await Office().open(), list[Sent](), 0
    for number, (what, name, more) in enumerate(steps):
        office.pass_time(minutes=1)
        match what:
            case "send":
                sent.append(await _taken(office, number, name, str(more)))
            case "wait" if isinstance(more, int) and waited + more <= 500:
                waited += more
                office.pass_time(days=more)
            case "restart":
                office.settling = Settling()
            case "report":
                await _report(office, sent, name, str(more), f"MK:{number:04}")
            case _:
                pass


async def _taken(office: Office, number: int, carrier_id: str, phone: str) -> Sent:
    office.vault.ensure(office.now.date())
    id_ = await office.accept(f"k{number}", phone=phone)
    office.carriage.script = lambda _part, _key: Taken(carrier_id)
    await office.submit(id_)
    return Sent(id_, carrier_id, phone, office.now)


async def _report(office: Office, sent: list[Sent], carrier_id: str, phone: str, status: str) -> None:
    owner, held = meant(sent, carrier_id, phone, office.now), len(office.store.disk.held)
    first = owner is not None and not reported(office, owner)
    await office.recorder(LINK, [Receipt(carrier_id=carrier_id, status=status, phone=phone)])
    told = [each for each in sent if status in reported(office, each)]
    assert told in ([], [owner])
    assert bool(told) or not first
    assert (len(office.store.disk.held) == held) == (owner is not None)
