"""What commands print: tables for people, one JSON document for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from domain.values import SHANGHAI, yuan

if TYPE_CHECKING:
    from rich.progress import Progress

Row = Mapping[str, Any]
_WIDTH_WITHOUT_TERMINAL = 200
_UNBROKEN = frozenset({"at", "event", "message", "id", "key", "code", "name"})
"""Columns that are of no use in pieces."""


def console(*, stderr: bool = False) -> Console:
    """Where commands write; without a terminal lines are not cut at 80 characters."""
    made = Console(stderr=stderr, highlight=False)
    return (
        made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH_WITHOUT_TERMINAL)
    )


def show(
    name: str, columns: Mapping[str, str], rows: Sequence[Row], *, as_json: bool, empty: str = "none"
) -> None:
    """A list: `columns` are headings by key of the rows; the document is `{name: rows}` with every key."""
    if as_json:
        write_json({name: rows})
    elif rows:
        console().print(table(columns, rows))
    else:
        console().print(f"{name}: {empty}")


def show_one(row: Row, *, as_json: bool) -> None:
    """One thing, a line for each of its values."""
    if as_json:
        write_json(row)
        return
    grid = Table.grid(padding=(0, 2))
    for key, value in row.items():
        shown = str(value) if key.endswith(("year", "port")) else cell(value)
        grid.add_row(f"[bold]{key.replace('_', ' ')}[/]", shown)
    console().print(grid)


def table(columns: Mapping[str, str], rows: Iterable[Row], *, title: str | None = None) -> Table:
    """Rows as a table; numbers stand on the right."""
    rows = list(rows)
    made = Table(title=title, title_justify="left", header_style="bold")
    for key, heading in columns.items():
        number = any(isinstance(row.get(key), int) and not isinstance(row.get(key), bool) for row in rows)
        side: JustifyMethod = "right" if number else "left"
        made.add_column(heading, justify=side, overflow="fold", no_wrap=key in _UNBROKEN)
    for row in rows:
        made.add_row(*(cell(row.get(key)) for key in columns))
    return made


def cell(value: object) -> str:
    """A value as people read it: times of Shanghai, numbers with separators; markup in it is shown as text."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        case list() | tuple() | set() | frozenset():
            return ", ".join(cell(each) for each in value)
        case dict():
            return f"{value['yuan']} yuan" if "yuan" in value else json.dumps(value, ensure_ascii=False)
        case _:
            return escape(str(value))


def money(micros: int) -> dict[str, object]:
    """An amount as the HTTP interface writes it."""
    return {"yuan": yuan(micros), "micros": micros}


def write_json(document: object) -> None:
    """One document and nothing else on stdout."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    console().out(text, highlight=False)


def progress_bar() -> "Progress":
    """A bar on stderr that is gone when it is done; nothing at all where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    where = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=where, transient=True, disable=not where.is_terminal)
