"""What of a link's answers and receipts is held against it, and from when on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from application.carriage import Answer, InDoubt, NotSent, Receipt, Refused, Taken
from domain.aggregates.circuit import Circuit
from domain.events.link import Breaker
from domain.values import Carrier
from infrastructure.circuits import Watch
from tests.application.office import configured

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLOSED, OPEN = Circuit(), Circuit(opened_at=NOW, pause=timedelta(seconds=60))
TRIED = Circuit(pause=timedelta(seconds=60), tried_since=NOW)
TIMEOUT = configured("one", Carrier.MOBILE).response_timeout_seconds


class Heard:
    """A watch that judges from four outcomes on, with its own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        link = replace(configured("one", Carrier.MOBILE), breaker=Breaker(least=4))
        self.watch = Watch(link, clock=lambda: self.now)
        self.version = 0
        self.stands(CLOSED)

    def stands(self, circuit: Circuit, *, on_trial: bool = False) -> None:
        """The circuit stands so from now on."""
        self.version += 1
        self.watch.follow(circuit, since=(self.version, None), on_trial=on_trial)

    def hears(self, *answers: Answer, seconds: float = 0.1) -> str:
        for answer in answers:
            self.watch.answered(answer, seconds)
        return self.watch.finding()

    def is_told(self, status: str, *ids: str, taken: datetime | None = NOW) -> str:
        receipts = [Receipt(carrier_id=id_, status=status) for id_ in ids]
        self.watch.reported(receipts, [taken] * len(ids))
        return self.watch.finding()


REFUSED = (Refused("8"),) * 4
IDS = ("1", "2", "3", "4")


@pytest.mark.parametrize("answer", [Refused("8"), Refused("11", retryable=True)])
def test_refusals_count(answer: Answer):
    assert Heard().hears(*[answer] * 4).startswith("4 of the latest 4 parts refused or unanswered")


def test_a_part_without_an_answer_in_time_counts_once_however_its_answer_comes_later():
    heard = Heard()
    assert "most often no answer in time" in heard.hears(*[InDoubt("x")] * 4, seconds=TIMEOUT)
    late = Heard()
    assert not late.hears(*[Refused("8")] * 9, *[Taken("1")] * 9, seconds=TIMEOUT)
    assert not late.hears(*[Refused("8")] * 3)


@pytest.mark.parametrize(
    "answer",
    [
        Refused("88", retryable=True, throttled=True),
        Refused("local:unfit"),
        NotSent("not bound"),
        InDoubt("the connection was lost"),
    ],
)
def test_what_says_nothing_about_the_carrier_does_not_count(answer: Answer):
    heard = Heard()
    assert not heard.hears(*[answer] * 9)
    assert "3 of the latest 4" in heard.hears(Taken("1"), *[Refused("8")] * 3)


def test_final_receipts_count_and_pending_ones_not():
    assert not Heard().is_told("ACCEPTD", *IDS)
    assert not Heard().is_told("DELIVRD", *IDS)
    assert Heard().is_told("MK:0001", *IDS) == "4 of the latest 4 receipts not delivered, most often MK:0001"


def test_while_the_circuit_is_open_nothing_counts_and_then_counting_begins_anew():
    heard = Heard()
    heard.hears(*REFUSED[:3])
    heard.stands(OPEN)
    assert not heard.hears(*REFUSED)
    heard.stands(CLOSED)
    assert not heard.hears(*REFUSED[:3])
    assert heard.hears(REFUSED[0])


def test_what_came_before_the_first_look_counts():
    heard = Heard()
    watch = Watch(heard.watch.configured, clock=lambda: 0.0)
    for answer in REFUSED:
        watch.answered(answer, 0.1)
    watch.follow(CLOSED, since=(7, NOW), on_trial=False)
    assert watch.finding()


def test_a_link_that_is_enabled_anew_is_judged_anew():
    heard = Heard()
    heard.hears(*REFUSED)
    heard.watch.follow(CLOSED, since=(heard.version, NOW), on_trial=False)
    assert not heard.watch.finding()


def test_on_trial_receipts_of_what_went_out_before_do_not_count():
    heard = Heard()
    heard.stands(TRIED, on_trial=True)
    assert not heard.is_told("UNDELIV", *IDS, taken=NOW - timedelta(seconds=1))
    assert not heard.is_told("UNDELIV", *IDS, taken=None)
    assert heard.is_told("UNDELIV", *IDS, taken=NOW)


def test_on_trial_receipts_count_where_another_process_sent_the_parts():
    """One that has only connections that receive hears no answer at all."""
    hears_only = Heard()
    hears_only.stands(TRIED, on_trial=True)
    assert hears_only.is_told("UNDELIV", *IDS, taken=NOW + timedelta(seconds=1))


def test_after_the_trial_all_receipts_count_again():
    heard = Heard()
    heard.stands(TRIED, on_trial=True)
    heard.watch.follow(TRIED, since=(heard.version, None), on_trial=False)
    assert heard.is_told("UNDELIV", *IDS, taken=None)
