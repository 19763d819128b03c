"""Seeded worlds, each lived to its end and audited; a failure prints the seed that replays it."""

from dataclasses import replace

import pytest

from domain.events.contract import Terms
from domain.values import ChargeOn
from tests.simulation.carrier import Script
from tests.simulation.run import dying, fingerprint, freezing, report, run, simulate
from tests.simulation.world import plan

SEEDS = 50


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_world_keeps_every_promise(seed):
    world, wrong = simulate(seed)
    assert not wrong, report(world, wrong)


def test_a_seed_is_one_world():
    assert fingerprint(simulate(7)[0]) == fingerprint(simulate(7)[0])
    assert fingerprint(simulate(7)[0]) != fingerprint(simulate(8)[0])


def test_the_worlds_are_not_all_harmless():
    worlds = [simulate(seed)[0] for seed in range(20)]
    topics = {row.topic for world in worlds for row in world.disk.log}
    assert topics >= {
        "ledger.closed",
        "ledger.refunded",
        "message.delivered",
        "message.doubt_resolved",
        "message.expired",
        "message.failed",
        "message.submission_in_doubt",
        "message.submission_refused",
    }
    assert sum(world.crashes for world in worlds) > 100
    assert any(world.woken_during_resend for world in worlds)
    assert sum(world.disk.held_ever for world in worlds) > 10


def test_a_worker_may_die_at_any_await():
    quiet = replace(
        plan(3),
        calls=2,
        terms=Terms(allowance_segments=3, charge_on=ChargeOn.DELIVERED),
        scripts={name: Script(early=0.3, twice=0.2, fail=0.2) for name in ("one", "two")},
    )
    doubts: set[int] = set()
    for step in range(1, 101):
        world, wrong = run(dying(quiet, at=step))
        assert not wrong, f"the worker died at step {step}\n{report(world, wrong)}"
        assert world.crashes == 1
        doubts.add(sum(row.topic == "message.submission_in_doubt" for row in world.disk.log))
    assert len(doubts) > 1, "every death came before or after the submissions: choose other steps"


def test_a_worker_may_freeze_while_it_submits_and_wake_while_its_messages_are_sent_again():
    script = Script(throttle=0.4, silent=0.05, drop=0.2, early=0.2, fail=0.1, refuse=0.1)
    busy = replace(plan(3), calls=6, scripts={"one": script, "two": script})
    woken = 0
    for step in range(1, 61):
        world, wrong = run(freezing(replace(busy, seed=step), at=step))
        assert not wrong, f"the worker froze at step {step}\n{report(world, wrong)}"
        woken += world.woken_during_resend
    assert woken > 10, "nothing was on the wire again when the worker woke: choose other worlds"
