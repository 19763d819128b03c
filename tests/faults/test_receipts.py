"""Receipts as carriers send them under load: early, late, twice, not at all, for nobody, and saying that it failed."""

from collections.abc import Iterator

import pytest

from domain.events.contract import Terms
from domain.values import ChargeOn
from infrastructure.simulator.script import Script
from tests.faults.scene import Scene, open_scene

FOREIGN = 30
WILD = Script(
    submit_delay_ms=20,
    receipt_delay_ms_max=200,
    early_rate=0.2,
    late_rate=0.2,
    late_seconds=2.0,
    double_rate=0.2,
    failed_rate=0.2,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    terms = {
        "on-submission": Terms(allowance_segments=500, charge_on=ChargeOn.SUBMITTED),
        "on-delivery": Terms(allowance_segments=500, charge_on=ChargeOn.DELIVERED),
    }
    with open_scene(tmp_path_factory.mktemp("stand") / "it", script=WILD, terms=terms) as opened:
        yield opened


def test_early_late_double_failing_and_foreign_receipts_leave_every_message_in_the_right_state(scene: Scene):
    runs = [scene.traffic.begin(1_000, account=account) for account in ("on-submission", "on-delivery")]
    for number in range(FOREIGN):
        scene.stand.carriers["carrier"].ask(
            do="receipt",
            system_id="mobile",
            carrier_id=f"foreign-{number}",
            phone=f"86139{number:08d}",
            status="DELIVRD",
        )
    for run in runs:
        run.wait()
    scene.settle(held=FOREIGN)
    assert scene.faults() == []
    statuses = scene.books().statuses()
    assert set(statuses) == {"delivered", "failed"}
    assert 300 < statuses["failed"] < 500


def test_a_message_without_receipt_stays_submitted_and_stays_owed(scene: Scene):
    scene.stand.script("telecom", Script(submit_delay_ms=20, lost_rate=0.5))
    ids = scene.traffic.send(400, account="on-delivery", links=["telecom"])
    scene.settle(lost=True, held=FOREIGN)
    assert scene.faults() == []
    messages = scene.books().messages
    unreported = [id_ for id_ in ids if messages[id_].status.value == "submitted"]
    assert 100 < len(unreported) < 300
    assert not any(messages[id_].refunded for id_ in unreported)
