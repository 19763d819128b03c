"""Programs that nobody runs every day still know what they import."""

from importlib import import_module
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
PROGRAMS = sorted(
    ".".join(file.relative_to(BENCH.parent).with_suffix("").parts)
    for file in BENCH.rglob("*.py")
    if file.stem != "__init__"
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_finds_what_it_imports(name: str):
    assert import_module(name).__doc__
