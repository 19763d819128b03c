"""The demonstration shows its figures when every read model has them."""

import threading
from pathlib import Path

import pytest
from rich.console import Console

from api import demo_progress
from domain.events.link import Connected
from infrastructure.bootstrap import platform
from infrastructure.network import condition_stream
from tests.support.door import run
from tests.support.networked import record
from tests.support.read_models import catch_up
from tests.support.sample import ACCOUNT, LINK, make_sample, settings_for


def test_what_is_done_is_shown_when_the_last_read_model_knows_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
):
    monkeypatch.setattr(demo_progress, "_done", lambda *_: True)
    looked = threading.Semaphore(0)
    with platform(settings_for(database_url, tmp_path)) as made:
        run(make_sample(made))
        catch_up(made)
        run(record(made, condition_stream(LINK), Connected(name=LINK)))
        following = threading.Thread(
            target=demo_progress.follow,
            args=(Console(quiet=True), made.settings),
            kwargs={"account": ACCOUNT, "batch": "b", "check": looked.release},
        )
        following.start()
        for _ in range(5):
            assert looked.acquire(timeout=30)
        assert following.is_alive()
        catch_up(made)
        following.join(30)
        assert not following.is_alive()
