"""SIGTERM in the middle of a burst: what is on the wire is finished, nothing is left in doubt, a restart goes on."""

import pytest

from tests.faults.scene import Scene
from tests.support.stand import PLATFORM, until

BURST = 1_000
WIRE = 200
IN_DOUBT = "message.submission_in_doubt"


@pytest.mark.parametrize("name", PLATFORM)
def test_a_stopped_process_leaves_nothing_in_doubt_and_goes_on_when_it_is_back(scene: Scene, name: str):
    before = scene.stand.facts(IN_DOUBT)
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    print(f"{name} took {scene.stand.stop(name):.1f} s to stop")
    scene.stand.start(name)
    run.wait()
    scene.settle()
    assert scene.stand.facts(IN_DOUBT) == before
    assert scene.faults() == []


def test_of_two_workers_each_link_has_one_and_the_other_takes_over_when_that_is_killed(scene: Scene):
    binds = scene.counted("binds")
    scene.stand.start("worker-2")
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    assert scene.counted("binds") == binds
    scene.stand.kill("worker")
    every = len(scene.stand.links)
    took = until(lambda: scene.counted("binds") == binds + every, seconds=10, what="the links are taken over")
    print(f"the links were bound again after {took:.1f} s")
    run.wait()
    scene.settle()
    assert scene.faults() == []


def test_a_worker_that_comes_back_leaves_the_links_to_their_owner_until_that_stops(scene: Scene):
    binds, doubts = scene.counted("binds"), scene.stand.facts(IN_DOUBT)
    scene.stand.start("worker")
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    assert scene.counted("binds") == binds
    scene.stand.stop("worker-2")
    run.wait()
    scene.settle()
    assert scene.counted("binds") == binds + len(scene.stand.links)
    assert scene.stand.facts(IN_DOUBT) == doubts
    assert scene.faults() == []
