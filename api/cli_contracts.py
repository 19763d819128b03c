"""`smsledger contract`: the terms in force, amendments that two people agree, and the stages of the fixed fee."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_accounts import Account, day_of, micro_yuan, state_of
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.errors import BadInput
from domain.values import ChargeOn, Counting, PartialYears, UnknownPolicy, local_day

if TYPE_CHECKING:
    from domain.aggregates.contract import Amendment
    from domain.events.contract import Terms
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Contracts: terms, amendments, the fixed fee.")
Number = Annotated[int, typer.Argument(help="The amendment's number.")]
Stage = Annotated[int, typer.Argument(help="The stage, from 1.")]


@app.command(epilog="Example: smsledger contract show acme --json")
def show(account: Account, as_json: AsJson = False) -> None:
    """The contract as it stands: terms in force today, amendments, stages of the fixed fee."""
    document = work(lambda made: _document(made, account))
    if as_json:
        tables.write_json(document)
        return
    plain = {key: value for key, value in document.items() if key not in ("terms", "amendments", "stages")}
    tables.show_one(plain | document["terms"], as_json=False)
    _lists(document)


def _lists(document: dict[str, Any]) -> None:
    if document["amendments"]:
        columns = {name: name.replace("_", " ") for name in _SHOWN}
        tables.show("amendments", columns, document["amendments"], as_json=False)
    if document["stages"]:
        columns = {name: name.replace("_", " ") for name in document["stages"][0]}
        tables.show("stages", columns, document["stages"], as_json=False)


_SHOWN = (
    "number",
    "effective_from",
    "state",
    "allowance",
    "price",
    "years",
    "retroactive",
    "approved_by",
    "reason",
)


@app.command(
    epilog="Example: smsledger contract amend acme --from 2027-01-01 --price 0.036 --years 4 --reason '补充协议一'"
)
def amend(
    account: Account,
    effective_from: Annotated[str, typer.Option("--from", help="First day of the new terms, YYYY-MM-DD.")],
    reason: Reason,
    price: Annotated[str, typer.Option(help="Yuan for a segment beyond the allowance.")] = "",
    allowance: Annotated[int | None, typer.Option(help="Segments included in a calendar year.")] = None,
    years: Annotated[int | None, typer.Option(help="Term from the first day of the contract.")] = None,
    charge_on: Annotated[ChargeOn | None, typer.Option(help="When a segment is owed.")] = None,
    counting: Annotated[Counting | None, typer.Option(help="How segments are counted.")] = None,
    unknown_policy: Annotated[UnknownPolicy | None, typer.Option(help="Without any receipt.")] = None,
    partial_years: Annotated[
        PartialYears | None, typer.Option(help="First and last year's allowance.")
    ] = None,
    cap: Annotated[
        str, typer.Option(help="Most that a year's overage may cost, in yuan; none: no cap.")
    ] = "",
    alarms: Annotated[str, typer.Option(help="Percents of the allowance, for example 80,95,100.")] = "",
    dispute_days: Annotated[int | None, typer.Option(help="Days to dispute a statement.")] = None,
    notice_days: Annotated[int | None, typer.Option(help="Days of notice of an amendment.")] = None,
    fixed_fee: Annotated[str, typer.Option(help="The fixed fee in yuan.")] = "",
    stages: Annotated[str, typer.Option(help="How it is split, for example 5:4:1.")] = "",
    retroactive: Annotated[
        bool, typer.Option("--retroactive", help="It may begin in the past, inside issued statements.")
    ] = False,
    waive_notice: Annotated[
        bool, typer.Option("--waive-notice", help="Both sides waive the days of notice.")
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Propose new terms from a day on. They hold once two different people have approved."""
    first = day_of(effective_from)
    changes = _given(
        allowance_segments=allowance,
        overage_price_micros=micro_yuan(price) if price else None,
        term_years=years,
        charge_on=charge_on,
        counting=counting,
        unknown_policy=unknown_policy,
        partial_years=partial_years,
        alarm_percents=_numbers(alarms, ",") if alarms else None,
        dispute_days=dispute_days,
        notice_days=notice_days,
        fixed_fee_micros=micro_yuan(fixed_fee) if fixed_fee else None,
        stage_shares=_numbers(stages, ":") if stages else None,
    )
    if cap:
        changes["spending_cap_micros"] = None if cap == "none" else micro_yuan(cap)
    if not changes:
        raise BadInput("terms_invalid", "Say which terms change: --price, --allowance, --years, …")

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.books import contract_of
        from application.manage_amendments import propose_amendment

        terms = replace((await contract_of(platform.store, account)).terms_on(first), **changes)
        await propose_amendment(
            platform.store,
            account=account,
            effective_from=first,
            terms=terms,
            retroactive=retroactive,
            notice_waived=waive_notice,
            reason=reason,
            context=person(by),
        )
        return _amendment((await contract_of(platform.store, account)).amendments[-1])

    made = work(run)
    if as_json:
        tables.write_json(made)
        return
    said(f"account {account}: amendment {made['number']} is proposed; two people have to approve it")


