"""Which version of the schema this code needs, told without alembic: a process that only asks need not load it."""

from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parent.parent / "alembic"


@cache
def newest() -> str:
    """The newest migration there is; their files begin with their numbers (alembic/README.md)."""
    return max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
