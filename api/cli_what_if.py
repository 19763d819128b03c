"""`smsledger what-if`: the recorded traffic of a period under other terms, for the talks about a new contract."""

import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_accounts import micro_yuan
from api.cli_session import AsJson, work
from domain.errors import BadInput

if TYPE_CHECKING:
    from api.what_if_schemas import TermsToTry, WhatIfAnswer
    from infrastructure.bootstrap import Platform

_IN_YUAN = {"overage_price": "overage_price_micros", "spending_cap": "spending_cap_micros"}


def command(
    terms: Annotated[Path, typer.Option(help="TOML file of the terms to try; docs/what-if.md lists them.")],
    account: Annotated[str, typer.Option(help="The account.")],
    year: Annotated[int | None, typer.Option(help="The ledger of a calendar year.")] = None,
    first: Annotated[
        str, typer.Option("--from", help="First day (Shanghai), YYYY-MM-DD, instead of a year.")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="Last day.")] = "",
    as_json: AsJson = False,
) -> None:
    """Replay what is recorded under other terms, month by month beside what was billed. Nothing is written.

    Terms that the file leaves out stay as they were: with an empty file the result is the bill.
    """
    from api.what_if_answers import answer_of, other_terms
    from application.what_if import span_of

    wanted, days = read_terms(terms), (_day(first), _day(last))
    span = span_of(year, *days)

    async def run(platform: "Platform") -> "WhatIfAnswer":
        from infrastructure.traffic import what_if

        made = await what_if(platform, account=account, span=span, terms=other_terms(wanted))
        return answer_of(made, wanted, year=year, first=days[0], last=days[1])

    found = work(run)
    if as_json:
        tables.write_json(_plain(found))
    else:
        show(found)


def read_terms(file: Path) -> "TermsToTry":
    """The terms of a TOML file. Refuses terms_unreadable, terms_unknown, terms_invalid, price_invalid."""
    import msgspec

    from api.what_if_schemas import TermsToTry

    try:
        given: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput("terms_unreadable", f"{file} is no TOML file that can be read: {error}.") from None
    known = {*TermsToTry.__struct_fields__, *_IN_YUAN}
    for name in given:
        if name not in known:
            raise BadInput(
                "terms_unknown",
                f"There is no term {name} to try; there are {', '.join(sorted(known))}.",
                field=name,
            )
    for name, micros in _IN_YUAN.items():
        if name in given:
            if micros in given:
                raise BadInput("terms_invalid", f"{name} and {micros} say the same: give one.", field=name)
            given[micros] = micro_yuan(str(given.pop(name)))
    try:
        return msgspec.convert(given, TermsToTry)
    except msgspec.ValidationError as error:
        raise BadInput("terms_invalid", f"{error}.") from None


def show(found: "WhatIfAnswer") -> None:
    """A line a month, one for all, and what could not be known."""
    rows = [_row(month.month, month) for month in found.months]
    rows.append(_row("all", found))
    columns = {
        "month": "month",
        "segments": "segments",
        "overage": "overage",
        "payable": "billed",
        "other_segments": "other: segments",
        "other_overage": "overage",
        "other_payable": "amount",
        "difference": "difference",
    }
    out = tables.console()
    out.print(tables.table(columns, rows))
    if found.refused_messages:
        out.print(
            f"the spending cap would have refused {found.refused_messages:,} messages, "
            f"{found.refused_segments:,} segments"
        )
    if found.uncertain_messages:
        out.print(
            f"{found.uncertain_messages:,} messages cannot be counted by the other rule any more: "
            "they are counted as they were"
        )


def _row(name: str, sides: Any) -> dict[str, Any]:  # noqa: ANN401  (a month, or the whole answer)
    return {
        "month": name,
        "segments": sides.billed.segments,
        "overage": sides.billed.overage,
        "payable": f"{sides.billed.payable.yuan} yuan",
        "other_segments": sides.other.segments,
        "other_overage": sides.other.overage,
        "other_payable": f"{sides.other.payable.yuan} yuan",
        "difference": f"{sides.difference.payable.yuan} yuan",
    }


def _plain(found: "WhatIfAnswer") -> object:
    import msgspec

    return msgspec.to_builtins(found)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("day_invalid", "A day is YYYY-MM-DD, for example 2026-11-23.") from None
