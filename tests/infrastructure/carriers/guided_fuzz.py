"""Tries codecs, dialects and sessions with atheris, which looks for octets that reach new code, for a fixed time.

    ./run fuzz [--seconds 60] [--protocol cmpp20]

The rule is that of fuzz.py: a PDU or a ProtocolError, what was read can be written and read again, and whoever
hears it only answers. It begins with the golden PDUs. The first octets that break the rule are printed.
"""

import argparse
import contextlib
import io
import json
import logging
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

# It names every module that it instruments, which nobody wants to read.
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["infrastructure.carriers"]),
):
    from tests.infrastructure.carriers.fuzz import Target, targets, try_codec, try_dialect, try_streams

_FIGURE = re.compile(r"stat::(\w+):\s+(\d+)")
_LONGEST = 4_096
_MOST_MEGABYTES = 1_024


class Trial:
    """What is done with each string of octets: alone, as it is and with its length mended, and in a stream."""

    def __init__(self, target: Target) -> None:
        self.tried = 0
        self._target = target
        self._dialect = target.dialect()

    def __call__(self, octets: bytes) -> None:
        self.tried += 1
        mended = len(octets).to_bytes(4, "big") + octets[4:]
        for frame in (octets, mended):
            try_codec(self._target, frame)
            try_dialect(self._dialect, frame)
        golden = self._target.frames[self.tried % len(self._target.frames)]
        try_streams(self._target, [golden, mended, octets], random.Random(self.tried))


def main() -> int:
    """Fuzz the protocols in turn, each in a process of its own; 1 at the first that breaks the rule."""
    every = list(targets())
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    given.add_argument("--seconds", type=int, default=60, help="For all of them together.")
    given.add_argument("--protocol", choices=[*every, "all"], default="all")
    given.add_argument("--here", action="store_true", help="Be one of these processes.")
    chosen = given.parse_args()
    if chosen.here:
        with tempfile.TemporaryDirectory(prefix="smsledger-fuzz-") as folder:
            fuzz(targets()[chosen.protocol], chosen.seconds, Path(folder))
    protocols = every if chosen.protocol == "all" else [chosen.protocol]
    seconds = max(chosen.seconds // len(protocols), 1)
    return int(any(not survives(protocol, seconds) for protocol in protocols))


def survives(protocol: str, seconds: int) -> bool:
    """Fuzz one protocol, and tell in a line what came of it; all that was said where it broke."""
    command = [
        sys.executable,
        "-m",
        __spec__.name,
        "--here",
        "--protocol",
        protocol,
        "--seconds",
        str(seconds),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    figures = dict(_FIGURE.findall(done.stdout))
    if done.returncode != 0 or "number_of_executed_units" not in figures:
        print(f"{protocol}: broken\n{done.stdout[-6_000:]}", flush=True)
        return False
    print(
        f"{protocol}: {figures['number_of_executed_units']} strings of octets, {figures['new_units_added']} of them"
        f" reached new code, at most {figures['peak_rss_mb']} MB, nothing broke",
        flush=True,
    )
    return True


def fuzz(target: Target, seconds: int, folder: Path) -> None:
    """Run libFuzzer for so many seconds; it ends the process, badly where the rule was broken."""
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, frame in enumerate(target.frames):
        (seeds / str(number)).write_bytes(frame)
    logging.disable()
    trial = Trial(target)
    options = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
        "-print_final_stats=1",
        str(seeds),
    ]
    atheris.Setup(options, _told(trial, target.protocol))
    atheris.Fuzz()


def _told(trial: Trial, protocol: str) -> Callable[[bytes], None]:
    """The same trial; what breaks is printed with its octets, which nobody could find again otherwise."""

    def one(octets: bytes) -> None:
        try:
            trial(octets)
        except Exception as error:
            found: dict[str, Any] = {"protocol": protocol, "octets": octets.hex(), "error": repr(error)}
            print(f"broken: {json.dumps(found)}", flush=True)
            raise

    return one


if __name__ == "__main__":
    sys.exit(main())
