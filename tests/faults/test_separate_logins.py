"""Links with connections that only send and others that only receive, shared by workers that are killed."""

from collections.abc import Iterator

import pytest

from application.manage_links import drain_link, enable_link
from domain.recorded import Context
from domain.values import Carrier
from infrastructure.slot import SlotId
from tests.faults.scene import Scene, open_scene
from tests.support.stand import LinkSpec, until

BURST = 600
WIRE = 150
SECONDS = 60
BY = Context(actor="test")
WORKERS = ("worker", "worker-2")
LINKS = tuple(
    LinkSpec(
        name=protocol, protocol=protocol, at=f"carrier-{protocol}", carriers=to, connections=4, receivers=2
    )
    for protocol, to in (
        ("smpp34", (Carrier.MOBILE, Carrier.BROADNET, Carrier.UNICOM)),
        ("smgp30", (Carrier.TELECOM,)),
    )
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("stand") / "it"
    with open_scene(folder, links=LINKS, worker_threads=2, worker_poll_ms=200) as opened:
        opened.stand.start("worker-2")
        yield opened


def wait_until_bound(scene: Scene) -> None:
    """Of each link two connections send, and two receive."""
    until(
        lambda: (
            all(carrier.ask(do="count")["sessions"] == 4 for carrier in scene.stand.carriers.values())
            and set(scene.stand.sessions().values()) == {2}
            and len(scene.stand.owners()) == 8
        ),
        seconds=SECONDS,
        what="every connection is bound",
    )


def victim(scene: Scene, number: int) -> str:
    """Who has this connection of the first link."""
    return scene.stand.owners()[SlotId(LINKS[0].name, number).lease]


@pytest.mark.parametrize("number", [1, 4], ids=["sends", "receives"])
def test_a_killed_worker_loses_and_doubles_nothing_whichever_connections_it_had(scene: Scene, number: int):
    wait_until_bound(scene)
    scene.stand.sessions(anew=True)
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    name = victim(scene, number)
    scene.stand.kill(name)
    run.wait()
    wait_until_bound(scene)
    scene.stand.start(name)
    scene.settle()
    assert scene.faults() == []
    assert set(scene.stand.sessions("most").values()) == {2}


def test_a_link_that_is_drained_under_load_goes_on_to_receive(scene: Scene):
    wait_until_bound(scene)
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    name, store = LINKS[0].name, scene.stand.platform.store
    scene.stand.run(drain_link(store, name=name, reason="test", context=BY))
    run.wait()
    until(scene.carriers_said_everything, seconds=SECONDS, what="every receipt is acknowledged")
    scene.stand.run(enable_link(store, name=name, context=BY))
    scene.settle()
    assert scene.faults() == []
