"""`smsledger ledger` and `smsledger quota`: what is owed, and the turn of the year."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, operator, work
from domain.errors import BadInput, NotFound
from domain.values import local_year

if TYPE_CHECKING:
    from domain.recorded import Recorded
    from infrastructure.bootstrap import Platform

ledger = typer.Typer(no_args_is_help=True, help="Quota ledgers: one account in one calendar year.")
quota = typer.Typer(no_args_is_help=True, help="The annual quota.")

_PAGE = 1_000


@ledger.command(epilog="Example: smsledger ledger show --account acme --postings --json")
def show(
    account: Annotated[str, typer.Option(help="One account; without it all.")] = "",
    year: Annotated[int | None, typer.Option(help="Calendar year in Shanghai; this one by default.")] = None,
    postings: Annotated[bool, typer.Option("--postings", help="Every posting (needs --account).")] = False,
    as_json: AsJson = False,
) -> None:
    """The totals of a year, straight from the last posting, or every posting of it."""
    if postings and not account:
        raise BadInput("account_missing", "Postings are shown of one account: give --account.")
    if postings:
        _show_postings(account, year, as_json=as_json)
        return
    rows = work(lambda made: _totals(made, account, year))
    columns = {
        "account": "account",
        "year": "year",
        "postings": "postings",
        "allowance": "allowance",
        "net": "used",
        "included": "included",
        "overage": "overage",
        "remaining": "remaining",
        "amount": "amount",
        "closed": "closed",
    }
    tables.show("ledgers", columns, rows, as_json=as_json, empty="nothing was sent in that year")


async def _totals(platform: "Platform", account: str, year: int | None) -> list[dict[str, Any]]:
    """One row an account whose year is open."""
    asked = year or local_year(await platform.store.now())
    from application.books import accounts_of

    signed = set(await accounts_of(platform.store))
    if account and account not in signed:
        raise NotFound("not_found", f"There is no account {account}.")
    rows: list[dict[str, Any]] = []
    for name in sorted({account} if account else signed):
        last = await platform.store.last_posting(name, asked)
        if last is not None:
            rows.append(ledger_row(name, asked, last))
    return rows


def ledger_row(account: str, year: int, last: "Recorded") -> dict[str, Any]:
    """A ledger as its last posting says."""
    after = getattr(last.event, "after")  # noqa: B009 - every event of a ledger has it
    return {
        "account": account,
        "year": str(year),
        "postings": last.version,
        "allowance": after.allowance,
        "net": after.net,
        "included": after.net - after.overage,
        "overage": after.overage,
        "remaining": max(0, after.allowance - after.net),
        "amount": tables.money(after.amount_micros),
        "closed": after.closed,
        "chain": getattr(last.event, "chain", ""),
    }


def _show_postings(account: str, year: int | None, *, as_json: bool) -> None:
    async def run(platform: "Platform") -> list[dict[str, Any]]:
        asked = year or local_year(await platform.store.now())
        rows: list[dict[str, Any]] = []
        while page := await platform.store.postings(account, asked, after=len(rows), limit=_PAGE):
            rows += [_posting(recorded) for recorded in page]
        return rows

    columns = {
        "posting": "posting",
        "at": "at",
        "kind": "kind",
        "message": "message",
        "reason": "reason",
        "segments": "segments",
        "included": "included",
        "overage": "overage",
        "net_after": "used after",
        "overage_after": "overage after",
        "amount_after": "amount after",
    }
    tables.show("postings", columns, work(run), as_json=as_json)


def _posting(recorded: "Recorded") -> dict[str, Any]:
    event: Any = recorded.event
    return {
        "posting": recorded.version,
        "at": recorded.at,
        "kind": event.TOPIC.removeprefix("ledger."),
        "message": str(getattr(event, "message", "")),
        "reason": getattr(event, "reason", ""),
        "segments": getattr(event, "segments", None),
        "included": getattr(event, "included", None),
        "overage": getattr(event, "overage", None),
        "net_after": event.after.net,
        "overage_after": event.after.overage,
        "amount_after": tables.money(event.after.amount_micros),
        "chain": event.chain,
    }


@quota.command(epilog="Example: smsledger quota reset --year 2027 --all --dry-run")
def reset(
    year: Annotated[int, typer.Option(help="The year that begins: this one or the next.")],
    account: Annotated[str, typer.Option(help="One account.")] = "",
    everybody: Annotated[bool, typer.Option("--all", help="All accounts.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open the ledger of a year and, once the year before is over, close that one. Doing it twice is harmless."""
    from application.reset_quota import reset_quota

    if bool(account) == everybody:
        raise BadInput("account_or_all", "Say either --account or --all.")
    done = work(
        lambda made: reset_quota(
            made.store, year=year, account=account or None, dry_run=dry_run, context=operator()
        )
    )
    rows = [
        {
            "account": one.account,
            "year": str(one.year),
            "opened": one.opened,
            "allowance": one.allowance,
            "closed_year": str(one.closed_year or ""),
            "expired_segments": one.expired_segments,
            "dry_run": dry_run,
        }
        for one in done
    ]
    columns = {
        "account": "account",
        "year": "year",
        "opened": "would open" if dry_run else "opened",
        "allowance": "allowance",
        "closed_year": "would close" if dry_run else "closed",
        "expired_segments": "expired",
    }
    tables.show("resets", columns, rows, as_json=as_json, empty="there are no accounts")
