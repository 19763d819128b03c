"""The command line. `main` turns what is refused and what is missing into one clear line and an exit code.

Commands import what they need when they run: `--help` answers at once.
"""

import sys
from typing import Annotated

import typer

from api import (
    cli_accounts,
    cli_adjustments,
    cli_contracts,
    cli_export,
    cli_keys,
    cli_ledger,
    cli_links,
    cli_message_route,
    cli_messages,
    cli_numbers,
    cli_processes,
    cli_projections,
    cli_reconcile,
    cli_replies,
    cli_routes,
    cli_seal,
    cli_send,
    cli_shadow,
    cli_simulator,
    cli_statements,
    cli_texts,
    cli_verify,
    cli_what_if,
)
from api.cli_faults import explain
from domain.errors import Refusal

WRONG = 1
"""Exit code: it did not work, or a proof found something."""
REFUSED = 2
"""Exit code: refused; what was asked for is wrong and would be wrong again."""

app = typer.Typer(
    name="smsledger",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Send text messages through the carriers, and prove every bill.",
    epilog="Begin with `smsledger up --with-simulator`. All settings: docs/operations.md.",
)

_PROCESSES = "Processes"
for _command in (
    cli_processes.up,
    cli_processes.api,
    cli_processes.worker,
    cli_processes.dispatcher,
    cli_processes.projector,
    cli_processes.scheduler,
    cli_simulator.simulator,
    cli_processes.migrate,
):
    app.command(rich_help_panel=_PROCESSES)(_command)

_SENDING = "Sending"
app.command(
    "send",
    rich_help_panel=_SENDING,
    epilog="Examples: smsledger send --to 13800138000 --signature 示例科技 --text '您的订单已发货。' · "
    "smsledger send --file recipients.csv --signature 示例科技 --template payment-due",
)(cli_send.command)
cli_messages.app.command("route", epilog="Example: smsledger message route 0e9b1c2d-… --json")(
    cli_message_route.route
)
app.add_typer(cli_messages.app, name="message", rich_help_panel=_SENDING)
app.add_typer(cli_replies.app, name="replies", rich_help_panel=_SENDING)

_AGREED = "What was agreed and configured"
app.add_typer(cli_accounts.app, name="account", rich_help_panel=_AGREED)
app.add_typer(cli_contracts.app, name="contract", rich_help_panel=_AGREED)
app.add_typer(cli_texts.signatures, name="signature", rich_help_panel=_AGREED)
app.add_typer(cli_texts.templates, name="template", rich_help_panel=_AGREED)
app.add_typer(cli_keys.app, name="key", rich_help_panel=_AGREED)
app.add_typer(cli_links.app, name="link", rich_help_panel=_AGREED)
cli_routes.app.command(
    "shadow", epilog="Example: smsledger route shadow --table changed.json --since 24h --json"
)(cli_shadow.shadow)
app.add_typer(cli_routes.app, name="route", rich_help_panel=_AGREED)
app.add_typer(cli_numbers.app, name="numbers", rich_help_panel=_AGREED)

_PROOF = "Bills and proof"
cli_ledger.ledger.command(
    "export",
    epilog="Examples: smsledger ledger export acme 2026 --out acme.jsonl · "
    "smsledger ledger export acme 2026 --format beancount",
)(cli_export.export)
app.add_typer(cli_ledger.ledger, name="ledger", rich_help_panel=_PROOF)
app.add_typer(cli_ledger.quota, name="quota", rich_help_panel=_PROOF)
app.add_typer(cli_adjustments.app, name="adjustment", rich_help_panel=_PROOF)
app.add_typer(cli_statements.app, name="statement", rich_help_panel=_PROOF)
app.add_typer(cli_reconcile.app, name="reconcile", rich_help_panel=_PROOF)
app.command(
    "verify", rich_help_panel=_PROOF, epilog="Example: smsledger verify --json; exit code 1 on findings"
)(cli_verify.command)
app.add_typer(cli_seal.app, name="seal", rich_help_panel=_PROOF)
app.command(
    "what-if",
    rich_help_panel=_PROOF,
    epilog="Example: smsledger what-if --terms new.toml --account acme --year 2026",
)(cli_what_if.command)
app.add_typer(cli_projections.app, name="projections", rich_help_panel=_PROOF)


@app.command("demo", rich_help_panel=_PROCESSES, epilog="Example: smsledger demo --messages 5000 --keep")
def demo(
    messages: Annotated[
        int | None, typer.Option(help="Rows to send; the sample file as it is by default.", min=1)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="What the simulated carriers do follows from it.")] = 1,
) -> None:
    """The whole platform with simulated carriers: a file is sent, receipted and billed, and the bill is proved."""
    from api.demo import run

    run(messages=messages, keep=keep, seed=seed)


@app.callback()
def root(tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False) -> None:
    """Send text messages through the carriers, and prove every bill."""
    if tied:
        from infrastructure.tether import end_with_parent

        end_with_parent()


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 it did not work or a proof found something, 2 refused."""
    try:
        app(prog_name="smsledger")
    except Refusal as refusal:
        _end(f"{refusal.code}: {refusal.detail}", REFUSED)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        _end(sentence, WRONG)


def _end(sentence: str, code: int) -> None:
    typer.echo(sentence, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
