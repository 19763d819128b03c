"""The standalone verifier says yes to a true export and no to every other, and knows nothing of smsledger."""

import ast
import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from application.export_ledger import Line, export_ledger
from domain.aggregates.seal import Seals
from domain.events.ledger import LedgerEvent
from domain.events.seal import Leaf, Sealed
from domain.recorded import Recorded
from infrastructure.sealing_key import SealingKey
from tests.support.past import ACCOUNT, Past, past

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "verify_ledger.py"
KEY = SealingKey(bytes(range(64)))


@pytest.fixture(scope="module")
def told() -> Past:
    return past()


def seal_of(log: list[Recorded], *, upto: int, others: int = 6) -> Sealed:
    """A seal over the ledger at a posting, among ledgers of others."""
    (ledger,) = [one for one in log if isinstance(one.event, LedgerEvent) and one.version == upto][:1]
    assert isinstance(ledger.event, LedgerEvent)
    leaves = [Leaf(account=ACCOUNT, year=2025, version=upto, chain=ledger.event.chain)]
    leaves += [Leaf(account=f"other-{n}", year=2025, version=1, chain="0" * 64) for n in range(others)]
    first = Seals().seal(
        day=date(2026, 1, 4), position=1, leaves=leaves, log="1" * 64, key=KEY.key, sign=KEY.sign
    )
    (made,) = Seals(last=first[0]).seal(
        day=date(2026, 1, 4) + timedelta(days=1),
        position=9,
        leaves=leaves,
        log="2" * 64,
        key=KEY.key,
        sign=KEY.sign,
    )
    return made


def exported(told: Past, *, upto: int = 22, seal: bool = True) -> list[Line]:
    sealed = (seal_of(told.log(), upto=upto), KEY.public_key) if seal else None

    async def lines() -> list[Line]:
        return [
            line async for line in export_ledger(told.office.store, account=ACCOUNT, year=2025, seal=sealed)
        ]

    return asyncio.run(lines())


def verify(lines: list[Line], folder: Path, *options: str) -> tuple[int, str]:
    """What the script says of a file, in a process that has only the standard library."""
    file = folder / "ledger.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(file), *options], capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_true_export_is_true(told: Past, tmp_path: Path):
    lines = exported(told)
    assert [line.get("topic") for line in lines[1:-1]].count("ledger.adjusted") == 2
    assert any(len(line.get("given_back", [])) > 1 for line in lines)
    code, said = verify(lines, tmp_path)
    assert (code, said.partition(":")[0]) == (0, "true")
    assert f"acme 2025: 22 postings, {lines[-1]['chain']}" in said
    assert KEY.public_key in said


def test_with_the_key_given_only_that_key_will_do(told: Past, tmp_path: Path):
    lines = exported(told)
    assert verify(lines, tmp_path, "--key", KEY.public_key)[0] == 0
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    assert verify(lines, tmp_path, "--key", other)[0] == 1


def test_an_export_that_is_not_sealed_says_so(told: Past, tmp_path: Path):
    lines = exported(told, seal=False)
    code, said = verify(lines, tmp_path)
    assert (code, "NOT SEALED" in said) == (0, True)
    assert verify(lines, tmp_path, "--key", KEY.public_key)[0] == 1


def test_a_seal_may_be_older_than_the_last_posting(told: Past, tmp_path: Path):
    assert verify(exported(told, upto=13), tmp_path)[0] == 0


def changes(value: object) -> Iterator[object]:
    """Other values of the same kind, and one of another kind."""
    match value:
        case bool():
            yield not value
            yield int(value)
        case int():
            yield value + 1
            yield -value - 1
            yield float(value)
            yield str(value)
        case str():
            yield value + "0"
            yield value[:-1] if value else "x"
            yield value[:-1] + ("1" if value.endswith("0") else "0")
        case None:
            yield 0
        case _:
            yield None


def tampered(value: Any) -> Iterator[Any]:  # noqa: ANN401  (any JSON)
    """The value with one leaf changed, one entry left out, or one entry added; each once."""
    match value:
        case dict():
            for name in value:
                for changed in tampered(value[name]):
                    yield {**value, name: changed}
                yield {other: value[other] for other in value if other != name}
            yield {**value, "extra": 0}
        case list():
            for place, inner in enumerate(value):
                for changed in tampered(inner):
                    yield [*value[:place], changed, *value[place + 1 :]]
                yield value[:place] + value[place + 1 :]
            yield [*value, value[-1] if value else "x"]
        case _:
            yield from changes(value)


def test_every_changed_field_is_found(told: Past, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The script's own `main`, called in this process: thousands of interpreters would take minutes."""
    space: dict[str, Any] = {"__name__": "verifier"}
    exec(compile(SCRIPT.read_text(encoding="utf-8"), str(SCRIPT), "exec"), space)  # noqa: S102
    lines, file = exported(told), tmp_path / "ledger.jsonl"

    def code(changed: list[Line]) -> int:
        file.write_text("\n".join(json.dumps(line) for line in changed), encoding="utf-8")
        found: int = space["main"](str(file))
        return found

    assert code(lines) == 0
    missed, tried = [], 0
    for place, line in enumerate(lines):
        for changed in tampered(line):
            tried += 1
            if code([*lines[:place], changed, *lines[place + 1 :]]) == 0:
                missed.append((place, changed))
    assert missed == []
    assert tried > 1_000


@pytest.mark.parametrize("place", [0, 1, 7, 20, 22, -1])
def test_a_line_that_is_gone_or_twice_is_found(told: Past, tmp_path: Path, place: int):
    lines = exported(told)
    without = copy.deepcopy(lines)
    del without[place]
    assert verify(without, tmp_path)[0] == 1
    assert verify([*lines[:place], lines[place], *lines[place:]], tmp_path)[0] == 1


@pytest.mark.parametrize("text", ["", "\n", "[]\n", "{}\n{}\n{}\n", "no json", '"x"\n"y"\n"z"\n'])
def test_what_is_no_export_is_refused_in_a_sentence(tmp_path: Path, text: str):
    file = tmp_path / "ledger.jsonl"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(SCRIPT), str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout.partition(":")[0]) == (1, "", "WRONG")


def test_the_script_is_short_and_imports_the_standard_library_only():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names
