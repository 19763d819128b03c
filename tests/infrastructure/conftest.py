"""A platform on a database of its own, for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure import bootstrap
from infrastructure.bootstrap import Platform
from infrastructure.recorder import LedgerRecorder, connect
from tests.support.sample import settings_for


@pytest.fixture
def recorder(database_url: str) -> Iterator[LedgerRecorder]:
    """The recorder alone, over a small pool."""
    datastore = connect(database_url, schema="smsledger", pool_size=6)
    yield LedgerRecorder(datastore)
    datastore.close()


@pytest.fixture
def platform(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """Everything wired, without Redis."""
    with bootstrap.platform(settings_for(database_url, tmp_path)) as made:
        yield made
