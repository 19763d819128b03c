"""Kills random processes for as long as it is told to, under load, and audits at the end.

`python -m tests.faults.soak --minutes 10 --seed 7`. The seed decides what happens in which order; the machine
decides what it hits. Exit code 1 where the auditor finds something; then `--keep` leaves the folder with all logs.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import redis

from domain.events.contract import Terms
from domain.values import ChargeOn
from infrastructure.simulator.script import Script
from tests.faults.scene import WEATHER, Scene, open_scene
from tests.support.stand import PLATFORM, until

BURST = 400
PROCESSES = (*PLATFORM, "worker-2")
TERMS = {
    "on-submission": Terms(allowance_segments=2_000, charge_on=ChargeOn.SUBMITTED),
    "on-delivery": Terms(allowance_segments=2_000, charge_on=ChargeOn.DELIVERED),
}
WEATHERS = (
    WEATHER,
    Script(submit_delay_ms=100, receipt_delay_ms_max=2_000, failed_rate=0.1),
    Script(submit_delay_ms=20, throttle_rate=0.1, refusal_rate=0.05, receipt_delay_ms_max=500),
    Script(submit_delay_ms=20, silence_rate=0.01, drop_every=400, receipt_delay_ms_max=500),
    Script(submit_delay_ms=40, early_rate=0.2, double_rate=0.2, late_rate=0.1, failed_rate=0.1),
)


class Soak:
    """One run: bursts from one thread, blows from another."""

    def __init__(self, scene: Scene, random: Random) -> None:
        self._scene = scene
        self._random = random
        self._began = time.monotonic()
        self._over = threading.Event()
        self._blows: tuple[Callable[[], str], ...] = (
            *(self._kill,) * 6,
            *(self._stop,) * 2,
            *(self._kill_postgres,) * 2,
            *(self._freeze,) * 2,
            self._freeze_postgres,
            self._kill_redis,
            self._empty_redis,
            self._anger_carrier,
            self._change_weather,
            self._kill_many,
        )

    def run(self, seconds: float) -> list[str]:
        """Strike until the time is over, make peace, and return what the auditor finds."""
        flow = threading.Thread(target=self._flow)
        flow.start()
        try:
            while time.monotonic() - self._began < seconds:
                time.sleep(self._random.uniform(0.5, 6.0))
                self._say(self._random.choice(self._blows)())
        finally:
            self._over.set()
            flow.join()
        return self._make_peace()

    def _make_peace(self) -> list[str]:
        for link in self._scene.stand.links:
            self._scene.stand.script(link, WEATHER)
        self._say(f"everything settled after {self._scene.settle(seconds=240):.1f} s")
        books = self._scene.books()
        self._say(
            f"{len(books.messages)} messages: {books.statuses()}; {self._scene.traffic.repeats} calls repeated"
        )
        return self._scene.faults()

    def _flow(self) -> None:
        while not self._over.is_set():
            for account in TERMS:
                self._scene.traffic.begin(BURST, account=account).wait()
                self._scene.traffic.begin_singly(20, account=account).wait()
            until(self._room, seconds=300, what="the backlog shrinks", every=0.2)

    def _room(self) -> bool:
        """Whether the messages that wait are few enough for another burst."""
        try:
            statuses = self._scene.stand.statuses()
        except Exception:  # noqa: BLE001  (the database is away this moment)
            return self._over.is_set()
        waiting = sum(statuses.get(status, 0) for status in ("accepted", "submitting"))
        return waiting < 5 * BURST or self._over.is_set()

    def _kill(self) -> str:
        name = self._random.choice(PROCESSES)
        self._scene.stand.kill(name)
        self._revive(name)
        return f"killed {name}"

    def _kill_many(self) -> str:
        names = self._random.sample(PROCESSES, self._random.randint(2, len(PROCESSES)))
        for name in names:
            self._scene.stand.kill(name)
        for name in names:
            self._revive(name)
        return f"killed {', '.join(names)}"

    def _stop(self) -> str:
        name = self._random.choice(PROCESSES)
        seconds = self._scene.stand.stop(name)
        self._revive(name)
        return f"stopped {name} in {seconds:.1f} s"

    def _freeze(self) -> str:
        name = self._random.choice(PROCESSES)
        process = self._scene.stand.processes[name]
        return f"froze {name} for {self._froze([process.pid]):.1f} s"

    def _freeze_postgres(self) -> str:
        postmaster = psutil.Process(self._scene.stand.pid_of_postgres())
        family = [postmaster.pid, *(child.pid for child in postmaster.children())]
        return f"froze PostgreSQL for {self._froze(family):.1f} s"

    def _froze(self, pids: Sequence[int]) -> float:
        """Longer than any heartbeat and any carrier's patience, now and then."""
        seconds = self._random.choice((1.0, 3.0, 12.0))
        for number, pause in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(pause)
        return seconds

    def _revive(self, name: str) -> None:
        time.sleep(self._random.choice((0.0, 0.0, 0.5, 3.0)))
        self._scene.stand.start(name)

    def _kill_postgres(self) -> str:
        away = self._random.choice((0.0, 0.0, 0.0, 5.0, 20.0))
        back = self._scene.stand.kill_postgres(away_seconds=away)
        return f"killed PostgreSQL, away for {away:.0f} s, then back in {back:.1f} s"

    def _kill_redis(self) -> str:
        return f"killed Valkey, back in {self._scene.stand.kill_redis():.1f} s"

    def _empty_redis(self) -> str:
        with redis.Redis.from_url(self._scene.stand.settings.redis_url) as client:
            client.flushall()
        return "emptied Valkey"

    def _anger_carrier(self) -> str:
        link, deed = (
            self._random.choice(list(self._scene.stand.links)),
            self._random.choice(("drop", "unbind")),
        )
        self._scene.stand.carrier_of(link).ask(do=deed, system_id=link)
        return f"the carrier of {link}: {deed}"

    def _change_weather(self) -> str:
        number = self._random.randrange(len(WEATHERS))
        for link in self._scene.stand.links:
            self._scene.stand.script(link, WEATHERS[number])
        return f"weather {number}"

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {what}", flush=True)


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="smsledger-soak-"))
    try:
        with open_scene(folder / "it", terms=TERMS) as scene:
            scene.stand.start("worker-2")
            found = Soak(scene, Random(chosen.seed)).run(chosen.minutes * 60)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(
        *(found or ["nothing lost, nothing doubled, every ledger proved, every read model equal"]), sep="\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
