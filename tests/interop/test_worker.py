"""The command line and a worker against independent gateways: configured, tried, sent through, reported on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infrastructure.bootstrap import platform
from tests.infrastructure.test_worker import accept, all_delivered, workers
from tests.interop.sgip_gateway import SgipGateway, SgipHabits
from tests.interop.smpp_gateway import SmppGateway, SmppHabits
from tests.interop.strict_wire import Gateway
from tests.support.ports import free_port
from tests.support.sample import LINK, make_sample, settings_for
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Terminal:
    """A terminal beside the database and the keys of the worker."""
    return Terminal(
        monkeypatch,
        capfd,
        database_url=database_url,
        data_dir=str(tmp_path),
        keys_dir=str(tmp_path / "keys"),
    )


@contextmanager
def opened(gateway: Gateway) -> Iterator[None]:
    """The gateway in a thread of its own, since commands of the terminal do not come back before they are done."""
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def play() -> None:
        async with gateway:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(play()))
    thread.start()
    try:
        assert started.wait(20)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def smpp() -> tuple[Gateway, tuple[str, ...]]:
    habits = SmppHabits(message_id="{:X}".format, receipt_id=str, tests_the_line_every=9)
    return SmppGateway(habits=habits), (
        *("--system-id", "smppuser", "--source", "10690001", "--id-format", "resp-hex-dlr-dec"),
    )


def sgip() -> tuple[Gateway, tuple[str, ...]]:
    gateway = SgipGateway(habits=SgipHabits(stats=("0 0",), unbinds_after=20), sp_port=free_port())
    return gateway, (
        *("--system-id", "spuser", "--source", "10655001", "--service-id", "SHILI", "--corp-id", "12345"),
        *("--node-id", "3010012345", "--inbound-host", "127.0.0.1", "--inbound-login", "smguser"),
        *("--inbound-port", str(gateway.sp_port)),
    )


@pytest.mark.parametrize(
    ("protocol", "made", "secrets"),
    [("smpp34", smpp, ("secret08", "")), ("sgip12", sgip, ("sppass", "smgpass"))],
    ids=["smpp34", "sgip12"],
)
def test_a_link_is_added_tried_and_used(terminal, protocol, made, secrets, database_url, redis_url, tmp_path):
    gateway, options = made()
    terminal.set("LINK_PASSWORD", secrets[0])
    terminal.set("LINK_INBOUND_PASSWORD", secrets[1])
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as ours, opened(gateway):

        async def send() -> None:
            ours.directory.forget("links")
            async with workers(ours) as running:
                running.start()
                await all_delivered(ours, await accept(ours, 60))

        asyncio.run(make_sample(ours))
        address = ("--host", "127.0.0.1", "--port", str(gateway.port), "--carrier", "mobile")
        added = terminal("link", "add", LINK, "--protocol", protocol, *address, *options)
        assert added.code == 0, added.err
        tried = terminal("link", "test", LINK)
        assert (tried.code, gateway.taken) == (0, []), tried.out + tried.err
        asyncio.run(send())
    assert len(gateway.taken) == 60
    assert (gateway.findings, gateway.unanswered()) == ([], 0)
