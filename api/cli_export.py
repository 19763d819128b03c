"""`smsledger ledger export`: a ledger as a file that others can check with their own tools."""

import json
import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from api.cli_session import work
from domain.errors import BadInput, NotFound

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform


class Form(StrEnum):
    """What the file is for."""

    PROOF = "proof"
    BEANCOUNT = "beancount"


def export(
    account: Annotated[str, typer.Argument(help="The account.")],
    year: Annotated[int, typer.Argument(help="Calendar year in Shanghai.")],
    out: Annotated[Path | None, typer.Option(help="Write to this file; else to the standard output.")] = None,
    form: Annotated[
        Form,
        typer.Option("--format", help="Every posting as proof (JSON Lines), or double entry for Beancount."),
    ] = Form.PROOF,
    each: Annotated[
        bool, typer.Option("--each", help="Beancount: a transaction a posting, not a day and kind.")
    ] = False,
) -> None:
    """Every posting of a ledger with what its hash is made of, and the newest seal; or as double entry.

    The proof is checked by scripts/verify_ledger.py, which knows nothing of smsledger. Form: docs/ledger-chain.md.
    """
    if each and form is not Form.BEANCOUNT:
        raise BadInput("each_needs_beancount", "--each goes with --format beancount.", field="each")

    async def run(platform: "Platform") -> int:
        lines = _lines(platform, account, year, form, each=each)
        first = await anext(lines)
        # The file is not touched before there is a ledger to write.
        if out is None:
            return await _write(sys.stdout, first, lines)
        with out.open("w", encoding="utf-8", newline="\n") as file:
            return await _write(file, first, lines)

    count = work(run)
    if out is not None:
        typer.echo(f"{out}: {count:,} lines", err=True)


async def _lines(
    platform: "Platform", account: str, year: int, form: Form, *, each: bool
) -> AsyncIterator[str]:
    from application.export_beancount import export_beancount
    from application.export_ledger import export_ledger
    from infrastructure.sealing import find_seal

    if await platform.store.last_posting(account, year) is None:
        raise NotFound("not_found", f"There is no ledger of {account} in {year}.")
    if form is Form.BEANCOUNT:
        async for text in export_beancount(platform.store, account=account, year=year, each=each):
            yield text
        return
    seal = await find_seal(platform, None)
    async for line in export_ledger(platform.store, account=account, year=year, seal=seal):
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":"))


async def _write(file: IO[str], first: str, rest: AsyncIterator[str]) -> int:
    file.write(first + "\n")
    count = 1
    async for line in rest:
        file.write(line + "\n")
        count += 1
    return count
