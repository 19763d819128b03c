"""Figures of links on the board: written by the workers that run them, added up right, gone with their writers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from application.manage_links import disable_link
from infrastructure import link_board
from infrastructure.bootstrap import Platform, platform
from infrastructure.carriers.figures import ANSWER_SECONDS
from infrastructure.carriers.traffic import LinkPhase
from infrastructure.link_board import Board, BoardWriter
from infrastructure.link_figures import ConnectionFigures, merge
from infrastructure.simulator.script import Script
from infrastructure.simulator.server import serve
from tests.infrastructure.carriers.rig import until
from tests.infrastructure.test_worker import (
    BY,
    CONNECTIONS,
    accept,
    bound,
    carrier_of,
    configure,
    to,
    workers,
)
from tests.support.sample import LINK, make_sample, settings_for
from tests.support.stand import environment_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ours(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    with platform(settings_for(database_url, tmp_path, redis_url=redis_url)) as made:
        yield made


@pytest.fixture
def board(redis_url: str) -> Iterator[Board]:
    reader = Board(redis_url, schema="smsledger")
    yield reader
    reader.close()


def told(connection: int = 1, **changes: object) -> ConnectionFigures:
    known: dict[str, object] = {"link": LINK, "worker": "w:1", "at": 100.0, "since": 50.0, "window_size": 8}
    return ConnectionFigures(connection=connection, phase=LinkPhase.BOUND, **(known | changes))  # type: ignore[arg-type]


def bucket(seconds: float) -> int:
    return ANSWER_SECONDS.index(seconds)


# Added up.


def test_counts_rates_and_windows_of_connections_add_up():
    both = merge(
        [
            told(taken=5, tps=2.0, window_used=3, refusals={"8": 1, "5": 2}, rate=40.0),
            told(2, taken=7, tps=1.5, window_used=1, refusals={"8": 3}, rate=20.0),
        ]
    )
    assert (both.taken, both.tps, both.window_used, both.window_size) == (12, 3.5, 4, 16)
    assert (list(both.refusals.items()), both.rate_per_second) == ([("8", 4), ("5", 2)], 60.0)


def test_one_connection_without_a_limit_leaves_the_link_without_one():
    assert merge([told(rate=40.0), told(2, rate=None)]).rate_per_second is None


def test_percentiles_of_a_link_are_those_of_all_its_answers():
    quick = told(answers_lately={bucket(0.01): 990})
    slow = told(2, answers_lately={bucket(1.0): 10})
    both = merge([quick, slow])
    assert both.submit_ms_p50 is not None
    assert both.submit_ms_p50 < 10
    assert both.submit_ms_p99 == 10.0
    assert merge([slow]).submit_ms_p50 == pytest.approx(910, abs=1)


def test_a_delivery_rate_is_of_final_receipts_and_nothing_without_any():
    assert merge([told(delivered_lately=3), told(2, failed_lately=1)]).delivered_percent == 75.0
    assert merge([told(pending=3)]).delivered_percent is None


def test_the_last_error_of_a_link_is_the_latest_of_its_connections():
    older = told(last_error="refused with 8", last_error_at=10.0)
    newer = told(2, last_error="connection lost", last_error_at=20.0)
    assert merge([newer, older, told(3)]).last_error == "connection lost"
    assert merge([told()]).last_error_at is None


# The board.


def test_what_cannot_be_read_is_not_shown(board: Board, redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"smsledger:smsledger:figures:{LINK}:1", b'{"of": "another version"}')
    assert board.read({LINK: 1, "none": 2}) == {LINK: (), "none": ()}


def test_the_figures_of_a_link_are_what_its_carrier_saw(ours: Platform, board: Board):
    script = Script(
        seed=7,
        submit_delay_ms=5,
        refusal_rate=0.2,
        failed_rate=0.3,
        receipt_delay_ms_min=20,
        receipt_delay_ms_max=40,
    )

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK, script=script)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=2))
            running.start()
            await accept(ours, 100)

            def all_reported() -> bool:
                seen = merge(board.read({LINK: 2})[LINK])
                done = seen.taken + seen.refused == 100 and seen.delivered + seen.failed == seen.taken
                return done and seen.window_size == 16  # the second connection may come later than that

            await until(all_reported, seconds=30)
            link, counters = merge(board.read({LINK: 2})[LINK]), simulator.counters
            assert link.taken == counters.taken
            assert link.refused == counters.refused == sum(link.refusals.values()) > 0
            assert link.failed > 0
            assert link.delivered_percent == pytest.approx(100 * link.delivered / link.taken, abs=0.1)
            assert link.submit_ms_p50 is not None
            assert link.receipt_lag_seconds_p99 is not None
            assert (link.window_used, link.window_size, link.waiting_receipts) == (0, 16, 0)
            assert link.last_error.startswith("refused with ")

    asyncio.run(play())


def test_a_disabled_link_is_not_told_any_more(ours: Platform, board: Board):
    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port))
            running.start()
            await until(lambda: [each.phase for each in board.read({LINK: 1})[LINK]] == [LinkPhase.BOUND])
            await disable_link(ours.store, name=LINK, reason="test", context=BY)
            await until(lambda: board.read({LINK: 1})[LINK] == ())

    asyncio.run(play())


@contextmanager
def another_worker(ours: Platform) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker in a process of its own."""
    command = [sys.executable, "-m", "api.cli", "worker"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment_of(ours.settings))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_the_figures_of_a_killed_worker_vanish_and_another_tells_of_its_connections(
    ours: Platform, board: Board
):
    def tellers() -> list[int]:
        return [int(each.worker.rpartition(":")[2]) for each in board.read({LINK: CONNECTIONS})[LINK]]

    async def play() -> None:
        await make_sample(ours)
        async with await serve(carrier_of(LINK)) as simulator, workers(ours) as running:
            await configure(ours, to(ours, simulator.port, connections=CONNECTIONS))
            with another_worker(ours) as other:
                await until(lambda: bound(simulator) == 1, seconds=30)
                here = running.start()
                await until(lambda: set(tellers()) == {os.getpid(), other.pid}, seconds=30)
                other.send_signal(signal.SIGKILL)
                await until(lambda: len(here.owned) == CONNECTIONS, seconds=30)
            await until(lambda: tellers() == [os.getpid()] * CONNECTIONS, seconds=30)

    asyncio.run(play())


def test_without_a_worker_nobody_tells(ours: Platform, board: Board, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link_board, "LIFE_SECONDS", 1)
    writer = BoardWriter(Board(ours.settings.redis_url, schema="smsledger"), tell=lambda: [told()])

    async def play() -> None:
        writing = asyncio.create_task(writer.run())
        await until(lambda: board.read({LINK: 1})[LINK] == (told(),))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await until(lambda: board.read({LINK: 1})[LINK] == ())

    asyncio.run(play())


def test_messages_go_on_while_nobody_sees_the_figures(ours: Platform, tmp_path: Path):
    nobody = Board(f"unix://{tmp_path}/nobody.sock", schema="smsledger")
    writer = BoardWriter(nobody, tell=lambda: [told()])

    async def play() -> None:
        writing = asyncio.create_task(writer.run())
        await writer.erase(LINK, 1)
        assert not writing.done()
        writing.cancel()
        (ended,) = await asyncio.gather(writing, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)

    asyncio.run(play())
