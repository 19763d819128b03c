"""The API as a process: it shares its port, finishes what it began on SIGTERM, and says no when it is full."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from infrastructure.bootstrap import SOMEBODY_WAITS, platform
from infrastructure.settings import Settings
from tests.api.test_refusals import require_problem
from tests.support.door import open_door, run
from tests.support.sample import SIGNATURE, Sample, make_sample, settings_for

GOOD = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}
PROGRAM = """
import sys
from api.server import serve
from infrastructure.settings import load
serve(load(), ready=lambda port: print(port, flush=True))
"""


@pytest.fixture
def sample(database_url: str, tmp_path: Path) -> tuple[Settings, Sample]:
    settings = settings_for(database_url, tmp_path)
    with platform(settings) as made:
        return settings, run(make_sample(made))


@contextmanager
def process(settings: Settings, *, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`serve` in a process of its own, killed at the end if it still runs."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SMSLEDGER_")},
        "SMSLEDGER_DATABASE_URL": settings.database_url,
        "SMSLEDGER_KEYS_DIR": str(settings.keys_dir),
        "SMSLEDGER_DATA_DIR": str(settings.data_dir),
        "SMSLEDGER_HTTP_PORT": str(port),
    }
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        yield started, int(started.stdout.readline())
    finally:
        started.kill()
        started.communicate()


def client(port: int, sample: Sample) -> httpx.Client:
    headers = {"Authorization": f"Bearer {sample.token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=30)


def test_a_request_that_was_begun_is_finished_on_sigterm(sample: tuple[Settings, Sample]):
    settings, made = sample
    with process(settings) as (server, port):
        first, rest = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield b'{"phone": "13800138000", "signature": "'
            first.set()
            assert rest.wait(30)
            yield SIGNATURE.encode() + b'", "text": "hello"}'

        answers: list[httpx.Response] = []

        def send() -> None:
            with client(port, made) as knocking:
                headers = {"Content-Type": "application/json"}
                answers.append(knocking.post("/v1/messages", content=slowly(), headers=headers))

        sender = threading.Thread(target=send)
        sender.start()
        assert first.wait(30)
        wait_for_connection(port, server.pid)
        server.send_signal(signal.SIGTERM)
        assert server.stderr is not None
        for line in server.stderr:
            if "Shutting down" in line:
                break
        rest.set()
        sender.join()
        assert server.wait(30) == 0
    assert answers[0].status_code == 202
    with platform(settings) as again:
        rows = again.store.recorder.rows("SELECT count(*) FROM smsledger.sealed_messages")
        assert rows[0][0] == 1


def wait_for_connection(port: int, pid: int) -> None:
    """Until the server has read something of the request, so that it is in flight and not in a backlog."""
    import psutil

    while not any(c.status == "ESTABLISHED" for c in psutil.Process(pid).net_connections("tcp")):
        pass


def test_two_processes_share_a_port_and_one_may_go(sample: tuple[Settings, Sample]):
    settings, made = sample
    with process(settings) as (_, port), process(settings, port=port) as (second, same):
        assert same == port
        for _ in range(20):
            with client(port, made) as knocking:
                assert knocking.post("/v1/messages", json=GOOD).status_code == 202
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
        with client(port, made) as knocking:
            assert knocking.get("/healthz").status_code == 200


def test_a_full_process_says_no_before_anything_is_recorded(sample: tuple[Settings, Sample]):
    settings, made = sample
    small = settings.model_copy(update={"max_waiting": 100})
    with platform(small) as full, open_door(full, made) as door:
        before = door.events()
        body = {"signature": SIGNATURE, "text": "您好"}
        messages = [{"phone": f"1380013{number:04d}"} for number in range(101)]
        answer = door.client.post("/v1/messages/bulk", json=body | {"messages": messages})
        require_problem(answer, status=503, code="overloaded")
        assert answer.headers["Retry-After"]
        assert door.events() == before


def test_without_its_database_the_api_lives_is_not_ready_and_promises_nothing(
    server_url: str, sample: tuple[Settings, Sample]
):
    settings, made = sample
    name = settings.database_url.rpartition("/")[2].partition("?")[0]
    with (
        platform(settings, patience=replace(SOMEBODY_WAITS, seconds=0.5)) as running,
        open_door(running, made) as door,
    ):
        before = door.events()
        assert door.client.get("/readyz").status_code == 200
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            ready = door.client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "does not answer"})
            assert door.client.get("/healthz").status_code == 200
            assert door.client.get("/metrics").status_code == 200
            for answer in (
                door.client.post("/v1/messages", json=GOOD),
                door.client.post("/v1/messages/bulk", json={"messages": [GOOD]}),
                door.client.get("/v1/billing/ledger"),
            ):
                require_problem(answer, status=503, code="unavailable")
                assert answer.headers["Retry-After"]
            connection.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))
        deadline = monotonic() + 30
        while (answer := door.client.post("/v1/messages", json=GOOD)).status_code != 202:
            assert monotonic() < deadline, answer.text
        assert door.events() == before + 3


def test_a_client_that_goes_away_in_the_middle_harms_nobody(sample: tuple[Settings, Sample]):
    settings, made = sample
    with platform(settings) as running, open_door(running, made) as door:

        async def go_away() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            head = (
                f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {made.token}\r\n"
                "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            )
            writer.write(head.encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            del reader

        before = door.events()
        run(go_away())
        assert door.client.post("/v1/messages", json=GOOD).status_code == 202
        assert door.events() == before + 3  # The ledger opens, one debit, one acceptance.
