"""`smsledger projections`: read models, rebuilt, held against the log, and how far they are behind."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api import tables
from api.cli_session import AsJson, read_settings
from domain.errors import NotFound

if TYPE_CHECKING:
    from infrastructure.settings import Settings
    from projections.rebuild import Difference, Progress

app = typer.Typer(no_args_is_help=True, help="Read models.")
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Read models; all by default.")]
Value = TypeVar("Value")


@app.command(epilog="Example: smsledger projections lag")
def lag(as_json: AsJson = False) -> None:
    """How far each read model is behind the log."""
    from infrastructure import projector

    with projector.read_models(read_settings()) as opened:
        rows = [
            {
                "name": one.name,
                "position": one.position,
                "head": one.head,
                "behind": one.behind,
                "seconds": round(one.seconds, 1),
            }
            for one in projector.lag(opened)
        ]
    columns = {name: name for name in ("name", "position", "head", "behind", "seconds")}
    tables.show("projections", columns, rows, as_json=as_json)


@app.command(epilog="Example: smsledger projections rebuild statistics")
def rebuild(names: Names = None, as_json: AsJson = False) -> None:
    """Build read models again beside the live ones and put them in their place. It can be killed at any point."""
    from infrastructure import projector

    settings = read_settings()
    done = each("rebuild", names, lambda name, progress: projector.rebuild(settings, name, progress=progress))
    rows = [
        {
            "name": one.name,
            "position": one.position,
            "compared": one.differences is not None,
            "differences": [describe(each) for each in one.differences or ()],
        }
        for one in done
    ]
    columns = {
        "name": "rebuilt",
        "position": "up to",
        "compared": "compared",
        "differences": "what was wrong",
    }
    tables.show("rebuilt", columns, rows, as_json=as_json)


@app.command(epilog="Example: smsledger projections verify; exit code 1 where anything differs")
def verify(names: Names = None, as_json: AsJson = False) -> None:
    """Build read models from the log on the side and compare every row with the live ones."""
    rows = verify_read_models(read_settings(), names)
    columns = {"name": "read model", "position": "up to", "differences": "differences"}
    tables.show("verified", columns, rows, as_json=as_json)
    if any(row["differences"] for row in rows):
        raise typer.Exit(1)


def verify_read_models(settings: "Settings", names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row for each read model; no differences is the proof."""
    from infrastructure import projector

    done = each("verify", names, lambda name, progress: projector.verify(settings, name, progress=progress))
    return [
        {
            "name": one.name,
            "position": one.position,
            "differences": [describe(found) for found in one.differences],
        }
        for one in done
    ]


def describe(difference: "Difference") -> str:
    """A difference in words; the keys are ids, days and names, never personal data."""
    return (
        f"{difference.table}: {difference.missing} rows missing or wrong, {difference.unexpected} unexpected"
        f" (such as {', '.join(difference.keys)})"
    )


def each(verb: str, names: Sequence[str] | None, work: "Callable[[str, Progress], Value]") -> list[Value]:
    """Do it to each of the read models, all by default, under a progress bar. Refuses not_found."""
    from projections.catalogue import BY_NAME

    for name in names or ():
        if name not in BY_NAME:
            raise NotFound("not_found", f"There is no read model {name}; there are: {', '.join(BY_NAME)}.")
    return [_with_bar(f"{verb} {name}", name, work) for name in names or BY_NAME]


def _with_bar(label: str, name: str, work: "Callable[[str, Progress], Value]") -> Value:
    with tables.progress_bar() as bar:
        task = bar.add_task(label, total=None)
        return work(name, lambda reached, target: bar.update(task, completed=reached, total=target))