@app.command(epilog="Example: smsledger contract approve acme 1 --by li")
def approve(account: Account, number: Number, by: By = "", as_json: AsJson = False) -> None:
    """Approve an amendment as one of two people; with the second it holds."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from application.apply_amendments import apply_amendments
        from application.books import contract_of
        from application.manage_amendments import approve_amendment

        context = person(by)
        await approve_amendment(platform.store, account=account, number=number, context=context)
        await apply_amendments(platform.store, account=account, context=context)
        return _amendment((await contract_of(platform.store, account)).amendments[number - 1])

    made = work(run)
    if as_json:
        tables.write_json(made)
        return
    said(
        f"account {account}: amendment {number} is {made['state']}, approved by {', '.join(made['approved_by'])}"
    )


@app.command(epilog="Example: smsledger contract withdraw acme 1 --reason 'too dear'")
def withdraw(account: Account, number: Number, reason: Reason, by: By = "") -> None:
    """Take back a proposal that is not agreed yet."""
    from application.manage_amendments import withdraw_amendment

    work(
        lambda made: withdraw_amendment(
            made.store, account=account, number=number, reason=reason, context=person(by)
        )
    )
    said(f"account {account}: amendment {number} is withdrawn")


@app.command(epilog="Example: smsledger contract invoice acme 1 --invoice INV-17 --due 2026-02-04")
def invoice(
    account: Account,
    stage: Stage,
    number: Annotated[str, typer.Option("--invoice", help="The invoice's number.")],
    due: Annotated[str, typer.Option(help="Day of payment, YYYY-MM-DD.")],
    by: By = "",
) -> None:
    """Note the invoice of a stage of the fixed fee."""
    from application.manage_contracts import invoice_stage

    due_on = day_of(due)
    done = work(
        lambda made: invoice_stage(
            made.store, account=account, stage=stage, invoice=number, due_on=due_on, context=person(by)
        )
    )
    said(f"account {account}: stage {stage} is invoiced" + ("" if done else " already"))


@app.command(epilog="Example: smsledger contract pay acme 1 --on 2026-01-29 --reference 'transfer 4711'")
def pay(
    account: Account,
    stage: Stage,
    reference: Annotated[str, typer.Option(help="What shows the payment.")],
    on: Annotated[str, typer.Option(help="YYYY-MM-DD or today.")] = "today",
    by: By = "",
) -> None:
    """Note the payment of a stage."""
    from application.manage_contracts import pay_stage

    paid_on = day_of(on)
    done = work(
        lambda made: pay_stage(
            made.store, account=account, stage=stage, paid_on=paid_on, reference=reference, context=person(by)
        )
    )
    said(f"account {account}: stage {stage} is paid" + ("" if done else " already"))


async def _document(platform: "Platform", account: str) -> dict[str, Any]:
    from application.books import contract_of
    from domain.aggregates import fee

    state = await contract_of(platform.store, account)
    today = local_day(await platform.store.now())
    return {
        "account": account,
        "name": state.name,
        "state": state_of(state, today),
        "signed_on": state.signed_on,
        "live_on": state.live_on,
        "term_ends_on": state.term_ends_on,
        "terms": _terms(state.terms_on(today)),
        "amendments": [_amendment(one) for one in state.amendments],
        "stages": [_stage(one) for one in fee.stages(state, today)],
    }


def _terms(terms: "Terms") -> dict[str, Any]:
    shown: dict[str, Any] = asdict(terms)
    cap = shown.pop("spending_cap_micros")
    return shown | {
        "overage_price_micros": tables.money(terms.overage_price_micros),
        "spending_cap_micros": None if cap is None else tables.money(cap),
        "fixed_fee_micros": tables.money(terms.fixed_fee_micros),
        "alarm_percents": list(terms.alarm_percents),
        "stage_shares": list(terms.stage_shares),
    }


def _amendment(one: "Amendment") -> dict[str, Any]:
    return {
        "number": one.number,
        "effective_from": one.effective_from,
        "state": one.state,
        "allowance": one.terms.allowance_segments,
        "price": tables.money(one.terms.overage_price_micros),
        "years": one.terms.term_years,
        "retroactive": one.retroactive,
        "notice_waived": one.notice_waived,
        "proposed_by": one.proposed_by,
        "approved_by": list(one.approved_by),
        "reason": one.reason,
        "terms": _terms(one.terms),
    }


def _stage(one: Any) -> dict[str, Any]:  # noqa: ANN401  (fee.Stage, loaded when it is needed)
    return {
        "stage": one.stage,
        "amount": tables.money(one.amount_micros),
        "falls_on": one.falls_on,
        "state": one.state,
        "invoice": one.invoice,
        "due_on": one.due_on,
        "paid_on": one.paid_on,
    }


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _numbers(text: str, separator: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(separator)]
    if not all(part.isascii() and part.isdecimal() and len(part) <= 6 for part in parts):
        raise BadInput("terms_invalid", f"Give whole numbers with {separator!r} between them.")
    return tuple(map(int, parts))
