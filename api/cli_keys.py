"""`smsledger key`: API keys. A key is shown once, when it is issued."""

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.errors import BadInput
from domain.events.access import OF_ACCOUNTS, OF_THE_PLATFORM, KeyIssued, Scope

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="API keys of accounts.")
_USUAL = (Scope.SEND, Scope.READ, Scope.BILLING, Scope.STATISTICS)


@app.command(
    epilog="Examples: smsledger key issue acme --name shop --scope messages:send · "
    "smsledger key issue --platform --name finance"
)
def issue(
    name: Annotated[str, typer.Option(help="Who uses it, for the list.")],
    account: Annotated[str, typer.Argument(help="The account it speaks for.")] = "",
    platform: Annotated[
        bool, typer.Option("--platform", help="Of the platform's own people: names an account in each call.")
    ] = False,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; give it several times.")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Everything, unmasked too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Issue a key and show it, this once only. Without --scope: send, read, billing, statistics; or what a
    key of the platform may have."""
    from application.manage_access import issue_key

    if bool(account) is platform:
        raise BadInput("account_missing", "Name an account, or give --platform.", field="account")
    possible = OF_THE_PLATFORM if platform else OF_ACCOUNTS
    usual = sorted(OF_THE_PLATFORM) if platform else _USUAL
    scopes = tuple(sorted(possible)) if all_scopes else tuple(scope or usual)
    public, secret = new_key()
    token = work(
        lambda made: issue_key(
            made.store,
            account=account,
            name=name,
            scopes=scopes,
            public=public,
            secret=secret,
            context=operator(),
        )
    )
    if as_json:
        said("", as_json=True, key=public, account=account, scopes=scopes, token=token)
        return
    typer.echo(token)
    typer.echo(
        f"key {public} of {account or 'the platform'}: {', '.join(scopes)}. It is not shown again.", err=True
    )


def new_key() -> tuple[str, str]:
    """A random public part and a secret of 256 bits."""
    return secrets.token_hex(6), secrets.token_urlsafe(32)


@app.command(epilog="Example: smsledger key revoke 1f2e3d4c5b6a --reason 'left the company'")
def revoke(
    key: Annotated[str, typer.Argument(help="The public part, as `key list` shows it.")], reason: Reason
) -> None:
    """Close a key for good."""
    from application.manage_access import revoke_key

    done = work(lambda made: revoke_key(made.store, key=key, reason=reason, context=operator()))
    said(f"key {key}: revoked" + ("" if done else " already"))


@app.command("list", epilog="Example: smsledger key list --account acme")
def list_keys(
    account: Annotated[str, typer.Option(help="Only those of one account.")] = "", as_json: AsJson = False
) -> None:
    """All keys, without their secrets."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for issued in await platform.store.founded(KeyIssued.TOPIC):
            assert isinstance(issued.event, KeyIssued)
            found = await platform.directory.key(issued.event.key)
            if found is not None and account in ("", issued.event.account):
                rows.append(
                    {
                        "key": issued.event.key,
                        "account": issued.event.account,
                        "name": issued.event.name,
                        "issued": issued.at,
                        "state": "revoked" if found.state.revoked else "live",
                        "scopes": list(issued.event.scopes),
                    }
                )
        return rows

    columns = {name: name for name in ("key", "account", "name", "issued", "state", "scopes")}
    tables.show("keys", columns, work(run), as_json=as_json)
