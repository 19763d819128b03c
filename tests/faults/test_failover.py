"""A link is down or does badly while processes are killed: what can go another way goes, once, and nothing is lost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from application.keep_circuits import mend_link
from domain.recorded import Context
from domain.values import Carrier
from infrastructure.simulator.script import Script
from tests.faults.scene import Scene
from tests.faults.traffic import Traffic
from tests.support.stand import PLATFORM, LinkSpec, open_stand, until

BY = Context(actor="test")
LINKS = (
    LinkSpec(name="first", carriers=(Carrier.MOBILE, Carrier.UNICOM), at="carrier-east"),
    LinkSpec(name="second", carriers=(Carrier.MOBILE,), at="carrier-west"),
)
PROMPT = Script(submit_delay_ms=10, receipt_delay_ms_max=100)
BUSY = replace(PROMPT, refusal_rate=1.0, refusal_codes=(0x08,))
"""SMPP's "system error": refused for the moment."""


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Every process of the platform, and no carrier yet."""
    folder = tmp_path_factory.mktemp("stand") / "it"
    with open_stand(folder, links=LINKS, job_messages=3) as stand:
        stand.start(*PLATFORM)
        traffic = Traffic(stand)
        try:
            yield Scene(stand, traffic)
        finally:
            traffic.close()


def jobs_of_first(scene: Scene) -> set[bytes]:
    with redis.Redis.from_url(scene.stand.settings.redis_url) as client:
        return {*client.hkeys("dramatiq:first.batch.msgs"), *client.hkeys("dramatiq:first.realtime.msgs")}


def connect(scene: Scene, *carriers: str) -> None:
    for name in carriers:
        scene.stand.start_carrier(name, script=PROMPT)
    links = {link.name for link in LINKS if link.at in scene.stand.carriers}
    until(lambda: scene.stand.connected() == links, seconds=60, what=f"{links} are bound")


@pytest.mark.parametrize("victim", ["scheduler", "dispatcher"])
def test_killed_in_the_middle_of_a_move_nothing_is_lost_or_doubled(scene: Scene, victim: str):
    scene.traffic.send(1_500, links=["mobile", "unicom"])
    until(lambda: len(jobs_of_first(scene)) >= 350, seconds=60, what="the messages wait")
    before = jobs_of_first(scene)
    connect(scene, "carrier-west")
    more = scene.traffic.begin(300, links=["mobile", "unicom"])
    until(lambda: before - jobs_of_first(scene), seconds=60, what="the move has begun", every=0.005)
    scene.stand.kill(victim)
    scene.stand.start(victim)
    more.wait()
    mobile = [id_ for id_, one in scene.traffic.acknowledged.items() if one.phone.startswith("86138")]
    query = "SELECT count(*) FROM messages_v1 WHERE id = ANY(%s) AND status = 'delivered'"
    until(
        lambda: scene.stand.rows(query, (mobile,))[0][0] == len(mobile) == 900,
        seconds=120,
        what="everything for mobile goes over the other link",
    )
    connect(scene, "carrier-east")
    scene.settle(seconds=120)
    assert scene.faults() == []
    assert scene.books().statuses() == {"delivered": 1_800}


def test_a_circuit_opens_its_worker_is_killed_and_a_person_closes_it(scene: Scene):
    connect(scene, "carrier-east", "carrier-west")
    scene.stand.script("first", BUSY)
    until(
        lambda: scene.traffic.send(1, links=["mobile"]) and of_first(scene, "refused"),
        seconds=60,
        what="the dispatcher has seen that both are bound",
    )
    run = scene.traffic.begin(900, links=["mobile"])
    until(lambda: scene.stand.facts("link.broken") == 1, seconds=60, what="the circuit opens")
    scene.stand.kill("worker")
    scene.stand.start("worker-2")
    run.wait()
    scene.settle(seconds=120)
    assert of_first(scene, "taken") == 0
    assert scene.faults() == []
    scene.stand.script("first", PROMPT)
    done = scene.stand.run(mend_link(scene.stand.platform.store, name="first", reason="repaired", context=BY))
    assert len(done) == 1
    until(
        lambda: scene.traffic.send(10, links=["mobile"]) and of_first(scene, "taken"),
        seconds=60,
        what="it is taken again",
    )
    scene.settle(seconds=60)
    assert scene.faults() == []
    assert (scene.stand.facts("link.broken"), scene.stand.facts("link.mended")) == (1, 1)


def of_first(scene: Scene, what: str) -> int:
    return int(scene.stand.carrier_of("first").ask(do="count")[what])
