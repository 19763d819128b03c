"""`smsledger statement`: months and years, from the preview to the customer's word."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, By, Reason, person, said, work
from domain import periods
from domain.errors import BadInput, NotFound
from domain.values import SHANGHAI

if TYPE_CHECKING:
    from domain.aggregates.statement import Statement
    from infrastructure.bootstrap import Platform
    from infrastructure.statement_texts import Document

app = typer.Typer(no_args_is_help=True, help="Statements of months and years; issued once, then final.")
Account = Annotated[str, typer.Argument(help="The account that is billed.")]
Period = Annotated[str, typer.Argument(help="A month like 2026-11, or a year like 2026.")]

_FORMATS = ("json", "csv", "xlsx", "pdf")
_LINES = {
    "line": "line",
    "kind": "kind",
    "period": "belongs to",
    "ledger": "ledger",
    "price": "price",
    "postings": "postings",
    "segments": "segments",
    "included": "included",
    "overage": "overage",
    "allowance": "package",
    "billed": "billed",
}


@app.command(
    epilog="Examples: smsledger statement issue --period 2026-11 --all · "
    "smsledger statement issue --period 2026 --account acme"
)
def issue(
    period: Annotated[str, typer.Option(help="The month or year to issue; it must be over.")],
    account: Annotated[str, typer.Option(help="One account.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Every account.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Issue the statement of a period, once; run again it finishes what was left. Exit code 1 if any is refused."""
    if bool(account) == all_:
        raise BadInput("account_missing", "Give --account NAME, or --all.", field="account")
    wanted = periods.parse(period)

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from application.issue_statements import IssueOutcome, issue, issue_all
        from infrastructure.posting_rows import reader

        store, read = platform.store, reader(platform.store.recorder)
        if all_:
            outcomes = await issue_all(store, read, period=wanted, context=person(by))
            return [_outcome(one) for one in outcomes]
        made, now = await issue(store, read, account=account, period=wanted, context=person(by))
        return [_outcome(IssueOutcome(account=account, statement=made, issued=now))]

    rows = work(run)
    columns = {name: name for name in ("account", "number", "result", "amount", "hash", "detail")}
    tables.show("statements", columns, rows, as_json=as_json, empty="there are no accounts")
    if any(row["result"] not in ("issued", "was issued before", "period_before_contract") for row in rows):
        raise typer.Exit(1)


@app.command("list", epilog="Example: smsledger statement list acme")
def list_(account: Account, as_json: AsJson = False) -> None:
    """The statements of an account, by period."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from application.read_statements import open_book

        return [_row(one) for one in (await open_book(platform.store, account)).statements.values()]

    columns = {
        "period": "period",
        "number": "number",
        "state": "state",
        "amount": "amount",
        "issued_at": "issued",
        "open_until": "open until",
    }
    tables.show("statements", columns, work(run), as_json=as_json, empty="none is issued yet")


@app.command(epilog="Example: smsledger statement show acme 2026-11")
def show(account: Account, period: Period, as_json: AsJson = False) -> None:
    """An issued statement with its lines."""
    _print(_document(account, period, preview=False), as_json=as_json)


@app.command(epilog="Example: smsledger statement preview acme 2026-12")
def preview(account: Account, period: Period, as_json: AsJson = False) -> None:
    """What the statement of a period would say now; nothing is recorded."""
    _print(_document(account, period, preview=True), as_json=as_json)


@app.command(epilog="Example: smsledger statement download acme 2026-11 --format pdf --output november.pdf")
def download(
    account: Account,
    period: Period,
    format_: Annotated[str, typer.Option("--format", help="json, csv, xlsx or pdf.")] = "pdf",
    output: Annotated[
        Path | None, typer.Option(help="The file; by default named after the statement.")
    ] = None,
    as_preview: Annotated[bool, typer.Option("--preview", help="What it would say now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a statement into a file that can be sent."""
    if format_ not in _FORMATS:
        raise BadInput("format_unknown", f"A format is one of {', '.join(_FORMATS)}.", field="format")
    from infrastructure import statement_files, statement_pdf

    document = _document(account, period, preview=as_preview)
    writers = {
        "json": statement_files.to_json,
        "csv": statement_files.to_csv,
        "xlsx": statement_files.to_xlsx,
        "pdf": statement_pdf.to_pdf,
    }
    file = output or Path(f"{document.file_name}.{format_}")
    octets = writers[format_](document)
    file.write_bytes(octets)
    said(f"{file}: {len(octets):,} octets", as_json=as_json, file=str(file), octets=len(octets))


