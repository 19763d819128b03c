"""Valkey is killed, frozen or hangs up while some jobs wait for their time and others do not: each is done."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from domain.values import Lane
from infrastructure import jobs
from tests.faults.scene import WEATHER, Scene
from tests.support.stand import until

DELAYED, OTHERS = 150, 300
THREADS = 12
"""That fetch: of three links two lanes each, once for what waits for its time and once for the rest."""
HANG_UPS = 50


@pytest.fixture
def client(scene: Scene) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(scene.stand.settings.redis_url) as made:
        yield made


@pytest.fixture(autouse=True)
def _books_are_right(scene: Scene) -> Iterator[None]:
    yield
    assert scene.faults() == []


def strike(scene: Scene, client: redis.Redis, blow: Callable[[], object]) -> None:
    """The carriers take nothing for a while, so jobs are delayed; then the blow, and the carriers take all."""
    busy = replace(WEATHER, refusal_rate=1.0, refusal_codes=(0x08,))
    for link in scene.stand.links:
        scene.stand.script(link, busy)
    run = scene.traffic.begin(DELAYED)
    until(lambda: delayed(scene, client), seconds=30, what="jobs wait for their time", every=0.01)
    for link in scene.stand.links:
        scene.stand.script(link, WEATHER)
    other = scene.traffic.begin(OTHERS)
    blow()
    run.wait()
    other.wait()
    scene.settle(seconds=60)


def delayed(scene: Scene, client: redis.Redis) -> bool:
    """Whether each link has jobs that wait for their time, held by its consumer."""
    queues = [f"dramatiq:{jobs.queue_name(link, lane)}.DQ" for link in scene.stand.links for lane in Lane]
    held = [client.hlen(f"{queue}.msgs") > client.llen(queue) for queue in queues]
    return sum(held) >= len(scene.stand.links)


def complaints(scene: Scene) -> int:
    """How often a consumer of the worker gave up its line."""
    return scene.stand.log_of("worker").read_text().count("Consumer encountered")


def test_jobs_are_done_though_valkey_was_killed(scene: Scene, client: redis.Redis):
    strike(scene, client, scene.stand.kill_redis)


def test_jobs_are_done_though_valkey_was_frozen_for_longer_than_anybody_waits(
    scene: Scene, client: redis.Redis
):
    def freeze() -> None:
        before, frozen = complaints(scene), scene.stand.servers.redis_pid
        assert frozen > 0, "Valkey is away already"
        os.kill(frozen, signal.SIGSTOP)
        try:
            # What its threads met first and what they try after it have both run out of patience.
            until(lambda: complaints(scene) >= before + 2 * THREADS, seconds=60, what="all gave up twice")
        finally:
            os.kill(frozen, signal.SIGCONT)

    strike(scene, client, freeze)


def test_jobs_are_done_though_valkey_hung_up_on_everybody(scene: Scene, client: redis.Redis):
    def hang_up() -> None:
        for _ in range(HANG_UPS):
            client.client_kill_filter(_type="normal", skipme=True)

    strike(scene, client, hang_up)
