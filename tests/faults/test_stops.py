"""SIGTERM in the middle of a burst: what is on the wire is finished, nothing is left in doubt, a restart goes on."""

import pytest

from tests.faults.scene import Scene
from tests.support.stand import PLATFORM

BURST = 600
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
