"""`smsledger signature` and `smsledger template`: the texts that may be sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.aggregates.signature import Filing, FilingState
from domain.errors import BadInput
from domain.values import Carrier, Category

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform

signatures = typer.Typer(no_args_is_help=True, help="Signatures: the 【…】 before every text.")
templates = typer.Typer(no_args_is_help=True, help="Templates: reviewed texts with ${variables}.")

Account = Annotated[str, typer.Argument(help="The account.")]
Name = Annotated[str, typer.Argument(help="The signature without its brackets.")]
Code = Annotated[str, typer.Argument(help="The template's code, for example payment-due.")]


@signatures.command("add", epilog="Example: smsledger signature add acme 示例科技 --approve")
def add_signature(
    account: Account,
    name: Name,
    approve: Annotated[bool, typer.Option("--approve", help="Approve it at once.")] = False,
) -> None:
    """Draft a signature."""
    from application.manage_templates import approve_signature, draft_signature

    async def run(platform: "Platform") -> None:
        await draft_signature(platform.store, account=account, name=name, context=operator())
        if approve:
            await approve_signature(platform.store, account=account, name=name, context=operator())

    work(run)
    said(f"signature {name}: " + ("approved" if approve else "drafted; approve it before it is used"))


@signatures.command("approve", epilog="Example: smsledger signature approve acme 示例科技")
def approve_a_signature(account: Account, name: Name) -> None:
    """Allow its use."""
    from application.manage_templates import approve_signature

    work(lambda made: approve_signature(made.store, account=account, name=name, context=operator()))
    said(f"signature {name}: approved")


@signatures.command("retire", epilog="Example: smsledger signature retire acme 示例科技 --reason renamed")
def retire_a_signature(account: Account, name: Name, reason: Reason) -> None:
    """Forbid its use for good."""
    from application.manage_templates import retire_signature

    work(
        lambda made: retire_signature(
            made.store, account=account, name=name, reason=reason, context=operator()
        )
    )
    said(f"signature {name}: retired")


@signatures.command(
    "file",
    epilog="Examples: smsledger signature file acme 示例科技 --carrier mobile --state filed · "
    "smsledger signature file acme 示例科技 --carrier unicom --link unicom-1 --state rejected --reason 'no licence'",
)
def file_a_signature(
    account: Account,
    name: Name,
    carrier: Annotated[Carrier, typer.Option(help="With whom.")],
    state: Annotated[FilingState, typer.Option(help="Where it stands there.")],
    link: Annotated[str, typer.Option(help="Only over this link; else over every link of the carrier.")] = "",
    extension: Annotated[
        str, typer.Option(help="Digits behind the link's number under which it is filed.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why it was rejected.")] = "",
) -> None:
    """Note where a signature stands with a carrier."""
    from application.manage_templates import file_signature

    filing = Filing(carrier=carrier, link=link, state=state, extension=extension, reason=reason)
    done = work(
        lambda made: file_signature(made.store, account=account, name=name, filing=filing, context=operator())
    )
    where = f"with {carrier}" + (f" over {link}" if link else "")
    said(f"signature {name}: {state} {where}" if done else f"signature {name}: nothing changed")


@signatures.command("list", epilog="Example: smsledger signature list --account acme")
def list_signatures(
    account: Annotated[str, typer.Option(help="Only those of one account.")] = "", as_json: AsJson = False
) -> None:
    """All signatures and whether they may be used."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        rows = []
        for drafted in await platform.store.founded("signature.drafted"):
            owner, name = getattr(drafted.event, "account", ""), getattr(drafted.event, "name", "")
            found = await platform.directory.signature(owner, name)
            if found is not None and account in ("", owner):
                state = _state(approved=found.state.approved, retired=found.state.retired)
                filings = [_filing(each) for each in found.state.filings]
                rows.append({"account": owner, "signature": name, "state": state, "filings": filings})
        return rows

    columns = {name: name for name in ("account", "signature", "state", "filings")}
    tables.show("signatures", columns, work(run), as_json=as_json)


@templates.command(
    "add",
    epilog="Example: smsledger template add acme login-code --category otp --text '验证码${code}，5分钟内有效。'",
)
def add_template(
    account: Account,
    code: Code,
    category: Annotated[Category, typer.Option(help="What it is for: it decides lane and validity.")],
    text: Annotated[str, typer.Option(help="The text with ${name} for a variable.")] = "",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Read the text from a UTF-8 file.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Approve it at once.")] = False,
) -> None:
    """Draft a template."""
    from application.manage_templates import approve_template, draft_template

    if bool(text) == (file is not None):
        raise BadInput("template_text", "Give the text by --text or by --file.")
    body = text if file is None else file.read_text(encoding="utf-8").strip()

    async def run(platform: "Platform") -> None:
        await draft_template(
            platform.store, account=account, code=code, category=category, text=body, context=operator()
        )
        if approve:
            await approve_template(platform.store, account=account, code=code, context=operator())

    work(run)
    said(f"template {code}: " + ("approved" if approve else "drafted; approve it before it is sent"))


@templates.command("approve", epilog="Example: smsledger template approve acme login-code")
def approve_a_template(account: Account, code: Code) -> None:
    """Allow sending it."""
    from application.manage_templates import approve_template

    work(lambda made: approve_template(made.store, account=account, code=code, context=operator()))
    said(f"template {code}: approved")


@templates.command("retire", epilog="Example: smsledger template retire acme login-code --reason replaced")
def retire_a_template(account: Account, code: Code, reason: Reason) -> None:
    """Forbid sending it for good."""
    from application.manage_templates import retire_template

    work(
        lambda made: retire_template(
            made.store, account=account, code=code, reason=reason, context=operator()
        )
    )
    said(f"template {code}: retired")


@templates.command("list", epilog="Example: smsledger template list --account acme --json")
def list_templates(
    account: Annotated[str, typer.Option(help="Only those of one account.")] = "", as_json: AsJson = False
) -> None:
    """All templates and whether they may be sent."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for drafted in await platform.store.founded("template.drafted"):
            owner, code = getattr(drafted.event, "account", ""), getattr(drafted.event, "code", "")
            found = await platform.directory.template(owner, code)
            if found is not None and account in ("", owner):
                rows.append(
                    {
                        "account": owner,
                        "template": code,
                        "category": found.state.category,
                        "state": _state(approved=found.state.approved, retired=found.state.retired),
                        "variables": sorted(found.state.names),
                        "text": found.state.text,
                    }
                )
        return rows

    columns = {name: name for name in ("account", "template", "category", "state", "variables", "text")}
    tables.show("templates", columns, work(run), as_json=as_json)


def _filing(filing: Filing) -> str:
    """A filing in few characters: `mobile filed`, `unicom/unicom-1 rejected (no licence)`."""
    where = f"{filing.carrier}/{filing.link}" if filing.link else str(filing.carrier)
    more = filing.extension or (f"({filing.reason})" if filing.reason else "")
    return f"{where} {filing.state} {more}".rstrip()


def _state(*, approved: bool, retired: bool) -> str:
    if retired:
        return "retired"
    return "approved" if approved else "drafted"
