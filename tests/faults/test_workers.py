"""Workers under links of every protocol: a connection has one owner, however workers end, hang or are cut off."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from application.manage_links import disable_link, drain_link, enable_link
from domain.events.link import Connected
from domain.recorded import Context
from domain.values import Carrier
from infrastructure.network import condition_stream
from tests.faults.scene import Scene, open_scene
from tests.support.silent_line import SilentLine, silent_line
from tests.support.stand import LinkSpec, until

BURST = 300
WIRE = 60
TAKEN_OVER_SECONDS = 30
"""Ten are promised, which a busy machine may stretch; how many it took is printed."""
IN_DOUBT = "message.submission_in_doubt"
BY = Context(actor="test")
MOBILE, UNICOM, TELECOM = (Carrier.MOBILE, Carrier.BROADNET), (Carrier.UNICOM,), (Carrier.TELECOM,)
LINKS = {
    protocol: LinkSpec(
        name=protocol, protocol=protocol, at=f"carrier-{protocol}", carriers=to, connections=most, window=16
    )
    for protocol, to, most in (
        ("cmpp20", MOBILE, 1),
        ("cmpp30", MOBILE, 3),
        ("sgip12", UNICOM, 2),
        ("smgp30", TELECOM, 2),
        ("smpp34", TELECOM, 1),
    )
}
ALL = {name: link.connections for name, link in LINKS.items()}
WORKERS = ("worker", "worker-2", "worker-3")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("stand") / "it"
    with open_scene(folder, links=LINKS.values(), worker_threads=2, worker_poll_ms=200) as opened:
        yield opened


@pytest.fixture(scope="module")
def line(scene: Scene) -> Iterator[SilentLine]:
    """The first worker's way to the database; it has every connection, and the others wait."""
    scene.stand.stop("worker")
    with silent_line(scene.stand.settings.database_url) as (laid, url):
        scene.stand.start("worker", environment={"SMSLEDGER_DATABASE_URL": url})
        wait_until_bound(scene)
        scene.stand.start(*WORKERS[1:])
        there = "SELECT DISTINCT application_name FROM pg_stat_activity"
        until(
            lambda: {*WORKERS} <= {name for (name,) in scene.stand.rows(there)}, seconds=30, what="all wait"
        )
        yield laid


@pytest.fixture(autouse=True)
def _books_are_right(scene: Scene, line: SilentLine) -> Iterator[None]:
    """Whatever a test does to the workers, in the end all is as it was, and nothing is lost or doubled."""
    scene.stand.sessions(anew=True)
    yield
    wait_until_bound(scene)
    until(lambda: connected(scene) == ALL, seconds=TAKEN_OVER_SECONDS, what="the log says so too")
    scene.settle()
    assert scene.faults() == []


@contextmanager
def load(scene: Scene) -> Iterator[None]:
    """The middle of a burst."""
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    yield
    run.wait()


def wait_until_bound(scene: Scene) -> None:
    """Every carrier counts as many connections as are configured, no fewer and no more."""
    what = "every connection is bound"
    until(lambda: scene.stand.sessions() == ALL, seconds=TAKEN_OVER_SECONDS, what=what)


def connected(scene: Scene) -> dict[str, int]:
    """How many connections of each link the log knows to be there."""
    streams = {
        condition_stream(name, number): name for name, most in ALL.items() for number in range(1, most + 1)
    }
    last = scene.stand.platform.store.last_events(list(streams))
    there = Counter(streams[id_] for id_, said in last.items() if isinstance(said.event, Connected))
    return {name: there[name] for name in ALL}


def owners(scene: Scene) -> set[str]:
    """Who owns all connections together; nobody where one is free."""
    each = list(scene.stand.owners().values())
    return set(each) if len(each) == sum(ALL.values()) else set()


def wait_until_taken_from(scene: Scene, name: str) -> None:
    """Every connection is owned, and none of them by that one."""
    what = f"every connection of {name} is somebody else's"
    took = until(
        lambda: bool(owners(scene) - {name}) and name not in owners(scene),
        seconds=TAKEN_OVER_SECONDS,
        what=what,
    )
    print(f"{what} after {took:.1f} s")


def test_who_is_cut_off_from_the_database_stops_before_others_take_over(scene: Scene, line: SilentLine):
    with load(scene):
        line.fall_silent()
        wait_until_taken_from(scene, "worker")
        wait_until_bound(scene)
        assert owners(scene) == {"worker-2", "worker-3"}
        assert scene.stand.sessions("most") == ALL
        line.cut()


def test_who_was_frozen_finds_its_connections_taken_over_and_ends_its_own(scene: Scene):
    with load(scene):
        scene.stand.freeze("worker-2")
        wait_until_taken_from(scene, "worker-2")
        scene.stand.thaw("worker-2")
    wait_until_bound(scene)


def test_the_connections_of_a_killed_worker_are_taken_over_and_what_it_had_on_the_wire_is_in_doubt(
    scene: Scene,
):
    doubts = scene.stand.facts(IN_DOUBT)
    with load(scene):
        scene.stand.kill("worker-3")
        wait_until_taken_from(scene, "worker-3")
        wait_until_bound(scene)
    scene.stand.start("worker-3")
    scene.settle()
    assert scene.stand.facts(IN_DOUBT) > doubts
    assert scene.stand.sessions("most") == ALL


def test_workers_restarted_one_after_another_lose_nothing_and_leave_nothing_in_doubt(scene: Scene):
    doubts, unbinds = scene.stand.facts(IN_DOUBT), scene.stand.sessions("unbinds")
    for name in WORKERS:
        with load(scene):
            scene.stand.stop(name)
            wait_until_taken_from(scene, name)
            scene.stand.start(name)
    scene.settle()
    assert scene.stand.facts(IN_DOUBT) == doubts
    assert all(now >= unbinds[name] + ALL[name] for name, now in scene.stand.sessions("unbinds").items())
    assert scene.stand.sessions("most") == ALL


def test_links_changed_drained_and_disabled_under_load_lose_nothing_and_leave_nothing_in_doubt(scene: Scene):
    doubts, store = scene.stand.facts(IN_DOUBT), scene.stand.platform.store
    with load(scene):
        for changed in (replace(LINKS["cmpp30"], connections=1), replace(LINKS["smgp30"], window=8)):
            scene.stand.configure(changed)
        scene.stand.run(drain_link(store, name="cmpp20", reason="test", context=BY))
        scene.stand.run(disable_link(store, name="smpp34", reason="test", context=BY))
        fewer = ALL | {"cmpp30": 1, "smpp34": 0}
        until(
            lambda: scene.stand.sessions() == fewer,
            seconds=TAKEN_OVER_SECONDS,
            what="the links are as configured",
        )
    # Receipts for what went over it before wait at its carrier until there is a connection again.
    scene.stand.run(enable_link(store, name="smpp34", context=BY))
    scene.settle()
    taken = taken_over(scene, "cmpp20")
    scene.traffic.send(BURST)
    scene.settle()
    assert taken_over(scene, "cmpp20") == taken
    scene.stand.run(enable_link(store, name="cmpp20", context=BY))
    for link in LINKS.values():
        scene.stand.configure(link)
    assert scene.stand.facts(IN_DOUBT) == doubts
    assert scene.stand.sessions("most") == ALL


def taken_over(scene: Scene, link: str) -> int:
    """How many parts the carrier of a link has taken."""
    return int(scene.stand.carrier_of(link).ask(do="count")["taken"])
