"""What is done to a platform while it works: a seed decides what happens in which order, the machine what it hits.

Processes are killed, stopped and frozen; servers killed, emptied and frozen; carriers hang up, take leave, go dead,
talk nonsense, go away, throttle, refuse, fall silent, and send receipts early, late, twice or not at all.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random

import psutil
import redis

from infrastructure.priority import let_others_go_first
from infrastructure.simulator.script import Script
from infrastructure.stack import NICE
from tests.faults.scene import Scene
from tests.support.stand import CALLING, until

FIRST_HALF = ("worker", "dispatcher", "api")
SECOND_HALF = ("worker-2", "projector", "scheduler")
"""Each process lives in peace for one half, so that its memory can be watched over a long life."""
WHOLE_SECONDS = 120.0
_FREEZES = (1.0, 3.0, 12.0)
_AWAY = (1.0, 4.0, 10.0)
_WEATHER_SECONDS = (5.0, 20.0)

_Deed = Callable[[], str]


def weathers(calm: Script) -> Mapping[str, Script]:
    """What a carrier may do for a while, by name."""
    return {
        "throttles": replace(calm, throttle_rate=0.2),
        "refuses": replace(calm, refusal_rate=0.1),
        "is silent": replace(calm, silence_rate=0.01),
        "hangs up": replace(calm, drop_every=300),
        "fails": replace(calm, failed_rate=0.3),
        "is early": replace(calm, early_rate=0.3),
        "is late": replace(calm, late_rate=0.3, late_seconds=8.0),
        "doubles": replace(calm, double_rate=0.3),
        "loses": replace(calm, lost_rate=0.05),
        "is slow": replace(calm, submit_delay_ms=400),
    }


class Blows:
    """Strike with `strike`, now and then `tend`, and in the end `make_peace`."""

    def __init__(self, scene: Scene, random: Random, calm: Script, *, alike: bool = False) -> None:
        self.counted: Counter[str] = Counter()
        self.recoveries: list[float] = []
        self.random = random
        self._scene = scene
        self._stand = scene.stand
        self._calm = calm
        self._alike = alike
        self._weathers = weathers(calm)
        self._until: dict[str, float] = {}
        self._victims: Sequence[str] = FIRST_HALF
        self._deeds: Sequence[tuple[int, str, _Deed]] = (
            (6, "a process killed", self._kill),
            (1, "several processes killed", self._kill_many),
            (2, "a process stopped", self._stop),
            (2, "a process frozen", self._freeze),
            (1, "PostgreSQL killed", self._kill_postgres),
            (1, "PostgreSQL frozen", self._freeze_postgres),
            (1, "Valkey killed", self._kill_redis),
            (1, "Valkey emptied", self._empty_redis),
            (2, "a carrier hung up", lambda: self._carrier_does("drop")),
            (2, "a carrier took leave", lambda: self._carrier_does("unbind")),
            (1, "a carrier went dead", lambda: self._carrier_does("freeze")),
            (1, "a carrier talked nonsense", lambda: self._carrier_does("garble")),
            (2, "a carrier went away", self._carrier_leaves),
            (10, "a carrier's weather", self._change_weather),
        )

    def second_half(self) -> None:
        """Turn to the other processes."""
        self._victims = SECOND_HALF

    def strike(self) -> str:
        """One blow, now and then with a second one on top; returns what was done."""
        weights = [weight for weight, _, _ in self._deeds]
        done = []
        for _, name, deed in self.random.choices(self._deeds, weights, k=self.random.choice((1, 1, 1, 2))):
            done.append(deed())
            self.counted[name] += 1
        return ", ".join(done)

    def recover(self) -> float:
        """Wait until every process runs and every link is bound again; returns the seconds. Fails after a while."""
        took = until(self._whole, seconds=WHOLE_SECONDS, what="every link is bound again", every=0.1)
        self.recoveries.append(took)
        return took

    def tend(self) -> None:
        """Weathers that are over become calm."""
        for link in [link for link, at in self._until.items() if at <= time.monotonic()]:
            del self._until[link]
            self._stand.script(link, self._calm)

    def make_peace(self) -> None:
        """All carriers are fair again."""
        self._until.clear()
        for link in self._stand.links:
            self._stand.script(link, self._calm)

    def _whole(self) -> bool:
        links = self._stand.links.values()
        wanted = sum(2 if link.protocol == CALLING else 1 for link in links)
        return self._scene.counted("sessions") >= wanted

    # Processes.

    def _kill(self) -> str:
        name = self.random.choice(self._victims)
        self._stand.kill(name)
        self._revive(name)
        return f"killed {name}"

    def _kill_many(self) -> str:
        names = self.random.sample(self._victims, self.random.randint(2, len(self._victims)))
        for name in names:
            self._stand.kill(name)
        for name in names:
            self._revive(name)
        return f"killed {', '.join(names)}"

    def _stop(self) -> str:
        name = self.random.choice(self._victims)
        seconds = self._stand.stop(name)
        self._revive(name)
        return f"stopped {name} in {seconds:.1f} s"

    def give_place(self, name: str) -> None:
        """Give a process that was started the priority that the platform gives it."""
        if not self._alike:
            let_others_go_first(self._stand.processes[name].pid, NICE.get(name.partition("-")[0], 0))

    def _revive(self, name: str) -> None:
        time.sleep(self.random.choice((0.0, 0.0, 0.5, 3.0)))
        self._stand.start(name)
        self.give_place(name)

    def _freeze(self) -> str:
        name = self.random.choice(FIRST_HALF + SECOND_HALF)
        return f"froze {name} for {self._froze([self._stand.processes[name].pid]):.0f} s"

    def _froze(self, pids: Sequence[int]) -> float:
        """Longer than any heartbeat and any carrier's patience, now and then."""
        seconds = self.random.choice(_FREEZES)
        try:
            _signal(pids, signal.SIGSTOP)
            time.sleep(seconds)
        finally:
            _signal(pids, signal.SIGCONT)
        return seconds

    # Servers.

    def _kill_postgres(self) -> str:
        away = self.random.choice((0.0, 0.0, 5.0))
        back = self._stand.kill_postgres(away_seconds=away)
        return f"killed PostgreSQL, away for {away:.0f} s, then back in {back:.1f} s"

    def _freeze_postgres(self) -> str:
        postmaster = psutil.Process(self._stand.pid_of_postgres())
        family = [postmaster.pid, *(child.pid for child in postmaster.children())]
        return f"froze PostgreSQL for {self._froze(family):.0f} s"

    def _kill_redis(self) -> str:
        return f"killed Valkey, back in {self._stand.kill_redis():.1f} s"

    def _empty_redis(self) -> str:
        with redis.Redis.from_url(self._stand.settings.redis_url) as client:
            client.flushall()
        return "emptied Valkey"

    # Carriers.

    def _link(self) -> str:
        return self.random.choice(list(self._stand.links))

    def _carrier_does(self, deed: str) -> str:
        link = self._link()
        self._stand.carrier_of(link).ask(do=deed, system_id=link)
        return f"{link}'s carrier: {deed}"

    def _carrier_leaves(self) -> str:
        """What it had taken and not reported yet it never reports."""
        link, seconds = self._link(), self.random.choice(_AWAY)
        name = self._stand.links[link].at
        self._stand.stop_carrier(name)
        time.sleep(seconds)
        self._stand.start_carrier(name, script=self._calm)
        self._until.pop(link, None)
        return f"{link}'s carrier was away for {seconds:.0f} s"

    def _change_weather(self) -> str:
        link, name = self._link(), self.random.choice(list(self._weathers))
        seconds = self.random.uniform(*_WEATHER_SECONDS)
        self._stand.script(link, self._weathers[name])
        self._until[link] = time.monotonic() + seconds
        self.counted[f"a carrier's weather: {name}"] += 1
        return f"{link}'s carrier {name} for {seconds:.0f} s"


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
