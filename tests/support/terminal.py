"""The command line as a person uses it: arguments in, what is printed and the exit code out."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401  (whatever the command prints)
        """Its one JSON document."""
        return json.loads(self.out)


class Terminal:
    """Runs commands in this process, with the settings of a test and nobody else's."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], **settings: str
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        for name in [name for name in os.environ if name.startswith("SMSLEDGER_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            self.set(f"SMSLEDGER_{name.upper()}", value)

    def set(self, name: str, value: str) -> None:
        """Set a variable of the environment."""
        self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str | Path) -> Said:
        """Run one command to its end."""
        self._monkeypatch.setattr(sys, "argv", ["smsledger", *map(str, arguments)])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capfd.readouterr()
        code = ended.value.code
        return Said(code=code if isinstance(code, int) else 0, out=said.out, err=said.err)
