"""The stored form of every topic, one file each: what was once written must be readable for ever.

A file holds the state column of one event, exactly as `infrastructure.mapper.encode` made it on the day the
topic was born. No file is ever changed or deleted. A NEW topic gets its file in two steps: put an example
into `tests/golden/examples.py`, then run `python -m tests.golden.add TOPIC`. A field that is added to a topic
has a default, so that the first form is read as before; `TOPIC@2` is the form that is written since.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def golden_file(topic: str) -> Path:
    """Where the stored form of a topic is kept."""
    return FOLDER / f"{topic}.json"
