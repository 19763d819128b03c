"""`smsledger reconcile`: carriers' statements against our books, and our books against each other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from api import tables
from api.cli_accounts import micro_yuan
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.errors import BadInput
from domain.events.reconciliation import BilledOn, MoneyUnit, Receipts, RowsAre
from domain.values import SHANGHAI

if TYPE_CHECKING:
    from api.reconciliation_schemas import MappingAnswer
    from infrastructure.bootstrap import Platform
    from infrastructure.reconciler import Told
    from infrastructure.reconciliation_tables import RunState
    from infrastructure.self_check import SelfCheck

app = typer.Typer(no_args_is_help=True, help="Carriers' statements against our books, with a reason each.")
mapping = typer.Typer(no_args_is_help=True, help="How a carrier's statements are read and judged.")
app.add_typer(mapping, name="mapping")

Id = Annotated[UUID, typer.Argument(help="The reconciliation.", metavar="ID")]
Name = Annotated[str, typer.Argument(help="A carrier's or a link's name.")]
Column = "Heading of the column, or its letter."


@app.command("run", epilog="Example: smsledger reconcile run statement.csv --link mobile-1 --month 2026-11")
def run_file(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX as it came.", exists=True, dir_okay=False)],
    link: Annotated[str, typer.Option(help="Whose statement it is.")],
    month: Annotated[str, typer.Option(help="For example 2026-11.")],
    mapping: Annotated[str, typer.Option(help="How it is read; the one of the link's name by default.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Read a carrier's file and match it with our facts. Exit code 1 where it failed."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from infrastructure.reconciler import work_off
        from infrastructure.reconciliations import begin

        asked = await begin(platform, link=link, month=month, mapping=mapping or link, by=person(by).actor)
        with _progress() as told:
            done = await work_off(platform, asked.id, file=file, told=told)
        return await _found(platform, done)

    _show(work(run), as_json=as_json)


@app.command(epilog="Example: smsledger reconcile rerun 9b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b13")
def rerun(
    id_: Id,
    mapping: Annotated[str, typer.Option(help="Another mapping than before.")] = "",
    upto: Annotated[int, typer.Option(help="Facts up to this position of the log; 0: all there are.")] = 0,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """The same file again, with the facts and the mapping of now. The new run supersedes the old one."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from infrastructure import reconciliations
        from infrastructure.reconciler import work_off

        asked = await reconciliations.rerun(platform, id_, by=person(by).actor, mapping=mapping, upto=upto)
        with _progress() as told:
            done = await work_off(platform, asked.id, told=told)
        return await _found(platform, done)

    _show(work(run), as_json=as_json)


@app.command("list", epilog="Example: smsledger reconcile list --link mobile-1 --json")
def list_all(
    link: Annotated[str, typer.Option(help="Of one link; without it all.")] = "", as_json: AsJson = False
) -> None:
    """All runs, newest first."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        import msgspec

        from api.reconciliation_answers import summary_of
        from infrastructure.reconciliations import list_runs

        return [msgspec.to_builtins(summary_of(one)) for one in await list_runs(platform, link=link)]

    names = ("id", "link", "month", "state", "done", "problem", "by", "requested_at")
    tables.show(
        "reconciliations", {name: name.replace("_", " ") for name in names}, work(run), as_json=as_json
    )


@app.command(epilog="Example: smsledger reconcile show 9b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b13")
def show(id_: Id, as_json: AsJson = False) -> None:
    """How far a run is, and what it found."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from infrastructure.reconciliations import read

        return await _found(platform, (await read(platform, id_)).run)

    _show(work(run), as_json=as_json)


