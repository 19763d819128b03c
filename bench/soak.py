"""The whole platform at four fifths of what it carries, over all protocols, while everything about it fails.

    ./run bench soak [--minutes 10] [--seed 1] [--rate MESSAGES_A_SECOND] [--keep]

First it learns how much this machine carries without faults: the baseline. Then that much less a fifth is offered,
whatever happens, while a seeded hand strikes at processes, servers and carriers (bench/support/blows.py). In the end
there is peace, everything settles, and the auditor holds our books against those of clients and carriers. Exit code
1 where something was lost or doubled, or a process grew.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from random import Random

import psutil
import psycopg

from application.manage_routes import set_route
from bench.support.blows import Blows
from bench.support.carriers_books import carriers_ms
from bench.support.memory import RULE, Judgement, Watched
from bench.support.report import Figures, show, spread_ms
from bench.support.steady import SteadyLoad, capacity
from domain.events.contract import Terms
from domain.events.route import RouteSet, Share
from domain.recorded import Context
from domain.values import Carrier, ChargeOn
from infrastructure.simulator.script import Script
from tests.faults.scene import Scene, open_scene
from tests.support.stand import PLATFORM, LinkSpec, until

SHARE = 0.8
CALM = Script(submit_delay_ms=40, receipt_delay_ms_min=50, receipt_delay_ms_max=400)
TERMS = {
    "on-submission": Terms(allowance_segments=20_000, charge_on=ChargeOn.SUBMITTED),
    "on-delivery": Terms(allowance_segments=20_000, charge_on=ChargeOn.DELIVERED),
}
"""Both go beyond their allowance in the run."""
OURS = (*PLATFORM, "worker-2")
_BY = Context(actor="bench")
_KEEP_ALIVE_SECONDS = 5
_LOOK_SECONDS = 2.0
_TELL_SECONDS = 15.0
_PAUSE_SECONDS = (1.0, 7.0)
_PATIENCE_SECONDS = 20.0
"""While more waits than is offered in so long, no blow falls: the load stays what it is, and no queue grows."""
_SETTLE_SECONDS = 900.0


def _link(protocol: str, window: int, *carriers: Carrier) -> LinkSpec:
    """Named after its protocol, at a carrier of its own."""
    return LinkSpec(
        name=protocol,
        protocol=protocol,
        at=f"carrier-{protocol}",
        carriers=carriers,
        window=window,
        keep_alive_seconds=_KEEP_ALIVE_SECONDS,
    )


LINKS = (
    _link("cmpp20", 16, Carrier.MOBILE, Carrier.BROADNET),
    _link("cmpp30", 16, Carrier.MOBILE, Carrier.BROADNET),
    _link("sgip12", 32, Carrier.UNICOM),
    _link("smgp30", 32, Carrier.TELECOM),
    _link("smpp34", 48, Carrier.MOBILE, Carrier.BROADNET, Carrier.UNICOM, Carrier.TELECOM),
)
SHARES = {
    Carrier.MOBILE: (Share(link="cmpp20", weight=2), Share(link="cmpp30", weight=2), Share(link="smpp34")),
    Carrier.UNICOM: (Share(link="sgip12", weight=4), Share(link="smpp34")),
    Carrier.TELECOM: (Share(link="smgp30", weight=4), Share(link="smpp34")),
}
"""The SMPP link carries a fifth, and everything of a carrier whose own links are down."""


def main() -> int:
    """Run, print, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="Messages a second; else 80 %% of capacity.")
    parser.add_argument(
        "--capacity-seconds", type=float, default=120.0, help="How long capacity is measured."
    )
    parser.add_argument("--alike", action="store_true", help="No priorities: for a machine others work on.")
    parser.add_argument("--keep", action="store_true", help="Leave logs and carriers' books.")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="smsledger-soak-"))
    try:
        with open_scene(folder / "it", terms=TERMS, links=LINKS, script=CALM) as scene:
            return Soak(scene, chosen).run()
    except KeyboardInterrupt:
        return 130
    finally:
        if chosen.keep:
            print(f"logs and books are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


class Soak:
    """One run on a scene that is up."""

    def __init__(self, scene: Scene, chosen: argparse.Namespace) -> None:
        self._scene = scene
        self._stand = scene.stand
        self._chosen = chosen
        self._seconds = chosen.minutes * 60
        self._blows = Blows(scene, Random(chosen.seed), CALM, alike=chosen.alike)
        self._watched = Watched()
        self._began = time.monotonic()
        self._latest_waiting = self._most_waiting = 0
        self._held_back = 0.0

    def run(self) -> int:
        """Capacity, soak, peace, audit, report; returns the exit code."""
        self._set_up()
        carries = self._capacity()
        rate = self._chosen.rate or carries * SHARE
        until(lambda: self._waiting() == 0, seconds=300, what="what measured is carried", every=0.5)
        self._say(f"seed {self._chosen.seed}: {rate:.0f} messages a second, {self._chosen.minutes:g} minutes")
        before, since = len(self._scene.traffic.acknowledged), self._stand.rows("SELECT now()")[0][0]
        self._scene.traffic.seconds.clear()
        psutil.cpu_percent()
        load = self._soak(rate)
        figures = {
            "capacity_per_s": round(carries),
            "offered_per_s": round(rate),
            "minutes": self._chosen.minutes,
            "seed": self._chosen.seed,
            "messages_offered": load.offered,
            "messages_accepted": len(self._scene.traffic.acknowledged) - before,
            "machine_cpu_percent": psutil.cpu_percent(),
        }
        settled = self._make_peace()
        return self._report({**figures, "settled_after_s": round(settled, 1), **self._times(since)})

    def _set_up(self) -> None:
        """A second worker, routes over all links, and processes that know who goes first."""
        for priority, (carrier, shares) in enumerate(SHARES.items(), 1):
            route = RouteSet(
                name=carrier.value,
                priority=priority,
                accounts=(),
                categories=(),
                carriers=(carrier,),
                signatures=(),
                shares=shares,
                extension="",
                by="bench",
            )
            self._stand.run(set_route(self._stand.platform.store, wanted=route, context=_BY))
        self._stand.start("worker-2")
        for name in OURS:
            self._blows.give_place(name)

    def _capacity(self) -> float:
        if self._chosen.rate:
            return 0.0
        seconds = self._chosen.capacity_seconds
        self._say(f"measuring for {seconds:.0f} s how much it carries without faults ...")
        carries = capacity(self._scene, accounts=[*TERMS], seconds=seconds)
        self._say(f"it carries {carries:.0f} messages a second")
        return carries

    def _soak(self, rate: float) -> SteadyLoad:
        """The load, the blows and the looks, for as long as is wanted."""
        load = SteadyLoad(self._scene, accounts=[*TERMS], per_second=rate)
        load.start()
        with self._looking(load):
            try:
                self._strike_until(time.monotonic() + self._seconds, load, patience=rate * _PATIENCE_SECONDS)
            except BaseException:
                load.abandon()
                raise
            load.stop()
        return load

    def _strike_until(self, over: float, load: SteadyLoad, *, patience: float) -> None:
        half = over - self._seconds / 2
        while time.monotonic() < over:
            pause = self._blows.random.uniform(*_PAUSE_SECONDS)
            self._wait(min(time.monotonic() + pause, over))
            self._hold_back(over, load, patience)
            if time.monotonic() >= half:
                self._blows.second_half()
            if time.monotonic() < over:
                self._say(self._blows.strike())
                self._blows.recover()

    def _wait(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            self._blows.tend()

    def _hold_back(self, over: float, load: SteadyLoad, patience: float) -> None:
        began = time.monotonic()
        while time.monotonic() < over and load.unanswered + self._waiting() > patience:
            self._wait(time.monotonic() + 1)
        self._held_back += time.monotonic() - began

    def _make_peace(self) -> float:
        """Wait until nothing moves any more; returns how long that took."""
        self._blows.make_peace()
        took = self._scene.settle(seconds=_SETTLE_SECONDS, lost=True, every=1.0)
        self._say(f"everything settled after {took:.1f} s; the auditor reads ...")
        return took

    # Looking.

    @contextmanager
    def _looking(self, load: SteadyLoad) -> Iterator[None]:
        """A thread looks at the processes and tells how it goes."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(load, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, load: SteadyLoad, over: threading.Event) -> None:
        told = time.monotonic()
        while not over.wait(_LOOK_SECONDS):
            self._watched.look(self._pids())
            if time.monotonic() >= told + _TELL_SECONDS:
                told = time.monotonic()
                self._tell(load)

    def _pids(self) -> dict[str, int]:
        pids = {name: process.pid for name, process in [*self._stand.processes.items()]}
        pids |= {name: carrier.process.pid for name, carrier in [*self._stand.carriers.items()]}
        return pids | {"valkey": self._stand.servers.redis_pid}

    def _tell(self, load: SteadyLoad) -> None:
        memory = ", ".join(f"{name} {mib}" for name, mib in self._watched.now_mib().items() if name in OURS)
        unanswered = load.unanswered
        self._say(
            f"{load.offered} offered, {unanswered} unanswered, {self._waiting()} not carried; MiB: {memory}"
        )

    def _waiting(self) -> int:
        """Messages that no carrier has answered for, as the read model has it; the last number while it is away."""
        with suppress(psycopg.Error):
            query = "SELECT count(*) FROM messages_v1 WHERE status IN ('accepted', 'submitting')"
            self._latest_waiting = int(self._stand.rows(query)[0][0])
            self._most_waiting = max(self._most_waiting, self._latest_waiting)
        return self._latest_waiting

    def _times(self, since: datetime) -> dict[str, object]:
        """How long things took: a call, a message to its receipt, the carrier's view of both."""
        shares = [0.5, 0.95, 0.99]
        (row,) = self._stand.rows(
            "SELECT percentile_cont(%s::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM status_at - accepted_at))"
            " FROM messages_v1 WHERE status = 'delivered' AND accepted_at >= %s",
            (shares, since),
        )
        delivered = zip(("p50_ms", "p95_ms", "p99_ms"), row[0] or (), strict=False)
        return {
            "accept_call": spread_ms(self._scene.traffic.seconds),
            "calls_repeated": self._scene.traffic.repeats,
            "accept_to_delivered": {name: round(float(seconds) * 1_000) for name, seconds in delivered},
            **carriers_ms(self._stand.folder),
        }

    # Telling.

    def _report(self, figures: Figures) -> int:
        found = self._scene.faults()
        judged = {name: one for name, one in self._watched.judgements().items() if name in OURS}
        grown = [name for name, one in judged.items() if one.flat is False]
        for line in [*found[:50], *(f"{name} grew: {judged[name].figures()}" for name in grown)]:
            self._say(line)
        show(
            "soak",
            {
                **figures,
                "statuses": self._stand.statuses(),
                "most_waiting": self._most_waiting,
                "blows": dict(sorted(self._blows.counted.items())),
                "whole_again": spread_ms(self._blows.recoveries),
                "blows_held_back_s": round(self._held_back),
                "cpu_s": self._watched.cpu_seconds(),
                "peak_mib": self._watched.peak_mib(),
                **_memory(judged),
                "findings": found[:20],
                "nothing_lost_nothing_doubled": not found,
            },
        )
        return 1 if found or grown else 0

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {what}", flush=True)


def _memory(judged: Mapping[str, Judgement]) -> Figures:
    """Each process, the rule, and the answer; None where the run was too short for one."""
    said = [one.flat for one in judged.values()]
    flat = False if False in said else None if None in said or not said else True
    each = {f"memory of {name}": one.figures() for name, one in judged.items()}
    return {**each, "memory_rule": RULE, "memory_flat": flat}


if __name__ == "__main__":
    sys.exit(main())
