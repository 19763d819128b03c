"""The fate of a message is decided by the seed and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.simulator.script import Fate, PlannedReceipt, Script, decide


def fates(script: Script, messages: int = 2_000) -> list[Fate]:
    return [
        decide(script, count=number, destination=f"861380013{number:04d}", payload=b"text")
        for number in range(1, messages + 1)
    ]


def test_by_default_everything_is_delivered_at_once():
    delivered = PlannedReceipt(0.0, "DELIVRD", "000")
    assert set(fates(Script(), 10)) == {Fate(receipts=(delivered,), outcome=delivered)}


@given(st.integers(), st.integers(min_value=1), st.text("0123456789"), st.binary())
def test_the_same_message_has_the_same_fate_again(seed, count, destination, payload):
    script = Script(seed=seed, refusal_rate=0.3, silence_rate=0.3, lost_rate=0.3, failed_rate=0.3)
    again = decide(script, count=count, destination=destination, payload=payload)
    assert decide(script, count=count, destination=destination, payload=payload) == again


def test_another_seed_gives_other_fates():
    assert fates(Script(seed=1, refusal_rate=0.5)) != fates(Script(seed=2, refusal_rate=0.5))


@pytest.mark.parametrize(
    ("rate", "happens"),
    [
        ("refusal_rate", lambda fate: fate.status in (0x0B, 0x45, 0x65)),
        ("throttle_rate", lambda fate: fate.status == 0x58),
        ("silence_rate", lambda fate: fate.silent),
        ("early_rate", lambda fate: fate.early),
        ("lost_rate", lambda fate: not fate.receipts),
        ("late_rate", lambda fate: fate.receipts[0].after_seconds >= 5),
        ("double_rate", lambda fate: len(fate.receipts) == 2),
        ("failed_rate", lambda fate: fate.receipts[0].status != "DELIVRD"),
    ],
)
def test_a_rate_is_kept(rate, happens):
    share = sum(happens(fate) for fate in fates(Script(**{rate: 0.2}))) / 2_000
    assert share == pytest.approx(0.2, abs=0.04)


def test_every_code_of_a_refusal_occurs():
    assert {fate.status for fate in fates(Script(refusal_rate=1.0))} == {0x0B, 0x45, 0x65}


def test_receipts_come_within_the_given_delay():
    script = Script(receipt_delay_ms_min=100, receipt_delay_ms_max=200)
    delays = [fate.receipts[0].after_seconds for fate in fates(script)]
    assert 0.1 <= min(delays) < 0.11
    assert 0.19 < max(delays) <= 0.2


def test_a_throttled_message_may_pass_at_its_next_attempt():
    script = Script(throttle_rate=0.5)
    statuses = {
        decide(script, count=count, destination="8613800138000", payload=b"x").status for count in range(20)
    }
    assert statuses == {0, 0x58}


def test_every_so_many_submits_the_connection_drops():
    dropped = [number for number, fate in enumerate(fates(Script(drop_every=5), 12), start=1) if fate.drop]
    assert dropped == [5, 10]


@pytest.mark.parametrize(
    "wrong", [{"lost_rate": 1.5}, {"late_rate": -0.1}, {"receipt_delay_ms_min": 2, "receipt_delay_ms_max": 1}]
)
def test_an_impossible_script_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Script(**wrong)