@app.command(epilog="Example: smsledger statement accept acme 2026-11 --note '已核对'")
def accept(
    account: Account,
    period: Period,
    note: Annotated[str, typer.Option(help="What the customer said.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Note that the customer agrees, within the window of the terms."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.issue_statements import accept

        wanted = periods.parse(period)
        await accept(platform.store, account=account, period=wanted, note=note, context=person(by))
        return await _stands(platform, account, wanted)

    _tell(work(run), as_json=as_json)


@app.command(epilog="Example: smsledger statement dispute acme 2026-11 --reason '第 3 行条数不符'")
def dispute(account: Account, period: Period, reason: Reason, by: By = "", as_json: AsJson = False) -> None:
    """Note that the customer disagrees, within the window of the terms."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.issue_statements import dispute

        wanted = periods.parse(period)
        await dispute(platform.store, account=account, period=wanted, reason=reason, context=person(by))
        return await _stands(platform, account, wanted)

    _tell(work(run), as_json=as_json)


@app.command(epilog="Example: smsledger statement resolve acme 2026-11 --reason '重复计费，已调整'")
def resolve(
    account: Account,
    period: Period,
    reason: Reason,
    adjustment: Annotated[str, typer.Option(help="The adjustment that corrects it, if any.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Settle a dispute; the statement itself stays as it is."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.issue_statements import resolve

        wanted = periods.parse(period)
        await resolve(
            platform.store,
            account=account,
            period=wanted,
            reason=reason,
            adjustment=adjustment,
            context=person(by),
        )
        return await _stands(platform, account, wanted)

    _tell(work(run), as_json=as_json)


@app.command(epilog="Example: smsledger statement forecast acme")
def forecast(account: Account, as_json: AsJson = False) -> None:
    """When the package runs out and what the year will cost, if the use goes on as in the last four weeks."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.forecast import forecast_at
        from application.read_statements import open_book

        book = await open_book(platform.store, account)
        found = await forecast_at(platform.store, account, book.contract, cut=book.now)
        return {
            "account": account,
            "method": found.method,
            "as_of": found.as_of,
            "observed_days": found.observed_days,
            "observed_segments": found.observed_segments,
            "runs_out_on": found.runs_out_on,
            "net_at_end_of_year": found.net,
            "overage_at_end_of_year": found.overage,
            "amount_at_end_of_year": tables.money(found.amount_micros),
        }

    tables.show_one(work(run), as_json=as_json)


def _document(account: str, period: str, *, preview: bool) -> "Document":
    """An issued statement, or what it would say now. Refuses period_invalid, not_found, period_not_begun."""
    wanted = periods.parse(period)

    async def run(platform: "Platform") -> "Document":
        from application import issue_statements
        from application.read_statements import open_book
        from infrastructure.posting_rows import reader
        from infrastructure.statement_texts import Document

        if preview:
            read = reader(platform.store.recorder)
            return Document(
                await issue_statements.preview(platform.store, read, account=account, period=wanted)
            )
        book = await open_book(platform.store, account)
        if wanted not in book.statements:
            raise NotFound("not_found", f"There is no statement of {wanted} yet: preview it.", field="period")
        return Document(book.statements[wanted].content, book.statements[wanted])

    return work(run)


def _print(document: "Document", *, as_json: bool) -> None:
    if as_json:
        import msgspec

        from api.statement_answers import statement_of

        tables.write_json(msgspec.to_builtins(statement_of(document)))
        return
    from infrastructure.statement_texts import summary

    tables.show_one({english.lower(): value for _, english, value in summary(document)}, as_json=False)
    tables.show("lines", _LINES, _lines(document), as_json=False, empty="none")


def _lines(document: "Document") -> list[dict[str, Any]]:
    return [
        {
            "line": number,
            "kind": line.kind.value,
            "period": line.period,
            "ledger": str(line.year),
            "price": tables.money(line.price_micros) if line.price_micros else "",
            "postings": line.postings,
            "segments": line.segments,
            "included": line.included,
            "overage": line.overage,
            "allowance": line.allowance,
            "billed": tables.money(line.amount_fen * 10_000),
        }
        for number, line in enumerate(document.content.lines, 1)
    ]


async def _stands(platform: "Platform", account: str, period: periods.Period) -> dict[str, Any]:
    from application.read_statements import open_book

    return _row((await open_book(platform.store, account)).one(period))


def _tell(row: dict[str, Any], *, as_json: bool) -> None:
    said(f"statement {row['number']}: {row['state']}", as_json=as_json, **row)


def _row(one: "Statement") -> dict[str, Any]:
    content = one.content
    return {
        "period": content.period,
        "number": content.number,
        "state": one.state.value,
        "amount": tables.money(content.amount_fen * 10_000),
        "issued_at": f"{one.issued_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
        "open_until": one.open_until,
        "hash": one.hash,
        "said_by": one.by,
        "said": one.words,
        "adjustment": one.adjustment,
    }


def _outcome(one: Any) -> dict[str, Any]:  # noqa: ANN401  (an IssueOutcome, which takes long to import)
    found = one.statement
    return {
        "account": one.account,
        "result": one.code or ("issued" if one.issued else "was issued before"),
        "number": found.content.number if found else "",
        "amount": tables.money(found.content.amount_fen * 10_000) if found else "",
        "hash": found.hash if found else "",
        "detail": one.detail,
    }
