"""What waits for a link that is down, off or broken: each message goes where it can, and nothing gets lost between."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from application.choose_route import Network
from application.submit_messages import Via
from domain.aggregates.link import Link, evolve
from domain.events.link import Broken, ConditionEvent, Connected, Lost
from domain.values import Carrier, Lane
from infrastructure import jobs
from infrastructure.jobs import make_broker
from infrastructure.log_reader import LogReader
from infrastructure.recorder import LedgerRecorder
from infrastructure.rerouting import PATIENCE_SECONDS, Rerouting
from tests.infrastructure.test_dispatcher import ONE, TWO, Post, eventually, id_for, network

LANE = Lane.BATCH
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    made = make_broker(redis_url)
    yield made
    made.close()


class Scene:
    """Link one takes mobile and unicom, link two mobile only; both are connected until it is said otherwise."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.broker = post.broker
        self.now = 0.0
        self.rerouting = Rerouting(self.broker, post.dispatcher, clock=lambda: self.now)

    def enqueue(self, *messages: UUID, link: str = "one", delay: int = 0) -> None:
        jobs.enqueue(self.broker, link=link, lane=LANE, messages=messages, delay_seconds=delay)

    def becomes(self, standing: Network) -> None:
        self.post.network = standing

    def after_a_while(self) -> int:
        """What moves once the patience is over."""
        self.rerouting.step()
        self.now += PATIENCE_SECONDS
        return self.rerouting.step()

    def of(self, link: str) -> list[str]:
        return sorted(self.post.in_jobs(link, LANE))


@pytest.fixture
def scene(recorder: LedgerRecorder, broker: RedisBroker) -> Iterator[Scene]:
    with LogReader(recorder, poll_seconds=0.02) as log:
        yield Scene(Post(recorder, broker, log, ONE, TWO))


def one_lost() -> Network:
    return network(ONE, TWO, one=Lost(name="one", reason="reset"))


def one_broken() -> Network:
    return but(one=(Connected(name="one"), Broken(name="one", reason="a test")))


def but(**conditions: tuple[ConditionEvent, ...]) -> Network:
    """Both connected, but for these."""
    standing = network(ONE, TWO)
    return replace(standing, conditions={**standing.conditions, **conditions})


def of(carrier: Carrier, count: int, start: int = 0) -> list[UUID]:
    return [id_for(carrier, number) for number in range(start, start + count)]


def text(messages: list[UUID]) -> list[str]:
    return sorted(map(str, messages))


def test_one_message_that_has_no_other_way_does_not_keep_the_others_from_going(scene: Scene):
    mobile, unicom = of(Carrier.MOBILE, 30), of(Carrier.UNICOM, 2)
    scene.enqueue(*mobile[:10], unicom[0])
    scene.enqueue(*mobile[10:])
    scene.enqueue(unicom[1])
    scene.becomes(one_lost())
    assert scene.after_a_while() == 30
    assert (scene.of("one"), scene.of("two")) == (text(unicom), text(mobile))
    assert scene.rerouting.step() == 0


def test_what_stays_keeps_its_route_and_its_lane(scene: Scene):
    codes = Via(route="codes", extension="0012")
    jobs.enqueue(
        scene.broker,
        link="one",
        lane=LANE,
        messages=[*of(Carrier.UNICOM, 1), *of(Carrier.MOBILE, 1)],
        via=codes,
    )
    scene.becomes(one_lost())
    assert scene.after_a_while() == 1
    (job,) = scene.post.jobs("one", LANE)
    assert (job.args, job.queue_name) == (("one", "batch", text(of(Carrier.UNICOM, 1))), "one.batch")
    assert job.kwargs == {"route": "codes", "passed_over": [], "extension": "0012"}


def test_what_waits_for_its_time_goes_on_waiting_for_it_wherever_it_is(scene: Scene):
    scene.enqueue(*of(Carrier.MOBILE, 2), *of(Carrier.UNICOM, 1), delay=600)
    scene.becomes(one_lost())
    assert scene.after_a_while() == 2
    for link in ("one", "two"):
        (job,) = scene.post.jobs(link, LANE)
        assert job.queue_name == f"{link}.batch.DQ"
        assert 590_000 < job.options["eta"] - time.time() * 1_000 <= 601_000


def test_an_open_circuit_is_reason_enough_at_once(scene: Scene):
    scene.enqueue(*of(Carrier.MOBILE, 5), *of(Carrier.UNICOM, 5))
    scene.becomes(one_broken())
    assert scene.rerouting.step() == 5
    assert (scene.of("one"), scene.of("two")) == (text(of(Carrier.UNICOM, 5)), text(of(Carrier.MOBILE, 5)))


