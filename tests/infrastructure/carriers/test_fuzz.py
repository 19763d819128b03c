"""The fuzzing command itself: it finds what is wrong, and for a moment it finds nothing here."""

import dataclasses
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.infrastructure.carriers.fuzz import BrokenError, fuzz, main, targets
from tests.infrastructure.carriers.octets import golden


@pytest.mark.parametrize("protocol", list(targets()))
def test_a_moment_of_damage_breaks_nothing(protocol):
    tried, read = fuzz(targets()[protocol], seconds=0.3, seed=4)
    assert tried > read > 0


def test_a_codec_that_fails_in_another_way_is_found():
    def decode(frame: bytes) -> int:
        return frame[200]

    with pytest.raises(BrokenError) as broken:
        fuzz(dataclasses.replace(targets()["smgp30"], decode=decode), seconds=5, seed=4)
    assert isinstance(broken.value.__cause__, IndexError)


def test_a_codec_that_writes_something_else_than_it_read_is_found():
    other = golden("smgp30")["active_test"]
    forgetful = dataclasses.replace(targets()["smgp30"], encode=lambda _: other)
    with pytest.raises(BrokenError):
        fuzz(forgetful, seconds=5, seed=4)


def test_the_command_tells_what_it_tried(capsys):
    assert main(["--seconds", "0.05", "--protocol", "sgip12", "--seed", "4"]) == 0
    assert capsys.readouterr().out.startswith("sgip12: ")


def test_the_program_that_is_guided_by_coverage_finds_nothing_for_a_moment():
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: ./run fuzz does that")
    program = "tests.infrastructure.carriers.guided_fuzz"
    command = [sys.executable, "-m", program, "--seconds", "1", "--protocol", "sgip12"]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing broke" in done.stdout
