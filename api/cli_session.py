"""What every command begins with: the settings of this call, and a platform to work on."""

import getpass
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from domain.errors import BadInput
from domain.recorded import Context

if TYPE_CHECKING:
    # Loading these takes most of a second, which `--help` must not cost.
    from infrastructure.bootstrap import Platform
    from infrastructure.running import Running
    from infrastructure.settings import Settings

Value = TypeVar("Value")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
By = Annotated[str, typer.Option(help="Who decides; the user of this machine where it is not given.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded for ever.")]


class NothingRuns(Exception):  # noqa: N818
    """No database is named and nothing has been started here; the text says what to do."""


def operator() -> Context:
    """Who acts: the user of this machine."""
    return Context(actor=f"cli:{getpass.getuser()}")


def person(by: str) -> Context:
    """Who decides about money: the name that is given, or the user of this machine. Refuses person_invalid."""
    name = by.strip()
    if by and not (name.isprintable() and 1 <= len(name) <= 60):
        raise BadInput("person_invalid", "A name is 1 to 60 visible characters.", field="by")
    return Context(actor=f"cli:{name}") if name else operator()


def read_settings() -> "Settings":
    """Settings as given; where no database is named, that of what runs here. Raises NothingRuns."""
    from infrastructure.settings import load

    given = load()
    if given.database_url:
        return given
    running = what_runs(given)
    if running is None:
        raise NothingRuns("nothing runs here: start `smsledger up`, or set SMSLEDGER_DATABASE_URL")
    return load(
        database_url=running.database_url,
        redis_url=running.redis_url,
        data_dir=running.data_dir,
        keys_dir=running.keys_dir,
        db_schema=running.db_schema,
    )


def what_runs(settings: "Settings") -> "Running | None":
    """The `up` of this data folder, or a `demo --keep` beside it."""
    from infrastructure.bootstrap import data_dir
    from infrastructure.running import find

    folder = data_dir(settings)
    return find(folder, folder.with_name(f"{folder.name}-demo"))


def work(use: "Callable[[Platform], Awaitable[Value]]") -> Value:
    """Run a use case on the platform and let go of it."""
    import asyncio

    from infrastructure.bootstrap import platform

    async def run() -> Value:
        with platform(settings) as made:
            return await use(made)

    settings = read_settings()
    return asyncio.run(run())


def said(sentence: str, *, as_json: bool = False, **facts: object) -> None:
    """Tell what was done: a sentence, or its facts."""
    typer.echo(json.dumps(facts, ensure_ascii=False, default=str) if as_json else sentence)
