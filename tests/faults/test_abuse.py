"""Clients that mean harm, or do not know better, while the messages of others flow."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.faults.scene import Scene

CONNECTIONS = 200


@pytest.fixture(autouse=True)
def _messages_flow(scene: Scene) -> Iterator[None]:
    """Whatever happens, those of a good client are accepted, carried and correct."""
    run = scene.traffic.begin(600)
    yield
    run.wait()
    scene.settle()
    assert scene.faults() == []


def test_a_body_of_ten_megabytes_is_refused_and_nothing_of_it_recorded(scene: Scene):
    padding = "很" * 3_500_000
    response = httpx.post(
        f"{scene.stand.url}/v1/messages",
        json={"phone": "13800138000", "signature": "示例科技", "text": padding},
        headers={"Authorization": f"Bearer {scene.stand.tokens['demo']}"},
        timeout=30,
        trust_env=False,
    )
    assert response.status_code == 413
    assert response.json()["code"] == "body_too_large"


def test_a_body_without_end_is_cut_off(scene: Scene):
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(2_000):
            yield b"x" * 65_536

    request = {"Authorization": f"Bearer {scene.stand.tokens['demo']}", "Content-Type": "application/json"}
    try:
        response = httpx.post(
            f"{scene.stand.url}/v1/messages", content=endless(), headers=request, timeout=30, trust_env=False
        )
    except httpx.TransportError:
        return  # It hung up on us in the middle, which is as good an answer.
    assert response.status_code == 413


def test_requests_that_never_end_keep_nobody_else_waiting(scene: Scene):
    head = (
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
    )
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            slow = stack.enter_context(
                socket.create_connection(("127.0.0.1", scene.stand.settings.http_port))
            )
            slow.sendall(head[: 20 + number % 60] if number % 2 else head + b"\r\n{")
        response = httpx.get(f"{scene.stand.url}/healthz", timeout=30, trust_env=False)
        assert response.status_code == 200
        run = scene.traffic.begin_singly(50)
        assert len(run.wait()) == 50


def test_two_hundred_connections_at_once_are_all_answered(scene: Scene):
    headers = {"Authorization": f"Bearer {scene.stand.tokens['demo']}"}

    def ask(client: httpx.Client) -> int:
        return client.get(f"{scene.stand.url}/v1/messages", headers=headers).status_code

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    with (
        httpx.Client(timeout=60, trust_env=False, limits=limits) as client,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        assert set(pool.map(ask, [client] * CONNECTIONS)) == {200}
