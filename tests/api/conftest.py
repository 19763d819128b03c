"""An API with the sample account: one for all tests of a file that leave the account as it is, or one's own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.bootstrap import platform
from tests.conftest import create_database, drop_database, with_database
from tests.support.door import Door, open_door, run
from tests.support.sample import make_sample, settings_for


@pytest.fixture(scope="module")
def door(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An API that the tests of a file share: they may send, and change nothing else."""
    name = f"smsledger_test_{secrets.token_hex(4)}"
    create_database(server_url, name, template=template_database)
    settings = settings_for(with_database(server_url, name), tmp_path_factory.mktemp("door"))
    try:
        with platform(settings) as made, open_door(made, run(make_sample(made))) as opened:
            yield opened
    finally:
        drop_database(server_url, name)


@pytest.fixture
def own_door(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """An API of one test, whose account it may suspend, end and rename."""
    with (
        platform(settings_for(database_url, tmp_path)) as made,
        open_door(made, run(make_sample(made))) as opened,
    ):
        yield opened
