"""SIGKILL of each process and each server in the middle of a burst: nothing acknowledged is lost or doubled."""

import time
from collections.abc import Callable

import pytest
import redis

from tests.faults.scene import Scene

BURST = 1_200
WIRE = 300
"""Parts the carriers have seen when the blow falls."""


def strike(scene: Scene, blow: Callable[[], object]) -> None:
    """A burst, a blow in its middle; prints the seconds from the blow to the last message's end."""
    run = scene.traffic.begin(BURST)
    scene.wait_for_wire(WIRE)
    began = time.monotonic()
    blow()
    run.wait()
    scene.settle()
    print(f"the last message was settled {time.monotonic() - began:.1f} s after the blow")


def kill_and_start(scene: Scene, name: str) -> None:
    scene.stand.kill(name)
    scene.stand.start(name)


@pytest.mark.parametrize("name", ["api", "worker", "dispatcher", "projector"])
def test_a_killed_process_loses_and_doubles_nothing(scene: Scene, name: str):
    strike(scene, lambda: kill_and_start(scene, name))
    assert scene.faults() == []


def test_a_killed_postgres_loses_and_doubles_nothing(scene: Scene):
    strike(scene, scene.stand.kill_postgres)
    assert scene.faults() == []


def test_a_killed_redis_loses_and_doubles_nothing(scene: Scene):
    strike(scene, scene.stand.kill_redis)
    assert scene.faults() == []


def test_an_emptied_redis_loses_and_doubles_nothing(scene: Scene):
    def empty() -> None:
        with redis.Redis.from_url(scene.stand.settings.redis_url) as client:
            client.flushall()

    strike(scene, empty)
    assert scene.faults() == []
