"""`smsledger adjustment`: corrections of a ledger, asked for by one person and approved by others."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer

from api import tables
from api.cli_accounts import micro_yuan
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.values import MICROS_PER_YUAN

if TYPE_CHECKING:
    from domain.aggregates.adjustment import Adjustment
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Corrections of a ledger; beyond a limit two people approve.")
Id = Annotated[UUID, typer.Argument(help="The adjustment, as `adjustment list` shows it.")]


@app.command(
    epilog="Example: smsledger adjustment request acme --period 2026-10 --segments -120 --reason '运营商重复计费'"
)
def request(
    account: Annotated[str, typer.Argument(help="Whose ledger is corrected.")],
    period: Annotated[str, typer.Option(help="The month (2026-11) or year (2026) it belongs to.")],
    reason: Reason,
    segments: Annotated[int, typer.Option(help="Segments owed; negative is a credit.")] = 0,
    amount: Annotated[str, typer.Option(help="Yuan owed beside them; negative is a credit.")] = "0",
    reference: Annotated[str, typer.Option(help="What it rests on: a letter, a reconciliation.")] = "",
    id_: Annotated[
        UUID | None, typer.Option("--id", help="Yours, so that a repeated call asks once.")
    ] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a correction. It changes nothing before it is approved."""
    micros = -micro_yuan(amount[1:]) if amount.startswith("-") else micro_yuan(amount)
    chosen = id_ or uuid4()

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.manage_adjustments import AskedFor, find_adjustment, request_adjustment

        await request_adjustment(
            platform.store,
            id_=chosen,
            asked=AskedFor(
                account=account,
                period=period,
                segments=segments,
                amount_micros=micros,
                reason=reason,
                reference=reference,
            ),
            limit_micros=platform.settings.adjustment_limit_yuan * MICROS_PER_YUAN,
            context=person(by),
        )
        return _row(await find_adjustment(platform.store, id_=chosen))

    row = work(run)
    if as_json:
        tables.write_json(row)
        return
    said(f"adjustment {chosen} is asked for; it takes {row['approvals_needed']} approvals")


@app.command(epilog="Example: smsledger adjustment approve 7b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b12 --by li")
def approve(adjustment: Id, by: By = "", as_json: AsJson = False) -> None:
    """Approve a correction; the last approval that is needed posts it."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.manage_adjustments import approve_adjustment

        return _row(await approve_adjustment(platform.store, id_=adjustment, context=person(by)))

    row = work(run)
    if as_json:
        tables.write_json(row)
        return
    said(f"adjustment {adjustment} is {row['state']}, approved by {', '.join(row['approved_by'])}")


@app.command(
    epilog="Example: smsledger adjustment reject 7b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b12 --reason 'no evidence'"
)
def reject(adjustment: Id, reason: Reason, by: By = "") -> None:
    """Turn a correction down for good."""
    from application.manage_adjustments import reject_adjustment

    done = work(lambda made: reject_adjustment(made.store, id_=adjustment, reason=reason, context=person(by)))
    said(f"adjustment {adjustment} is rejected" + ("" if done else " already"))


@app.command("list", epilog="Example: smsledger adjustment list --account acme --state requested")
def list_adjustments(
    account: Annotated[str, typer.Option(help="Only those of one account.")] = "",
    state: Annotated[str, typer.Option(help="requested, posted or rejected.")] = "",
    as_json: AsJson = False,
) -> None:
    """Corrections and what became of each."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from application.manage_adjustments import list_adjustments as find

        found = await find(platform.store, account=account or None)
        return [_row(one) for one in found if state in ("", one.state)]

    columns = {
        "id": "id",
        "account": "account",
        "period": "period",
        "segments": "segments",
        "amount": "amount",
        "state": "state",
        "requested_by": "asked by",
        "approved_by": "approved by",
        "reason": "reason",
    }
    tables.show("adjustments", columns, work(run), as_json=as_json)


def _row(state: "Adjustment | None") -> dict[str, Any]:
    assert state is not None
    wanted = state.requested
    return {
        "id": str(wanted.adjustment),
        "account": wanted.account,
        "period": wanted.period,
        "year": wanted.year,
        "segments": wanted.segments,
        "amount": tables.money(wanted.amount_micros),
        "state": state.state,
        "requested_by": wanted.by,
        "approvals_needed": wanted.approvals,
        "approved_by": list(state.approved_by),
        "reason": wanted.reason,
        "reference": wanted.reference,
    }
