"""Carriers that throttle, refuse, fall silent, hang up, are away, or do not know our password."""

from collections.abc import Iterator

import pytest
import redis

from domain.events.contract import Terms
from domain.values import Carrier, ChargeOn
from infrastructure.simulator.script import Script
from tests.faults.scene import WEATHER, Scene, open_scene
from tests.support.stand import SECRET, LinkSpec, until

LINKS = (
    LinkSpec(name="mobile", carriers=(Carrier.MOBILE,), response_timeout_seconds=2),
    LinkSpec(name="unicom", carriers=(Carrier.UNICOM,), response_timeout_seconds=2, at="carrier-2"),
    LinkSpec(name="telecom", carriers=(Carrier.TELECOM,), response_timeout_seconds=2),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    terms = {"demo": Terms(allowance_segments=1_000, charge_on=ChargeOn.DELIVERED)}
    with open_scene(tmp_path_factory.mktemp("stand") / "it", terms=terms, links=LINKS) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fair_again(scene: Scene) -> Iterator[None]:
    yield
    for link in LINKS:
        scene.stand.script(link.name, WEATHER)


def test_throttling_refusals_silence_and_broken_connections_lose_and_double_nothing(scene: Scene):
    scene.stand.script("mobile", Script(submit_delay_ms=20, throttle_rate=0.2, refusal_rate=0.1))
    scene.stand.script("unicom", Script(submit_delay_ms=20, silence_rate=0.05, receipt_delay_ms_max=300))
    scene.stand.script("telecom", Script(submit_delay_ms=20, drop_every=100, receipt_delay_ms_max=300))
    scene.traffic.send(1_200)
    scene.settle()
    assert scene.faults() == []
    assert scene.stand.facts("message.submission_in_doubt") > 0
    assert scene.books().statuses().keys() <= {"delivered", "failed", "in_doubt"}


def test_a_carrier_that_asks_us_to_leave_or_goes_dead_gets_nothing_twice(scene: Scene):
    run = scene.traffic.begin(1_000)
    scene.wait_for_wire(200)
    scene.stand.carrier_of("mobile").ask(do="unbind", system_id="mobile")
    scene.stand.carrier_of("telecom").ask(do="drop", system_id="telecom")
    run.wait()
    scene.settle()
    assert scene.faults() == []


def test_with_a_wrong_password_the_link_says_so_and_its_messages_wait(scene: Scene):
    wrong = LinkSpec(name="telecom", carriers=(Carrier.TELECOM,), password="wrong")
    scene.stand.configure(wrong)
    until(lambda: "telecom" not in scene.stand.connected(), seconds=60, what="the link is refused")
    ids = scene.traffic.send(200, links=["telecom"])
    others = scene.traffic.send(200, links=["mobile"])
    messages = until_delivered(scene, others)
    assert {messages[id_].status.value for id_ in ids} == {"accepted"}
    (reason,) = scene.stand.rows("SELECT reason FROM links_v3 WHERE name = 'telecom'")[0]
    assert "refused" in reason
    scene.stand.configure(LINKS[2])
    assert LINKS[2].password == SECRET
    scene.settle()
    assert scene.faults() == []


def test_while_a_carrier_is_away_its_messages_wait_or_expire_and_lost_jobs_are_given_again(scene: Scene):
    scene.stand.stop_carrier("carrier-2")
    until(lambda: "unicom" not in scene.stand.connected(), seconds=60, what="the link is lost")
    short = scene.traffic.send(200, links=["unicom"], validity_seconds=10)
    patient = scene.traffic.send(1_600, links=["unicom"])
    until_delivered(scene, scene.traffic.send(200, links=["mobile", "telecom"]))
    until(
        lambda: scene.stand.statuses().get("expired") == len(short), seconds=60, what="the short ones expire"
    )
    with redis.Redis.from_url(scene.stand.settings.redis_url) as client:
        client.flushall()
    scene.stand.start_carrier("carrier-2", script=WEATHER)
    scene.settle()
    assert scene.faults() == []
    messages = scene.books().messages
    assert {messages[id_].status.value for id_ in short} == {"expired"}
    assert {messages[id_].status.value for id_ in patient} == {"delivered"}


def until_delivered(scene: Scene, ids):
    """Wait until these are delivered; the messages as they stand then."""

    def delivered() -> bool:
        query = "SELECT count(*) FROM messages_v1 WHERE id = ANY(%s) AND status = 'delivered'"
        return bool(scene.stand.rows(query, (ids,))[0][0] == len(ids))

    until(delivered, seconds=60, what="the others are delivered")
    return scene.books().messages