def test_nothing_moves_from_one_link_that_is_down_to_another(scene: Scene):
    mobile = of(Carrier.MOBILE, 20)
    scene.enqueue(*mobile)
    scene.becomes(network(ONE, TWO, one=Lost(name="one", reason="x"), two=Lost(name="two", reason="x")))
    assert scene.after_a_while() == 0
    assert scene.of("one") == text(mobile)


def test_a_link_that_is_down_gives_to_one_whose_circuit_is_open_and_not_the_other_way_round(scene: Scene):
    mobile = of(Carrier.MOBILE, 3)
    scene.enqueue(*mobile, link="two")
    broken = (Connected(name="one"), Broken(name="one", reason="a test"))
    scene.becomes(but(one=broken, two=(Lost(name="two", reason="reset"),)))
    assert scene.after_a_while() == 3
    assert (scene.of("one"), scene.of("two")) == (text(mobile), [])


def test_a_link_that_is_disabled_gives_away_what_waits_where_another_takes_it(scene: Scene):
    mobile, unicom = of(Carrier.MOBILE, 20), of(Carrier.UNICOM, 3)
    scene.enqueue(*mobile, *unicom)
    off = evolve(ONE, *ONE.disable(reason="maintenance"), NOW)
    assert off is not None
    scene.becomes(network(off, TWO))
    assert scene.rerouting.step() == 0, "one that is enabled again at once keeps its jobs"
    assert scene.after_a_while() == 20
    assert (scene.of("one"), scene.of("two")) == (text(unicom), text(mobile))


def test_what_no_link_would_take_waits_where_it_is(scene: Scene):
    unicom = of(Carrier.UNICOM, 3)
    scene.enqueue(*unicom)
    scene.becomes(network(Link(configured=ONE.configured), TWO))
    assert scene.after_a_while() == 0
    assert scene.of("one") == text(unicom)


def test_many_jobs_of_mixed_carriers_all_find_their_place(scene: Scene):
    mobile, unicom = of(Carrier.MOBILE, 1_500), of(Carrier.UNICOM, 1_500)
    for start in range(0, 1_500, 5):
        scene.enqueue(*mobile[start : start + 5], *unicom[start : start + 5])
    scene.becomes(one_lost())
    assert scene.after_a_while() == 1_500
    assert (scene.of("one"), scene.of("two")) == (text(unicom), text(mobile))


# Jobs that come, go, or are done meanwhile.


class Killed(Exception):  # noqa: N818
    """The process ends here."""


@pytest.mark.parametrize("step", ["put_back", "remove"])
def test_a_scheduler_killed_in_the_middle_of_a_move_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, step: str
):
    mobile, unicom = of(Carrier.MOBILE, 10), of(Carrier.UNICOM, 1)
    scene.enqueue(*mobile, *unicom)
    scene.becomes(one_lost())

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(jobs, step, die)
        with pytest.raises(Killed):
            scene.after_a_while()
    assert set(scene.of("one")) == set(text([*mobile, *unicom]))
    assert scene.of("two") == text(mobile)
    successor = Scene(scene.post)
    successor.becomes(one_lost())
    assert successor.after_a_while() == 10
    assert set(scene.of("one")) == set(text(unicom))
    assert set(scene.of("two")) == set(text(mobile))


def test_a_job_that_comes_while_others_move_is_not_touched(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    early, late = of(Carrier.MOBILE, 3), of(Carrier.MOBILE, 3, start=50)
    scene.enqueue(*early)
    scene.becomes(one_lost())
    remove = jobs.remove

    def come_between(broker: RedisBroker, read: list[jobs.Job]) -> None:
        scene.enqueue(*late)
        remove(broker, read)

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "remove", come_between)
        scene.after_a_while()
    assert (scene.of("one"), scene.of("two")) == (text(late), text(early))
    assert scene.rerouting.step() == 3
    assert (scene.of("one"), scene.of("two")) == ([], text([*early, *late]))


def test_a_worker_does_not_do_a_job_that_was_moved_while_it_held_it(scene: Scene):
    done: list[UUID] = []
    sent = of(Carrier.MOBILE, 2)

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        done.extend(messages)
        eventually(lambda: scene.broker.client.llen(f"{scene.broker.namespace}:one.batch") == 0)
        scene.becomes(one_broken())
        assert scene.rerouting.step() == 2

    jobs.define_submit(scene.broker, handle)
    for message in sent:
        scene.enqueue(message)
    worker = dramatiq.Worker(scene.broker, queues={"one.batch"}, worker_timeout=20, worker_threads=1)
    worker.start()
    try:
        eventually(lambda: done and scene.of("two") == text(sent))
        worker.join()
    finally:
        worker.stop()
    assert done == sent[:1]
    assert scene.of("one") == []
