"""What tests of links and routes share: a door with the key of an operator, and a carrier to try."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from domain.events.access import Scope
from infrastructure.bootstrap import platform
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve
from tests.support.door import Door, open_door, run
from tests.support.sample import key_with, make_sample, settings_for

SECRET = "hush-123"
SMPP = {
    "protocol": "smpp34",
    "host": "127.0.0.1",
    "system_id": "shili",
    "password": SECRET,
    "source_address": "10690000",
    "carriers": ["mobile"],
}
"""A link that can be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A door with the key of an operator of the platform."""

    door: Door
    operator: dict[str, str]

    def get(self, path: str) -> Any:  # noqa: ANN401  (what the API answers)
        answer = self.door.client.get(f"/v1/{path}", headers=self.operator)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, body: object) -> httpx.Response:
        return self.door.client.put(f"/v1/{path}", json=body, headers=self.operator)

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.door.client.post(f"/v1/{path}", json=body, headers=self.operator)

    def log(self) -> str:
        """Everything the log holds, as text."""
        schema = self.door.platform.settings.db_schema
        rows = self.door.platform.store.recorder.rows(
            f"SELECT convert_from(state, 'UTF8') FROM {schema}.stored_events"
        )
        return "\n".join(str(row[0]) for row in rows)


@contextmanager
def open_network(database_url: str, folder: Path, **settings: object) -> Iterator[Network]:
    """A door on the sample account and its link, and an operator's key."""
    with (
        platform(settings_for(database_url, folder, **settings)) as made,
        open_door(made, run(make_sample(made))) as door,
    ):
        token = run(key_with(made, (Scope.NETWORK, Scope.MONITORING), account=""))
        yield Network(door=door, operator=door.as_key(token))


@contextmanager
def simulated(protocol: str) -> Iterator[int]:
    """A carrier in a thread of its own, which knows the account `shili`."""
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    running: list[Simulator] = []

    async def play() -> None:
        async with await serve(SimulatorSettings(protocol=protocol, accounts={"shili": SECRET})) as simulator:
            running.append(simulator)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(play()))
    thread.start()
    try:
        assert started.wait(20)
        yield running[0].port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
