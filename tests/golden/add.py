"""Writes the golden file of a NEW topic from its example, never over one: `python -m tests.golden.add TOPIC`."""

import sys

from infrastructure.mapper import encode
from tests.golden import golden_file
from tests.golden.examples import EXAMPLES, recorded


def add(topic: str) -> str:
    """Write the file of a topic; returns what was done. Raises SystemExit where there is nothing to do."""
    if topic not in EXAMPLES:
        raise SystemExit(f"no example of {topic}: put one into tests/golden/examples.py first")
    file = golden_file(topic)
    if file.exists():
        raise SystemExit(f"{file.name} is there already: a stored form never changes, make a new topic")
    file.write_bytes(encode(recorded(EXAMPLES[topic])) + b"\n")
    return f"wrote {file.name}"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m tests.golden.add TOPIC ...")
    for name in sys.argv[1:]:
        print(add(name))