@app.command(
    epilog="Example: smsledger reconcile differences 9b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b13 --reason UNEXPLAINED"
)
def differences(
    id_: Id,
    reason: Annotated[str, typer.Option(help="Of one reason, for example FAILED_BUT_BILLED.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 100,
    cursor: Annotated[str, typer.Option(help="`next_cursor` of the page before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Every difference with its one reason and its evidence; UNEXPLAINED first."""
    wanted = _reason(reason)

    async def run(platform: "Platform") -> tuple[list[dict[str, Any]], str]:
        from infrastructure.reconciliations import page

        return await page(platform, id_, reason=wanted, cursor=cursor, limit=limit)

    rows, following = work(run)
    if as_json:
        tables.write_json({"differences": rows, "next_cursor": following})
        return
    columns = {
        "id": "id",
        "reason": "reason",
        "note": "note",
        "day": "day",
        "carrier_id": "carrier id",
        "rows": "rows",
        "platform_segments": "expected",
        "carrier_segments": "billed",
        "ledger_segments": "ledger",
        "message": "message",
        "adjustment": "adjustment",
    }
    tables.show("differences", columns, rows, as_json=False)
    if following:
        said(f"there are more: --cursor {following}")


@app.command(
    epilog="Example: smsledger reconcile resolve ID DIFFERENCE --segments -1 --reason 'confirmed by the carrier'"
)
def resolve(
    id_: Id,
    difference: Annotated[UUID, typer.Argument(help="The difference.", metavar="DIFFERENCE")],
    reason: Reason,
    segments: Annotated[int, typer.Option(help="Of the account's ledger; negative is a credit.")] = 0,
    amount: Annotated[str, typer.Option(help="Yuan beside the segments; negative is a credit.")] = "0",
    account: Annotated[str, typer.Option(help="That of the message by default.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Ask for an adjustment because of a difference; two people have to approve it."""
    micros = -micro_yuan(amount[1:]) if amount.startswith("-") else micro_yuan(amount)

    async def run(platform: "Platform") -> UUID:
        from application.reconcile_statements import Resolution, resolve_difference
        from infrastructure.reconciliations import find_difference

        of, found = await find_difference(platform, id_, difference)
        wanted = Resolution(
            run=id_,
            link=of.link,
            month=f"{of.month:%Y-%m}",
            difference=difference,
            account=account or str(found["account"]),
            segments=segments,
            amount_micros=micros,
            reason=reason,
        )
        return await resolve_difference(platform.store, wanted=wanted, context=person(by))

    adjustment = work(run)
    said(
        f"adjustment {adjustment}: asked for, two people have to approve it",
        as_json=as_json,
        difference=difference,
        adjustment=adjustment,
    )


@app.command(
    "self",
    epilog="Examples: smsledger reconcile self --day 2026-11-02 · smsledger reconcile self --month 2026-11",
)
def reconcile_self(
    account: Annotated[str, typer.Option(help="One account; without it all.")] = "",
    day: Annotated[str, typer.Option(help="YYYY-MM-DD in Shanghai; today by default.")] = "",
    month: Annotated[str, typer.Option(help="A whole month, for example 2026-11.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ledger, messages and read models against each other, by day and account. Exit code 1 where they differ."""
    since, until = _days(day, month)

    async def run(platform: "Platform") -> "SelfCheck":
        from infrastructure.self_check import check_self

        return check_self(platform, since=since, until=until, account=account)

    found = work(run)
    from dataclasses import asdict

    if as_json:
        tables.write_json({**asdict(found), "agrees": not found.differences})
    else:
        columns = ("account", "day", "what", "left", "left_value", "right", "right_value", "messages")
        if found.differences:
            rows = [asdict(one) for one in found.differences]
            tables.show(
                "differences", {name: name.replace("_", " ") for name in columns}, rows, as_json=False
            )
        said(
            f"{found.messages:,} messages of {found.accounts} accounts from {since} to {until}, {found.debited:,} "
            f"segments debited, {found.refunded:,} refunded: "
            + ("everything agrees" if not found.differences else f"{len(found.differences)} differences")
        )
    if found.differences:
        raise typer.Exit(1)


@mapping.command(
    "set",
    epilog="Example: smsledger reconcile mapping set mobile-1 --carrier-id 消息ID --time 提交时间 --amount 金额",
)
def set_mapping(
    name: Name,
    carrier_id: Annotated[str, typer.Option(help=Column)],
    time: Annotated[str, typer.Option(help=Column)] = "",
    phone: Annotated[str, typer.Option(help=Column)] = "",
    segments: Annotated[str, typer.Option(help=Column)] = "",
    status: Annotated[str, typer.Option(help=Column)] = "",
    price_column: Annotated[str, typer.Option(help=Column)] = "",
    amount: Annotated[str, typer.Option(help=Column)] = "",
    network: Annotated[str, typer.Option(help=Column)] = "",
    header_row: Annotated[int, typer.Option(help="Row of the headings; 0: there are none.")] = 1,
    time_format: Annotated[str, typer.Option(help="As strptime has it; empty reads the usual forms.")] = "",
    money_unit: Annotated[MoneyUnit, typer.Option(help="Of the file.")] = MoneyUnit.YUAN,
    rows_are: Annotated[RowsAre, typer.Option(help="What a row stands for.")] = RowsAre.PARTS,
    billed_on: Annotated[BilledOn, typer.Option(help="What the carrier charges.")] = BilledOn.SUBMITTED,
    receipts: Annotated[Receipts, typer.Option(help="Which parts are reported.")] = Receipts.EACH_PART,
    price: Annotated[str, typer.Option(help="Yuan agreed for a segment; 0: money is not compared.")] = "0",
    rounding: Annotated[str, typer.Option(help="Yuan to which it rounds a row.")] = "0.01",
    test_number: Annotated[
        list[str] | None, typer.Option(help="A number that is free; kept sealed. Repeat it for more.")
    ] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Save how the statements of a carrier are read. What is not given has its default."""

    async def run(platform: "Platform") -> "MappingAnswer":
        from api.reconciliation_answers import mapping_of, wanted_mapping
        from api.reconciliation_schemas import MappingRequest, StatementColumns
        from application.reconcile_statements import save_mapping

        body = MappingRequest(
            columns=StatementColumns(
                carrier_id=carrier_id,
                time=time,
                phone=phone,
                segments=segments,
                status=status,
                price=price_column,
                amount=amount,
                network=network,
            ),
            header_row=header_row,
            time_format=time_format,
            money_unit=money_unit,
            rows_are=rows_are,
            billed_on=billed_on,
            receipts=receipts,
            price_micros=micro_yuan(price),
            rounding_micros=micro_yuan(rounding),
            test_numbers=test_number,
        )
        wanted = await wanted_mapping(platform, name, body)
        return mapping_of(await save_mapping(platform.store, wanted=wanted, context=person(by)))

    _show_mapping(work(run), as_json=as_json)


@mapping.command("show", epilog="Example: smsledger reconcile mapping show mobile-1")
def show_mapping(name: Name, as_json: AsJson = False) -> None:
    """A mapping as it stands."""

    async def run(platform: "Platform") -> "MappingAnswer":
        from api.reconciliation_answers import mapping_of
        from application.reconcile_statements import find_mapping

        return mapping_of(await find_mapping(platform.store, name))

    _show_mapping(work(run), as_json=as_json)


def _show_mapping(found: "MappingAnswer", *, as_json: bool) -> None:
    import msgspec

    row = msgspec.to_builtins(found)
    if not as_json:
        row["columns"] = {name: text for name, text in row["columns"].items() if text}
    tables.show_one(row, as_json=as_json)


async def _found(platform: "Platform", run: "RunState") -> dict[str, Any]:
    """A run as the HTTP interface answers it."""
    import msgspec

    from api.reconciliation_answers import reconciliation_of
    from infrastructure.reconciliations import read

    document: dict[str, Any] = msgspec.to_builtins(reconciliation_of(await read(platform, run.id)))
    return document


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    """A run for people: its sums by reason, then one line."""
    result = found["result"]
    if as_json:
        tables.write_json(found)
    elif result is None:
        said(f"reconciliation {found['id']}: {found['state']} {found['problem']}".rstrip())
    else:
        columns = {
            "reason": "reason",
            "differences": "differences",
            "segments": "billed less expected",
            "amount": "in money",
        }
        tables.show("reasons", columns, result["totals"], as_json=False)
        said(
            f"reconciliation {found['id']}: {found['rows']:,} rows, {found['bad_rows']:,} of them unreadable; "
            f"billed {result['carrier_segments']:,}, expected {result['platform_segments']:,}, "
            f"in our ledgers {result['ledger_segments']:,}; result {result['result_hash']}"
        )
    if found["state"] == "failed":
        raise typer.Exit(1)


@contextmanager
def _progress() -> "Iterator[Told]":
    with tables.progress_bar() as bar:
        task = bar.add_task("importing", total=None)
        yield lambda phase, done: bar.update(task, description=phase, completed=done)


def _reason(text: str) -> Any:  # noqa: ANN401
    from domain.reconciling import Reason as Reasons

    if not text:
        return None
    try:
        return Reasons(text.upper())
    except ValueError:
        raise BadInput("reason_unknown", f"A reason is one of: {', '.join(Reasons)}.") from None


def _days(day: str, month: str) -> Sequence[date]:
    from domain import periods

    if day and month:
        raise BadInput("day_or_month", "Give either --day or --month.")
    if month:
        period = periods.parse(month)
        return period.first_day, period.last_day
    try:
        wanted = date.fromisoformat(day) if day else datetime.now(SHANGHAI).date()
    except ValueError:
        raise BadInput("day_invalid", "A day is YYYY-MM-DD.") from None
    return wanted, wanted
