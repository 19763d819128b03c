"""Seeded worlds of two whole years and what comes after, each audited at every version; a failure prints the seed."""

from functools import cache

import pytest

from domain.events import ledger
from tests.simulation.run import fingerprint, report, simulate_years

SEEDS = 18
worlds_of = cache(simulate_years)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_two_years_keep_every_promise(seed):
    world, wrong = worlds_of(seed)
    assert not wrong, report(world, wrong)


def test_a_seed_is_one_pair_of_years():
    assert fingerprint(simulate_years(3)[0]) == fingerprint(worlds_of(3)[0])


def test_in_two_years_everything_happens():
    worlds = [worlds_of(seed)[0] for seed in range(SEEDS)]
    events = [recorded.event for world in worlds for recorded in world.disk.everything()]
    topics = {event.TOPIC for event in events}
    assert topics >= {
        "adjustment.rejected",
        "alarm.raised",
        "contract.amendment_withdrawn",
        "contract.suspended",
        "ledger.adjusted",
        "ledger.allowance_changed",
        "ledger.closed",
        "ledger.refunded",
    }
    postings = [event for event in events if isinstance(event, ledger.LedgerEvent)]
    assert {getattr(event, "year", None) for event in postings} >= {2026, 2027, 2028}
    assert any(posting.after.mixed for posting in postings), "no overage at two prices"
    assert any(
        isinstance(event, ledger.Debited) and event.reason is ledger.DebitReason.REVISED for event in events
    )
    assert any(
        isinstance(event, ledger.Adjusted) and event.reference.startswith("amendment") for event in events
    )
    assert any(isinstance(event, ledger.Refunded) and event.after.closed for event in events), (
        "no late refund of a closed year"
    )
    assert sum(world.crashes for world in worlds) > 500
