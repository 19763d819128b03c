"""The tree keeps its own rules: what a review would say again and again is said here once."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("domain", "application", "projections", "infrastructure", "api")

LONGEST_FILE_LINES = 400
# A longer file is named here with the reason why splitting it would make it worse.
LONG_FILES: dict[str, str] = {}

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base"}

# Patterns that do not match their own text here.
PLACES_OF_ONE_MACHINE = re.compile(
    r"[/]work/|[/]root/|pypi[.]org|files[.]pythonhosted|[/]simple/|--index[-]url"
)
UNFINISHED_WORDS = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")

PHONE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86|0086)?(1[3-9]\d{9})(?![0-9A-Za-z])")
TEST_PHONES = ("1380013", "1300013", "1890018")


def tracked_files() -> list[Path]:
    """Every file of the checkout that git knows; a tree without git has nothing to check."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        found = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this tree is not a git checkout")
    return [ROOT / name for name in found.split("\0") if name and (ROOT / name).is_file()]


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Name and text of every tracked text file, of the given suffixes if any."""
    for file in tracked_files():
        if not suffixes or file.suffix in suffixes:
            try:
                yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_file_of_the_packages_is_too_long_to_read_in_one_sitting():
    lengths = {name: len(text.splitlines()) for name, text in texts(".py") if name.startswith(PACKAGES)}
    too_long = {name: length for name, length in lengths.items() if length > LONGEST_FILE_LINES}
    assert {name: length for name, length in too_long.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) <= set(too_long), "an exception is no longer needed"


def test_no_file_knows_the_machine_it_was_written_on():
    places = [
        (name, found.group()) for name, text in texts() for found in PLACES_OF_ONE_MACHINE.finditer(text)
    ]
    assert places == []


def test_no_module_has_a_name_that_says_nothing():
    vague = [
        name
        for name, _ in texts(".py")
        for part in Path(name).with_suffix("").parts
        if VAGUE_NAMES & set(part.split("_"))
    ]
    assert vague == []


def test_every_module_says_why_it_exists():
    silent = [name for name, text in texts(".py") if text.strip() and not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_only_test_phone_numbers_are_in_the_tree():
    """The golden PDUs keep the made-up numbers of those who made them."""
    strange = [
        (name, number.group())
        for name, text in texts()
        if not name.startswith("tests/vectors/")
        for number in PHONE.finditer(text)
        if not number[1].startswith(TEST_PHONES)
    ]
    assert strange == []


def test_nothing_is_left_as_a_note_to_ourselves():
    notes = [(name, found.group()) for name, text in texts() for found in UNFINISHED_WORDS.finditer(text)]
    assert notes == []


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    locked = set(
        re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    )
    assert names - locked == set()
