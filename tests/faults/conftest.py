"""One scene for each module of fault tests: what a test breaks it also brings back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene, open_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Every process of the platform, a carrier that takes its time, clients that insist."""
    folder: Path = tmp_path_factory.mktemp("stand") / "it"
    with open_scene(folder) as opened:
        yield opened
