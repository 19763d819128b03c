"""`smsledger account`: contracts of accounts, from signing to their end."""

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.errors import BadInput, NotFound
from domain.events.contract import Terms
from domain.values import MICROS_PER_YUAN, SHANGHAI, ChargeOn, Counting, UnknownPolicy, local_day, yuan

if TYPE_CHECKING:
    from domain.aggregates.contract import Contract
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Accounts and their contracts.")
Account = Annotated[str, typer.Argument(help="Small letters, digits and dashes, for example acme.")]

_PRICE = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?", re.ASCII)
_DEFAULT = Terms()


def micro_yuan(text: str) -> int:
    """A decimal string in yuan as integer micro-yuan, exactly: "0.038" is 38000. Refuses price_invalid."""
    found = _PRICE.fullmatch(text.strip())
    if found is None:
        raise BadInput("price_invalid", "A price is yuan with at most six decimals, for example 0.038.")
    return int(found[1]) * MICROS_PER_YUAN + int((found[2] or "").ljust(6, "0"))


@app.command(epilog="Example: smsledger account create acme --name '示例有限公司' --live-on today")
def create(
    account: Account,
    name: Annotated[str, typer.Option(help="The customer's name.")],
    allowance: Annotated[
        int, typer.Option(help="Segments included in a calendar year.")
    ] = _DEFAULT.allowance_segments,
    price: Annotated[str, typer.Option(help="Yuan for a segment beyond them.")] = yuan(
        _DEFAULT.overage_price_micros
    ),
    charge_on: Annotated[
        ChargeOn, typer.Option(help="Owed when a carrier takes it, or when delivered.")
    ] = _DEFAULT.charge_on,
    counting: Annotated[
        Counting, typer.Option(help="70/67 for every text, or GSM-7 texts at 160/153.")
    ] = _DEFAULT.counting,
    unknown_policy: Annotated[
        UnknownPolicy, typer.Option(help="Without any receipt, when charged on delivery.")
    ] = _DEFAULT.unknown_policy,
    years: Annotated[int, typer.Option(help="Term from the first day.")] = _DEFAULT.term_years,
    fixed_fee: Annotated[str, typer.Option(help="The fixed fee in yuan, paid in stages.")] = "0",
    live_on: Annotated[
        str, typer.Option(help="First day (Shanghai), YYYY-MM-DD or today; empty: not live yet.")
    ] = "",
) -> None:
    """Sign the contract of a new account, and start its term."""
    from application.manage_contracts import go_live, sign_contract

    terms = Terms(
        allowance_segments=allowance,
        overage_price_micros=micro_yuan(price),
        charge_on=charge_on,
        counting=counting,
        unknown_policy=unknown_policy,
        term_years=years,
        fixed_fee_micros=micro_yuan(fixed_fee),
    )
    first = day_of(live_on) if live_on else None

    async def run(platform: "Platform") -> None:
        await sign_contract(platform.store, account=account, name=name, terms=terms, context=operator())
        if first is not None:
            await go_live(platform.store, account=account, on=first, context=operator())

    work(run)
    said(f"account {account}: signed" + (f", live from {first}" if first else ", not live yet"))


@app.command(epilog="Example: smsledger account live acme --on 2026-01-01")
def live(account: Account, on: Annotated[str, typer.Option(help="YYYY-MM-DD or today.")] = "today") -> None:
    """Start the term of a signed contract."""
    from application.manage_contracts import go_live

    first = day_of(on)
    done = work(lambda made: go_live(made.store, account=account, on=first, context=operator()))
    said(f"account {account}: live from {first}" + ("" if done else " already"))


@app.command("list", epilog="Example: smsledger account list --json")
def list_accounts(as_json: AsJson = False) -> None:
    """All accounts with their terms and what they used this year."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from application.books import accounts_of

        return [await _row(platform, name) for name in await accounts_of(platform.store)]

    columns = {
        "account": "account",
        "name": "name",
        "state": "state",
        "live_on": "live on",
        "allowance": "allowance",
        "price": "price",
        "net": "used",
        "overage": "overage",
        "amount": "amount",
    }
    tables.show("accounts", columns, work(run), as_json=as_json)


@app.command(epilog="Example: smsledger account show acme")
def show(account: Account, as_json: AsJson = False) -> None:
    """One account: contract, terms, and what it used this year."""
    tables.show_one(work(lambda made: _row(made, account)), as_json=as_json)


@app.command(epilog="Example: smsledger account suspend acme --reason 'invoice 7 unpaid'")
def suspend(account: Account, reason: Reason) -> None:
    """Accept nothing more until it is resumed."""
    from application.manage_contracts import suspend as decide

    done = work(lambda made: decide(made.store, account=account, reason=reason, context=operator()))
    said(f"account {account}: suspended" + ("" if done else " or ended already"))


@app.command(epilog="Example: smsledger account resume acme --reason 'paid'")
def resume(account: Account, reason: Reason) -> None:
    """Accept again."""
    from application.manage_contracts import resume as decide

    done = work(lambda made: decide(made.store, account=account, reason=reason, context=operator()))
    said(f"account {account}: " + ("resumed" if done else "was not suspended"))


@app.command(epilog="Example: smsledger account end acme --reason 'terminated by both'")
def end(account: Account, reason: Reason) -> None:
    """End the contract for good."""
    from application.manage_contracts import end as decide

    done = work(lambda made: decide(made.store, account=account, reason=reason, context=operator()))
    said(f"account {account}: ended" + ("" if done else " already"))


async def _row(platform: "Platform", account: str) -> dict[str, Any]:
    """An account as it is shown."""
    found = await platform.directory.contract(account)
    if found is None:
        raise NotFound("not_found", f"There is no account {account}.")
    contract, today = found.state, local_day(await platform.store.now())
    terms, year = contract.terms_on(today), today.year
    last = await platform.store.last_posting(account, year)
    totals = getattr(last.event, "after", None) if last else None
    return {
        "account": account,
        "name": contract.name,
        "state": state_of(contract, today),
        "live_on": contract.live_on,
        "term_ends_on": contract.term_ends_on,
        "allowance": terms.allowance_segments,
        "price": tables.money(terms.overage_price_micros),
        "charge_on": terms.charge_on,
        "counting": terms.counting,
        "unknown_policy": terms.unknown_policy,
        "year": str(year),
        "net": totals.net if totals else 0,
        "overage": totals.overage if totals else 0,
        "amount": tables.money(totals.amount_micros if totals else 0),
    }


def state_of(contract: "Contract", today: date) -> str:
    """The contract's state in a word."""
    if contract.ended:
        return "ended"
    if contract.suspended:
        return "suspended"
    if contract.live_on is None or today < contract.live_on:
        return "signed"
    return "over" if contract.term_ends_on is not None and today >= contract.term_ends_on else "live"


def day_of(text: str) -> date:
    """A day as it is written, or today in Shanghai. Refuses day_invalid."""
    if text == "today":
        return datetime.now(SHANGHAI).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("day_invalid", "A day is YYYY-MM-DD, or today.") from None
