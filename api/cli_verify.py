"""`smsledger verify`: proves every ledger, seal and statement from the log, and every read model."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_projections import verify_read_models
from api.cli_session import AsJson, read_settings
from domain.errors import NotFound

if TYPE_CHECKING:
    from infrastructure.prover import Proved
    from infrastructure.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was checked and what was found; nothing found is the proof."""

    events: int
    postings: int
    ledgers: list[dict[str, Any]]
    messages: int
    statements: int
    seals: int
    sealed_until: date | None
    """The last day that is sealed."""
    sealing_key: str
    """The id of the key of the newest seal: hold it against what you noted outside."""
    findings: list[dict[str, Any]]
    read_models: list[dict[str, Any]]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not any(row["differences"] for row in self.read_models)


def command(
    account: Annotated[str, typer.Option(help="Show only ledgers and findings of one account.")] = "",
    read_models: Annotated[
        bool, typer.Option("--read-models/--no-read-models", help="Also compare the read models.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Recompute every ledger from its events: density, totals, hash chain, the sum of the messages' debits.

    Prices, allowances and adjustments are held against what was agreed, issued statements against the ledgers,
    and the daily seals against the whole log. The read models are compared with the log as well.
    Exit code 1 where anything is wrong.
    """
    found = verify(read_settings(), account=account, read_models=read_models)
    if as_json:
        tables.write_json({**asdict(found), "clean": found.clean})
    else:
        show(found)
    if not found.clean:
        raise typer.Exit(1)


def verify(settings: "Settings", *, account: str = "", read_models: bool = True) -> Verified:
    """Read the whole log once and prove it; with `account` only what concerns it is told. Refuses not_found."""
    proved = _prove(settings)
    proof = proved.proof
    ledgers = [
        {
            "account": ledger.account,
            "year": str(ledger.year),
            "postings": ledger.version,
            "net": ledger.after.net,
            "overage": ledger.after.overage,
            "amount": tables.money(ledger.after.amount_micros),
            "chain": ledger.chain,
        }
        for ledger in proof.ledgers.values()
        if account in ("", ledger.account)
    ]
    if account and not ledgers:
        raise NotFound("not_found", f"There is no ledger of {account}.")
    return Verified(
        events=proof.events,
        postings=proof.postings,
        ledgers=ledgers,
        messages=proof.messages,
        statements=proof.statements.count,
        seals=proved.seals,
        sealed_until=proved.last_seal.day if proved.last_seal else None,
        sealing_key=proved.last_seal.key if proved.last_seal else "",
        findings=[
            asdict(found) for found in proved.findings if found.account in ("", account) or not account
        ],
        read_models=verify_read_models(settings) if read_models else [],
    )


def _prove(settings: "Settings") -> "Proved":
    from infrastructure.prover import prove

    with tables.progress_bar() as bar:
        task = bar.add_task("log", total=None)
        return prove(settings, reached=lambda position: bar.update(task, completed=position))


def show(found: Verified) -> None:
    """The proof for people: what was checked, what is wrong, and one last line."""
    out = tables.console()
    columns = {
        "account": "account",
        "year": "year",
        "postings": "postings",
        "net": "segments",
        "overage": "overage",
        "amount": "amount",
        "chain": "hash of the last posting",
    }
    if found.ledgers:
        out.print(tables.table(columns, found.ledgers))
    wrong = [{**row, "year": str(row["year"])} for row in found.findings]
    if wrong:
        out.print(
            tables.table({name: name for name in ("code", "account", "year", "posting", "detail")}, wrong)
        )
    for row in found.read_models:
        out.print(f"read model {row['name']}: " + ("; ".join(row["differences"]) or "equal to the log"))
    checked = (
        f"{found.events:,} events, {found.postings:,} postings of {len(found.ledgers)} ledgers, "
        f"{found.messages:,} messages, {found.statements:,} statements, {found.seals:,} daily seals, "
        f"{len(found.read_models)} read models"
    )
    verdict = "[green]everything agrees[/]" if found.clean else "[red]something is wrong, see above[/]"
    out.print(f"verified {checked}: {verdict}")
