"""The platform as the benchmarks run it: every process, the simulated carrier, PostgreSQL with fsync on."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.support.report import Usage
from domain.events.contract import Terms
from infrastructure.priority import let_others_go_first
from infrastructure.simulator.script import Script
from infrastructure.stack import NICE
from tests.support.stand import LINKS, LinkSpec, Stand, free_port, open_stand, until

ACCOUNT = "demo"
SCRIPT = Script(seed=1, submit_delay_ms=1.0, receipt_delay_ms_min=50.0, receipt_delay_ms_max=200.0)
"""A quick, faultless carrier: what is measured is the platform."""
FAST = tuple(LinkSpec(name=link.name, carriers=link.carriers, window=300) for link in LINKS)
_OTHERS = ("dispatcher", "projector", "scheduler", "worker")


class Stage(NamedTuple):
    """A running platform, and the ports of its API processes."""

    stand: Stand
    ports: tuple[int, ...]


@contextmanager
def everything(
    *,
    api: int = 1,
    others: Collection[str] = _OTHERS,
    links: Collection[LinkSpec] = FAST,
    script: Script = SCRIPT,
    allowance: int = 300_000,
) -> Iterator[Stage]:
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
        for name in others:
            stand.start(name)
            let_others_go_first(stand.processes[name].pid, NICE[name])
        ports = tuple(_start_api(stand, name) for name in api_names(api))
        if "worker" in others:
            names = {link.name for link in links}
            until(lambda: stand.connected() == names, seconds=30, what="the links are connected")
        yield Stage(stand, ports)


def _start_api(stand: Stand, name: str) -> int:
    """An API process on a port of its own, so that connections can be spread evenly."""
    port = stand.settings.http_port if name == "api" else free_port()
    stand.environment = {**stand.environment, "SMSLEDGER_HTTP_PORT": str(port)}
    stand.start(name)
    url = f"http://127.0.0.1:{port}/healthz"

    def answers() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until(answers, seconds=20, what=f"{name} answers")
    return port


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


def warm(stage: Stage, *, times: int = 50) -> None:
    """Let connections, plans and caches of every API process settle before anything is measured."""
    headers = {"Authorization": f"Bearer {stage.stand.tokens[ACCOUNT]}"}
    body = {"phone": "13800138000", "signature": "示例科技", "text": "预热"}
    for port in stage.ports:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=headers) as client:
            for _ in range(times):
                client.post("/v1/messages", json=body).raise_for_status()
