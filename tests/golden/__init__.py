"""The stored form of every topic, one file each: what was once written must be readable for ever.

A file holds the state column of one event, exactly as `infrastructure.mapper.encode` made it on the day the
topic was born. No file is ever changed or deleted. A NEW topic gets its file in two steps: put an example
into `tests/golden/examples.py`, then run `python -m tests.golden.add TOPIC`.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def golden_file(topic: str) -> Path:
    """Where the stored form of a topic is kept."""
    return FOLDER / f"{topic}.json"
