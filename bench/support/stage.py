"""The platform as the benchmarks run it: every process, the simulated carrier, PostgreSQL with fsync on."""

import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.support.report import Usage
from domain.events.contract import Terms
from domain.values import Carrier
from infrastructure.simulator.script import Script
from tests.support.stand import LINKS, LinkSpec, Stand, open_stand, until

ACCOUNT = "demo"
SCRIPT = Script(seed=1, submit_delay_ms=1.0, receipt_delay_ms_min=50.0, receipt_delay_ms_max=200.0)
"""A quick, faultless carrier: what is measured is the platform."""
FAST = tuple(LinkSpec(name=link.name, carriers=link.carriers, window=300) for link in LINKS)
_OTHERS = ("dispatcher", "projector", "scheduler", "worker")


@contextmanager
def everything(
    *,
    api: int = 1,
    others: Collection[str] = _OTHERS,
    links: Collection[LinkSpec] = FAST,
    script: Script = SCRIPT,
    allowance: int = 300_000,
) -> Iterator[Stand]:
    """All processes up and the links connected; `api` processes share one port."""
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-bench-") as folder,
        open_stand(
            Path(folder) / "stand",
            terms={ACCOUNT: Terms(allowance_segments=allowance)},
            links=links,
            script=script,
        ) as stand,
    ):
        stand.start(*others)
        stand.start(*api_names(api))
        if "worker" in others:
            names = {link.name for link in links}
            until(lambda: stand.connected() == names, seconds=30, what="the links are connected")
        yield stand


def api_names(count: int) -> list[str]:
    """Names of that many API processes."""
    return ["api", *(f"api-{number}" for number in range(2, count + 1))]


def usage(stand: Stand) -> Usage:
    """Counts the CPU and memory of each process, PostgreSQL and the carrier."""
    pids: dict[str, int] = {name: process.pid for name, process in stand.processes.items()}
    pids["postgresql"] = stand.servers.postgres_pid
    pids["valkey"] = stand.servers.redis_pid
    pids["simulator"] = stand.carriers["carrier"].process.pid
    return Usage(pids)


def warm(stand: Stand, body: Mapping[str, object], *, times: int = 50) -> None:
    """Let connections, plans and caches settle before anything is measured."""
    token = stand.tokens[ACCOUNT]
    with httpx.Client(base_url=stand.url, trust_env=False) as client:
        for _ in range(times):
            answer = client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()


def drained(stand: Stand, accepted: int, *, seconds: float) -> float:
    """Wait until every accepted message is final in the read models; returns the seconds it took."""
    began = time.monotonic()

    def done() -> bool:
        final = sum(stand.statuses().get(status, 0) for status in ("delivered", "failed", "expired"))
        return final >= accepted and stand.behind() == 0

    until(done, seconds=seconds, what=f"{accepted} messages are final", every=0.2)
    return time.monotonic() - began


PHONES = {Carrier.MOBILE: "1380013", Carrier.UNICOM: "1300013", Carrier.TELECOM: "1890018"}
