"""`smsledger numbers`: whose a phone number is that was ported from one carrier to another (携号转网)."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import asdict

from api import tables
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.values import Carrier

if TYPE_CHECKING:
    from application.manage_portability import Imported
    from domain.recorded import Context
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Ported numbers: whose a number is now.")
Phone = Annotated[str, typer.Argument(help="The phone number; it is kept under a keyed digest only.")]
_SHOWN_ROWS = 20
_HEADINGS = ("phone", "number", "号码", "手机号", "手机号码")


@app.command(
    "set", epilog="Example: smsledger numbers set 13800138000 unicom --reason 'the customer told us, CS-2041'"
)
def set_number(
    phone: Phone,
    carrier: Annotated[Carrier, typer.Argument(help="Whose it is.")],
    reason: Reason,
    by: By = "",
) -> None:
    """Say whose a number is. It goes before everything else, and holds within a second or two."""
    from application.manage_portability import set_carrier

    context = person(by)
    work(
        lambda made: set_carrier(
            made.store, made.vault, phone=phone, carrier=carrier, why=reason, context=context
        )
    )
    said(f"the number is of {carrier}")


@app.command("forget", epilog="Example: smsledger numbers forget 13800138000 --reason 'was a mistake'")
def forget(phone: Phone, reason: Reason, by: By = "") -> None:
    """Know nothing about a number any more: its segment decides again."""
    from application.manage_portability import forget_number

    context = person(by)
    work(lambda made: forget_number(made.store, made.vault, phone=phone, why=reason, context=context))
    said("nothing is known about the number any more")


@app.command("show", epilog="Example: smsledger numbers show 13800138000 --reason CS-2041 --json")
def show(phone: Phone, reason: Reason, by: By = "", as_json: AsJson = False) -> None:
    """What is known about a number, and whose it is taken to be. The look is recorded before it is answered."""
    from api.numbers import look_up, shown_number

    context = person(by)
    found = work(lambda made: look_up(made, phone=phone, reason=reason, key="", context=context))
    tables.show_one(asdict(shown_number(found)), as_json=as_json)


@app.command(
    "import",
    epilog="Example: smsledger numbers import ported.csv --reason 'list of November' · columns: phone,carrier",
)
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV (UTF-8 or GB18030) or XLSX; columns: phone, carrier."
        ),
    ],
    reason: Reason,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Take in a list of ported numbers. What a person said stays; bad rows are named by their line and left out."""
    context = person(by)
    done = work(lambda made: _import(made, file, reason, context))
    if as_json:
        tables.write_json(done)
    else:
        taken = ", ".join(f"{carrier} {count:,}" for carrier, count in done["by_carrier"].items())
        said(f"{done['taken']:,} numbers taken in" + (f": {taken}" if taken else ""))
        for row in done["refused"][:_SHOWN_ROWS]:
            typer.echo(f"line {row['line']}: {row['code']}", err=True)
        if len(done["refused"]) > _SHOWN_ROWS:
            typer.echo(f"and {len(done['refused']) - _SHOWN_ROWS:,} more lines: see --json", err=True)
    if done["refused"]:
        raise typer.Exit(1)


async def _import(platform: "Platform", file: Path, reason: str, context: "Context") -> dict[str, Any]:
    from application.manage_portability import AT_ONCE, import_numbers

    # Read to its end before anything is written: a file that breaks off in the middle changes nothing.
    total = sum(1 for _ in _rows(file))
    pieces: list[Imported] = []
    with tables.progress_bar() as progress:
        bar = progress.add_task("numbers", total=total)
        rows = _rows(file)
        while piece := list(islice(rows, AT_ONCE)):
            pieces.append(
                await import_numbers(platform.store, platform.vault, rows=piece, why=reason, context=context)
            )
            progress.advance(bar, len(piece))
    taken: Counter[Carrier] = sum((piece.taken for piece in pieces), Counter())
    refused = [{"line": line, "code": code} for piece in pieces for line, code in piece.refused.items()]
    return {"taken": taken.total(), "by_carrier": dict(sorted(taken.items())), "refused": refused}


def _rows(file: Path) -> Iterator[tuple[int, str, str]]:
    """Line, phone and carrier of each row; a first row of headings and empty rows are passed over.

    Refuses file_unreadable.
    """
    from infrastructure.carrier_files import read_cells

    for line, cells in read_cells(file):
        phone, carrier = (*cells, "", "")[:2]
        if line > 1 or phone.strip().lower() not in _HEADINGS:
            yield line, phone, carrier
