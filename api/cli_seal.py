"""`smsledger seal`: the daily signed root over all ledgers, and the proof that one ledger is under it."""

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, operator, work
from domain.errors import BadInput, NotFound

if TYPE_CHECKING:
    from domain.events.seal import Sealed
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Daily seals: a signed root over all ledgers.")

Day = Annotated[str, typer.Option(help="A day (Shanghai), YYYY-MM-DD; the newest sealed one by default.")]


@app.command(epilog="Example: smsledger seal run --until 2026-11-23")
def run(
    until: Annotated[str, typer.Option(help="Last day to seal, YYYY-MM-DD; yesterday by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Seal every day that is over and not sealed yet. Doing it twice is harmless; the scheduler does it daily."""
    last = _day(until)

    async def seal(platform: "Platform") -> list[dict[str, Any]]:
        from infrastructure.sealing import seal_days

        return [_row(sealed) for sealed in await seal_days(platform, until=last, context=operator())]

    _show(work(seal), as_json=as_json, empty="everything that is over is sealed")


@app.command("list", epilog="Example: smsledger seal list --json")
def list_seals(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest last.")] = 31, as_json: AsJson = False
) -> None:
    """The newest seals: day, ledgers, root and key."""

    async def read(platform: "Platform") -> list[dict[str, Any]]:
        from infrastructure.sealing import newest_seals

        return [_row(sealed) for sealed in await newest_seals(platform, limit=limit)]

    _show(work(read), as_json=as_json, empty="nothing is sealed yet")


@app.command(epilog="Example: smsledger seal show --day 2026-11-23 --json")
def show(day: Day = "", as_json: AsJson = False) -> None:
    """One seal with every ledger under it."""
    sealed, _ = _read(_day(day))
    leaves = [{**_leaf(leaf), "year": str(leaf.year)} for leaf in sealed.leaves]
    if as_json:
        tables.write_json(
            {**_row(sealed), "log": sealed.log, "signature": sealed.signature, "ledgers": leaves}
        )
        return
    tables.show_one({**_row(sealed), "log": sealed.log, "signature": sealed.signature}, as_json=False)
    columns = {"account": "account", "year": "year", "version": "posting", "chain": "hash of the posting"}
    tables.show("ledgers", columns, leaves, as_json=False)


@app.command(epilog="Example: smsledger seal prove acme 2026")
def prove(
    account: Annotated[str, typer.Argument(help="The account.")],
    year: Annotated[int, typer.Argument(help="The ledger's year.")],
    day: Day = "",
) -> None:
    """Show, as JSON, that a ledger is under a seal, and nothing of the other ledgers (docs/ledger-chain.md)."""
    from application.export_ledger import seal_proof

    sealed, public_key = _read(_day(day))
    found = seal_proof(sealed, public_key, account, year)
    if found is None:
        raise NotFound("not_found", f"The ledger {account} {year} is not under the seal of {sealed.day}.")
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _read(day: date | None) -> "tuple[Sealed, str]":
    """A seal and the public key of its signature. Refuses not_found."""

    async def read(platform: "Platform") -> "tuple[Sealed, str] | None":
        from infrastructure.sealing import find_seal

        return await find_seal(platform, day)

    found = work(read)
    if found is None:
        raise NotFound("not_found", f"There is no seal of {day}." if day else "Nothing is sealed yet.")
    return found


def _row(sealed: "Sealed") -> dict[str, Any]:
    return {
        "day": str(sealed.day),
        "ledgers": len(sealed.leaves),
        "position": sealed.position,
        "root": sealed.root,
        "previous": sealed.previous,
        "key": sealed.key,
    }


def _leaf(leaf: Any) -> dict[str, Any]:  # noqa: ANN401  (a leaf, whose module loads with the platform)
    return {"account": leaf.account, "year": leaf.year, "version": leaf.version, "chain": leaf.chain}


def _show(rows: list[dict[str, Any]], *, as_json: bool, empty: str) -> None:
    columns = {"day": "day", "ledgers": "ledgers", "position": "position", "root": "root", "key": "key"}
    tables.show("seals", columns, rows, as_json=as_json, empty=empty)


def _day(text: str) -> date | None:
    """A day as it is written, None for none. Refuses day_invalid."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("day_invalid", "A day is YYYY-MM-DD, for example 2026-11-23.") from None
