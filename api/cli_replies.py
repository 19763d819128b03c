"""`smsledger replies`: what phones wrote back, those of nobody included."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, operator, work
from domain.errors import BadInput

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform
    from projections.replies import ReplyLine

app = typer.Typer(no_args_is_help=True, help="Replies: what phones wrote back.")
_COLUMNS = (
    "received_at",
    "account",
    "link",
    "number",
    "asked",
    "matched_by",
    "keyword",
    "part",
    "parts",
    "id",
)


@app.command(
    "list",
    epilog="Examples: smsledger replies list --account acme · smsledger replies list --nobody --unmasked "
    "--reason 'whose number is 106900019?'",
)
def list_replies(
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    nobody: Annotated[bool, typer.Option("--nobody", help="Only those whose account is not known.")] = False,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=500)] = 50,
    cursor: Annotated[str, typer.Option(help="`next_cursor` of the page before.")] = "",
    unmasked: Annotated[
        bool,
        typer.Option(
            "--unmasked", help="With numbers and texts; needs an account or --nobody, and a reason."
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why numbers and texts are looked at; recorded for ever.")] = "",
    as_json: AsJson = False,
) -> None:
    """Replies, newest first; a long one of which parts are missing shows as its parts."""
    if account and nobody:
        raise BadInput("account_or_nobody", "Say either --account or --nobody.")
    if unmasked and not (account or nobody):
        raise BadInput("account_or_nobody", "Numbers and texts are shown of one --account, or with --nobody.")
    whose = account if account or nobody else None
    found = work(
        lambda made: _page(made, whose, limit=limit, cursor=cursor, reason=reason if unmasked else None)
    )
    if as_json:
        tables.write_json(found)
        return
    columns = (*_COLUMNS, "phone", "text") if unmasked else _COLUMNS
    tables.show("replies", {name: name for name in columns}, found["replies"], as_json=False)
    if found["next_cursor"]:
        typer.echo(f"more: --cursor {found['next_cursor']}")


async def _page(
    platform: "Platform", account: str | None, *, limit: int, cursor: str, reason: str | None
) -> dict[str, Any]:
    """A page of replies; with numbers and texts where there is a reason, which is recorded first."""
    from api.read_side import read_as_of
    from api.replies import words_of
    from application.look_up_history import record_look, require_reason
    from projections import replies

    why = None if reason is None else require_reason(reason)
    wanted = replies.ReplyFilter(account=account)
    try:
        page, _ = await read_as_of(
            platform,
            replies.PROJECTION.name,
            lambda rows: replies.page(rows, wanted, after=cursor, limit=limit),
        )
    except replies.CursorInvalid:
        raise BadInput(
            "invalid_cursor", "This is no cursor of the list of replies.", field="cursor"
        ) from None
    lines = [_row(line) for line in page.replies]
    if why is not None and account is not None:
        words = await words_of(platform, page.replies, unmasked=True)
        await record_look(
            platform.store,
            platform.vault,
            account=account,
            key="",
            phone="",
            why=why,
            hits=len(words),
            unmasked=True,
            context=operator(),
        )
        lines = [
            line | {"phone": one.phone, "text": one.text, "octets": one.octets}
            for line, one in zip(lines, words, strict=True)
        ]
    return {"replies": lines, "next_cursor": page.next_cursor}


def _row(line: "ReplyLine") -> dict[str, Any]:
    hidden = {"sealed_id", "sealed_day", "sealed_digest"}
    return {name: value for name, value in line._asdict().items() if name not in hidden}
