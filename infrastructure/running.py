"""Where the other commands find what runs here: a private file with the addresses of embedded servers.

The file is a hint, never a lock: it names the process that wrote it, and is worth nothing once that is gone.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from infrastructure.embedded_folder import write_whole

NAME = "running.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What one `up` or `demo` has started, and when its process began (seconds since 1970)."""

    pid: int
    began: float
    http_url: str
    data_dir: str
    keys_dir: str
    db_schema: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


def announce(
    *, data_dir: Path, keys_dir: Path, db_schema: str, http_url: str, database_url: str, redis_url: str
) -> Path:
    """Write the file of this process, readable by its user only; returns its path."""
    file = data_dir / NAME
    running = Running(
        pid=os.getpid(),
        began=psutil.Process().create_time(),
        http_url=http_url,
        data_dir=str(data_dir),
        keys_dir=str(keys_dir),
        db_schema=db_schema,
        database_url=database_url,
        redis_url=redis_url,
    )
    write_whole(file, json.dumps(asdict(running)))
    return file


def find(*folders: Path) -> Running | None:
    """What runs on the first of these data folders that has something running, None where nothing is."""
    for folder in folders:
        running = _read(folder / NAME)
        if running is not None and _alive(running):
            return running
    return None


def _read(file: Path) -> Running | None:
    with suppress(OSError, ValueError, TypeError):
        return Running(**json.loads(file.read_text(encoding="utf-8")))
    return None


def _alive(running: Running) -> bool:
    """Whether the very process that wrote the file is there; its number alone may be another's by now."""
    with suppress(psutil.Error):
        began: float = psutil.Process(running.pid).create_time()
        return abs(began - running.began) < 1.0
    return False
